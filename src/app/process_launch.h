/* Starting a process of the table: fork, wipe what it shall not know, take its role's steps, run.
 * Which process is started when is its starter's business. */
#pragma once

#include <sys/types.h>

#include "app/process.h"

/** What all processes are started with. */
struct process_host {
    const char *user;                    /**< whom unprivileged processes become; NULL: as we are */
    const char *state;                   /**< path of the state folder; NULL: not known yet */
    const struct protect_shared *shared; /**< counts, rates and bans; NULL: not made yet */
    void *secrets;                       /**< of the guardian, wiped in each child */
    size_t secrets_len;
};

struct process_launch {
    enum process_id id;
    const char *title;             /**< for ps, at most 15 bytes; NULL: "gardien NAME" */
    int guardian;                  /**< the child's end of its socket, or a memfd for its answer */
    int others[PROCESSES_LASTING]; /**< a worker's ends; all -1 for others */
    const void *question;
};

/** A launch without sockets of others. */
struct process_launch process_launch_of(enum process_id id, int guardian, const void *question);
/** All descriptors stay the caller's. @return pid, or -errno */
must_check pid_t process_launch(const struct process_host *host,
                                const struct process_launch *launch);
