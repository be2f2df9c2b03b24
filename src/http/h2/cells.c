/* Free lists by size over the allocator, bounded in all. Large pieces go straight through. Under
 * AddressSanitizer nothing is kept, so that it sees every use after free. */
#include "http/h2/cells.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { STEP = 16, KEEP_BYTES = 1 << 20 };

#if defined(__SANITIZE_ADDRESS__)
#define KEEP 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KEEP 0
#endif
#endif
#ifndef KEEP
#define KEEP 1
#endif

struct h2_cell {
    size_t kind;          /**< steps of payload; valid while in use and while kept */
    struct h2_cell *next; /**< while kept */
    _Alignas(STEP) char bytes[];
};

static struct h2_cell *cell_of(void *piece)
{
    return (struct h2_cell *)(void *)((char *)piece - offsetof(struct h2_cell, bytes));
}

static size_t bytes_of(size_t kind)
{
    return offsetof(struct h2_cell, bytes) + kind * STEP;
}

void *h2_cells_take(struct h2_cells *cells, size_t size)
{
    size_t kind = size / STEP + (size % STEP != 0);
    struct h2_cell *cell;

    if (kind < H2_CELL_KINDS && cells->free[kind]) {
        cell = cells->free[kind];
        cells->free[kind] = cell->next;
        cells->kept -= bytes_of(kind);
        return cell->bytes;
    }
    cell = mem_alloc(kind < SIZE_MAX / STEP - 1 ? bytes_of(kind) : SIZE_MAX);
    cell->kind = kind;
    return cell->bytes;
}

void h2_cells_give(struct h2_cells *cells, void *piece)
{
    if (!piece)
        return;
    struct h2_cell *cell = cell_of(piece);
    size_t kind = cell->kind;
    if (!KEEP || kind >= H2_CELL_KINDS || cells->kept + bytes_of(kind) > KEEP_BYTES) {
        free(cell);
        return;
    }
    cell->next = cells->free[kind];
    cells->free[kind] = cell;
    cells->kept += bytes_of(kind);
}

void *h2_cells_resize(struct h2_cells *cells, void *piece, size_t size)
{
    size_t room = piece ? cell_of(piece)->kind * STEP : 0;

    if (piece && size <= room)
        return piece;
    void *larger = h2_cells_take(cells, size);
    if (room)
        memcpy(larger, piece, room);
    h2_cells_give(cells, piece);
    return larger;
}

void h2_cells_finish(struct h2_cells *cells)
{
    for (size_t kind = 0; kind < H2_CELL_KINDS; kind++) {
        while (cells->free[kind]) {
            struct h2_cell *cell = cells->free[kind];
            cells->free[kind] = cell->next;
            free(cell);
        }
    }
    cells->kept = 0;
}
