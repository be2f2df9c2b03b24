/* TCP segments of our own making, and the packets that answer them, past the kernel's own TCP.
 * Needs CAP_NET_RAW. What the segments say and the answers mean is the callers'. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/nsec.h"
#include "base/span.h"

struct rawnet;

enum {
    RAWNET_BATCH = 64,  /* packets a system call at most */
    RAWNET_CUT = 256,   /* bytes that are kept of a packet that came in */
    RAWNET_SEGMENT = 32 /* bytes that a segment may have */
};

/** One TCP segment: a header with its options and no data. The checksum is the sender's for IPv4;
 *  for IPv6 the kernel fills it in. */
struct rawnet_segment {
    struct sockaddr_storage to; /**< the port is ignored */
    unsigned char bytes[RAWNET_SEGMENT];
    size_t len;
};

/** Opens the sockets and takes a free TCP port, which no program can use meanwhile; the kernel
 *  answers with RST what peers send to it, so that no connection stays half open.
 *  @return 0; -EPERM without CAP_NET_RAW; -errno */
must_check int rawnet_open(struct rawnet **ret_net);
void rawnet_close(struct rawnet *net);
/** The port that segments are to come from. */
uint16_t rawnet_port(const struct rawnet *net);
/** Sends segments of one family.
 *  @param count  1..RAWNET_BATCH
 *  @return how many the kernel took, at least 1; -EAGAIN or -ENOBUFS when it has no room now;
 *  -errno for the first of them (-EPERM: this machine's own firewall; -ENETUNREACH …) */
must_check int rawnet_send(struct rawnet *net, int family, const struct rawnet_segment *segments,
                           unsigned count);
/** Hands over what has come: TCP to our port, ICMP that reports an undeliverable packet, each from
 *  its IP header on, cut after RAWNET_CUT bytes.
 *  @return how many, 0 when there is none for now; -errno */
must_check int rawnet_receive(struct rawnet *net,
                              void (*on_packet)(void *context, struct span packet, bool ipv6),
                              void *context);
/** Waits until something comes, at most `timeout` ns. @return 0, or -errno */
must_check int rawnet_wait(struct rawnet *net, nsec_t timeout);
