/* Addresses and networks as text. IPv4 is mapped into IPv6, as connections carry it. */
#pragma once

#include "base/span.h"
#include "protect/peers.h"

enum { PEER_NETWORK_TEXT = 52 }; /**< "2001:db8::/32" with its NUL */

struct peer_network {
    struct peer_address address;
    unsigned bits; /**< of the mapped IPv6 form: 96 more than written for IPv4 */
};

/** "192.0.2.1" or "2001:db8::1". @return 0, or ERR_SYNTAX */
must_check int peer_address_parse(struct span text, struct peer_address *ret_address);
bool peer_address_is_ipv4(struct peer_address address);
/** "10.0.0.0/8", "2001:db8::/32" or a single address. Bits beyond the prefix may be set.
 *  @return 0, or ERR_SYNTAX */
must_check int peer_network_parse(struct span text, struct peer_network *ret_network);
bool peer_network_contains(const struct peer_network *network, struct peer_address address);
/** Whether they have an address in common. */
bool peer_networks_overlap(const struct peer_network *a, const struct peer_network *b);
/** The address with all bits beyond the prefix cleared. */
struct peer_address peer_network_mask(struct peer_address address, unsigned bits);
/** "10.0.0.0/8", or the bare address of a single one. */
void peer_network_text(const struct peer_network *network, char out[PEER_NETWORK_TEXT]);
/** For schema rows: NULL when the text is an address or network, else what is wrong. */
const char *peer_network_check(const char *text);
