/* The first packet of a connection as rules see it: the header fields that a probe says, with all
 * others unknown. It has no extension headers of IPv6 and no options of IPv4. */
#pragma once

#include "firewall/model/path.h"
#include "firewall/model/value.h"

enum { PACKET_NETWORK = 40, PACKET_TRANSPORT = 20 };

struct packet_header {
    unsigned char bytes[PACKET_NETWORK];
    unsigned char unknown[PACKET_NETWORK]; /**< a bit set: that bit of `bytes` means nothing */
    unsigned len;
};

struct packet {
    int family;   /**< AF_INET or AF_INET6 */
    int protocol; /**< IPPROTO_TCP or IPPROTO_UDP */
    struct packet_header network;
    struct packet_header transport;
};

/** Big-endian bytes, at most 16, as a number. */
bits_t bytes_to_bits(const unsigned char *bytes, size_t count);

void packet_init(struct packet *packet, const struct firewall_probe *probe);
/** A field as nftables names it ("tcp", "dport"); absent when the packet has no such header,
 *  unknown when the probe does not say it. */
struct value packet_field(const struct packet *packet, const char *protocol, const char *field);
/** Bits of a header: base is "nh" or "th", others are unknown. */
struct value packet_bits(const struct packet *packet, const char *base, uint64_t offset,
                         unsigned len);
/** Changes a field; nothing when the packet has no such header. */
void packet_set(struct packet *packet, const char *protocol, const char *field, struct value value);
/** The same in every bit that is known, and in which are. */
bool packet_same(const struct packet *a, const struct packet *b);
/** Makes `packet` what is known when it is one or the other. */
void packet_join(struct packet *packet, const struct packet *other);

struct value packet_source(const struct packet *packet);
struct value packet_destination(const struct packet *packet);
void packet_set_source(struct packet *packet, struct value address);
/** Makes it the answer to itself. */
void packet_turn_round(struct packet *packet);
void packet_set_destination(struct packet *packet, struct value address);
