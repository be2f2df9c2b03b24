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

static void plan_with(const struct manager *manager, const struct look *look)
{
    struct wish wish = {.ports = {.items = {{443, PORT_TCP}, {443, PORT_UDP}}, .count = 2}};
    struct sight sight;

    for (int i = 0; i < 4; i++) {
        struct plan plan = {0};
        struct diags diags = {0};
        wish.force = i == 3;
        int r = i < 2 ? manager->plan_open(look, &wish, &plan, &diags)
                      : manager->plan_close(look, &wish, &plan, &diags);
        if (r >= 0)
            check(&plan);
        plan_finish(&plan);
        diags_finish(&diags);
        wish.interface = i == 0 ? "eth0" : NULL;
    }
    manager->detect(look, &sight);
    free(sight.sentence);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct look look = {.here = true,
                        .privileged = true,
                        .root = mem_string(SPAN("/nonexistent")),
                        .has_nft = true,
                        .has_iptables = true,
                        .has_iptables_legacy = true};
    char *text = mem_string(span_of((const char *)data + 1, size - 1));
    if (data[0] == 'j') {
        look.ruleset = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        free(text);
        if (!json_is_array(look.ruleset)) { /* look_take() hands on nothing else */
            json_decref(look.ruleset);
            look.ruleset = NULL;
        }
        plan_with(&manager_nftables, &look);
    } else {
        bool legacy = data[0] & 1, ipv6 = data[0] & 2;
        if (data[0] & 4)
            look.xt[legacy][ipv6].nat = text;
        else
            look.xt[legacy][ipv6].filter = text;
        plan_with(legacy ? &manager_iptables_legacy : &manager_iptables_nft, &look);
    }
    look_finish(&look);
    return 0;
}
