/* Which sites have their certificates by ACME, and what is told of those that cannot. */
#include <stdio.h>

#include "app/settings.h"
#include "app/settings_acme.h"
#include "os/socket.h"

bool settings_site_has_acme(const struct settings *settings, const struct settings_site *site,
                            const char **ret_name, const char **ret_why)
{
    if (settings->acme.mode != ACME_MODE_ON || site->certificate.count ||
        settings->listen.https.count == 0)
        return false;
    for (size_t i = 0; i < site->names.count; i++) {
        const char *why = NULL;
        *ret_name = site->names.items[i];
        if (!settings->acme.ca_file && !acme_name_is_public(span_str(*ret_name), &why)) {
            *ret_why = why;
            return false;
        }
        /* A private CA may certify what names it likes, but not those of every machine. */
        if (settings_name_is_local(*ret_name)) {
            *ret_why = "it is local to each machine, or an IP address";
            return false;
        }
        if (span_starts(span_str(*ret_name), SPAN("*."))) {
            *ret_why = "wildcards are validated by dns-01, which gardien does not do";
            return false;
        }
    }
    *ret_name = NULL;
    return true;
}

/* http-01 is asked for at port 80; with a CA of one's own it may be another. */
static bool listens_on_80(const struct settings *settings)
{
    for (size_t i = 0; i < settings->listen.http.count; i++) {
        const char *address = settings->listen.http.items[i];
        const char *colon = strrchr(address, ':');
        if (strcmp(colon ? colon + 1 : address, "80") == 0)
            return true;
    }
    return false;
}

void settings_check_acme(const struct config_tree *tree, const struct settings *settings,
                         struct diags *diags)
{
    size_t served = 0, without = 0, first = 0;
    const char *name = NULL, *why = NULL, *first_name = NULL, *first_why = NULL;
    char path[64];

    if (settings->acme.mode != ACME_MODE_ON)
        return;
    if (!settings->acme.eab.kid != !settings->acme.eab.secret)
        config_complain(tree, diags, "acme.eab", "kid and secret go together");
    for (size_t i = 0; i < settings->sites.count; i++) {
        const struct settings_site *site = &settings_sites(settings)[i];
        if (settings_site_has_acme(settings, site, &name, &why)) {
            served++;
        } else if (site->certificate.count == 0 && without++ == 0) {
            first = i;
            first_name = name;
            first_why = why;
        }
    }
    if (without && first_name) {
        snprintf(path, sizeof path, "sites[%zu].names", first);
        struct diag *diag = diags_warning(
            diags, config_complain(tree, diags, path,
                                   "%zu site%s without `certificate` keep%s the local CA's: of "
                                   "\"%s\" no certificate can be ordered: %s",
                                   without, without == 1 ? "" : "s", without == 1 ? "s" : "",
                                   first_name, first_why));
        diag_hint(diag, "give such names a site of their own, so that the others get theirs");
    }
    if (served && !settings->acme.ca_file && !listens_on_80(settings)) {
        struct diag *diag = diags_warning(
            diags, config_complain(tree, diags, "listen.http",
                                   "certificate authorities validate names at port 80, where "
                                   "nothing listens"));
        diag_hint(diag, "add \":80\" to `http` of `listen`, or forward port 80 to it");
    }
}
