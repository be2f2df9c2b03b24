/* Listening sockets. Addresses as text are socket_address.c's; who has a taken port is said by
 * listeners_linux.c. */
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

#include "os/address.h"

enum {
    BACKLOG = 4096, /* the kernel caps it at net.core.somaxconn */
    UNSENT_MOST = 256 * 1024,
};

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
    struct socket_address ipv4;
    int r = address_from_ip("0.0.0.0", socket_address_port(address), &ipv4);
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
