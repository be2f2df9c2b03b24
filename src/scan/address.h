/* An IPv4 or IPv6 address without a port: small, comparable, countable. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "os/net.h"

enum { SCAN_ADDRESS_TEXT = 64 };

struct scan_address {
    uint8_t family;    /**< 4, 6, or 0 for none */
    uint8_t bytes[16]; /**< network order; IPv4 uses the first four */
    uint32_t scope;    /**< interface of a link-local IPv6 address, else 0 */
};

/** Of IPv4 and IPv6 only. @return false for another family */
bool scan_address_of(const struct sockaddr *from, struct scan_address *ret_address);
/** With a port. @return the length that bind() and connect() want */
socklen_t scan_address_to(const struct scan_address *address, uint16_t port,
                          struct sockaddr_storage *ret_to);
/** Same family and bytes; the scope counts only where both have one. */
bool scan_address_equal(const struct scan_address *a, const struct scan_address *b);
/** "192.0.2.1", "fe80::1%eth0". @return `text` */
const char *scan_address_text(const struct scan_address *address, char text[SCAN_ADDRESS_TEXT]);
/** Bits of its family: 32 or 128. */
unsigned scan_address_bits(const struct scan_address *address);
/** The address `offset` further on, in network order. */
struct scan_address scan_address_add(const struct scan_address *address, uint64_t offset);
/** The network's first address: all bits after `prefix` cleared. */
struct scan_address scan_address_mask(const struct scan_address *address, unsigned prefix);
/** How far `address` lies behind `first`, both of one family.
 *  @return false when before it, or 2^32 and more behind it */
bool scan_address_offset(const struct scan_address *first, const struct scan_address *address,
                         uint64_t *ret_offset);
