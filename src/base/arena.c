/* Bump allocation in blocks that double. It knows nothing of what the bytes are for. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

enum { ALIGNMENT = 16, BLOCK_MIN = 4096 };

struct arena_block {
    struct arena_block *next;
    size_t size;
    _Alignas(ALIGNMENT) char bytes[];
};

void arena_init(struct arena *arena, void *first, size_t first_size, size_t ceiling)
{
    *arena = (struct arena){
        .at = first, .end = first ? (char *)first + first_size : NULL, .ceiling = ceiling};
}

void arena_reset(struct arena *arena, void *first, size_t first_size)
{
    if (arena->account)
        *arena->account -= (int64_t)arena->total;
    while (arena->blocks) {
        struct arena_block *block = arena->blocks;
        arena->blocks = block->next;
        free(block);
    }
    arena_init(arena, first, first_size, arena->ceiling);
}

static bool add_block(struct arena *arena, size_t need)
{
    size_t size = arena->blocks ? arena->blocks->size * 2 : BLOCK_MIN;

    while (size < need)
        size *= 2;
    if (size > arena->ceiling - arena->total)
        size = need;
    if (size > arena->ceiling - arena->total)
        return false;
    struct arena_block *block = mem_alloc(sizeof *block + size);
    block->next = arena->blocks;
    block->size = size;
    arena->blocks = block;
    arena->total += size;
    if (arena->account)
        *arena->account += (int64_t)size;
    arena->at = block->bytes;
    arena->end = block->bytes + size;
    return true;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    uintptr_t at = ((uintptr_t)arena->at + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1);
    size_t skip = at - (uintptr_t)arena->at;

    if (unlikely((size_t)(arena->end - arena->at) < skip ||
                 (size_t)(arena->end - arena->at) - skip < size)) {
        if (size > SIZE_MAX / 4 || !add_block(arena, size))
            return NULL;
        skip = 0;
    }
    char *memory = arena->at + skip;
    arena->at = memory + size;
    return memory;
}

char *arena_copy(struct arena *arena, struct span s)
{
    char *copy = arena_alloc(arena, s.len + 1);

    if (!copy)
        return NULL;
    if (s.len)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return copy;
}

struct span arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args, again;

    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = length < 0 ? NULL : arena_alloc(arena, (size_t)length + 1);
    if (text)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return (struct span){text, text ? (size_t)length : 0};
}
