/* Output that never waits for a reader. */
#include "os/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static enum output_kind kind_of(int fd)
{
    struct stat st;
    int flags = fcntl(fd, F_GETFL);

    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        return OUTPUT_FILE;
    if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
        return OUTPUT_SOCKET;
    return flags >= 0 && (flags & O_NONBLOCK) ? OUTPUT_NONBLOCKING : OUTPUT_POLLED;
}

int output_open(struct output *output, int fd)
{
    enum output_kind kind = kind_of(fd);
    char path[32];
    int own = -1;

    if (kind == OUTPUT_POLLED) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        own = open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    }
    if (own >= 0)
        kind = OUTPUT_NONBLOCKING;
    else
        own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (own < 0)
        return -errno;
    *output = (struct output){.fd = own, .kind = kind};
    return 0;
}

void output_adopt(struct output *output, int fd)
{
    *output = (struct output){.fd = fd, .kind = kind_of(fd)};
}

void output_close(struct output *output)
{
    if (output->fd >= 0)
        close(output->fd);
    *output = (struct output){.fd = -1};
}

ssize_t output_write(const struct output *output, struct span bytes)
{
    struct pollfd room = {.fd = output->fd, .events = POLLOUT};
    size_t len = bytes.len;
    ssize_t n;

    if (output->kind == OUTPUT_POLLED) {
        if (poll(&room, 1, 0) == 0)
            return -EAGAIN;
        len = len < PIPE_BUF ? len : PIPE_BUF;
    }
    do
        n = output->kind == OUTPUT_SOCKET
                ? send(output->fd, bytes.ptr, len, MSG_DONTWAIT | MSG_NOSIGNAL)
                : write(output->fd, bytes.ptr, len);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static bool write_whole(struct output *output, struct span line)
{
    if (output->torn && output_write(output, SPAN("\n")) != 1)
        return false;
    output->torn = false;
    ssize_t n = output_write(output, line);
    output->torn = n > 0 && (size_t)n < line.len;
    return n > 0 && !output->torn;
}

bool output_line(struct output *output, struct span line)
{
    char text[96];

    if (output->fd < 0)
        return false;
    if (output->dropped) {
        int len = snprintf(text, sizeof text, "gardien: %llu lines are missing here: nobody read\n",
                           (unsigned long long)output->dropped);
        if (!write_whole(output, span_of(text, (size_t)len))) {
            output->dropped++;
            return false;
        }
        output->dropped = 0;
    }
    if (write_whole(output, line))
        return true;
    output->dropped++;
    return false;
}
