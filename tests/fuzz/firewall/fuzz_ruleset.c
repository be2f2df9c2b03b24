/* Saved rulesets: whatever the JSON is, it is refused with a reason, or it can be shown and a
 * packet sent through it, which ends with one verdict. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>

#include "firewall/firewall.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool fine)
{
    if (!fine)
        abort();
}

static void look_at(const struct ruleset *ruleset)
{
    size_t rules = 0;

    for (const struct ruleset_chain *chain = ruleset->chains; chain; chain = chain->next) {
        need(chain->table && chain->name);
        need(ruleset_chain_find(ruleset, chain->table, chain->name) != NULL);
        for (const struct ruleset_rule *rule = chain->rules; rule; rule = rule->next) {
            char *text = ruleset_rule_text(rule);
            need(strlen(text) <= 4096);
            free(text);
            rules++;
        }
    }
    need(rules == ruleset->rule_count);
}

static void send_through(const struct ruleset *ruleset, int family, int protocol, bool known)
{
    struct simulate_address own = {
        .family = family, .address = {10, 99, 0, 1}, .interface = "eth0"};
    struct simulate_host host = {.addresses = &own, .count = 1, .forwards_ipv4 = true};
    struct firewall_probe probe = {
        .family = family,
        .protocol = protocol,
        .source = {10, 99, 0, 2},
        .destination = {10, 99, 0, 1},
        .source_port = known ? 40000 : 0,
        .port = 443,
        .interface = "eth0",
    };
    struct firewall_path path;

    probe.interface[0] = known ? 'e' : '\0';
    firewall_path_init(&path, &probe);
    simulate(ruleset, known ? &host : NULL, &path);
    need(path.reason != NULL && path.witness == FIREWALL_BY_SIMULATOR);
    need(path.culprit == FIREWALL_NO_CULPRIT || path.culprit < path.count);
    if (path.verdict == FIREWALL_DROPPED || path.verdict == FIREWALL_REJECTED)
        need(path.culprit < path.count);
    json_decref(firewall_path_json(&path));
    firewall_path_finish(&path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ruleset *ruleset;
    char *why = NULL;

    if (ruleset_parse(span_of((const char *)data, size), &ruleset, &why) < 0) {
        need(why && *why);
        free(why);
        return 0;
    }
    look_at(ruleset);
    send_through(ruleset, AF_INET, IPPROTO_TCP, true);
    send_through(ruleset, AF_INET6, IPPROTO_UDP, false);
    ruleset_destroy(ruleset);
    return 0;
}
