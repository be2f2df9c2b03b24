/* The SYN that asks a port, and what the packets that come back say. Bytes only: no socket. */
#pragma once

#include "base/span.h"
#include "scan/address.h"

enum {
    SCAN_SYN_SIZE = 24, /**< bytes of the TCP header with its MSS option */
};

struct scan_syn {
    struct scan_address source; /**< counts in the checksum */
    struct scan_address target;
    uint16_t source_port;
    uint16_t target_port;
    uint32_t sequence;
};

/** Writes the segment (RFC 9293 section 3.1) with its checksum. */
void scan_packet_syn(const struct scan_syn *syn, unsigned char ret_bytes[SCAN_SYN_SIZE]);

enum scan_reply_kind {
    SCAN_REPLY_SYN_ACK,
    SCAN_REPLY_RESET,
    SCAN_REPLY_ICMP, /**< somebody says that our segment does not arrive */
};

/** What came back to one of our segments. */
struct scan_reply {
    enum scan_reply_kind kind;
    struct scan_address target; /**< whose port was asked */
    struct scan_address from;   /**< who answered: the target, or a box before it */
    uint16_t port;
    uint32_t sequence; /**< of our segment, as the answer gives it back */
    uint8_t ttl;       /**< hops that the answer had left */
    uint8_t icmp_type;
    uint8_t icmp_code;
};

/** Reads a packet from its IP header on; one that was cut short is fine as long as the headers are
 *  there. Checksums are the kernel's business.
 *  @param our_port  where the segments came from
 *  @return 0; ERR_SYNTAX for anything that answers no segment of ours */
must_check int scan_packet_read(struct span packet, bool ipv6, uint16_t our_port,
                                struct scan_reply *ret_reply);
