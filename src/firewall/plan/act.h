/* One action of a plan carried out, by the means that this system has: act_files.c and
 * act_linux.c or act_posix.c, or act_windows.c. Order and undo are apply.c's. */
#pragma once

#include "base/diag.h"
#include "firewall/plan/plan.h"

/** @return 0, or a negative error told in diags */
must_check int act(const struct plan_action *action, struct diags *diags);

/** What act() leaves to the system, where that is like Unix: all but programs and files. */
must_check int act_own(const struct plan_action *action, struct diags *diags);
/** For an action that this system has no means for. @return -ENOSYS */
must_check int act_foreign(struct diags *diags);
