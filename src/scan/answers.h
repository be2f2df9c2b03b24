/* What a scan knows of each port, and the words for it. */
#pragma once

#include <stddef.h>

#include "scan/address.h"

enum scan_state {
    SCAN_SILENT, /**< asked, no answer: filtered (TCP) or open|filtered (UDP) when the scan ends */
    SCAN_OPEN,
    SCAN_CLOSED,
    SCAN_FILTERED, /**< somebody said so */
};

/** nmap's words, see scan_reason_name(). */
enum scan_reason {
    SCAN_NO_RESPONSE,
    SCAN_SYN_ACK,
    SCAN_RESET,
    SCAN_CONN_REFUSED,
    SCAN_UDP_RESPONSE,
    SCAN_PORT_UNREACH,
    SCAN_HOST_UNREACH,
    SCAN_NET_UNREACH,
    SCAN_ADMIN_PROHIBITED,
    SCAN_HOST_PROHIBITED,
    SCAN_NET_PROHIBITED,
    SCAN_TIME_EXCEEDED,
    SCAN_PROTO_UNREACH,
    SCAN_NO_NEIGHBOUR, /**< no host of that address on our network */
    SCAN_NOT_SENT,     /**< this machine refused to send */
    SCAN_REASONS
};

struct scan_answer {
    uint8_t state;  /**< enum scan_state */
    uint8_t reason; /**< enum scan_reason */
    uint8_t ttl;    /**< of the answer; 0: unknown */
    uint8_t asked;  /**< how often */
    uint8_t round;  /**< the round that was answered, from 1; 0: none */
    uint16_t by;    /**< who answered, when not the host: its number in scan_boxes, from 1 */
    uint32_t sent;  /**< when it was last asked, µs since the scan's start */
    uint32_t rtt;   /**< µs; 0: unknown */
};

/** Addresses of boxes that answered for others. Beyond SCAN_BOXES_MAX they have no number. */
enum { SCAN_BOXES_MAX = 1024 };

struct scan_boxes {
    struct scan_address items[SCAN_BOXES_MAX];
    unsigned count;
};

/** @return its number from 1, 0 when there is no more room */
uint16_t scan_boxes_number(struct scan_boxes *boxes, const struct scan_address *box);
/** "syn-ack", as nmap's readers know them */
const char *scan_reason_name(enum scan_reason reason);
/** The end of "443 is filtered: …", in plain words. */
const char *scan_reason_words(enum scan_state state, enum scan_reason reason);
/** "open", "closed", "filtered", "open|filtered" */
const char *scan_state_name(const struct scan_answer *answer, bool udp);
/** What an ICMP or ICMPv6 error means (RFC 1812 section 5.2.7, RFC 4443 section 3). */
enum scan_reason scan_reason_of_icmp(bool ipv6, unsigned type, unsigned code);
