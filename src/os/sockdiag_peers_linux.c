/* One dump of established sockets for each family, filtered by the kernel (sock_diag(7)). */
#include "os/sockdiag_peers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct peers_found {
    uint8_t (*addresses)[16];
    size_t count, max;
};

static void add(struct peers_found *found, const struct inet_diag_msg *message, uint16_t port)
{
    uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff};

    if (found->count == found->max || ntohs(message->id.idiag_sport) != port)
        return;
    if (message->idiag_family == AF_INET)
        memcpy(mapped + 12, message->id.idiag_dst, 4);
    else
        memcpy(mapped, message->id.idiag_dst, 16);
    memcpy(found->addresses[found->count++], mapped, sizeof mapped);
}

/** @return 1 at the end of the list, 0 when more follows, or -errno */
static int read_part(const char *at, size_t len, uint16_t port, struct peers_found *found)
{
    while (len >= sizeof(struct nlmsghdr)) {
        const struct nlmsghdr *header = (const void *)at;
        size_t step = NLMSG_ALIGN(header->nlmsg_len);
        if (header->nlmsg_len < sizeof *header || header->nlmsg_len > len)
            return -EPROTO;
        if (header->nlmsg_type == NLMSG_DONE)
            return 1;
        if (header->nlmsg_type == NLMSG_ERROR)
            return -EOPNOTSUPP;
        if (header->nlmsg_type == SOCK_DIAG_BY_FAMILY &&
            header->nlmsg_len >= NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
            add(found, NLMSG_DATA(header), port);
        at += step;
        len = step < len ? len - step : 0;
    }
    return 0;
}

static int list_family(int netlink, int family, uint16_t port, struct peers_found *found)
{
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 request;
    } ask = {.header = {.nlmsg_len = sizeof ask,
                        .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                        .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
             .request = {.sdiag_family = (uint8_t)family,
                         .sdiag_protocol = IPPROTO_TCP,
                         .idiag_states = 1u << TCP_ESTABLISHED,
                         .id.idiag_sport = htons(port)}};
    union {
        struct nlmsghdr align;
        char bytes[32768];
    } room;
    int r = send(netlink, &ask, sizeof ask, 0) < 0 ? -errno : 0;

    while (r == 0) {
        ssize_t n = recv(netlink, room.bytes, sizeof room.bytes, 0);
        if (n < 0 && errno == EINTR)
            continue;
        r = n <= 0 ? (n < 0 ? -errno : -EPROTO) : read_part(room.bytes, (size_t)n, port, found);
    }
    return r < 0 ? r : 0;
}

int sockdiag_peers(uint16_t port, uint8_t (*addresses)[16], size_t max)
{
    struct peers_found found = {addresses, 0, max};
    struct timeval patience = {.tv_sec = 1};
    int netlink = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

    if (netlink < 0)
        return -errno;
    int r =
        setsockopt(netlink, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0 ? -errno : 0;
    if (r == 0)
        r = list_family(netlink, AF_INET, port, &found);
    if (r == 0)
        r = list_family(netlink, AF_INET6, port, &found);
    close(netlink);
    return r < 0 ? r : (int)found.count;
}
