/* Two sets of eight places for each network, by two hashes; with half of the places taken, both are
 * never full in practice. A place is valid while its `until` is set, which is written last. */
#include "protect/ban_table.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/map.h"
#include "base/mem.h"

enum { WAYS = 8, SETS = 2 * BAN_TABLE_MAX / WAYS, CHOICES = 2, LENGTHS = 129 };

struct place {
    _Atomic int64_t until; /* 0: free */
    _Atomic uint64_t high, low;
    _Atomic uint64_t bits;
};

struct memory {
    _Atomic uint64_t generation;
    _Atomic uint32_t lengths[LENGTHS]; /* bans of each prefix length */
    _Atomic uint32_t count;
    struct place places[SETS][WAYS];
};

struct ban_table {
    struct memory *memory;
    uint64_t secret[2];
};

struct key {
    uint64_t high, low;
    uint64_t bits;
};

size_t ban_table_size(void)
{
    return sizeof(struct memory);
}

struct ban_table *ban_table_create(void *memory, const uint64_t secret[2])
{
    struct ban_table *table = mem_new(struct ban_table);

    table->memory = memory;
    memcpy(table->secret, secret, sizeof table->secret);
    return table;
}

void ban_table_destroy(struct ban_table *table)
{
    free(table);
}

static struct key key_of(struct peer_address address, unsigned bits)
{
    struct peer_address masked = peer_network_mask(address, bits);
    struct key key = {.bits = bits};

    memcpy(&key.high, masked.bytes, sizeof key.high);
    memcpy(&key.low, masked.bytes + 8, sizeof key.low);
    return key;
}

static struct place *set_of(const struct ban_table *table, const struct key *key, unsigned choice)
{
    uint64_t hash = hash_bytes(span_of((const char *)key, sizeof *key), table->secret);

    return table->memory->places[(hash >> (choice * 32) & UINT32_MAX) % SETS];
}

static bool is_of(const struct place *place, const struct key *key)
{
    return atomic_load_explicit(&place->high, memory_order_relaxed) == key->high &&
           atomic_load_explicit(&place->low, memory_order_relaxed) == key->low &&
           atomic_load_explicit(&place->bits, memory_order_relaxed) == key->bits;
}

/** The place of a key. @param ret_free  a free one, of the set that has more of them, or NULL; may
 *  be NULL for not wanted */
static struct place *find(const struct ban_table *table, const struct key *key,
                          struct place **ret_free)
{
    struct place *spare = NULL;
    size_t most = 0;

    for (unsigned choice = 0; choice < CHOICES; choice++) {
        struct place *set = set_of(table, key, choice), *unused = NULL;
        size_t count = 0;
        for (size_t i = 0; i < WAYS; i++) {
            if (atomic_load_explicit(&set[i].until, memory_order_acquire) == 0) {
                unused = &set[i];
                count++;
            } else if (is_of(&set[i], key)) {
                return &set[i];
            }
        }
        if (count > most) {
            spare = unused;
            most = count;
        }
    }
    if (ret_free)
        *ret_free = spare;
    return NULL;
}

int ban_table_set(struct ban_table *table, const struct peer_network *network, nsec_t until)
{
    struct memory *memory = table->memory;
    struct key key = key_of(network->address, network->bits);
    struct place *spare, *place = find(table, &key, &spare);

    if (!place && !spare)
        return ERR_LIMIT;
    if (!place) {
        place = spare;
        atomic_store_explicit(&place->high, key.high, memory_order_relaxed);
        atomic_store_explicit(&place->low, key.low, memory_order_relaxed);
        atomic_store_explicit(&place->bits, key.bits, memory_order_relaxed);
        atomic_fetch_add_explicit(&memory->lengths[key.bits], 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&memory->count, 1, memory_order_relaxed);
    }
    atomic_store_explicit(&place->until, until, memory_order_release);
    atomic_fetch_add_explicit(&memory->generation, 1, memory_order_release);
    return 0;
}

void ban_table_remove(struct ban_table *table, const struct peer_network *network)
{
    struct key key = key_of(network->address, network->bits);
    struct place *place = find(table, &key, NULL);

    if (!place)
        return;
    atomic_store_explicit(&place->until, 0, memory_order_release);
    atomic_fetch_sub_explicit(&table->memory->lengths[key.bits], 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&table->memory->count, 1, memory_order_relaxed);
}

void ban_table_clear(struct ban_table *table)
{
    struct memory *memory = table->memory;

    for (size_t set = 0; set < SETS; set++)
        for (size_t i = 0; i < WAYS; i++)
            if (atomic_load_explicit(&memory->places[set][i].until, memory_order_relaxed))
                atomic_store_explicit(&memory->places[set][i].until, 0, memory_order_release);
    for (size_t bits = 0; bits < LENGTHS; bits++)
        atomic_store_explicit(&memory->lengths[bits], 0, memory_order_relaxed);
    atomic_store_explicit(&memory->count, 0, memory_order_relaxed);
}

nsec_t ban_table_find(const struct ban_table *table, struct peer_address address, nsec_t now)
{
    const struct memory *memory = table->memory;

    if (likely(atomic_load_explicit(&memory->count, memory_order_relaxed) == 0))
        return 0;
    for (unsigned bits = 0; bits < LENGTHS; bits++) {
        if (atomic_load_explicit(&memory->lengths[bits], memory_order_relaxed) == 0)
            continue;
        struct key key = key_of(address, bits);
        const struct place *place = find(table, &key, NULL);
        nsec_t until = place ? atomic_load_explicit(&place->until, memory_order_acquire) : 0;
        if (until > now)
            return until;
    }
    return 0;
}

uint64_t ban_table_generation(const struct ban_table *table)
{
    return atomic_load_explicit(&table->memory->generation, memory_order_acquire);
}
