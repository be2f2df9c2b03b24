/* Spawns a program, collects what it says until it ends or its time is over. It keeps no state and
 * judges no exit code. */
#include "os/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

enum { INPUT_MAX = 1024 * 1024, OUTPUT_MAX = 64 * 1024 };

extern char **environ;

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* A descriptor above 0..2, which the child's standard streams are about to take. Eats `fd`. */
static int above_streams(int fd)
{
    if (fd < 0 || fd > STDERR_FILENO)
        return fd;
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int error = errno;
    close(fd);
    errno = error;
    return moved;
}

/* The input as a file in memory: no pipe that could fill up, no SIGPIPE. */
static int open_input(struct span input)
{
    scoped(close_fd) int fd = above_streams(memfd_create("input", MFD_CLOEXEC));

    if (fd < 0)
        return -errno;
    for (size_t at = 0; at < input.len;) {
        ssize_t n = pwrite(fd, input.ptr + at, input.len - at, (off_t)at);
        if (n < 0 && errno != EINTR)
            return -errno;
        at += n > 0 ? (size_t)n : 0;
    }
    int result = fd;
    fd = -1;
    return result;
}

static int set_actions(posix_spawn_file_actions_t *actions, int input, int output)
{
    int error = posix_spawn_file_actions_adddup2(actions, input, STDIN_FILENO);

    if (!error)
        error = posix_spawn_file_actions_adddup2(actions, output, STDOUT_FILENO);
    if (!error)
        error = posix_spawn_file_actions_adddup2(actions, output, STDERR_FILENO);
    if (!error)
        error = posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
    return error;
}

static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none;
    sigset_t all;

    sigemptyset(&none);
    sigfillset(&all);
    int error = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                                         POSIX_SPAWN_SETSIGDEF);
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

/* Takes what the pipe has now. @return 1 when it may have more, 0 at its end or when it is empty */
static int take_output(int fd, struct command_result *result)
{
    char bytes[4096];
    ssize_t n = read(fd, bytes, sizeof bytes);

    if (n < 0 && errno == EINTR)
        return 1;
    if (n <= 0)
        return 0;
    size_t room = result->output.ceiling - result->output.len;
    size_t kept = (size_t)n < room ? (size_t)n : room;
    if (kept < (size_t)n || buffer_append(&result->output, bytes, kept) < 0)
        result->cut = true;
    return 1;
}

/* Reads until the program itself ends. Children that it leaves behind with the pipe open are not
 * waited for. @return 0, ERR_TIMEOUT or -errno */
static int attend(int pidfd, int *output, nsec_t deadline, struct command_result *result)
{
    for (;;) {
        nsec_t left = deadline - nsec_monotonic();
        if (left <= 0)
            return ERR_TIMEOUT;
        struct pollfd wanted[] = {{.fd = pidfd, .events = POLLIN},
                                  {.fd = *output, .events = POLLIN}};
        struct timespec wait = {left / NSEC_PER_SEC, left % NSEC_PER_SEC};
        int ready = ppoll(wanted, ARRAY_SIZE(wanted), &wait, NULL);
        if (ready < 0 && errno != EINTR)
            return -errno;
        if (ready <= 0)
            continue;
        if (wanted[1].revents && !take_output(*output, result))
            close_fd(output);
        if (wanted[0].revents && !(wanted[1].revents & POLLIN))
            return 0;
    }
}

static int reap(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 255;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int command_run(const struct command *command, struct command_result *ret_result)
{
    struct command_result result = {.output = buffer_make(OUTPUT_MAX)};
    int pipes[2];
    pid_t pid;

    if (command->input.len > INPUT_MAX)
        return ERR_LIMIT;
    scoped(close_fd) int input = open_input(command->input);
    if (input < 0)
        return input;
    if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    scoped(close_fd) int output = pipes[0];
    scoped(close_fd) int theirs = above_streams(pipes[1]);
    if (theirs < 0 || fcntl(theirs, F_SETFL, 0) < 0)
        return -errno;
    nsec_t deadline = nsec_monotonic() + command->timeout;
    int r = spawn(command, input, theirs, &pid);
    if (r < 0)
        return r;
    close_fd(&theirs);
    scoped(close_fd) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    r = pidfd < 0 ? -errno : attend(pidfd, &output, deadline, &result);
    if (r < 0)
        kill(-pid, SIGKILL);
    result.exit_code = reap(pid);
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
