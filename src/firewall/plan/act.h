/* One action of a plan carried out, by the means that this system has: act_linux.c, act_posix.c or
 * act_windows.c. Order and undo are apply.c's. */
#pragma once

#include "base/diag.h"
#include "firewall/plan/plan.h"

/** @return 0, or a negative error told in diags */
must_check int act(const struct plan_action *action, struct diags *diags);

/** PLAN_COMMAND, where the system is like Unix. */
must_check int act_command(const struct plan_action *action, struct diags *diags);
/** PLAN_WRITE and PLAN_REMOVE, likewise. */
must_check int act_file(const struct plan_action *action, struct diags *diags);
/** For an action that this system has no means for. @return -ENOSYS */
must_check int act_foreign(struct diags *diags);
