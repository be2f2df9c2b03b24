/* Exchanges are recycled through a pool, one a worker. */
#pragma once

#include "http/exchange.h"

struct http_pool;
struct h2_cells;

enum {
    HTTP_EXCHANGE_FIRST = 4096, /**< of an arena: a usual request with its answer's fields fits */
    HTTP_EXCHANGE_BYTES = sizeof(struct http_exchange) + HTTP_EXCHANGE_FIRST,
};

/** @param arena_ceiling  bytes that one exchange may take beyond its first ones */
struct http_pool *http_pool_create(size_t arena_ceiling);
void http_pool_destroy(struct http_pool *pool);
/** For engines. Never NULL. The exchange is zeroed but for its arena and a new id. */
struct http_exchange *http_exchange_take(struct http_pool *pool);
void http_exchange_give(struct http_pool *pool, struct http_exchange *x);
/** For h2/: the memory that its sessions of one worker share. They end before the pool does. */
struct h2_cells *http_pool_cells(struct http_pool *pool);
