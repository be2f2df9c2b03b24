/* Windows: rules of its firewall, through its own interface. */
#include <errno.h>

#include "base/error.h"
#include "firewall/plan/act.h"

static int obey(const struct policy_order *order, struct diags *diags)
{
    static const char *const doing[] = {
        [POLICY_ADD] = "made", [POLICY_REMOVE] = "removed", [POLICY_SWITCH] = "switched"};
    int r = policy_obey(order);

    if (r >= 0)
        return 0;
    struct diag *diag = diags_add(diags, "the rule \"%s\" cannot be %s: %s", order->rule.name,
                                  doing[order->verb], error_text(r));
    if (r == -EACCES)
        diag_hint(diag, "start the terminal as administrator and run it again");
    else
        diag_hint(diag, "see whether the service is running: sc query mpssvc; a rule of the domain "
                        "(group policy) may forbid local rules");
    return r;
}

int act(const struct plan_action *action, struct diags *diags)
{
    if (action->kind == PLAN_NOTHING)
        return 0;
    return action->kind == PLAN_SYSTEM ? obey(&action->policy, diags) : act_foreign(diags);
}
