/* Runs another program without a shell, in bounded time and with bounded output. It blocks, so it
 * is for verbs of the command line and short-lived helpers, never for a process with an event loop.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/nsec.h"

struct command {
    const char *const *argv; /**< NULL-terminated; argv[0] without a slash is looked up in PATH */
    const char *const *env;  /**< NULL-terminated; NULL: our own */
    struct span input;       /**< its standard input, at most 1 MiB */
    nsec_t timeout;          /**< > 0; then it and its whole session are killed */
    size_t output_max;       /**< bytes of output that are kept; 0: 64 KiB */
};

struct command_result {
    int exit_code;        /**< 0..255, or 128 + the signal that ended it, as shells say it */
    struct buffer output; /**< standard output and error as they came */
    bool cut;             /**< there was more output, which was read and dropped */
};

/** Runs a program to its end. It gets a session of its own, so that it cannot ask questions on our
 *  terminal, and no descriptor of ours but 0 to 2.
 *  @return 0 when it ran (whatever its exit code); ERR_TIMEOUT; ERR_LIMIT for too much input;
 *  -ENOENT when there is no such program; -errno. The result is to be finished only after 0. */
must_check int command_run(const struct command *command, struct command_result *ret_result);
void command_result_finish(struct command_result *result);
/** Is there a program of this name in PATH (or at this path, with a slash) that we may run? */
bool command_exists(const char *name);
