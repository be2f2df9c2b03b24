/* Where each site's certificate is from, when it is renewed, what failed last; orders by hand. */
#include "app/control_certificates.h"

#include <string.h>
#include <strings.h>

#include "app/acme_site.h"
#include "app/diag_json.h"
#include "app/guardian_state.h"
#include "base/error.h"
#include "base/mem.h"

enum { FAILED_TOLD = 20 }; /* sites in the status */

static const struct {
    const char *verb;
    enum acme_job job;
} jobs[] = {
    {"certificate order", ACME_JOB_ORDER},
    {"certificate try", ACME_JOB_TRY},
    {"certificate revoke", ACME_JOB_REVOKE},
};

bool control_certificates_knows(const char *verb)
{
    for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
        if (strcmp(verb, jobs[i].verb) == 0)
            return true;
    return strcmp(verb, "certificates") == 0;
}

/* ---- what is known ---- */

static const char *step_text(int step)
{
    static const char *const texts[] = {
        [ACME_STEP_ACCOUNT] = "asking the certificate authority",
        [ACME_STEP_ORDER] = "ordering",
        [ACME_STEP_CHALLENGE] = "waiting for validation",
        [ACME_STEP_VALIDATED] = "a name is validated",
        [ACME_STEP_FINALIZE] = "requesting the certificate",
        [ACME_STEP_DOWNLOAD] = "fetching the certificate",
    };

    return step >= 0 && (size_t)step < ARRAY_SIZE(texts) ? texts[step] : NULL;
}

static void set_date(json_t *object, const char *key, nsec_t at)
{
    char date[CERT_DATE_TEXT];

    if (at)
        json_object_set_new(object, key, json_string(cert_date_text(at, date)));
}

static json_t *acme_json(const struct guardian *g, const struct acme_site *site)
{
    const struct acme_record *record = &site->record;
    const struct acme_settings *settings = &g->live->prepared.settings->acme;
    const char *state = site->pid ? "working" : site->asked || site->account ? "queued" : "waiting";
    json_t *object =
        json_pack("{s:s, s:s, s:i, s:I, s:s*, s:s*, s:s*}", "directory",
                  acme_directory_url(settings->directory), "state", state, "failures",
                  (int)record->failures, "rounds", (json_int_t)site->rounds, "outcome",
                  site->outcome, "step", step_text(site->step), "last_error", record->last_error);

    if (site->life.not_after)
        set_date(object, "renew_at", record->renew_at);
    if (record->failures)
        set_date(object, "retry_at", record->retry_at);
    return object;
}

static json_t *certificate_json(const struct guardian *g, size_t at, size_t c)
{
    const struct prepared_site *prepared = &g->live->prepared.sites[at];
    const struct settings_site *site = &settings_sites(g->live->prepared.settings)[at];
    const struct settings_certificate *files = site->certificate.items;
    const char *name = site->names.items[0];
    const char *from = !prepared->certificates[c].key_path ? "local"
                       : site->certificate.count           ? "file"
                                                           : "acme";

    if (c < site->certificate.count)
        return json_pack("{s:s, s:s}", "from", from, "chain", files[c].file);
    scoped(mem_release) char *place = strcmp(from, "acme") == 0
                                          ? acme_store_path(name, "chain.pem")
                                          : cert_local_path(name, CERT_LOCAL_CHAIN);
    scoped(mem_release) char *path = mem_format("%s/%s", g->state, place);
    return json_pack("{s:s, s:s}", "from", from, "chain", path);
}

static json_t *site_json(struct guardian *g, size_t at)
{
    const struct prepared_site *prepared = &g->live->prepared.sites[at];
    const struct settings_site *site = &settings_sites(g->live->prepared.settings)[at];
    const struct acme_site *acme = acme_site_find(g, site->names.items[0]);
    json_t *names = json_array(), *certificates = json_array();

    for (size_t i = 0; i < site->names.count; i++)
        json_array_append_new(names, json_string(site->names.items[i]));
    for (size_t c = 0; c < prepared->count; c++)
        json_array_append_new(certificates, certificate_json(g, at, c));
    json_t *object = json_pack("{s:s, s:o, s:o}", "name", site->names.items[0], "names", names,
                               "certificates", certificates);
    if (acme)
        json_object_set_new(object, "acme", acme_json(g, acme));
    return object;
}

/* ---- which sites ---- */

static bool has_name(const struct settings_site *site, const char *name)
{
    for (size_t i = 0; i < site->names.count; i++)
        if (strcasecmp(site->names.items[i], name) == 0)
            return true;
    return false;
}

static bool is_meant(const struct settings_site *site, const json_t *names)
{
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (name && has_name(site, name))
            return true;
    }
    return json_array_size(names) == 0;
}

static json_t *list(struct guardian *g, const json_t *names)
{
    json_t *sites = json_array();

    for (size_t i = 0; i < g->live->prepared.site_count; i++)
        if (is_meant(&settings_sites(g->live->prepared.settings)[i], names))
            json_array_append_new(sites, site_json(g, i));
    return json_pack("{s:b, s:o}", "ok", 1, "sites", sites);
}

json_t *control_certificates_summary(struct guardian *g)
{
    json_t *failed = json_array();
    size_t count = 0, by_acme = 0, without = 0;

    list_for_each (site, spare, &g->acme.sites, struct acme_site, link) {
        by_acme++;
        without += site->life.not_after == 0;
        if (site->record.failures == 0 || count++ >= FAILED_TOLD)
            continue;
        json_t *told = acme_json(g, site);
        json_object_set_new(told, "name", json_string(site->name));
        json_array_append_new(failed, told);
    }
    return json_pack("{s:I, s:I, s:I, s:I, s:o}", "sites", (json_int_t)g->live->prepared.site_count,
                     "acme", (json_int_t)by_acme, "acme_missing", (json_int_t)without,
                     "acme_failures", (json_int_t)count, "failed", failed);
}

/* ---- by hand ---- */

/* Why a site has no orders, with what to do about it. @return whether it has */
static bool explain(const struct settings *settings, const struct settings_site *site,
                    struct diags *diags)
{
    const char *main_name = site->names.items[0], *name = NULL, *why = NULL;

    if (settings_site_has_acme(settings, site, &name, &why))
        return true;
    if (site->certificate.count)
        diag_hint(diags_add(diags, "%s has a certificate of its own in the settings", main_name),
                  "put a new one at %s, or take out `certificate` for one by ACME",
                  ((const struct settings_certificate *)site->certificate.items)[0].file);
    else if (settings->acme.mode != ACME_MODE_ON)
        diag_hint(diags_add(diags, "the settings order no certificates: acme is off"),
                  "add to the settings: acme: {mode: on}, then: gardien reload");
    else
        diag_hint(diags_add(diags, "no certificate can be ordered for %s: %s",
                            name ? name : main_name, why ? why : "nothing serves HTTPS"),
                  "gardien cert local %s makes one of the local CA", main_name);
    return false;
}

/* The site of a name, ready for orders. @return NULL with a diag */
static struct acme_site *find_ordering(struct guardian *g, const char *name, struct diags *diags)
{
    const struct settings *settings = g->live->prepared.settings;

    for (size_t i = 0; i < settings->sites.count; i++) {
        const struct settings_site *site = &settings_sites(settings)[i];
        if (!has_name(site, name))
            continue;
        struct acme_site *acme =
            explain(settings, site, diags) ? acme_site_find(g, site->names.items[0]) : NULL;
        if (!acme && diags->errors == 0)
            diags_add(diags, "the settings are being read; ask again");
        return acme;
    }
    diag_hint(diags_add(diags, "no site has the name %s", name),
              "add it to `names` of a site in the settings, then: gardien reload");
    return NULL;
}

static void begin(struct acme_site *site, enum acme_job job, const json_t *request)
{
    site->reason = (int)json_integer_value(json_object_get(request, "reason"));
    acme_site_ask(site, job);
}

/* All or none: a name that is wrong begins nothing. */
static int begin_all(struct guardian *g, enum acme_job job, const json_t *request,
                     struct diags *diags)
{
    const json_t *names = json_object_get(request, "names");

    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < json_array_size(names); i++) {
            const char *name = json_string_value(json_array_get(names, i));
            struct acme_site *site = find_ordering(g, name ? name : "", diags);
            if (site && job == ACME_JOB_REVOKE && !site->life.not_after)
                diags_add(diags, "%s has no certificate by ACME yet", site->name);
            if (diags->errors)
                return ERR_SETTINGS;
            if (pass == 1)
                begin(site, job, request);
        }
    if (json_array_size(names) == 0) {
        diags_add(diags, "name at least one site");
        return ERR_SETTINGS;
    }
    return 0;
}

void control_certificates_ask(struct guardian *g, struct control_client *client,
                              const json_t *request)
{
    const char *verb = json_string_value(json_object_get(request, "do"));
    struct diags diags = {0};
    json_t *answer = list(g, json_object_get(request, "names"));

    for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
        if (strcmp(verb, jobs[i].verb) != 0 || begin_all(g, jobs[i].job, request, &diags) == 0)
            continue;
        json_decref(answer);
        answer = json_pack("{s:b, s:o}", "ok", 0, "diags", diags_to_json(&diags));
    }
    diags_finish(&diags);
    control_answer(client, answer);
}
