/* macOS and its like: programs and files. */
#include "firewall/plan/act.h"

int act(const struct plan_action *action, struct diags *diags)
{
    switch (action->kind) {
    case PLAN_NOTHING:
        return 0;
    case PLAN_COMMAND:
        return act_command(action, diags);
    case PLAN_WRITE:
    case PLAN_REMOVE:
        return act_file(action, diags);
    case PLAN_NFT:
    case PLAN_UNTAG:
    case PLAN_DBUS:
    case PLAN_SYSTEM:
        break;
    }
    return act_foreign(diags);
}
