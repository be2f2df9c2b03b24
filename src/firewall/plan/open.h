/* Opening and closing as a whole: who is in force on this machine, one plan from all of them, its
 * proof. Asking people is the command line's business. */
#pragma once

#include "firewall/plan/manager.h"

/** What came of planning. */
struct opening_plan {
    struct plan plan;
    struct detection *states; /**< one for each of managers[], in their order */
    bool changed_by_root;     /**< the steps need root, and this process is not */
    bool unseen;              /**< the rules could not be seen: for lack of rights, or of a way */
};

/** Plans what opens the ports of the request, by all managers in force.
 *  @param ret_plan  to be finished in every case
 *  @return 0, or ERR_SETTINGS told in diags */
must_check int open_plan(const struct firewall_facts *facts, const struct firewall_request *request,
                         struct diags *diags, struct opening_plan *ret_plan);
/** Plans what closes them again, by all managers. */
must_check int close_plan(const struct firewall_facts *facts,
                          const struct firewall_request *request, struct diags *diags,
                          struct opening_plan *ret_plan);
/** Plans the same for another machine, as it comes, by the manager that is named.
 *  @return 0, or ERR_SETTINGS told in diags */
must_check int elsewhere_plan(const struct manager *manager, bool opens,
                              const struct firewall_request *request, struct diags *diags,
                              struct opening_plan *ret_plan);
/** Two runs at once would plan from the same facts and both add: waits for its turn.
 *  @param state    a folder that is there
 *  @param on_wait  called when another holds the lock; may be NULL
 *  @return a lock for opening_unlock() at the end, or -errno */
must_check int opening_lock(const char *state, void (*on_wait)(void));
void opening_unlock(int lock);
/** Carries a plan out and keeps what has to be known for the way back in the state folder: entered
 *  before ports are opened and forgotten after they are closed, so that a run that is killed in
 *  between leaves nothing that `gardien close` does not know.
 *  @return 0, or a negative error told in diags: then all is as before */
must_check int opening_apply(const struct plan *plan, bool opens, const char *state,
                             struct diags *diags);
/** The name under which journal.h keeps what `gardien serve` opened, and closes again. */
#define OPENING_SERVE "serve"
/** Enters that a port is `gardien serve`'s to close, or forgets it.
 *  @return 0, or -errno told in diags */
must_check int opening_own(const char *state, struct port port, bool owned, struct diags *diags);
/** The ports that are `gardien serve`'s. */
struct ports opening_owned(const char *state);
/** Ports that a person opened or closed are not `gardien serve`'s any more.
 *  @param ports  none: all
 *  @return 0, or -errno told in diags */
must_check int opening_disown(const char *state, const struct ports *ports, struct diags *diags);
void opening_plan_finish(struct opening_plan *plan);
/** [{manager, presence, sentence}]; a new reference. */
json_t *opening_managers_json(const struct opening_plan *plan);

/** Proves what was opened, by the means of this system: a probe to each port over both IP versions
 *  on Linux (none where only some may come), elsewhere the rules as they are read back. Adds
 *  findings that say whether the firewall lets it through.
 *  @return how many the firewall closes; what could not be told, or is lost to routing, does not
 *  count */
size_t open_prove(const struct firewall_request *request, struct findings *findings);
