/* Parsing of listen addresses and making of listening sockets. Saying who has a taken port is
 * listeners.c's. */
#include "os/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/span.h"

enum {
    BACKLOG = 4096, /* the kernel caps it at net.core.somaxconn */
    UNSENT_MOST = 256 * 1024,
};

static int parse_port(struct span text, uint16_t *ret_port)
{
    uint64_t port;

    if (text.len > 5 || span_to_uint(text, &port) < 0 || port == 0 || port > 65535)
        return ERR_SYNTAX;
    *ret_port = (uint16_t)port;
    return 0;
}

static void fill_ipv6(struct socket_address *address, struct in6_addr host, uint16_t port)
{
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address->storage;

    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    in6->sin6_addr = host;
    address->len = sizeof *in6;
}

static int fill_ipv4(struct socket_address *address, const char *host, uint16_t port)
{
    struct sockaddr_in *in4 = (struct sockaddr_in *)&address->storage;

    if (inet_pton(AF_INET, host, &in4->sin_addr) != 1)
        return ERR_SYNTAX;
    in4->sin_family = AF_INET;
    in4->sin_port = htons(port);
    address->len = sizeof *in4;
    return 0;
}

/* The part between brackets, perhaps with a zone (RFC 4007 section 11). */
static int parse_ipv6(char *host, uint16_t port, struct socket_address *address)
{
    struct in6_addr in6;
    char *zone = strchr(host, '%');

    if (zone)
        *zone++ = '\0';
    if (inet_pton(AF_INET6, host, &in6) != 1)
        return ERR_SYNTAX;
    fill_ipv6(address, in6, port);
    if (zone) {
        unsigned index = if_nametoindex(zone);
        if (index == 0)
            return ERR_SYNTAX;
        ((struct sockaddr_in6 *)&address->storage)->sin6_scope_id = index;
    }
    return 0;
}

int socket_address_parse(const char *text, struct socket_address *ret_address)
{
    struct socket_address address = {.any = false};
    struct span all = span_str(text);
    ptrdiff_t colon = span_find_last(all, ':');
    char host[80];
    uint16_t port;

    if (parse_port(span_from(all, (size_t)(colon + 1)), &port) < 0)
        return ERR_SYNTAX;
    struct span front = span_of(all.ptr, colon < 0 ? 0 : (size_t)colon);
    if (front.len == 0) {
        fill_ipv6(&address, in6addr_any, port);
        address.any = true;
        *ret_address = address;
        return 0;
    }
    bool bracketed = front.len > 2 && front.ptr[0] == '[' && front.ptr[front.len - 1] == ']';
    if (bracketed)
        front = span_of(front.ptr + 1, front.len - 2);
    if (span_equal_nocase(front, SPAN("localhost")))
        front = SPAN("127.0.0.1");
    if (front.len >= sizeof host)
        return ERR_SYNTAX;
    memcpy(host, front.ptr, front.len);
    host[front.len] = '\0';
    int r = bracketed ? parse_ipv6(host, port, &address) : fill_ipv4(&address, host, port);
    if (r < 0)
        return r;
    *ret_address = address;
    return 0;
}

const char *socket_address_check(const char *text)
{
    struct socket_address address;

    if (socket_address_parse(text, &address) == 0)
        return NULL;
    return "is not an address to listen on; write \":443\", \"192.0.2.1:443\" or "
           "\"[2001:db8::1]:443\"";
}

uint16_t socket_address_port(const struct socket_address *address)
{
    if (address->storage.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)&address->storage)->sin_port);
    return ntohs(((const struct sockaddr_in6 *)&address->storage)->sin6_port);
}

bool socket_address_equal(const struct socket_address *a, const struct socket_address *b)
{
    if (a->any != b->any || a->storage.ss_family != b->storage.ss_family ||
        socket_address_port(a) != socket_address_port(b))
        return false;
    if (a->any)
        return true;
    if (a->storage.ss_family == AF_INET)
        return ((const struct sockaddr_in *)&a->storage)->sin_addr.s_addr ==
               ((const struct sockaddr_in *)&b->storage)->sin_addr.s_addr;
    const struct sockaddr_in6 *a6 = (const struct sockaddr_in6 *)&a->storage;
    const struct sockaddr_in6 *b6 = (const struct sockaddr_in6 *)&b->storage;
    return memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof a6->sin6_addr) == 0 &&
           a6->sin6_scope_id == b6->sin6_scope_id;
}

static int set_flag(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) < 0 ? -errno : 0;
}

/* A TCP socket bound to the address. @param sharing  SO_REUSEPORT */
static int bind_one(const struct socket_address *address, bool sharing)
{
    int family = address->storage.ss_family;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    /* SO_REUSEADDR: old connections in TIME_WAIT are no obstacle, a listening socket is one. */
    int r = set_flag(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (r >= 0 && family == AF_INET6)
        r = set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY, !address->any);
    if (r >= 0 && sharing)
        r = set_flag(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (r >= 0 && bind(fd, (const struct sockaddr *)&address->storage, address->len) < 0)
        r = -errno;
    if (r < 0) {
        close(fd);
        return r;
    }
    return fd;
}

/* The same, and on a machine without IPv6 an address of both families is that of one. */
static int bind_any(const struct socket_address *address, bool sharing)
{
    int fd = bind_one(address, sharing);

    if (!address->any || (fd != -EAFNOSUPPORT && fd != -EADDRNOTAVAIL))
        return fd;
    struct socket_address ipv4 = {.any = true};
    int r = fill_ipv4(&ipv4, "0.0.0.0", socket_address_port(address));
    return r < 0 ? r : bind_one(&ipv4, sharing);
}

int socket_probe(const struct socket_address *address)
{
    int fd = bind_any(address, false);

    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}

/* What accepted sockets inherit, at no call of their own. Without the bound the kernel keeps up to
 * 4 MB for a reader that has stalled; with it, what the reader's window leaves unsent plus this.
 * It is what a worker seals at a time, so that a fast reader is not kept waiting: no cost a byte
 * could be measured at this size. */
static int set_inherited(int fd)
{
    int r = set_flag(fd, IPPROTO_TCP, TCP_NODELAY, 1);

    return r < 0 ? r : set_flag(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_MOST);
}

int socket_listen(const struct socket_address *address)
{
    int fd = bind_any(address, true);

    if (fd < 0)
        return fd;
    int r = set_inherited(fd);
    if (r >= 0 && listen(fd, BACKLOG) < 0)
        r = -errno;
    if (r < 0) {
        close(fd);
        return r;
    }
    return fd;
}

int socket_listening_address(int fd, struct socket_address *ret_address)
{
    struct socket_address address = {.len = sizeof address.storage};
    int listening = 0, v6only = 1;
    socklen_t len = sizeof listening;

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0)
        return -errno;
    if (getsockname(fd, (struct sockaddr *)&address.storage, &address.len) < 0)
        return -errno;
    int family = address.storage.ss_family;
    if (!listening || (family != AF_INET && family != AF_INET6))
        return -EINVAL;
    len = sizeof v6only;
    if (family == AF_INET6 && getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, &len) < 0)
        return -errno;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address.storage;
    address.any = family == AF_INET6 && !v6only && IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr);
    *ret_address = address;
    return 0;
}

void socket_prepare(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0)
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    /* Without it answers may be a little later, and stalled readers cost more memory; no more. */
    int r = set_inherited(fd);
    (void)r;
}

static int set_timeout(int fd, int option, nsec_t timeout)
{
    struct timeval tv = {.tv_sec = timeout / NSEC_PER_SEC,
                         .tv_usec = timeout % NSEC_PER_SEC / NSEC_PER_USEC};
    return setsockopt(fd, SOL_SOCKET, option, &tv, sizeof tv) < 0 ? -errno : 0;
}

int socket_receive_timeout(int fd, nsec_t timeout)
{
    return set_timeout(fd, SO_RCVTIMEO, timeout);
}

int socket_send_timeout(int fd, nsec_t timeout)
{
    return set_timeout(fd, SO_SNDTIMEO, timeout);
}
