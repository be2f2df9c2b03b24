/* The frame of a probe: the first packet of a TCP connection or a UDP datagram, with marks by which
 * it is known wherever it is seen. How it gets into the kernel is the prober's. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "firewall/model/path.h"

enum { PROBE_FRAME_MAX = 128, PROBE_FLOW_BITS = 20 };

/** Random numbers that are the same in all probes of a session, and in no other packet. */
struct probe_marks {
    uint16_t ip_id;       /**< IPv4 identification */
    uint32_t flow;        /**< IPv6 flow label, 20 bits */
    uint32_t token;       /**< TCP sequence number, or the first four bytes of the datagram;
                                 even, below 2^32 - 2 */
    uint16_t source_port; /**< where the probe names none: 32768..60999 */
};

/** @return 0, or -errno */
must_check int probe_marks_draw(struct probe_marks *ret_marks);
/** Writes the frame.
 *  @param hardware  the receiving interface's address; zeros where it has none
 *  @return its length in bytes. Source: RFC 791, RFC 8200, RFC 9293, RFC 768, RFC 1071 */
size_t probe_frame_write(const struct firewall_probe *probe, const struct probe_marks *marks,
                         const unsigned char hardware[6], unsigned char frame[PROBE_FRAME_MAX]);
