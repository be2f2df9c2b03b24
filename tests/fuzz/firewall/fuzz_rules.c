/* Rules of this machine as the planners read them: the first byte chooses `iptables -S` of either
 * IP version or the JSON of nft. Whatever they hold, planning ends, and each step of a plan says
 * why it is there and what a person would type. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "firewall/firewall.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_step *step = &plan->items[i];
        if (!step->reason || !step->typed || step->action.kind == PLAN_NOTHING)
            abort();
        if (step->action.kind == PLAN_COMMAND && !step->action.argv[0])
            abort();
    }
}

static void plan_with(const struct manager *manager, const struct firewall_facts *facts)
{
    struct firewall_request request = {
        .ports = {.items = {{443, PORT_TCP}, {443, PORT_UDP}}, .count = 2}};
    struct detection state;

    for (int i = 0; i < 4; i++) {
        struct plan plan = {0};
        struct diags diags = {0};
        request.force = i == 3;
        int r = i < 2 ? manager->plan_open(facts, &request, &plan, &diags)
                      : manager->plan_close(facts, &request, &plan, &diags);
        if (r >= 0)
            check(&plan);
        plan_finish(&plan);
        diags_finish(&diags);
        request.interface = i == 0 ? "eth0" : NULL;
    }
    manager->detect(facts, &state);
    free(state.sentence);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct firewall_facts facts = {.here = true,
                                   .privileged = true,
                                   .root = mem_string(SPAN("/nonexistent")),
                                   .has_nft = true,
                                   .has_iptables = true,
                                   .has_iptables_legacy = true};
    char *text = mem_string(span_of((const char *)data + 1, size - 1));
    if (data[0] == 'j') {
        facts.ruleset = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        free(text);
        if (!json_is_array(facts.ruleset)) { /* firewall_facts_take() hands on nothing else */
            json_decref(facts.ruleset);
            facts.ruleset = NULL;
        }
        plan_with(&manager_nftables, &facts);
    } else {
        bool legacy = data[0] & 1, ipv6 = data[0] & 2;
        if (data[0] & 4)
            facts.xt[legacy][ipv6].nat = text;
        else
            facts.xt[legacy][ipv6].filter = text;
        plan_with(legacy ? &manager_iptables_legacy : &manager_iptables_nft, &facts);
    }
    firewall_facts_finish(&facts);
    return 0;
}
