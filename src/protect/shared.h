/* The memory that workers share: counts of connections and requests, rates. The guardian makes it
 * before it starts any worker; what describes it is each process's own copy. */
#pragma once

#include "protect/peers.h"
#include "protect/rate_table.h"

struct protect_shared {
    struct peers *connections;
    struct peers *requests;
    struct rate_table *rates;
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
/** Clears a dead worker's rows. */
void protect_shared_forget(struct protect_shared *shared, unsigned worker);
