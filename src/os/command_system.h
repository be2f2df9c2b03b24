/* What command.c leaves to the system: command_linux.c, command_posix.c. */
#pragma once

#include <spawn.h>
#include <sys/wait.h>

#include "os/command.h"

#ifdef __APPLE__
#define COMMAND_SPAWN_FLAGS POSIX_SPAWN_CLOEXEC_DEFAULT
#else
#define COMMAND_SPAWN_FLAGS 0
#endif

/** The input as a file without a name: no pipe that could fill up, no SIGPIPE.
 *  @return a descriptor, or -errno */
must_check int command_input(struct span input);
/** So that the program gets no descriptor but 0 to 2. @return 0, or an errno */
must_check int command_close_others(posix_spawn_file_actions_t *actions);
/** Reads what the program says until it ends itself, or ends it with its session. Children that it
 *  leaves behind with the pipe open are not waited for.
 *  @param output  does not block
 *  @return 0 with the exit code; ERR_TIMEOUT; -errno */
must_check int command_attend(pid_t pid, int output, nsec_t deadline,
                              struct command_result *result);

/* ---- shared by those ---- */

/** A descriptor above 0..2, which the child's standard streams are about to take, not inherited.
 * Eats `fd`. @return -1 with errno */
int command_above_streams(int fd);
/** Takes what the pipe has now. @return false at its end */
bool command_take_output(int fd, struct command_result *result);
/** 0..255, or 128 + the signal, of a status of waitpid(2). */
int command_exit_code(int status);
