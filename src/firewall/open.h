/* Opening and closing as a whole: who is in force on this machine, one plan from all of them, its
 * proof. Asking people is the command line's business. */
#pragma once

#include "firewall/manager.h"

/** What came of planning. */
struct opening_plan {
    struct plan plan;
    struct sight *sights; /**< one for each of managers[], in their order */
    bool changed_by_root; /**< the steps need root, and this process is not */
};

/** Plans what opens the ports of the wish, by all managers in force.
 *  @param ret_plan  to be finished in every case
 *  @return 0, or ERR_SETTINGS told in diags */
must_check int open_plan(const struct look *look, const struct wish *wish, struct diags *diags,
                         struct opening_plan *ret_plan);
/** Plans what closes them again, by all managers. */
must_check int close_plan(const struct look *look, const struct wish *wish, struct diags *diags,
                          struct opening_plan *ret_plan);
/** Plans the same for another machine, as it comes, by the manager that is named.
 *  @return 0, or ERR_SETTINGS told in diags */
must_check int elsewhere_plan(const struct manager *manager, bool opens, const struct wish *wish,
                              struct diags *diags, struct opening_plan *ret_plan);
void opening_plan_finish(struct opening_plan *plan);
/** [{manager, presence, sentence}]; a new reference. */
json_t *opening_managers_json(const struct opening_plan *plan);

/** Sends a probe to each port over both IP versions, and adds a finding for each that says whether
 *  the firewall lets it through.
 *  @return how many the firewall closes; what could not be told, or is lost to routing, does not
 *  count */
size_t open_prove(const struct wish *wish, struct findings *findings);
