/* The way back of a plan for the Windows Firewall, as JSON: for another process that is to take it.
 */
#pragma once

#include "firewall/plan/plan.h"

/** The undos of a plan that orders rules, in the order of its steps; a new reference. */
json_t *policy_plan_json(const struct plan *plan);
/** Makes of it a plan for plan_undo().
 *  @param ret_plan  to be finished in every case
 *  @return 0, or ERR_SYNTAX */
must_check int policy_plan_parse(const json_t *list, struct plan *ret_plan);
