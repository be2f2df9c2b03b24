/* The error queue of Linux, which keeps the ICMP message behind an error with the address of the
 * box that sent it (ip(7), IP_RECVERR), TCP_INFO, and the calls that other systems spell otherwise.
 */
#include <errno.h>
#include <time.h> /* before errqueue.h, which needs it */

#include <linux/errqueue.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/dial.h"

const bool dial_names_boxes = true;

int dial_socket(int family, int type)
{
    int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    return fd < 0 ? -errno : fd;
}

ssize_t dial_send(int fd, const void *bytes, size_t len)
{
    ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

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
    if (getrandom(out, len, 0) != (ssize_t)len)
        abort(); /* up to 256 bytes cannot fail once the system has started */
}

void dial_watch_errors(int fd, int family)
{
    int on = 1;

    /* Without it errors still come, only without the box that sent them. */
    if (family == AF_INET6)
        (void)!setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on);
    else
        (void)!setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on);
}

static void take_error(const struct sock_extended_err *error, struct dial_failure *failure)
{
    const struct sockaddr *offender = SO_EE_OFFENDER(error);

    if (error->ee_origin != SO_EE_ORIGIN_ICMP && error->ee_origin != SO_EE_ORIGIN_ICMP6)
        return;
    failure->icmp = true;
    failure->type = error->ee_type;
    failure->code = error->ee_code;
    socklen_t len = offender->sa_family == AF_INET    ? sizeof(struct sockaddr_in)
                    : offender->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                      : 0;
    failure->has_offender = len > 0;
    failure->offender = (struct socket_address){.len = len};
    memcpy(&failure->offender.storage, offender, len);
}

void dial_read_errors(int fd, struct dial_failure *failure)
{
    _Alignas(struct cmsghdr) char control[512];
    char data[64];
    struct iovec iov = {data, sizeof data};

    for (int i = 0; i < 16; i++) {
        struct msghdr message = {.msg_iov = &iov,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof control};
        if (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
            return;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
            if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
                (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
                take_error((const void *)CMSG_DATA(c), failure);
    }
}

void dial_path(int fd, struct dial_path *ret_path)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;

    *ret_path = (struct dial_path){0};
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
        return;
    *ret_path = (struct dial_path){.rtt = (nsec_t)info.tcpi_rtt * NSEC_PER_USEC,
                                   .mss = info.tcpi_snd_mss,
                                   .retransmits = info.tcpi_total_retrans,
                                   .disordered = info.tcpi_rcv_ooopack};
}
