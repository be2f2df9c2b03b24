/* Datagrams from and to the kernel: with the address that they came to, so that answers come from
 * there, and many at a time where it can split and join them. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

#include "serve/transport/udp_internal.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/* Room for the address, the traffic class and the size of a segment. */
union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct in_pktinfo)) +
               3 * CMSG_SPACE(sizeof(int))];
};

static int set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) < 0 ? -errno : 0;
}

int udp_prepare(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;

    if (getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        return -errno;
    int r = 0;
    if (address.ss_family == AF_INET6) {
        r = set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
        (void)set(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
        (void)set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
    } else {
        r = set(fd, IPPROTO_IP, IP_PKTINFO, 1);
    }
    /* An IPv6 socket of both families takes these for its IPv4 packets. */
    (void)set(fd, IPPROTO_IP, IP_RECVTOS, 1);
    (void)set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
    (void)set(fd, IPPROTO_UDP, UDP_GRO, 1); /* without it datagrams come one by one */
    return r;
}

static void set_local(struct quic_address *local, const struct quic_address *bound,
                      const struct in6_pktinfo *info6, const struct in_pktinfo *info4)
{
    *local = *bound;
    if (info6)
        ((struct sockaddr_in6 *)&local->storage)->sin6_addr = info6->ipi6_addr;
    else if (info4)
        ((struct sockaddr_in *)&local->storage)->sin_addr = info4->ipi_addr;
}

static void read_control(struct msghdr *message, const struct quic_address *bound,
                         struct quic_batch *packet)
{
    struct in6_pktinfo info6;
    struct in_pktinfo info4;
    bool has6 = false, has4 = false;
    int number;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            memcpy(&info6, CMSG_DATA(c), sizeof info6);
            has6 = true;
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            memcpy(&info4, CMSG_DATA(c), sizeof info4);
            has4 = bound->storage.ss_family == AF_INET;
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
            packet->ecn = *CMSG_DATA(c) & 3;
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
            memcpy(&number, CMSG_DATA(c), sizeof number);
            packet->ecn = (uint8_t)(number & 3);
        } else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
            memcpy(&number, CMSG_DATA(c), sizeof number);
            packet->segment = number > 0 ? (size_t)number : 0;
        }
    }
    set_local(&packet->local, bound, has6 ? &info6 : NULL, has4 ? &info4 : NULL);
}

int udp_receive(int fd, char *room, size_t cap, struct quic_batch *ret_packet)
{
    struct quic_batch packet = {.peer.len = sizeof packet.peer.storage};
    struct quic_address bound = {.len = sizeof bound.storage};
    union control control;
    struct iovec piece = {room, cap};
    struct msghdr message = {.msg_name = &packet.peer.storage,
                             .msg_namelen = packet.peer.len,
                             .msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};

    ssize_t count = recvmsg(fd, &message, MSG_DONTWAIT);
    if (count < 0)
        return errno == EAGAIN || errno == EINTR || errno == ECONNREFUSED ? 0 : -errno;
    if (getsockname(fd, (struct sockaddr *)&bound.storage, &bound.len) < 0)
        return -errno;
    packet.peer.len = message.msg_namelen;
    packet.bytes = span_of(room, (size_t)count);
    packet.segment = (size_t)count;
    read_control(&message, &bound, &packet);
    if (packet.segment == 0)
        packet.segment = (size_t)count ? (size_t)count : 1;
    *ret_packet = packet;
    return 1;
}

/* ---- sending ---- */

static void put(struct msghdr *message, int level, int type, const void *value, size_t len)
{
    struct cmsghdr *c = (void *)((char *)message->msg_control + message->msg_controllen);

    *c = (struct cmsghdr){.cmsg_len = CMSG_LEN(len), .cmsg_level = level, .cmsg_type = type};
    memcpy(CMSG_DATA(c), value, len);
    message->msg_controllen += CMSG_SPACE(len);
}

static void put_addresses(struct msghdr *message, const struct quic_batch *packet)
{
    int class = packet->ecn;

    if (packet->local.storage.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)&packet->local.storage;
        struct in6_pktinfo info = {.ipi6_addr = in6->sin6_addr};
        bool mapped = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);
        put(message, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
        if (class)
            put(message, mapped ? IPPROTO_IP : IPPROTO_IPV6, mapped ? IP_TOS : IPV6_TCLASS, &class,
                sizeof class);
        return;
    }
    const struct sockaddr_in *in = (const void *)&packet->local.storage;
    struct in_pktinfo info = {.ipi_spec_dst = in->sin_addr};
    put(message, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    if (class)
        put(message, IPPROTO_IP, IP_TOS, &class, sizeof class);
}

static int send_one(int fd, const struct quic_batch *packet, struct span bytes, bool segments)
{
    union control control = {0};
    struct iovec piece = {(char *)(uintptr_t)bytes.ptr, bytes.len};
    struct msghdr message = {.msg_name = (void *)(uintptr_t)&packet->peer.storage,
                             .msg_namelen = packet->peer.len,
                             .msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = &control};
    uint16_t size = (uint16_t)packet->segment;
    ssize_t sent;

    put_addresses(&message, packet);
    if (segments)
        put(&message, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size);
    do
        sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

void udp_send(struct udp_listener *listener, const struct quic_batch *packet)
{
    struct span rest = packet->bytes;
    int fd = listener->watch.fd;

    if (rest.len > packet->segment && !listener->no_segments) {
        int r = send_one(fd, packet, rest, true);
        if (r == 0 || r == -EAGAIN || r == -ENOBUFS || r == -EPERM)
            return;
        listener->no_segments = r == -EIO || r == -EINVAL || r == -ENOPROTOOPT;
    }
    while (rest.len) {
        struct span one =
            span_of(rest.ptr, rest.len < packet->segment ? rest.len : packet->segment);
        if (send_one(fd, packet, one, false) == -EAGAIN)
            return;
        rest = span_from(rest, one.len);
    }
}
