/* Routes and neighbours by netlink. One question, one answer, each bounded in time. */
#include "os/route.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "base/nsec.h"
#include "os/socket.h"

enum { ANSWER_MAX = 4096 /* bytes; one route or neighbour takes some 200 */ };

struct question {
    struct nlmsghdr header;
    union {
        struct rtmsg route;
        struct ndmsg neighbour;
    };
    char attributes[64];
};

static const void *address_bytes(const struct sockaddr *address, size_t *ret_len)
{
    if (address->sa_family == AF_INET) {
        *ret_len = 4;
        return &((const struct sockaddr_in *)(const void *)address)->sin_addr;
    }
    *ret_len = 16;
    return &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
}

static unsigned scope_of(const struct sockaddr *address)
{
    return address->sa_family == AF_INET6
               ? ((const struct sockaddr_in6 *)(const void *)address)->sin6_scope_id
               : 0;
}

static void add_attribute(struct question *question, unsigned short type, const void *bytes,
                          size_t len)
{
    struct rtattr *attribute =
        (struct rtattr *)(void *)((char *)question + NLMSG_ALIGN(question->header.nlmsg_len));

    attribute->rta_type = type;
    attribute->rta_len = (unsigned short)RTA_LENGTH(len);
    memcpy(RTA_DATA(attribute), bytes, len);
    question->header.nlmsg_len =
        (unsigned)(NLMSG_ALIGN(question->header.nlmsg_len) + RTA_ALIGN(attribute->rta_len));
}

/* @return bytes of the answer, or -errno, the kernel's refusal included */
static int ask(struct question *question, char *answer)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    if (fd < 0)
        return -errno;
    int r = socket_receive_timeout(fd, NSEC_PER_SEC);
    if (r >= 0 && send(fd, question, question->header.nlmsg_len, 0) < 0)
        r = -errno;
    ssize_t got = r < 0 ? r : recv(fd, answer, ANSWER_MAX, 0);
    if (r >= 0 && got < 0)
        r = errno == EAGAIN ? -ETIMEDOUT : -errno;
    close(fd);
    if (r < 0)
        return r;
    const struct nlmsghdr *header = (const struct nlmsghdr *)(const void *)answer;
    if (!NLMSG_OK(header, (unsigned)got))
        return -EBADMSG;
    if (header->nlmsg_type == NLMSG_ERROR) {
        const struct nlmsgerr *error = NLMSG_DATA(header);
        return header->nlmsg_len < NLMSG_LENGTH(sizeof *error) || !error->error ? -EBADMSG
                                                                                : error->error;
    }
    return (int)got;
}

static void read_address(struct sockaddr_storage *address, int family, const struct rtattr *from)
{
    size_t len = family == AF_INET ? 4 : 16;

    if (RTA_PAYLOAD(from) < len)
        return;
    *address = (struct sockaddr_storage){.ss_family = (sa_family_t)family};
    if (family == AF_INET)
        memcpy(&((struct sockaddr_in *)(void *)address)->sin_addr, RTA_DATA(from), len);
    else
        memcpy(&((struct sockaddr_in6 *)(void *)address)->sin6_addr, RTA_DATA(from), len);
}

static unsigned read_number(const struct rtattr *from)
{
    unsigned number = 0;

    if (RTA_PAYLOAD(from) >= sizeof number)
        memcpy(&number, RTA_DATA(from), sizeof number);
    return number;
}

static void read_metrics(const struct rtattr *from, struct route *route)
{
    int left = (int)RTA_PAYLOAD(from);

    for (const struct rtattr *at = RTA_DATA(from); RTA_OK(at, left); at = RTA_NEXT(at, left))
        if (at->rta_type == RTAX_MTU)
            route->mtu = read_number(at);
}

/* RFC 8950: an IPv4 route through an IPv6 gateway names it with its family. */
static void read_via(const struct rtattr *from, struct route *route)
{
    const struct rtvia *via = RTA_DATA(from);

    route->via_gateway = true;
    if (RTA_PAYLOAD(from) < sizeof *via + 16 || via->rtvia_family != AF_INET6)
        return;
    route->gateway = (struct sockaddr_storage){.ss_family = AF_INET6};
    memcpy(&((struct sockaddr_in6 *)(void *)&route->gateway)->sin6_addr, via->rtvia_addr, 16);
}

static void read_route(const struct nlmsghdr *header, struct route *route)
{
    const struct rtmsg *message = NLMSG_DATA(header);
    int left = (int)RTM_PAYLOAD(header);

    *route = (struct route){.local = message->rtm_type == RTN_LOCAL};
    for (const struct rtattr *at = RTM_RTA(message); RTA_OK(at, left); at = RTA_NEXT(at, left)) {
        if (at->rta_type == RTA_GATEWAY) {
            route->via_gateway = true;
            read_address(&route->gateway, message->rtm_family, at);
        } else if (at->rta_type == RTA_PREFSRC) {
            read_address(&route->source, message->rtm_family, at);
        } else if (at->rta_type == RTA_OIF) {
            route->interface_index = read_number(at);
        } else if (at->rta_type == RTA_METRICS) {
            read_metrics(at, route);
        } else if (at->rta_type == RTA_VIA) {
            read_via(at, route);
        }
    }
    if (!if_indextoname(route->interface_index, route->interface))
        route->interface[0] = '\0';
}

int route_look(const struct sockaddr *to, struct route *ret_route)
{
    char answer[ANSWER_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
    struct question question = {
        .header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)),
                   .nlmsg_type = RTM_GETROUTE,
                   .nlmsg_flags = NLM_F_REQUEST},
        .route = {.rtm_family = (unsigned char)to->sa_family},
    };
    size_t len;

    if (to->sa_family != AF_INET && to->sa_family != AF_INET6)
        return -EINVAL;
    const void *bytes = address_bytes(to, &len);
    unsigned scope = scope_of(to);
    question.route.rtm_dst_len = (unsigned char)(len * 8);
    add_attribute(&question, RTA_DST, bytes, len);
    if (scope)
        add_attribute(&question, RTA_OIF, &scope, sizeof scope);
    int r = ask(&question, answer);
    if (r < 0)
        return r;
    const struct nlmsghdr *header = (const struct nlmsghdr *)(const void *)answer;
    if (header->nlmsg_type != RTM_NEWROUTE ||
        header->nlmsg_len < NLMSG_LENGTH(sizeof(struct rtmsg)))
        return -EBADMSG;
    read_route(header, ret_route);
    return 0;
}

enum route_neighbour route_neighbour(const struct sockaddr *address, unsigned interface_index)
{
    char answer[ANSWER_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
    struct question question = {
        .header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ndmsg)),
                   .nlmsg_type = RTM_GETNEIGH,
                   .nlmsg_flags = NLM_F_REQUEST},
        .neighbour = {.ndm_family = (unsigned char)address->sa_family,
                      .ndm_ifindex = (int)interface_index},
    };
    size_t len;

    if (address->sa_family != AF_INET && address->sa_family != AF_INET6)
        return ROUTE_NEIGHBOUR_UNKNOWN;
    const void *bytes = address_bytes(address, &len);
    add_attribute(&question, NDA_DST, bytes, len);
    if (ask(&question, answer) < 0)
        return ROUTE_NEIGHBOUR_UNKNOWN;
    const struct nlmsghdr *header = (const struct nlmsghdr *)(const void *)answer;
    const struct ndmsg *message = NLMSG_DATA(header);
    if (header->nlmsg_type != RTM_NEWNEIGH || header->nlmsg_len < NLMSG_LENGTH(sizeof *message))
        return ROUTE_NEIGHBOUR_UNKNOWN;
    if (message->ndm_state & (NUD_INCOMPLETE | NUD_FAILED))
        return ROUTE_NEIGHBOUR_SILENT;
    return message->ndm_state & (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT)
               ? ROUTE_NEIGHBOUR_ANSWERED
               : ROUTE_NEIGHBOUR_UNKNOWN;
}
