/* The sockets that wait for somebody in this network namespace, as the kernel lists them over
 * netlink. Who holds them is listeners.h's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macros.h"

enum { SOCKDIAG_MAX = 4096 }; /**< sockets of one list */

/** A TCP socket that listens, or a UDP socket that is bound and connected to nobody. */
struct sockdiag_socket {
    int protocol;          /**< IPPROTO_TCP or IPPROTO_UDP */
    int family;            /**< AF_INET or AF_INET6 */
    bool v6only;           /**< [::] that does not take IPv4 too */
    uint8_t address[16];   /**< network order; the first 4 bytes for IPv4 */
    uint16_t port;         /**< host order */
    uint32_t interface;    /**< index of the one that it is bound to; 0: all */
    uint32_t waiting;      /**< TCP: connections that the program has not taken yet */
    uint32_t waiting_most; /**< TCP: how many may wait */
    uint32_t inode;
    unsigned uid; /**< of who made it */
};

/** All zero is empty. */
struct sockdiag_list {
    struct sockdiag_socket *items;
    size_t count;
    size_t dropped; /**< how many came after the last that was kept */
};

/** Reads one datagram of the kernel's answer and adds its sockets.
 *  @param bytes     aligned for struct nlmsghdr
 *  @param protocol  what was asked for: the answer does not say it
 *  @return 1 when the answer is at its end, 0 when more follows, ERR_PROTOCOL for what is none, the
 *  -errno that the kernel answered
 *  Source: sock_diag(7) */
must_check int sockdiag_read(const void *bytes, size_t len, int protocol,
                             struct sockdiag_list *list);
/** Asks for the sockets on a port, IPv4 and IPv6.
 *  @return 0, or -errno: -ENOENT where the kernel lists no such sockets */
must_check int sockdiag_list(int protocol, uint16_t port, struct sockdiag_list *list);
void sockdiag_finish(struct sockdiag_list *list);

/** Does a socket at this address meet packets of the family, wherever they come from? */
bool sockdiag_takes(const struct sockdiag_socket *socket, int family);
/** Is it bound to a loopback address, which nobody outside can reach? */
bool sockdiag_loopback(const struct sockdiag_socket *socket);
/** "0.0.0.0:443", "[::1]:443", "[fe80::1%eth0]:443". @return `text` */
const char *sockdiag_text(const struct sockdiag_socket *socket, char text[80]);
/** Connects to a TCP socket of this network namespace and hangs up at once.
 *  @param most  ms
 *  @return 1 when it took the connection, 0 when it was refused, -ETIMEDOUT when nobody answered,
 *  another -errno when it could not be tried */
must_check int sockdiag_connect(const struct sockdiag_socket *socket, int most);
