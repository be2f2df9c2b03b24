/* Helpers for the facts, which each system gathers in a file of its own: facts_linux.c,
 * facts_posix.c, facts_windows.c. */
#include "firewall/plan/facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/mem.h"

enum { FILE_MAX = 1024 * 1024 };

char *firewall_facts_file(const struct firewall_facts *facts, const char *path)
{
    scoped(mem_release) char *full = mem_format("%s%s", facts->root ? facts->root : "", path);
    struct buffer text = buffer_make(FILE_MAX);
    struct stat st;
    char bytes[4096];
    size_t n;
    /* Only a file is opened: a pipe would be waited for. */
    FILE *file = stat(full, &st) == 0 && S_ISREG(st.st_mode) ? fopen(full, "rb") : NULL;
    bool whole = file != NULL;

    while (whole && (n = fread(bytes, 1, sizeof bytes, file)) > 0)
        whole = buffer_append(&text, bytes, n) >= 0;
    whole = whole && !ferror(file);
    if (file)
        fclose(file);
    char *result = whole ? mem_string(buffer_span(&text)) : NULL;
    buffer_finish(&text);
    return result;
}

void firewall_facts_finish(struct firewall_facts *facts)
{
    for (int flavour = 0; flavour < IPTABLES_FLAVOURS; flavour++)
        for (int version = 0; version < 2; version++) {
            struct iptables_tables *xt = &facts->xt[flavour][version];
            free(xt->filter);
            free(xt->nat);
            free(xt->mangle);
            free(xt->raw);
            free(xt->security);
        }
    json_decref(facts->done);
    json_decref(facts->firewalld);
    json_decref(facts->ruleset);
    free(facts->ruleset_text);
    free(facts->host.addresses);
    policy_finish(&facts->policy);
    pf_finish(&facts->pf);
    free(facts->root);
    *facts = (struct firewall_facts){0};
}

static bool is(const json_t *object, const char *key, const char *wanted)
{
    const char *value = json_string_value(json_object_get(object, key));

    return !wanted || (value && strcmp(value, wanted) == 0);
}

bool firewall_facts_has_table(const struct firewall_facts *facts, const char *family,
                              const char *name)
{
    size_t i;
    json_t *item;

    json_array_foreach(facts->ruleset, i, item)
    {
        const json_t *table = json_object_get(item, "table");
        if (table && is(table, "family", family) && is(table, "name", name))
            return true;
    }
    return false;
}

bool firewall_facts_has_chain(const struct firewall_facts *facts, const char *family,
                              const char *table, const char *name)
{
    size_t i;
    json_t *item;

    json_array_foreach(facts->ruleset, i, item)
    {
        const json_t *chain = json_object_get(item, "chain");
        if (chain && is(chain, "family", family) && is(chain, "table", table) &&
            is(chain, "name", name))
            return true;
    }
    return false;
}

bool firewall_facts_has_firewalld(const struct firewall_facts *facts, enum iptables_flavour flavour)
{
    for (int version = 0; version < 2; version++) {
        const char *filter = facts->xt[flavour][version].filter;
        /* Its chains' names up to version 1.3, and from 2 on. */
        if (facts->firewalld_on_bus && filter &&
            (strstr(filter, "-N INPUT_ZONES\n") || strstr(filter, "-N INPUT_POLICIES\n")))
            return true;
    }
    return false;
}
