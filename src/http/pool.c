/* Exchanges are kept for the next requests, with the first block of their arena. */
#include "http/pool.h"

#include <stdlib.h>

#include "base/mem.h"
#include "http/h2/cells.h"

enum { FREE_MAX = 64 /* exchanges kept warm; beyond that they go back to the allocator */ };

struct slot {
    struct http_exchange exchange;
    _Alignas(16) char first[HTTP_EXCHANGE_FIRST];
};

struct http_pool {
    struct slot *free[FREE_MAX];
    unsigned count;
    size_t arena_ceiling;
    uint64_t next_id;
    struct h2_cells cells;
};

struct http_pool *http_pool_create(size_t arena_ceiling)
{
    struct http_pool *pool = mem_new(struct http_pool);

    pool->arena_ceiling = arena_ceiling;
    pool->next_id = 1;
    return pool;
}

void http_pool_destroy(struct http_pool *pool)
{
    if (!pool)
        return;
    for (unsigned i = 0; i < pool->count; i++)
        free(pool->free[i]);
    h2_cells_finish(&pool->cells);
    free(pool);
}

struct h2_cells *http_pool_cells(struct http_pool *pool)
{
    return &pool->cells;
}

struct http_exchange *http_exchange_take(struct http_pool *pool)
{
    struct slot *slot =
        pool->count ? pool->free[--pool->count] : (struct slot *)mem_alloc(sizeof(struct slot));
    struct http_exchange *x = &slot->exchange;

    memset(x, 0, offsetof(struct http_exchange, arena));
    arena_init(&x->arena, slot->first, HTTP_EXCHANGE_FIRST, pool->arena_ceiling);
    list_init(&x->link);
    x->request.content_length = -1;
    x->response.content_length = -1;
    x->id = pool->next_id++;
    return x;
}

void http_exchange_give(struct http_pool *pool, struct http_exchange *x)
{
    struct slot *slot = container_of(x, struct slot, exchange);

    if (x->arena.blocks)
        arena_reset(&x->arena, slot->first, HTTP_EXCHANGE_FIRST);
    if (pool->count < FREE_MAX)
        pool->free[pool->count++] = slot;
    else
        free(slot);
}
