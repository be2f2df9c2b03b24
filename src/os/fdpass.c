/* SCM_RIGHTS packets. A descriptor that arrives is either handed to the caller or closed, never
 * lost. */
#include "os/fdpass.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/error.h"

union control {
    struct cmsghdr align;
    char room[CMSG_SPACE(sizeof(int) * FDPASS_MAX)];
};

int fdpass_send(int socket, struct span bytes, const int *fds, size_t count)
{
    union control control;
    struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes.ptr, .iov_len = bytes.len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n;

    if (count > FDPASS_MAX || bytes.len == 0)
        return -EINVAL;
    if (count) {
        memset(&control, 0, sizeof control);
        msg.msg_control = control.room;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof(int) * count);
        memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * count);
    }
    do
        n = sendmsg(socket, &msg, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    return (size_t)n == bytes.len ? 0 : -EMSGSIZE;
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

/* Moves descriptors to the packet. @return false when they did not fit: all are closed then */
static bool collect(struct msghdr *msg, struct fdpass_packet *packet)
{
    bool fits = true;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        int fds[FDPASS_MAX];
        if (count > FDPASS_MAX)
            count = FDPASS_MAX;
        memcpy(fds, CMSG_DATA(c), count * sizeof(int));
        if (!fits || count > packet->fd_cap - packet->fd_count) {
            close_all(fds, count);
            fits = false;
            continue;
        }
        memcpy(packet->fds + packet->fd_count, fds, count * sizeof(int));
        packet->fd_count += count;
    }
    return fits;
}

int fdpass_receive(int socket, struct fdpass_packet *packet)
{
    union control control;
    struct iovec iov = {.iov_base = packet->bytes, .iov_len = packet->cap};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.room,
                         .msg_controllen = sizeof control.room};
    ssize_t n;

    packet->len = packet->fd_count = 0;
    do
        n = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == ECONNRESET ? 0 : -errno;
    bool fits = collect(&msg, packet);
    if (!fits || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
        close_all(packet->fds, packet->fd_count);
        packet->fd_count = 0;
        return ERR_LIMIT;
    }
    packet->len = (size_t)n;
    return n > 0;
}

int fdpass_pair(int ret_sockets[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_sockets) < 0 ? -errno : 0;
}
