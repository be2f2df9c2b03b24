/* A hash map from byte strings to pointers, safe against chosen keys (SipHash with a secret). */
#pragma once

#include "base/span.h"

struct map_entry;

struct map {
    struct map_entry *entries;
    size_t room; /**< a power of two, or 0 */
    size_t used; /**< live entries */
    size_t dead; /**< removed entries whose place is not free yet */
    uint64_t secret[2];
};

/** @param secret  two random words; the same for maps that share no fear of each other */
void map_init(struct map *map, const uint64_t secret[2]);
/** Frees the map's own memory, keys included; what values point to stays their owner's. */
void map_finish(struct map *map);
/** The value, or NULL. */
void *map_get(const struct map *map, struct span key);
/** Sets the value (not NULL) of a key, which is copied. @return the former value, or NULL */
void *map_set(struct map *map, struct span key, void *value);
/** @return the value that was removed, or NULL */
void *map_remove(struct map *map, struct span key);
/** Walks the entries in no order: start with *cursor = 0.
 *  @return false at the end. Removing the current key while walking is allowed. */
bool map_next(const struct map *map, size_t *cursor, struct span *ret_key, void **ret_value);

/** SipHash-1-3 (Aumasson and Bernstein, 2012) of the bytes under a secret. */
uint64_t hash_bytes(struct span s, const uint64_t secret[2]);
