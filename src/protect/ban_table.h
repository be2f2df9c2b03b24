/* The bans in force, in memory that one process writes and all workers read. Readers look an
 * address up with every connection and request; while there is no ban that costs one load. */
#pragma once

#include <stdbool.h>

#include "base/nsec.h"
#include "protect/peer_network.h"

struct ban_table; /* of one process: what describes the memory is not in the memory */

enum { BAN_TABLE_MAX = 131072 }; /**< bans that surely have a place */

/** Bytes of shared memory. */
size_t ban_table_size(void);
/** @param memory  zeroed, shared; stays the caller's. Readers need no right to write */
struct ban_table *ban_table_create(void *memory, const uint64_t secret[2]);
/** NULL is fine. */
void ban_table_destroy(struct ban_table *table);

/* For the one writer. A reader that comes in the middle of a write sees the ban or does not. */

/** Adds or prolongs. @param until  monotonic ns
 *  @return 0, or ERR_LIMIT when the table is full around that network's place */
must_check int ban_table_set(struct ban_table *table, const struct peer_network *network,
                             nsec_t until);
void ban_table_remove(struct ban_table *table, const struct peer_network *network);
/** For a writer that begins anew. */
void ban_table_clear(struct ban_table *table);

/* For readers. */

/** The end of the ban that holds for an address, of the widest network that is banned.
 *  @return monotonic ns, or 0: it is not banned */
nsec_t ban_table_find(const struct ban_table *table, struct peer_address address, nsec_t now);
/** Changes whenever a ban is added. */
uint64_t ban_table_generation(const struct ban_table *table);
