/* The rows behind enum sandbox_role; seen by the sandbox's own files only. */
#pragma once

#include <stdbool.h>
#include <sys/resource.h>

#include "os/sandbox.h"

struct sandbox_limit {
    int resource; /**< RLIMIT_* */
    rlim_t max;
};

struct sandbox_rules {
    const int *calls; /**< system calls beside those of every role */
    size_t call_count;
    bool confined;     /**< Landlock and seccomp; else neither */
    bool reads;        /**< opens files for reading: those that Landlock leaves */
    bool connects;     /**< opens sockets and connects to anybody */
    bool abstract;     /**< also to abstract Unix sockets of others */
    bool groups;       /**< keeps the groups that its account is a member of: what they may reach */
    bool refuses;      /**< a system call that is not allowed fails with EPERM; else the process
                            ends */
    bool hides_memory; /**< no core file, no ptrace */
    bool changes_network;     /**< keeps CAP_NET_ADMIN if it has it, and may open netlink */
    bool keeps_account;       /**< stays who the guardian is, with all rights */
    const char *const *files; /**< readable beside the folders that it is given */
    size_t file_count;
    const struct sandbox_limit *limits;
    size_t limit_count;
};

extern const struct sandbox_rules sandbox_rules[SANDBOX_ROLES];
/** System calls of every role. */
const int *sandbox_everyone(size_t *ret_count);
