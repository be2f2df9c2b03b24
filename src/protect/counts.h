/* How often each policy refused a request, or would have, in the last hour: numbers in shared
 * memory, of which each worker writes its own row only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/nsec.h"

struct protect_counts;

enum { PROTECT_COUNTS_MAX = 16 }; /**< policies, by their numbers */

struct protect_sums {
    uint64_t refused[PROTECT_COUNTS_MAX];
    uint64_t watched[PROTECT_COUNTS_MAX];
    uint64_t connections; /**< that were not accepted */
};

/** Bytes of shared memory for `workers` rows. */
size_t protect_counts_size(unsigned workers);
/** @param memory  zeroed */
struct protect_counts *protect_counts_create(void *memory, unsigned workers);
/** NULL is fine. */
void protect_counts_destroy(struct protect_counts *counts);
/** @param policy  its number; PROTECT_COUNTS_MAX: a connection */
void protect_count(struct protect_counts *counts, unsigned worker, unsigned policy, bool refused,
                   nsec_t now);
/** Of all workers, in the last hour. */
void protect_counts_sum(const struct protect_counts *counts, nsec_t now,
                        struct protect_sums *ret_sums);
