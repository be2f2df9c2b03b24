/* macOS and its like have programs and files, which is act_files.c's, and no more. */
#include "firewall/plan/act.h"

int act_own(const struct plan_action *action, struct diags *diags)
{
    return act_foreign(diags);
}
