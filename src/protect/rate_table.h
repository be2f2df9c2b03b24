/* Rates by GCRA (ITU-T I.371) in memory that all workers share. One key is one atomic word, so a
 * worker that is killed within a write leaves nothing half written, and whatever a worker that was
 * taken over writes there delays a client by its own rule's burst at most. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/nsec.h"
#include "base/span.h"

struct rate_table; /* of one process: what describes the memory is not in the memory */

/** What is allowed: one each `interval`, `burst` at once. burst * interval is at most
 *  RATE_WINDOW_MAX. */
struct rate {
    nsec_t interval; /**< kept to the microsecond, rounded down, at least one */
    uint32_t burst;  /**< at least 1 */
};

#define RATE_WINDOW_MAX (2 * 86400 * NSEC_PER_SEC)

struct rate_state {
    bool allowed;
    uint32_t left;     /**< that would be allowed now */
    nsec_t wait;       /**< until one is allowed again; 0: now */
    nsec_t full_again; /**< until the whole burst is allowed again */
};

/** @param memory  zeroed, shared, a multiple of 64 bytes; stays the caller's
 *  @param secret  keeps a peer from choosing keys that collide */
struct rate_table *rate_table_create(void *memory, size_t size, const uint64_t secret[2]);
/** NULL is fine. */
void rate_table_destroy(struct rate_table *table);
/** The hash by which a key is known: of a rule's number and the bytes that tell its clients apart.
 */
uint64_t rate_key(const struct rate_table *table, uint64_t rule, struct span client);
/** Takes one if that is allowed; what is refused costs the client nothing.
 *  @param now  monotonic */
struct rate_state rate_take(struct rate_table *table, uint64_t key, const struct rate *rate,
                            nsec_t now);
/** The same without taking. */
struct rate_state rate_look(const struct rate_table *table, uint64_t key, const struct rate *rate,
                            nsec_t now);
