/* Connecting out: sockets that never block, and what the network says when it refuses. Which
 * address to try and what a refusal means is decided above. */
#pragma once

#include <sys/types.h>

#include "os/address.h"

/** Why a connection was not made, or broke. */
struct dial_failure {
    int error;    /**< errno; 0: none */
    bool icmp;    /**< a box on the way said so, by ICMP */
    uint8_t type; /**< of that ICMP message; ICMPv6's for an IPv6 address */
    uint8_t code;
    bool has_offender;
    struct socket_address offender; /**< the box that refused */
    bool from_here;                 /**< that box is this machine: its network could not deliver */
};

/** What the kernel knows of a connection. */
struct dial_path {
    nsec_t rtt;           /**< smoothed; 0: unknown */
    unsigned mss;         /**< bytes of a segment that we send; 0: unknown */
    unsigned retransmits; /**< segments sent again so far */
    unsigned disordered;  /**< segments that came ahead of one that is missing */
};

/** Begins to connect over TCP.
 *  @param mss  max. bytes of a segment, both ways, 88 at least; 0: what the interfaces allow
 *  @return a descriptor (dial_result() says how it went once it is writable), or -errno when there
 *  is nothing to wait for */
must_check int dial_tcp(const struct socket_address *address, unsigned mss);
/** A UDP socket that hears from this address only. @return a descriptor, or -errno */
must_check int dial_udp(const struct socket_address *address);
/** @return 0 when connected, -EINPROGRESS while under way, -errno with *ret_failure filled */
must_check int dial_result(int fd, struct dial_failure *ret_failure);
/** Takes what made a later read or write fail.
 *  @param error  the errno of that call */
void dial_take_failure(int fd, int error, struct dial_failure *ret_failure);
/** Asks the kernel; all zero where it does not tell. */
void dial_path(int fd, struct dial_path *ret_path);

/** Sends what fits now. A peer that has gone raises no signal.
 *  @return bytes sent; -EAGAIN; -errno */
must_check ssize_t dial_send(int fd, const void *bytes, size_t len);
/** @return bytes > 0 (a whole datagram for UDP); 0 at the end of TCP; -EAGAIN; -errno */
must_check ssize_t dial_receive(int fd, void *out, size_t cap);
void dial_close(int fd);
/** How many connections this process may have at once, after asking the system for `max`.
 *  @return min..max */
unsigned dial_max(unsigned min, unsigned max);
/** Fills `out` with numbers that nobody can guess; 256 bytes at most. */
void dial_random(void *out, size_t len);

/* ---- the system's part: dial_linux.c, dial_posix.c, dial_windows.c ---- */

/** A socket that neither blocks nor is inherited. @return a descriptor, or -errno */
must_check int dial_socket(int family, int type);

/** Switches the error queue on, where there is one. */
void dial_watch_errors(int fd, int family);
/** Is there one? Else a box's refusal by ICMP is an errno like that of this machine. */
extern const bool dial_names_boxes;
/** Fills in what the error queue has. */
void dial_read_errors(int fd, struct dial_failure *failure);
