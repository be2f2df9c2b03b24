/* Open addressing with linear probing; keys are copied. Values stay their owners'. */
#include "base/map.h"

#include <stdlib.h>

#include "base/mem.h"

struct map_entry {
    char *key; /* NULL: never used; TOMBSTONE: removed */
    size_t key_len;
    uint64_t hash;
    void *value;
};

static char tombstone[1];

static inline uint64_t rotate(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

struct sip {
    uint64_t a, b, c, d;
};

static inline void sip_round(struct sip *v)
{
    v->a += v->b;
    v->b = rotate(v->b, 13) ^ v->a;
    v->a = rotate(v->a, 32);
    v->c += v->d;
    v->d = rotate(v->d, 16) ^ v->c;
    v->a += v->d;
    v->d = rotate(v->d, 21) ^ v->a;
    v->c += v->b;
    v->b = rotate(v->b, 17) ^ v->c;
    v->c = rotate(v->c, 32);
}

uint64_t hash_bytes(struct span s, const uint64_t secret[2])
{
    struct sip v = {secret[0] ^ 0x736f6d6570736575u, secret[1] ^ 0x646f72616e646f6du,
                    secret[0] ^ 0x6c7967656e657261u, secret[1] ^ 0x7465646279746573u};
    uint64_t word;
    size_t whole = s.len & ~(size_t)7;

    for (size_t i = 0; i < whole; i += 8) {
        memcpy(&word, s.ptr + i, 8);
        v.d ^= word;
        sip_round(&v);
        v.a ^= word;
    }
    word = (uint64_t)s.len << 56;
    for (size_t i = whole; i < s.len; i++)
        word |= (uint64_t)(unsigned char)s.ptr[i] << (8 * (i - whole));
    v.d ^= word;
    sip_round(&v);
    v.a ^= word;
    v.c ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(&v);
    return v.a ^ v.b ^ v.c ^ v.d;
}

void map_init(struct map *map, const uint64_t secret[2])
{
    *map = (struct map){.secret = {secret[0], secret[1]}};
}

static bool live(const struct map_entry *entry)
{
    return entry->key && entry->key != tombstone;
}

void map_finish(struct map *map)
{
    for (size_t i = 0; i < map->room; i++)
        if (live(&map->entries[i]))
            free(map->entries[i].key);
    free(map->entries);
    map_init(map, map->secret);
}

static struct map_entry *lookup(const struct map *map, struct span key, uint64_t hash)
{
    if (!map->room)
        return NULL;
    for (size_t i = hash & (map->room - 1);; i = (i + 1) & (map->room - 1)) {
        struct map_entry *entry = &map->entries[i];
        if (!entry->key)
            return NULL;
        if (entry->key != tombstone && entry->hash == hash &&
            span_equal(span_of(entry->key, entry->key_len), key))
            return entry;
    }
}

void *map_get(const struct map *map, struct span key)
{
    struct map_entry *entry = lookup(map, key, hash_bytes(key, map->secret));
    return entry ? entry->value : NULL;
}

static struct map_entry *free_place(const struct map *map, uint64_t hash)
{
    size_t i = hash & (map->room - 1);

    while (live(&map->entries[i]))
        i = (i + 1) & (map->room - 1);
    return &map->entries[i];
}

/* Keeps at least a quarter of the places never used, so that every probe ends. */
static void grow(struct map *map)
{
    if ((map->used + map->dead + 1) * 4 <= map->room * 3)
        return;
    struct map old = *map;
    map->room = 16;
    while ((old.used + 1) * 2 > map->room)
        map->room *= 2;
    map->entries = mem_zalloc(map->room * sizeof *map->entries);
    map->dead = 0;
    for (size_t i = 0; i < old.room; i++)
        if (live(&old.entries[i]))
            *free_place(map, old.entries[i].hash) = old.entries[i];
    free(old.entries);
}

void *map_set(struct map *map, struct span key, void *value)
{
    uint64_t hash = hash_bytes(key, map->secret);
    struct map_entry *entry = lookup(map, key, hash);

    if (entry) {
        void *former = entry->value;
        entry->value = value;
        return former;
    }
    grow(map);
    entry = free_place(map, hash);
    if (entry->key == tombstone)
        map->dead--;
    *entry = (struct map_entry){mem_string(key), key.len, hash, value};
    map->used++;
    return NULL;
}

void *map_remove(struct map *map, struct span key)
{
    struct map_entry *entry = lookup(map, key, hash_bytes(key, map->secret));

    if (!entry)
        return NULL;
    void *value = entry->value;
    free(entry->key);
    *entry = (struct map_entry){.key = tombstone};
    map->used--;
    map->dead++;
    return value;
}

bool map_next(const struct map *map, size_t *cursor, struct span *ret_key, void **ret_value)
{
    for (; *cursor < map->room; (*cursor)++) {
        struct map_entry *entry = &map->entries[*cursor];
        if (!live(entry))
            continue;
        *ret_key = span_of(entry->key, entry->key_len);
        *ret_value = entry->value;
        (*cursor)++;
        return true;
    }
    return false;
}
