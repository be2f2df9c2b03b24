/* Raw sockets send; packet sockets receive, before this machine's own firewall sees the answers.
 * The kernel filters, so that a busy machine's other traffic costs us nothing. */
#include "os/rawnet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

enum {
    RECEIVE_ROOM = 32 << 20, /* bytes of kernel memory for answers in flight */
    TCP_CHECKSUM_OFFSET = 16,
};

struct rawnet {
    int send4, send6;       /* -1: this machine lacks the family */
    int receive4, receive6; /* packet sockets */
    int reserve;            /* holds the port */
    uint16_t port;
    unsigned char room[RAWNET_BATCH][RAWNET_CUT];
    struct iovec vectors[RAWNET_BATCH];
    struct mmsghdr messages[RAWNET_BATCH];
};

/* ---- opening ---- */

/* A bound socket that neither listens nor connects: the kernel knows the port as taken and answers
 * what comes to it with RST. */
static int take_port(struct rawnet *net)
{
    struct sockaddr_in6 any6 = {.sin6_family = AF_INET6};
    struct sockaddr_in any4 = {.sin_family = AF_INET};
    struct sockaddr_storage bound;
    socklen_t len = sizeof bound;
    int off = 0;

    net->reserve = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (net->reserve < 0 ||
        setsockopt(net->reserve, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) < 0 ||
        bind(net->reserve, (const struct sockaddr *)&any6, sizeof any6) < 0) {
        if (net->reserve >= 0)
            close(net->reserve);
        net->reserve = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (net->reserve < 0 || bind(net->reserve, (const struct sockaddr *)&any4, sizeof any4) < 0)
            return -errno;
    }
    if (getsockname(net->reserve, (struct sockaddr *)&bound, &len) < 0)
        return -errno;
    net->port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                                  : ((struct sockaddr_in *)&bound)->sin_port);
    return 0;
}

static int open_receiver(uint16_t protocol, const struct sock_fprog *filter)
{
    int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int room = RECEIVE_ROOM;
    struct sockaddr_ll all = {.sll_family = AF_PACKET, .sll_protocol = htons(protocol)};

    if (fd < 0)
        return -errno;
    /* Without CAP_NET_ADMIN the room is what the system allows; what is lost is asked again. */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    /* Bound after the filter is in place: nothing comes unfiltered. */
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, filter, sizeof *filter) < 0 ||
        bind(fd, (const struct sockaddr *)&all, sizeof all) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

/* IPv4: TCP to our port, unfragmented; ICMP types 3 and 11. */
static int open_receiver4(uint16_t port)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),
        BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 0, 4),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 6),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x1fff, 7, 0),
        BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, port, 4, 5),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMP, 0, 4),
        BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 3, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 11, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, RAWNET_CUT),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog filter = {.len = ARRAY_SIZE(code), .filter = code};

    return open_receiver(ETH_P_IP, &filter);
}

/* IPv6 without extension headers: TCP to our port; ICMPv6 types 1 and 3. */
static int open_receiver6(uint16_t port)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 6),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 0, 2),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 42),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, port, 4, 5),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 0, 4),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 40),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 3, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, RAWNET_CUT),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog filter = {.len = ARRAY_SIZE(code), .filter = code};

    return open_receiver(ETH_P_IPV6, &filter);
}

/* @return a descriptor; -EAFNOSUPPORT where the machine lacks the family; -errno */
static int open_sender(int family)
{
    int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    int offset = TCP_CHECKSUM_OFFSET, room = RECEIVE_ROOM;
    struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog filter = {.len = 1, .filter = &nothing};

    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) < 0 ||
        (family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_CHECKSUM, &offset, sizeof offset) < 0)) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

static int open_all(struct rawnet *net)
{
    int r = take_port(net);

    if (r < 0)
        return r;
    if ((net->send4 = open_sender(AF_INET)) < 0)
        return net->send4;
    if ((net->receive4 = open_receiver4(net->port)) < 0)
        return net->receive4;
    net->send6 = open_sender(AF_INET6);
    if (net->send6 < 0)
        return net->send6 == -EAFNOSUPPORT ? 0 : net->send6;
    net->receive6 = open_receiver6(net->port);
    return net->receive6 < 0 ? net->receive6 : 0;
}

int rawnet_open(struct rawnet **ret_net)
{
    struct rawnet *net = mem_new(struct rawnet);

    net->send4 = net->send6 = net->receive4 = net->receive6 = net->reserve = -1;
    int r = open_all(net);
    if (r < 0) {
        rawnet_close(net);
        return r;
    }
    *ret_net = net;
    return 0;
}

void rawnet_close(struct rawnet *net)
{
    if (!net)
        return;
    const int fds[] = {net->send4, net->send6, net->receive4, net->receive6, net->reserve};
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    free(net);
}

uint16_t rawnet_port(const struct rawnet *net)
{
    return net->port;
}

/* ---- traffic ---- */

int rawnet_send(struct rawnet *net, int family, const struct rawnet_segment *segments,
                unsigned count)
{
    struct mmsghdr messages[RAWNET_BATCH];
    struct iovec vectors[RAWNET_BATCH];
    struct sockaddr_storage to[RAWNET_BATCH];
    int fd = family == AF_INET ? net->send4 : net->send6;

    if (fd < 0)
        return -EAFNOSUPPORT;
    for (unsigned i = 0; i < count; i++) {
        to[i] = segments[i].to;
        if (family == AF_INET6) /* a raw socket takes a port for another protocol */
            ((struct sockaddr_in6 *)&to[i])->sin6_port = 0;
        vectors[i] = (struct iovec){(void *)segments[i].bytes, segments[i].len};
        messages[i] =
            (struct mmsghdr){.msg_hdr = {
                                 .msg_name = &to[i],
                                 .msg_namelen = family == AF_INET ? sizeof(struct sockaddr_in)
                                                                  : sizeof(struct sockaddr_in6),
                                 .msg_iov = &vectors[i],
                                 .msg_iovlen = 1,
                             }};
    }
    int sent = sendmmsg(fd, messages, count, 0);
    return sent < 0 ? -errno : sent;
}

static int receive_from(struct rawnet *net, int fd,
                        void (*on_packet)(void *context, struct span packet, bool ipv6),
                        void *context)
{
    struct sockaddr_ll from[RAWNET_BATCH];

    if (fd < 0)
        return 0;
    for (unsigned i = 0; i < RAWNET_BATCH; i++) {
        net->vectors[i] = (struct iovec){net->room[i], RAWNET_CUT};
        net->messages[i].msg_hdr = (struct msghdr){.msg_name = &from[i],
                                                   .msg_namelen = sizeof from[i],
                                                   .msg_iov = &net->vectors[i],
                                                   .msg_iovlen = 1};
    }
    int got = recvmmsg(fd, net->messages, RAWNET_BATCH, 0, NULL);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    for (int i = 0; i < got; i++)
        on_packet(context, span_of((char *)net->room[i], net->messages[i].msg_len),
                  fd == net->receive6);
    return got;
}

int rawnet_receive(struct rawnet *net,
                   void (*on_packet)(void *context, struct span packet, bool ipv6), void *context)
{
    int a = receive_from(net, net->receive4, on_packet, context);
    int b = a < 0 ? a : receive_from(net, net->receive6, on_packet, context);

    return b < 0 ? b : a + b;
}

int rawnet_wait(struct rawnet *net, nsec_t timeout)
{
    struct pollfd fds[] = {{.fd = net->receive4, .events = POLLIN},
                           {.fd = net->receive6, .events = POLLIN}};
    struct timespec left = {.tv_sec = timeout / NSEC_PER_SEC, .tv_nsec = timeout % NSEC_PER_SEC};

    if (timeout <= 0)
        return 0;
    return ppoll(fds, ARRAY_SIZE(fds), &left, NULL) < 0 && errno != EINTR ? -errno : 0;
}
