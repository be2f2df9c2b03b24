/* The exchange pool and the dispatch from the neutral calls to an engine's table.
 * What the calls do on the wire is h1/'s and h2/'s. */
#include "http/http.h"

#include <stdlib.h>

#include "base/mem.h"
#include "http/h2/cells.h"

enum {
    FIRST_BYTES = 4096, /* a usual request with its answer's fields fits */
    FREE_MAX = 64,      /* exchanges kept warm; beyond that they go back to the allocator */
};

struct slot {
    struct http_exchange exchange;
    _Alignas(16) char first[FIRST_BYTES];
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
    arena_init(&x->arena, slot->first, FIRST_BYTES, pool->arena_ceiling);
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
        arena_reset(&x->arena, slot->first, FIRST_BYTES);
    if (pool->count < FREE_MAX)
        pool->free[pool->count++] = slot;
    else
        free(slot);
}

int http_receive(struct http_engine *engine, struct span bytes, nsec_t now)
{
    return engine->ops->receive(engine, bytes, now);
}

ssize_t http_produce(struct http_engine *engine, char *out, size_t cap, nsec_t now)
{
    return engine->ops->produce(engine, out, cap, now);
}

enum http_wait http_wait(const struct http_engine *engine)
{
    return engine->ops->wait(engine);
}

bool http_wants_input(const struct http_engine *engine)
{
    return engine->ops->wants_input(engine);
}

void http_sweep(struct http_engine *engine, nsec_t now, nsec_t patience, uint64_t rate)
{
    if (engine->ops->sweep && patience > 0)
        engine->ops->sweep(engine, now, patience, rate);
}

void http_shutdown(struct http_engine *engine)
{
    engine->ops->shutdown(engine);
}

void http_hangup(struct http_engine *engine)
{
    engine->ops->hangup(engine);
}

void http_engine_destroy(struct http_engine *engine)
{
    if (!engine)
        return;
    engine->ops->hangup(engine);
    engine->ops->destroy(engine);
}

void http_engine_set_limits(struct http_engine *engine, const struct http_limits *limits)
{
    engine->config.limits = limits;
}

void http_respond(struct http_exchange *x, const struct http_response *response,
                  struct http_body *body)
{
    if (x->responded) { /* the engine had to answer first, to a body that broke its framing */
        if (body && body->close)
            body->close(body);
        return;
    }
    x->response = *response;
    x->body = body;
    x->responded = true;
    x->engine->ops->respond(x->engine, x);
}

void http_inform(struct http_exchange *x, int status)
{
    x->engine->ops->inform(x->engine, x, status);
}

void http_resume(struct http_exchange *x)
{
    x->engine->ops->resume(x->engine, x);
}

void http_reset(struct http_exchange *x)
{
    x->engine->ops->reset(x->engine, x);
}
