/* Steps carried out and taken back. */
#include "firewall/plan/apply.h"

#include <errno.h>

#include "firewall/plan/act.h"

int act_foreign(struct diags *diags)
{
    diag_hint(diags_add(diags, "this step is for another system"), "run the plan there");
    return -ENOSYS;
}

/* ---- the plan ---- */

static int undo_step(const struct plan_step *step, const struct apply_watch *watch,
                     struct diags *diags)
{
    int r = act(&step->undo, diags);

    if (r >= 0 && watch && watch->on_undone)
        watch->on_undone(watch->context, step);
    return r;
}

/* Takes the first `count` steps back. */
static int undo_steps(const struct plan *plan, size_t count, const struct apply_watch *watch,
                      struct diags *diags)
{
    int result = 0;

    for (int last = 0; last <= 1; last++)
        for (size_t i = count; i-- > 0;) {
            if (plan->items[i].undo_last != (last == 1))
                continue;
            int r = undo_step(&plan->items[i], watch, diags);
            result = result < 0 ? result : r;
        }
    return result;
}

int plan_apply(const struct plan *plan, const struct apply_watch *watch, struct diags *diags)
{
    for (size_t i = 0; i < plan->count; i++) {
        int r = act(&plan->items[i].action, diags);
        if (r < 0) {
            int undone = undo_steps(plan, i, watch, diags);
            (void)undone; /* told in diags */
            return r;
        }
        if (watch && watch->on_done)
            watch->on_done(watch->context, &plan->items[i]);
    }
    return 0;
}

int plan_undo(const struct plan *plan, const struct apply_watch *watch, struct diags *diags)
{
    return undo_steps(plan, plan->count, watch, diags);
}
