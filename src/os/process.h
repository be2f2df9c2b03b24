/* Processes that we start: forked with just the descriptors they need, ended with their parent, and
 * the service manager told how we are. What a child may do is sandbox.h's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/diag.h"
#include "base/macros.h"
#include "base/nsec.h"

enum {
    PROCESS_DESCRIPTORS = 71 /**< exit code of a child whose descriptors could not be closed */
};

/** Forks. In the child every descriptor but 0 to 2 and `keep` is closed, those of `keep` become
 *  numbers 3, 4… in their order and stay close-on-exec, signals are at their defaults but those
 *  that a terminal or service manager sends to the whole group, which it ignores (TERM, INT, HUP,
 *  USR1, USR2, PIPE): its parent says when to stop. It dies with its parent.
 *  @param name  at most 15 bytes, as `ps -o comm` shows it
 *  @return pid; 0 in the child; -errno */
must_check pid_t process_fork(const char *name, const int *keep, size_t count);
/** To be said again after a change of user, which drops it: the child dies with its parent. Ends
 *  the process when the parent is gone already. @param parent  its pid, as seen before the fork */
void process_die_with(pid_t parent);

/** Raises the bound on open descriptors as far as allowed: beyond the hard one with the right to.
 *  @return the bound now */
size_t process_raise_descriptors(size_t wanted);
/** Gives a mistake whose reason is the bound on open descriptors (EMFILE) the hint how to raise it.
 *  @return whether that is it */
bool process_hint_descriptors(struct diag *diag, int error);
/** CPUs that this process may run on: at least 1. */
unsigned process_cpus(void);
/** "nginx" of a pid, or "" when it is gone. @param out  at least 64 bytes; yields it */
const char *process_name(pid_t pid, char out[64]);
struct process_activity {
    char state; /**< R runs or waits for a CPU, S sleeps, D waits for a disk, T is stopped, Z ended…
                 */
    nsec_t cpu; /**< that it has used, user and kernel, in ticks of 10 ms or so */
};

/** What a process does. @return 0; -ENOENT when it is gone; ERR_SYNTAX; -errno.
 *  Source: proc_pid_stat(5) */
must_check int process_activity(pid_t pid, struct process_activity *ret_activity);
/** Have we the right to change this machine's network (CAP_NET_ADMIN)? */
bool process_may_administer_network(void);
/** The ids of an account, which may also be a number. @return 0, or ERR_NOT_FOUND */
must_check int process_user_find(const char *user, uid_t *ret_uid, gid_t *ret_gid);
/** Is there only one user in this user namespace, as after `unshare -r`? */
bool process_has_one_user(void);
/** Have we the capabilities SETUID and SETGID? @return 0, -EPERM, or -errno */
must_check int process_may_become_others(void);
/** Does the account exist? */
bool process_user_exists(const char *user);
/** May the account search the directory itself (whoever owns its parents)? When not root: may we?
 *  Switches the effective user for a moment, so call it in a process with nothing else under way.
 *  @return 0, -EACCES, ERR_NOT_FOUND for an unknown account, or -errno */
must_check int process_user_may_search(const char *user, int directory_fd);

/** Tells the service manager "READY=1" and the like, if one listens ($NOTIFY_SOCKET).
 *  Source: sd_notify(3) */
void process_notify(const char *state);
/** How often the service manager wants to hear WATCHDOG=1 at least ($WATCHDOG_USEC, $WATCHDOG_PID).
 *  @return 0: it does not. Source: sd_watchdog_enabled(3) */
nsec_t process_watchdog(void);
/** Sockets that the service manager handed us from descriptor 3 on ($LISTEN_FDS, $LISTEN_PID).
 *  @return how many. Source: sd_listen_fds(3) */
int process_activation(void);
