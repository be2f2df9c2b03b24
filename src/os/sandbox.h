/* The sandbox: what a process gives up for good before it meets a peer's bytes. Each process has a
 * role, one row in sandbox_roles_linux.c; sandbox_enter() takes all steps of that row in their
 * order. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

/** Yielded by steps that an instrumented build (ASan, coverage) leaves out, because its run-time
 *  library needs what the step forbids. */
enum { SANDBOX_SKIPPED = 1, SANDBOX_NO_LANDLOCK = 2 };
bool sandbox_is_instrumented(void);

enum sandbox_role {
    SANDBOX_WORKER,    /**< sockets it is handed, files opened for reading */
    SANDBOX_KEYS,      /**< messages on sockets it is handed; opens nothing */
    SANDBOX_LOGS,      /**< messages in, bytes out to files it is handed; opens nothing */
    SANDBOX_CLIENT,    /**< looks names up and connects, for seconds; reads only what that needs.
                          Whatever else it tries fails with EPERM: the plug-ins that look names up are
                          not ours, and may try what they can do without */
    SANDBOX_CONNECTOR, /**< the same for as long as gardien serves, with the groups of its account,
                          so that it reaches their Unix sockets, and abstract ones */
    SANDBOX_ACME,      /**< the same for some minutes, and reads the certificates that the system
                          trusts */
    SANDBOX_BANS,      /**< messages on sockets it is handed, files that it is handed; opens nothing
                          but netlink, where it may change the firewall (CAP_NET_ADMIN) */
    SANDBOX_ACCOUNT,   /**< another account and no way to more rights, nothing else: it may start
                          processes and programs */
    SANDBOX_HIDDEN,    /**< all rights of the guardian; its memory is hidden */
    SANDBOX_NONE,      /**< all rights of the guardian */
    SANDBOX_ROLES,
};

struct sandbox_place {
    const char *user;   /**< whom to become; NULL: as we are, without capabilities */
    const int *folders; /**< O_PATH descriptors of what it may read beside its role's files */
    size_t folder_count;
};

/** Takes all steps of a role. Nothing that was given up comes back, also on failure: end then.
 *  @param ret_step  on failure: what could not be done, as in "it cannot …"
 *  @return 0; SANDBOX_NO_LANDLOCK when all but that is done; or a negative error */
must_check int sandbox_enter(enum sandbox_role role, const struct sandbox_place *place,
                             const char **ret_step);

/* ---- the steps ---- */

/** Becomes `user` with that user's own group and no other, and drops all capabilities, the bounding
 *  set included; makes sure that there is no way back. Looks the name up, so it needs files. A
 * process that dies with its parent still does.
 *  @param user  a name; NULL keeps the present user and drops only capabilities
 *  @return 0; ERR_NOT_FOUND for an unknown name; -EPERM when not root and not that user already;
 *  -EINVAL for a user that is root; -ESRCH when the parent has ended; -errno */
must_check int sandbox_switch_user(const char *user);
/** No core file, no ptrace and no /proc/PID/mem by others of the same user. After a user switch,
 *  which changes it. @return 0, SANDBOX_SKIPPED, or -errno */
must_check int sandbox_hide_memory(void);
/** Executing a program can never again raise rights. The next two need it. @return 0, or -errno */
must_check int sandbox_no_new_privs(void);
/** Reading beneath the given directories, and nothing else of the file system; no TCP bind or
 *  connect, no signals and abstract sockets beyond the sandbox where the kernel knows how (6.7,
 *  6.12). Descriptors already open or received later stay usable, but opening *beneath* a directory
 *  received later fails unless it lies beneath one of these: the set can never grow.
 *  @param directories  O_PATH descriptors; still the caller's
 *  @return 0, SANDBOX_SKIPPED, -ENOSYS or -EOPNOTSUPP (a kernel without Landlock, or a container
 *  that denies it), or -errno
 *  Source: landlock(7) */
must_check int sandbox_landlock(const int *directories, size_t count);
/** The same for a process that asks others: TCP connections to anybody stay allowed. */
must_check int sandbox_landlock_client(const int *directories, size_t count);
/** Allows the system calls that the role needs; any other ends the process with SIGSYS. No new
 *  programs, processes or threads in any role; no new sockets and executable memory but for the
 *  client, which loads plug-ins, though never memory that can be written and executed. Whether
 * openat2() opens for writing cannot be seen from here: that is Landlock's part.
 *  @return 0, SANDBOX_SKIPPED, or -errno. Source: seccomp(2) */
must_check int sandbox_seccomp(enum sandbox_role role);
