/* A hash table of sets of eight words, one cache line each. A word has 24 bits of the key's hash
 * (the set has the others) and in 40 bits the theoretical arrival time in microseconds, which wraps
 * after 12 days: what lies further ahead than a rule allows is no state of that rule and counts as
 * none. A full set gives up the key whose state ends first. */
#include "protect/rate_table.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"

enum { WAYS = 8, TRIES = 32, TIME_BITS = 40 };

#define TIME_MASK ((UINT64_C(1) << TIME_BITS) - 1)
#define MICROSECOND (NSEC_PER_SEC / 1000000)
#define SLACK (UINT64_C(600) * 1000000) /* microseconds */

struct rate_table {
    _Atomic uint64_t *words;
    uint64_t sets;
    uint64_t secret[2];
};

struct rate_table *rate_table_create(void *memory, size_t size, const uint64_t secret[2])
{
    struct rate_table *table = mem_new(struct rate_table);

    table->words = memory;
    table->sets = size / (WAYS * sizeof(uint64_t));
    memcpy(table->secret, secret, sizeof table->secret);
    return table;
}

void rate_table_destroy(struct rate_table *table)
{
    free(table);
}

uint64_t rate_key(const struct rate_table *table, uint64_t rule, struct span client)
{
    const uint64_t secret[2] = {table->secret[0] ^ rule, table->secret[1]};

    return hash_bytes(client, secret);
}

static _Atomic uint64_t *set_of(const struct rate_table *table, uint64_t key)
{
    return &table->words[(key & TIME_MASK) % table->sets * WAYS];
}

static uint64_t tag_of(uint64_t key)
{
    uint64_t tag = key >> TIME_BITS;

    return (tag ? tag : 1) << TIME_BITS;
}

/** Microseconds by which a word's time lies ahead of now; 0 when it has passed or is far beyond
 *  `max`, which no state of the rule is. A little beyond it is one whose now was later than ours:
 *  workers look at the clock once in each round, and a request may have begun minutes ago. */
static uint64_t ahead_of(uint64_t word, uint64_t now, uint64_t max)
{
    uint64_t ahead = (word - now) & TIME_MASK;

    if (ahead <= max)
        return ahead;
    return ahead - max <= SLACK ? max : 0;
}

/** The place of a key: its own, else a free one, else that of the key whose state ends first.
 *  @param ret_word  what stands there */
static _Atomic uint64_t *find(const struct rate_table *table, uint64_t key, uint64_t now,
                              uint64_t *ret_word)
{
    _Atomic uint64_t *set = set_of(table, key), *best = NULL;
    uint64_t tag = tag_of(key), best_ahead = UINT64_MAX;

    for (size_t i = 0; i < WAYS; i++) {
        uint64_t word = atomic_load_explicit(&set[i], memory_order_relaxed);
        if ((word & ~TIME_MASK) == tag) {
            *ret_word = word;
            return &set[i];
        }
        uint64_t ahead =
            word ? ahead_of(word, now, (uint64_t)(RATE_WINDOW_MAX / MICROSECOND)) + 1 : 0;
        if (ahead < best_ahead) {
            best = &set[i];
            best_ahead = ahead;
            *ret_word = word;
        }
    }
    return best;
}

static struct rate_state judge(uint64_t ahead, uint64_t interval, uint32_t burst)
{
    uint64_t most = (burst - 1) * interval;
    struct rate_state state = {.full_again = (nsec_t)ahead * MICROSECOND};

    if (ahead <= most) {
        state.allowed = true;
        state.left = (uint32_t)((most - ahead) / interval) + 1;
    } else {
        state.wait = (nsec_t)(ahead - most) * MICROSECOND;
    }
    return state;
}

static uint64_t interval_of(const struct rate *rate)
{
    uint64_t interval = (uint64_t)(rate->interval / MICROSECOND);

    return interval ? interval : 1;
}

struct rate_state rate_look(const struct rate_table *table, uint64_t key, const struct rate *rate,
                            nsec_t now)
{
    uint64_t interval = interval_of(rate), at = (uint64_t)(now / MICROSECOND) & TIME_MASK, word;

    (void)find(table, key, at, &word);
    bool own = (word & ~TIME_MASK) == tag_of(key);
    return judge(own ? ahead_of(word, at, rate->burst * interval) : 0, interval, rate->burst);
}

struct rate_state rate_take(struct rate_table *table, uint64_t key, const struct rate *rate,
                            nsec_t now)
{
    uint64_t interval = interval_of(rate), at = (uint64_t)(now / MICROSECOND) & TIME_MASK;
    struct rate_state state = {0};

    for (int i = 0; i < TRIES; i++) { /* others write the same word: whoever loses looks again */
        uint64_t word;
        _Atomic uint64_t *place = find(table, key, at, &word);
        bool own = (word & ~TIME_MASK) == tag_of(key);
        uint64_t ahead = own ? ahead_of(word, at, rate->burst * interval) : 0;
        state = judge(ahead, interval, rate->burst);
        if (!state.allowed)
            return state;
        uint64_t next = tag_of(key) | ((at + ahead + interval) & TIME_MASK);
        if (atomic_compare_exchange_strong_explicit(place, &word, next, memory_order_relaxed,
                                                    memory_order_relaxed)) {
            state.left--;
            state.full_again = (nsec_t)(ahead + interval) * MICROSECOND;
            return state;
        }
    }
    return state; /* so many at once that this one may pass uncounted */
}
