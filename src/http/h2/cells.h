/* Small pieces of memory that the sessions of one worker give back and take again, for nghttp2,
 * which allocates several times a request. It belongs to the exchange pool. */
#pragma once

#include <stddef.h>

enum { H2_CELL_KINDS = 33 };

struct h2_cell;

struct h2_cells {
    struct h2_cell *free[H2_CELL_KINDS]; /**< by size in steps of 16 bytes */
    size_t kept;                         /**< bytes on those lists */
};

/** At least `size` bytes, aligned to 16, not cleared. Never NULL: out of memory ends the process.
 */
void *h2_cells_take(struct h2_cells *cells, size_t size);
/** Gives a piece back; NULL is fine. */
void h2_cells_give(struct h2_cells *cells, void *piece);
/** Room for `size` bytes with what the piece held. `piece` may be NULL. */
void *h2_cells_resize(struct h2_cells *cells, void *piece, size_t size);
/** Frees what was given back; the cells stay usable. */
void h2_cells_finish(struct h2_cells *cells);
