/* Spawns a program, collects what it says until it ends or its time is over. It keeps no state and
 * judges no exit code. What systems do differently is in command_linux.c and command_posix.c. */
#include "os/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/command_system.h"

enum { INPUT_MAX = 1024 * 1024, OUTPUT_MAX = 64 * 1024 };

extern char **environ;

static void close_fd(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

int command_above_streams(int fd)
{
    if (fd < 0 || fd > STDERR_FILENO)
        return fd < 0 ? fd : fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -1 : fd;
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int error = errno;
    close(fd);
    errno = error;
    return moved;
}

bool command_take_output(int fd, struct command_result *result)
{
    char bytes[4096];
    ssize_t n = read(fd, bytes, sizeof bytes);

    if (n < 0)
        return errno == EINTR || errno == EAGAIN;
    if (n == 0)
        return false;
    size_t room = result->output.ceiling - result->output.len;
    size_t kept = (size_t)n < room ? (size_t)n : room;
    if (kept < (size_t)n || buffer_append(&result->output, bytes, kept) < 0)
        result->cut = true;
    return true;
}

int command_exit_code(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int set_actions(posix_spawn_file_actions_t *actions, int input, int output)
{
    int error = posix_spawn_file_actions_adddup2(actions, input, STDIN_FILENO);

    if (!error)
        error = posix_spawn_file_actions_adddup2(actions, output, STDOUT_FILENO);
    if (!error)
        error = posix_spawn_file_actions_adddup2(actions, output, STDERR_FILENO);
    if (!error)
        error = command_close_others(actions);
    return error;
}

static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none;
    sigset_t all;

    sigemptyset(&none);
    sigfillset(&all);
    int error =
        posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                                 POSIX_SPAWN_SETSIGDEF | COMMAND_SPAWN_FLAGS);
    if (!error)
        error = posix_spawnattr_setsigmask(attributes, &none);
    if (!error)
        error = posix_spawnattr_setsigdefault(attributes, &all);
    return error;
}

static int spawn(const struct command *command, int input, int output, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    char *const *env = command->env ? (char *const *)command->env : environ;
    int error = posix_spawn_file_actions_init(&actions);

    if (error)
        return -error;
    error = posix_spawnattr_init(&attributes);
    if (!error) {
        error = set_actions(&actions, input, output);
        if (!error)
            error = set_attributes(&attributes);
        if (!error)
            error = posix_spawnp(ret_pid, command->argv[0], &actions, &attributes,
                                 (char *const *)command->argv, env);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return -error;
}

int command_run(const struct command *command, struct command_result *ret_result)
{
    struct command_result result = {
        .output = buffer_make(command->output_max ? command->output_max : OUTPUT_MAX)};
    int pipes[2];
    pid_t pid;

    if (command->input.len > INPUT_MAX)
        return ERR_LIMIT;
    scoped(close_fd) int input = command_input(command->input);
    if (input < 0)
        return input;
    if (pipe(pipes) < 0)
        return -errno;
    scoped(close_fd) int output = pipes[0];
    scoped(close_fd) int theirs = command_above_streams(pipes[1]);
    if (theirs < 0 || fcntl(output, F_SETFD, FD_CLOEXEC) < 0 ||
        fcntl(output, F_SETFL, O_NONBLOCK) < 0)
        return -errno;
    nsec_t deadline = nsec_monotonic() + command->timeout;
    int r = spawn(command, input, theirs, &pid);
    if (r < 0)
        return r;
    close(theirs);
    theirs = -1;
    r = command_attend(pid, output, deadline, &result);
    if (r < 0)
        command_result_finish(&result);
    else
        *ret_result = result;
    return r;
}

void command_result_finish(struct command_result *result)
{
    buffer_finish(&result->output);
}

static bool runnable(const char *path)
{
    return access(path, X_OK) == 0;
}

bool command_exists(const char *name)
{
    const char *path = getenv("PATH");
    struct span rest = span_str(path ? path : "/usr/bin:/bin");
    struct span folder;

    if (strchr(name, '/'))
        return runnable(name);
    while (span_next(&rest, ':', &folder)) {
        char *file = mem_format("%.*s/%s", SPAN_ARGS(folder), name);
        bool found = folder.len && runnable(file);
        free(file);
        if (found)
            return true;
    }
    return false;
}
