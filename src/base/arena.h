/* An arena: memory of one request, handed out by bumping a pointer and dropped all at once. */
#pragma once

#include "base/span.h"

struct arena_block;

struct arena {
    char *at;
    char *end;
    struct arena_block *blocks;
    size_t total;     /**< bytes of all blocks */
    size_t ceiling;   /**< most that `total` may become */
    int64_t *account; /**< counts the bytes of blocks of several arenas; may be NULL, not kept over
                           a reset */
};

/** An arena that starts with `first` (which stays its owner's and is used again after a reset; NULL
 *  with 0 bytes for none). */
void arena_init(struct arena *arena, void *first, size_t first_size, size_t ceiling);
/** Drops everything handed out. `first` and `first_size` are those of arena_init(). */
void arena_reset(struct arena *arena, void *first, size_t first_size);
/** `size` bytes aligned to 16, not cleared; NULL once the ceiling would be passed. */
must_check void *arena_alloc(struct arena *arena, size_t size);
/** A NUL-terminated copy that lives as long as the arena; NULL past the ceiling. */
must_check char *arena_copy(struct arena *arena, struct span s);
/** Formatted text with its NUL (not counted in the span); ptr is NULL past the ceiling. */
must_check struct span arena_printf(struct arena *arena, const char *format, ...) printf_like(2, 3);
