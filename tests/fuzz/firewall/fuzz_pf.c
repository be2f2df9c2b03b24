/* The file of pf's rules, whoever edited it: opening twice is opening once, lines of others stay,
 * and closing leaves no rule of ours. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "firewall/firewall.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *plan_text(const struct firewall_facts *facts, const struct firewall_request *request,
                       bool opens)
{
    struct plan plan = {0};
    struct diags diags = {0};
    char *text = NULL;
    int r = opens ? manager_pf.plan_open(facts, request, &plan, &diags)
                  : manager_pf.plan_close(facts, request, &plan, &diags);

    if (r < 0)
        abort();
    for (size_t i = 0; i < plan.count; i++) {
        const struct plan_action *action = &plan.items[i].action;
        if (action->kind == PLAN_WRITE && strcmp(action->path, PF_RULES) == 0)
            text = mem_string(span_str(action->text));
    }
    plan_finish(&plan);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct firewall_request request = {.ports = {.items = {{443, PORT_TCP}}, .count = 1}},
                            all = {0};
    struct firewall_facts facts = {.here = true};
    bool blocked;

    if (size > 64 * 1024)
        return 0;
    facts.pf = (struct pf){.there = true, .on = PF_ON};
    facts.pf.rules = mem_string(span_of((const char *)data, size));
    (void)pf_read_info(facts.pf.rules);
    (void)pf_read_global(facts.pf.rules);
    (void)pf_read_block_all(facts.pf.rules, facts.pf.rules);
    (void)pf_read_program(facts.pf.rules, &blocked);
    (void)pf_read_conf(facts.pf.rules);
    free(pf_listener_ids(facts.pf.rules));
    pf_read_listeners(facts.pf.rules, facts.pf.rules, &facts.pf);
    char *opened = plan_text(&facts, &request, true);
    if (opened) {
        free(facts.pf.rules);
        facts.pf.rules = opened;
    }
    char *again = plan_text(&facts, &request, true);
    char *closed = plan_text(&facts, &all, false);
    if (again || !pf_has_rule(facts.pf.rules, request.ports.items[0], 4))
        abort();
    if (closed && pf_has_rule(closed, request.ports.items[0], 4))
        abort();
    free(closed);
    firewall_facts_finish(&facts);
    return 0;
}
