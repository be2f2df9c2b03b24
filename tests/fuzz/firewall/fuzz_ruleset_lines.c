/* Saved rulesets as text: whatever the bytes are, reading what JSON leaves out ends, keeps to the
 * ruleset's memory, and leaves no extension that nftables would refuse. */
#include <stdint.h>
#include <stdlib.h>

#include "firewall/model/ruleset_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char rules[] =
    "{\"nftables\": [{\"table\": {\"family\": \"netdev\", \"name\": \"t\"}},"
    "{\"chain\": {\"family\": \"netdev\", \"table\": \"t\", \"name\": \"c\", \"type\": \"filter\","
    "\"hook\": \"ingress\", \"prio\": 0, \"policy\": \"accept\"}},"
    "{\"rule\": {\"family\": \"netdev\", \"table\": \"t\", \"chain\": \"c\", \"handle\": 7,"
    "\"expr\": [{\"accept\": null}]}},"
    "{\"rule\": {\"family\": \"netdev\", \"table\": \"t\", \"chain\": \"c\", \"handle\": 8,"
    "\"expr\": [{\"drop\": null}]}}]}";

static void need(bool fine)
{
    if (!fine)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* a file with a NUL in it is refused before */
    struct span text = span_of((const char *)data, strnlen((const char *)data, size));
    struct ruleset *ruleset;
    char *why;

    need(ruleset_parse(span_of(rules, sizeof rules - 1), &ruleset, &why) == 0);
    ruleset_take_handles(ruleset, text);
    ruleset_take_devices(ruleset, text);
    for (const struct ruleset_rule *rule = ruleset->chains->rules; rule; rule = rule->next)
        need((rule->handle != 0) == ruleset->handles_known);
    for (size_t i = 0; i < ruleset->chains->device_count; i++)
        need(ruleset->chains->devices[i][0] != '\0');
    ruleset_destroy(ruleset);

    char *once = ruleset_replace_extensions(text);
    char *twice = ruleset_replace_extensions(span_str(once));
    need(strcmp(once, twice) == 0);
    free(once);
    free(twice);
    once = ruleset_without_owners(text);
    twice = ruleset_without_owners(span_str(once));
    need(strcmp(once, twice) == 0 && strlen(once) <= text.len + 1);
    free(once);
    free(twice);
    return 0;
}
