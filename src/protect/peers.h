/* How many connections each address has, over all workers: counters in shared memory, of which
 * every worker writes only its own row. Addresses are hashed, so memory does not grow with their
 * number. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

struct peers;

/** An address as connections carry it: IPv4 is mapped into IPv6 (::ffff:a.b.c.d). */
struct peer_address {
    uint8_t bytes[16];
};

/** How many of its bytes tell one client from another: an IPv6 customer has a whole /64. */
size_t peer_address_significant(struct peer_address address);

/** Bytes of shared memory for `workers` rows. */
size_t peers_size(unsigned workers);
/** @param memory  zeroed, shared; stays the caller's
 *  @param secret  keeps a peer from choosing addresses that collide */
struct peers *peers_create(void *memory, unsigned workers, const uint64_t secret[2]);
/** NULL is fine. */
void peers_destroy(struct peers *peers);
/** Counts a connection from an address (IPv6: from its /64) if that stays within `limit`.
 *  @param limit  0: no limit
 *  @return false when the address has `limit` connections already; nothing was counted then */
must_check bool peers_enter(struct peers *peers, unsigned worker, struct peer_address address,
                            uint32_t limit);
void peers_leave(struct peers *peers, unsigned worker, struct peer_address address);
/** Clears a dead worker's row. */
void peers_forget(struct peers *peers, unsigned worker);
/** "192.0.2.1" or "2001:db8::1". @param out  at least 46 bytes */
void peer_address_text(struct peer_address peer, char out[46]);
