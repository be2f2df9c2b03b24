/* The file of pf's rules, whoever edited it: opening twice is opening once, lines of others stay,
 * and closing leaves no rule of ours. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "firewall/firewall.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *plan_text(const struct look *look, const struct wish *wish, bool opens)
{
    struct plan plan = {0};
    struct diags diags = {0};
    char *text = NULL;
    int r = opens ? manager_pf.plan_open(look, wish, &plan, &diags)
                  : manager_pf.plan_close(look, wish, &plan, &diags);

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
    struct wish wish = {.ports = {.items = {{443, PORT_TCP}}, .count = 1}}, all = {0};
    struct look look = {.here = true};
    bool blocked;

    if (size > 64 * 1024)
        return 0;
    look.pf = (struct pf){.there = true, .on = PF_ON};
    look.pf.rules = mem_string(span_of((const char *)data, size));
    (void)pf_read_info(look.pf.rules);
    (void)pf_read_global(look.pf.rules);
    (void)pf_read_block_all(look.pf.rules, look.pf.rules);
    (void)pf_read_program(look.pf.rules, &blocked);
    (void)pf_read_conf(look.pf.rules);
    free(pf_listener_ids(look.pf.rules));
    pf_read_listeners(look.pf.rules, look.pf.rules, &look.pf);
    char *opened = plan_text(&look, &wish, true);
    if (opened) {
        free(look.pf.rules);
        look.pf.rules = opened;
    }
    char *again = plan_text(&look, &wish, true);
    char *closed = plan_text(&look, &all, false);
    if (again || !pf_has_rule(look.pf.rules, wish.ports.items[0], 4))
        abort();
    if (closed && pf_has_rule(closed, wish.ports.items[0], 4))
        abort();
    free(closed);
    look_finish(&look);
    return 0;
}
