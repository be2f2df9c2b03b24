/* Packets with descriptors over Unix sockets (SCM_RIGHTS). What is in a packet is its users'
 * business. */
#pragma once

#include <stddef.h>

#include "base/macros.h"
#include "base/span.h"

enum { FDPASS_MAX = 253 /**< most descriptors of one packet, the kernel's SCM_MAX_FD */ };

/** Sends one packet with `count` (0..FDPASS_MAX) descriptors, which stay the caller's.
 *  @param bytes  at least one
 *  @return 0, or -errno; -EMSGSIZE when the kernel took only a part */
must_check int fdpass_send(int socket, struct span bytes, const int *fds, size_t count);

struct fdpass_packet {
    char *bytes;     /**< where the packet goes */
    size_t cap;      /**< its room */
    size_t len;      /**< out: bytes received */
    int *fds;        /**< where descriptors go, close-on-exec; the caller's from then on */
    size_t fd_cap;   /**< at most FDPASS_MAX */
    size_t fd_count; /**< out */
};

/** Receives one packet. One that is larger than the room, or has more descriptors, is dropped and
 *  its descriptors are closed.
 *  @return 1; 0 when the other side is gone; ERR_LIMIT for a dropped one; -errno */
must_check int fdpass_receive(int socket, struct fdpass_packet *packet);

/** A connected pair of SEQPACKET sockets, close-on-exec. @return 0, or -errno */
must_check int fdpass_pair(int ret_sockets[2]);
