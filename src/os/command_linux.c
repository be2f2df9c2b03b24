/* Programs by Linux's own means: a file in memory, and a descriptor that tells when they end. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "os/command_system.h"

int command_input(struct span input)
{
    int fd = command_above_streams(memfd_create("input", MFD_CLOEXEC));

    if (fd < 0)
        return -errno;
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
    return posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
}

static int attend(int pidfd, int output, nsec_t deadline, struct command_result *result)
{
    struct pollfd wanted[] = {{.fd = pidfd, .events = POLLIN}, {.fd = output, .events = POLLIN}};

    for (;;) {
        nsec_t left = deadline - nsec_monotonic();
        if (left <= 0)
            return ERR_TIMEOUT;
        struct timespec wait = {left / NSEC_PER_SEC, left % NSEC_PER_SEC};
        int ready = ppoll(wanted, ARRAY_SIZE(wanted), &wait, NULL);
        if (ready < 0 && errno != EINTR)
            return -errno;
        if (ready <= 0)
            continue;
        if (wanted[1].revents && !command_take_output(output, result))
            wanted[1].fd = -1;
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
    return command_exit_code(status);
}

int command_attend(pid_t pid, int output, nsec_t deadline, struct command_result *result)
{
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    int r = pidfd < 0 ? -errno : attend(pidfd, output, deadline, result);

    if (r < 0)
        kill(-pid, SIGKILL);
    result->exit_code = reap(pid);
    if (pidfd >= 0)
        close(pidfd);
    return r;
}
