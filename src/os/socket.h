/* Addresses as users write them, and listening TCP sockets. Who accepts is the callers' business.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "base/nsec.h"
#include "os/net.h"

struct socket_address {
    struct sockaddr_storage storage;
    socklen_t len;
    bool any; /**< written without a host: both families */
};

/** Reads ":443", "443", "127.0.0.1:8443", "[::1]:443", "[fe80::1%eth0]:443", "localhost:8443". Port
 * 0 is refused. "localhost" is 127.0.0.1; other names are not looked up.
 *  @return 0, or ERR_SYNTAX */
must_check int socket_address_parse(const char *text, struct socket_address *ret_address);
/** For schema rows: NULL, or what is wrong as a sentence's end. */
const char *socket_address_check(const char *text);
uint16_t socket_address_port(const struct socket_address *address);
/** Same family, host and port? An address without a host equals only another such. */
/** Would one of them take connections of the other, or keep it from being bound? */
bool socket_address_overlaps(const struct socket_address *a, const struct socket_address *b);
bool socket_address_equal(const struct socket_address *a, const struct socket_address *b);

/** Is something listening there, or would the kernel refuse us? Binds and lets go, without sharing,
 *  so that it also finds sockets that share their port.
 *  @return 0 when free; -EADDRINUSE; -EACCES; -EADDRNOTAVAIL; other -errno */
must_check int socket_probe(const struct socket_address *address);
/** A listening socket, non-blocking, TCP_NODELAY (inherited by what it accepts), SO_REUSEPORT. An
 *  address without a host is [::] for both families, or 0.0.0.0 on a machine without IPv6.
 *  @return a descriptor, or -errno */
must_check int socket_listen(const struct socket_address *address);
/** A UDP socket of a group that shares its port (SO_REUSEPORT), non-blocking, with large buffers
 * where we may have them. @return a descriptor, or -errno */
must_check int socket_datagrams(const struct socket_address *address);
/** Would another program's UDP socket be in the way? @return 0, or -errno */
must_check int socket_probe_datagrams(const struct socket_address *address);

enum { SOCKET_STEER_MAX = 64 };

struct socket_steering {
    uint8_t cid_len;  /**< of connection IDs of ours: the first byte is the index of a socket in the
                         order of binding, */
    uint8_t marks[2]; /**< the next two are that xor these: a client's first ID may be as long */
    unsigned sockets; /**< of the group */
    const uint8_t *first; /**< indices of the sockets that get first packets, by the client's ID */
    unsigned count;       /**< 1..SOCKET_STEER_MAX */
};

/** Steers QUIC packets within the group of a UDP socket. @return 0, or -errno */
must_check int socket_steer(int fd, const struct socket_steering *steering);
/** The address that a listening socket is bound to; [::] for both families counts as `any`.
 *  @return 0; -ENOTSOCK, -EINVAL for no listening TCP socket; -errno */
must_check int socket_listening_address(int fd, struct socket_address *ret_address);
/** Makes a listening socket that somebody else opened like one of socket_listen(), as far as that
 * can be done later: non-blocking, TCP_NODELAY, bounded unsent bytes. */
void socket_prepare(int fd);
/** Bounds each blocking receive. @return 0, or -errno */
must_check int socket_receive_timeout(int fd, nsec_t timeout);
/** The same for each blocking send. */
must_check int socket_send_timeout(int fd, nsec_t timeout);
