/* Programs on systems without memfd_create() and pidfd_open(): whether one has ended is looked at
 * again and again. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "os/command_system.h"

enum { LOOK = 20 /* ms */ };

int command_input(struct span input)
{
    const char *folder = getenv("TMPDIR");

    if (input.len == 0) {
        int null = command_above_streams(open("/dev/null", O_RDONLY | O_CLOEXEC));
        return null < 0 ? -errno : null;
    }
    scoped(mem_release) char *path = mem_format("%s/gardien.XXXXXX", folder ? folder : "/tmp");
    int fd = command_above_streams(mkstemp(path));

    if (fd < 0)
        return -errno;
    unlink(path);
    for (size_t at = 0; at < input.len;) {
        ssize_t n = pwrite(fd, input.ptr + at, input.len - at, (off_t)at);
        if (n < 0 && errno != EINTR) {
            int error = errno;
            close(fd);
            return -error;
        }
        at += n > 0 ? (size_t)n : 0;
    }
    return fd;
}

int command_close_others(posix_spawn_file_actions_t *actions)
{
    enum { LOOKED_AT = 1024 }; /* what is ours has FD_CLOEXEC; this is for what we were given */
    int error = 0;

    for (int fd = STDERR_FILENO + 1; fd < LOOKED_AT && !error; fd++) {
        int flags = fcntl(fd, F_GETFD);
        if (flags >= 0 && !(flags & FD_CLOEXEC))
            error = posix_spawn_file_actions_addclose(actions, fd);
    }
    return error;
}

int command_attend(pid_t pid, int output, nsec_t deadline, struct command_result *result)
{
    struct pollfd wanted = {.fd = output, .events = POLLIN};
    int status = 0, r = 0;

    for (;;) {
        int ready = poll(&wanted, 1, LOOK);
        if (ready > 0 && !command_take_output(output, result))
            wanted.fd = -1;
        if (ready > 0 && wanted.fd >= 0)
            continue; /* all that it said comes before its end */
        if (waitpid(pid, &status, WNOHANG) == pid)
            break;
        if (nsec_monotonic() > deadline) {
            r = ERR_TIMEOUT;
            kill(-pid, SIGKILL);
            while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
            break;
        }
    }
    while (r == 0 && wanted.fd >= 0 && poll(&wanted, 1, 0) > 0) /* said at the very end */
        if (!command_take_output(output, result))
            break;
    result->exit_code = command_exit_code(status);
    return r;
}
