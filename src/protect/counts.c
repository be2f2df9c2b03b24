/* A ring of sixty minutes a worker. A worker begins a minute by clearing its place. */
#include "protect/counts.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { MINUTES = 60 };

#define MINUTE (60 * NSEC_PER_SEC)

struct minute {
    _Atomic uint32_t number; /* since the clock began; 0: unused */
    _Atomic uint32_t refused[PROTECT_COUNTS_MAX + 1];
    _Atomic uint32_t watched[PROTECT_COUNTS_MAX + 1];
};

struct protect_counts {
    unsigned workers;
    struct minute (*rows)[MINUTES];
};

size_t protect_counts_size(unsigned workers)
{
    return workers * sizeof(struct minute[MINUTES]);
}

struct protect_counts *protect_counts_create(void *memory, unsigned workers)
{
    struct protect_counts *counts = mem_new(struct protect_counts);

    counts->workers = workers;
    counts->rows = memory;
    return counts;
}

void protect_counts_destroy(struct protect_counts *counts)
{
    free(counts);
}

static void clear(struct minute *minute)
{
    for (size_t i = 0; i <= PROTECT_COUNTS_MAX; i++) {
        atomic_store_explicit(&minute->refused[i], 0, memory_order_relaxed);
        atomic_store_explicit(&minute->watched[i], 0, memory_order_relaxed);
    }
}

void protect_count(struct protect_counts *counts, unsigned worker, unsigned policy, bool refused,
                   nsec_t now)
{
    uint32_t number = (uint32_t)(now / MINUTE) + 1;
    struct minute *minute = &counts->rows[worker][number % MINUTES];

    if (atomic_load_explicit(&minute->number, memory_order_relaxed) != number) {
        clear(minute);
        atomic_store_explicit(&minute->number, number, memory_order_relaxed);
    }
    _Atomic uint32_t *count = refused ? &minute->refused[policy] : &minute->watched[policy];
    atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
}

void protect_counts_sum(const struct protect_counts *counts, nsec_t now,
                        struct protect_sums *ret_sums)
{
    uint32_t number = (uint32_t)(now / MINUTE) + 1;

    memset(ret_sums, 0, sizeof *ret_sums);
    for (unsigned w = 0; w < counts->workers; w++)
        for (size_t m = 0; m < MINUTES; m++) {
            const struct minute *minute = &counts->rows[w][m];
            uint32_t own = atomic_load_explicit(&minute->number, memory_order_relaxed);
            if (own == 0 || number - own >= MINUTES)
                continue;
            for (size_t i = 0; i < PROTECT_COUNTS_MAX; i++) {
                ret_sums->refused[i] +=
                    atomic_load_explicit(&minute->refused[i], memory_order_relaxed);
                ret_sums->watched[i] +=
                    atomic_load_explicit(&minute->watched[i], memory_order_relaxed);
            }
            ret_sums->connections +=
                atomic_load_explicit(&minute->refused[PROTECT_COUNTS_MAX], memory_order_relaxed);
        }
}
