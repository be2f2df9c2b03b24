/* The kernel's lists of sockets over netlink, and a short connection to one of them. The search for
 * the processes behind them is listeners_linux.c's. */
#include "os/sockdiag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "os/rtattr.h"

/* ---- the answer ---- */

static void add(struct sockdiag_list *list, const struct sockdiag_socket *found)
{
    if (list->count == SOCKDIAG_MAX) {
        list->dropped++;
        return;
    }
    if ((list->count & (list->count - 1)) == 0)
        list->items = mem_resize(list->items, list->count ? list->count * 2 : 1, sizeof *found);
    list->items[list->count++] = *found;
}

/* The last of several parts may come without its padding, which NLMSG_NEXT() would count
 * below zero. @return what is left behind a part */
static size_t left_after(size_t left, size_t part, size_t alignment)
{
    size_t step = (part + alignment - 1) & ~(alignment - 1);

    return step < left ? left - step : 0;
}

/* [::] tells by an attribute whether it takes IPv4 too. */
static bool read_v6only(const char *bytes, size_t left)
{
    const struct rtattr *attribute = rtattr_find(bytes, left, INET_DIAG_SKV6ONLY);

    return attribute && RTA_PAYLOAD(attribute) >= 1 && *(const uint8_t *)RTA_DATA(attribute) != 0;
}

static int read_socket(const struct nlmsghdr *header, int protocol, struct sockdiag_list *list)
{
    const struct inet_diag_msg *message = NLMSG_DATA(header);

    if (header->nlmsg_len < NLMSG_LENGTH(sizeof *message))
        return ERR_PROTOCOL;
    if (message->idiag_family != AF_INET && message->idiag_family != AF_INET6)
        return ERR_PROTOCOL;
    struct sockdiag_socket found = {
        .protocol = protocol,
        .family = message->idiag_family,
        .port = ntohs(message->id.idiag_sport),
        .interface = message->id.idiag_if,
        .inode = message->idiag_inode,
        .uid = message->idiag_uid,
        .v6only = read_v6only((const char *)(message + 1),
                              header->nlmsg_len - NLMSG_LENGTH(sizeof *message)),
    };
    memcpy(found.address, message->id.idiag_src, found.family == AF_INET ? 4 : 16);
    if (protocol == IPPROTO_TCP) {
        found.waiting = message->idiag_rqueue;
        found.waiting_most = message->idiag_wqueue;
    }
    add(list, &found);
    return 0;
}

static int read_error(const struct nlmsghdr *header)
{
    const struct nlmsgerr *error = NLMSG_DATA(header);

    if (header->nlmsg_len < NLMSG_LENGTH(sizeof *error))
        return ERR_PROTOCOL;
    return error->error < 0 && error->error >= -4095 ? error->error : ERR_PROTOCOL;
}

int sockdiag_read(const void *bytes, size_t len, int protocol, struct sockdiag_list *list)
{
    const char *at = bytes;

    while (len >= sizeof(struct nlmsghdr)) {
        const struct nlmsghdr *header = (const void *)at;
        int r = 0;
        if (header->nlmsg_len < sizeof *header || header->nlmsg_len > len)
            return ERR_PROTOCOL;
        if (header->nlmsg_type == NLMSG_DONE)
            return 1;
        if (header->nlmsg_type == NLMSG_ERROR)
            r = read_error(header);
        else if (header->nlmsg_type == SOCK_DIAG_BY_FAMILY)
            r = read_socket(header, protocol, list);
        if (r < 0)
            return r;
        at += NLMSG_ALIGN(header->nlmsg_len);
        len = left_after(len, header->nlmsg_len, NLMSG_ALIGNTO);
    }
    return len ? ERR_PROTOCOL : 0;
}

/* ---- the question ---- */

static int receive(int netlink, int protocol, struct sockdiag_list *list)
{
    union {
        struct nlmsghdr align;
        char bytes[32768]; /* the kernel makes no larger datagram of a list */
    } room;
    int r = 0;

    while (r == 0) {
        struct sockaddr_nl from = {0};
        socklen_t size = sizeof from;
        ssize_t n =
            recvfrom(netlink, room.bytes, sizeof room.bytes, 0, (struct sockaddr *)&from, &size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : ERR_PROTOCOL;
        if (from.nl_pid == 0) /* others may send to us too */
            r = sockdiag_read(room.bytes, (size_t)n, protocol, list);
    }
    return r < 0 ? r : 0;
}

static int list_family(int netlink, int family, int protocol, uint16_t port,
                       struct sockdiag_list *list)
{
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 request;
    } ask = {.header = {.nlmsg_len = sizeof ask,
                        .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                        .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
             .request = {.sdiag_family = (uint8_t)family,
                         .sdiag_protocol = (uint8_t)protocol,
                         /* UDP sockets without a peer are in the state that TCP calls closed. */
                         .idiag_states = 1u << (protocol == IPPROTO_TCP ? TCP_LISTEN : TCP_CLOSE),
                         .id.idiag_sport = htons(port)}};
    size_t before = list->count;

    if (send(netlink, &ask, sizeof ask, 0) < 0)
        return -errno;
    int r = receive(netlink, protocol, list);
    /* A kernel that knows no filter lists all. */
    size_t kept = before;
    for (size_t i = before; i < list->count; i++)
        if (list->items[i].port == port)
            list->items[kept++] = list->items[i];
    list->count = kept;
    return r;
}

int sockdiag_list(int protocol, uint16_t port, struct sockdiag_list *list)
{
    int netlink = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    struct timeval most = {.tv_sec = 2};

    if (netlink < 0)
        return -errno;
    int r = setsockopt(netlink, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most) < 0 ? -errno : 0;
    if (r == 0)
        r = list_family(netlink, AF_INET, protocol, port, list);
    if (r == 0)
        r = list_family(netlink, AF_INET6, protocol, port, list);
    close(netlink);
    return r;
}

void sockdiag_finish(struct sockdiag_list *list)
{
    free(list->items);
    *list = (struct sockdiag_list){0};
}

/* ---- addresses ---- */

static bool is_mapped(const struct sockdiag_socket *socket)
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

    return socket->family == AF_INET6 && memcmp(socket->address, prefix, sizeof prefix) == 0;
}

static bool is_any(const struct sockdiag_socket *socket)
{
    static const uint8_t zero[16];

    return memcmp(socket->address, zero, socket->family == AF_INET ? 4 : 16) == 0;
}

bool sockdiag_takes(const struct sockdiag_socket *socket, int family)
{
    if (socket->family == AF_INET || is_mapped(socket))
        return family == AF_INET;
    return family == AF_INET6 || (is_any(socket) && !socket->v6only);
}

bool sockdiag_loopback(const struct sockdiag_socket *socket)
{
    static const uint8_t one[16] = {[15] = 1};

    if (socket->family == AF_INET)
        return socket->address[0] == 127;
    if (is_mapped(socket))
        return socket->address[12] == 127;
    return memcmp(socket->address, one, sizeof one) == 0;
}

const char *sockdiag_text(const struct sockdiag_socket *socket, char text[80])
{
    char host[INET6_ADDRSTRLEN] = "?", name[IF_NAMESIZE];
    bool scoped_here = socket->family == AF_INET6 && socket->address[0] == 0xfe &&
                       (socket->address[1] & 0xc0) == 0x80 &&
                       if_indextoname(socket->interface, name);

    inet_ntop(socket->family, socket->address, host, sizeof host);
    if (socket->family == AF_INET)
        snprintf(text, 80, "%s:%u", host, (unsigned)socket->port);
    else
        snprintf(text, 80, "[%s%s%s]:%u", host, scoped_here ? "%" : "", scoped_here ? name : "",
                 (unsigned)socket->port);
    return text;
}

/* ---- a connection ---- */

/* Where to connect to, so that the socket is met: [::] and 0.0.0.0 are met at the loopback. */
static socklen_t address_of(const struct sockdiag_socket *target, struct sockaddr_storage *ret)
{
    struct sockaddr_in *four = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)ret;

    *ret = (struct sockaddr_storage){.ss_family = (sa_family_t)target->family};
    if (target->family == AF_INET) {
        four->sin_port = htons(target->port);
        four->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (!is_any(target))
            memcpy(&four->sin_addr, target->address, sizeof four->sin_addr);
        return sizeof *four;
    }
    six->sin6_port = htons(target->port);
    six->sin6_addr = in6addr_loopback;
    if (!is_any(target)) {
        memcpy(&six->sin6_addr, target->address, sizeof six->sin6_addr);
        six->sin6_scope_id = target->interface;
    }
    return sizeof *six;
}

static int await(int fd, int most)
{
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    int error = 0;
    socklen_t size = sizeof error;
    int n = poll(&wait, 1, most);

    if (n <= 0)
        return n == 0 ? -ETIMEDOUT : -errno;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        return -errno;
    return error == ECONNREFUSED ? 0 : error ? -error : 1;
}

static int connect_once(const struct sockdiag_socket *target, int most)
{
    struct sockaddr_storage address;
    socklen_t len = address_of(target, &address);
    int fd = socket(target->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), r = 1;

    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&address, len) < 0) {
        if (errno == EINPROGRESS)
            r = await(fd, most);
        else
            r = errno == ECONNREFUSED ? 0 : -errno;
    }
    close(fd);
    return r;
}

int sockdiag_connect(const struct sockdiag_socket *target, int most)
{
    bool local = is_any(target) || sockdiag_loopback(target);

    if (target->protocol != IPPROTO_TCP)
        return -EPROTONOSUPPORT;
    if (target->interface && local) /* it hears that interface alone, which we are not behind */
        return -ENETUNREACH;
    int r = connect_once(target, most);
    bool both = target->family == AF_INET6 && is_any(target) && !target->v6only;
    if (both && (r == -EADDRNOTAVAIL || r == -ENETUNREACH || r == -EAFNOSUPPORT)) {
        /* IPv6 is switched off, so ::1 is not there, and the socket takes IPv4 */
        const struct sockdiag_socket four = {
            .family = AF_INET, .protocol = target->protocol, .port = target->port};
        r = connect_once(&four, most);
    }
    return r;
}
