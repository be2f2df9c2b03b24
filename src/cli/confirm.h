/* `--confirm`: what was opened is taken back unless somebody says that he still gets in. */
#pragma once

#include "base/nsec.h"
#include "firewall/firewall.h"

/** A process of its own that takes the plan back after a time, however this one ends. */
struct confirm {
    void *held; /**< by what it is told: its file's path, or on Windows its two events */
    nsec_t wait;
};

/** Waits until nobody else changes the firewall from this state folder, and says so.
 *  @return a descriptor that holds the lock until it is closed, or -errno */
must_check int confirm_lock(const char *state);
/** Does an earlier change still wait to be confirmed? One whose process is gone, as after a
 *  restart of the machine, is forgotten: what it opened stays open. */
bool confirm_waits(const char *state);
/** Starts the process, before anything is changed. The lock is held, and nothing waits yet. @return
 * 0, or -errno told on standard error */
must_check int confirm_start(const char *state, const struct plan *plan, nsec_t wait,
                             struct confirm *ret_confirm);
/** Says that all is well, or that there is nothing to take back.
 *  @return false when it was too late: the process took it back */
bool confirm_keep(struct confirm *confirm);
/** Asks on the terminal until the time is over. @return whether the person said yes */
bool confirm_ask(const struct confirm *confirm);
void confirm_finish(struct confirm *confirm);
/** For `--confirmed`: confirms what waits in the state folder. @return an enum app_exit */
int confirm_from_elsewhere(const char *state);
