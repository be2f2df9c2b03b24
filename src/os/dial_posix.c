/* The calls that systems spell differently, as POSIX has them, for systems other than Linux: the
 * box behind an ICMP error is not told there. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "os/dial.h"
#include "os/net.h"

const bool dial_names_boxes = false;

int dial_socket(int family, int type)
{
    int fd = socket(family, type, 0);

    if (fd < 0)
        return -errno;
#ifdef SO_NOSIGPIPE
    int on = 1;
    (void)!setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
        return fd;
    int error = errno;
    close(fd);
    return -error;
}

ssize_t dial_send(int fd, const void *bytes, size_t len)
{
#ifdef MSG_NOSIGNAL
    ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
#else
    ssize_t n = send(fd, bytes, len, 0); /* SO_NOSIGPIPE is on */
#endif

    return n < 0 ? -errno : n;
}

ssize_t dial_receive(int fd, void *out, size_t cap)
{
    ssize_t n = recv(fd, out, cap, 0);

    return n < 0 ? -errno : n;
}

void dial_close(int fd)
{
    close(fd);
}

void dial_random(void *out, size_t len)
{
    if (getentropy(out, len) < 0)
        abort(); /* up to 256 bytes cannot fail once the system has started */
}

void dial_watch_errors(int fd, int family)
{
    /* There is no error queue. */
}

void dial_read_errors(int fd, struct dial_failure *failure)
{
    /* There is no error queue. */
}

void dial_path(int fd, struct dial_path *ret_path)
{
    *ret_path = (struct dial_path){0};
}
