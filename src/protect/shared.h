/* The memory that workers share: counts of connections and requests, rates. The guardian makes it
 * before it starts any worker; what describes it is each process's own copy. */
#pragma once

#include "protect/ban_table.h"
#include "protect/counts.h"
#include "protect/peers.h"
#include "protect/rate_table.h"

struct protect_shared {
    struct peers *connections;
    struct peers *requests;
    struct rate_table *rates;
    struct protect_counts *counts;
    struct ban_table *bans; /**< of workers: for reading */
    void *ban_memory;       /**< for writing; NULL in a worker */
    void *ban_view;
    uint64_t ban_secret[2];
    void *memory;
    size_t size;
};

/** @param rows  workers that may be alive at a time
 *  @param rate_size  bytes for rates: 8 a client
 *  @return 0, or -errno */
must_check int protect_shared_create(unsigned rows, size_t rate_size,
                                     struct protect_shared **ret_shared);
/** NULL is fine. */
void protect_shared_destroy(struct protect_shared *shared);
/** From now on this process can read bans and never write them, whatever happens to it.
 *  @return 0, or -errno */
must_check int protect_shared_read_bans(struct protect_shared *shared);
/** Clears a dead worker's rows. */
void protect_shared_forget(struct protect_shared *shared, unsigned worker);
