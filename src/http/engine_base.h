/* What both byte-stream engines embed: the table behind engine.h, and what they count. */
#pragma once

#include "http/exchange.h"
#include "http/message_limits.h"
#include "http/pool.h"
#include "http/server.h"

struct http_engine_ops {
    int (*receive)(struct http_engine *engine, struct span bytes, nsec_t now);
    ssize_t (*produce)(struct http_engine *engine, char *out, size_t cap, nsec_t now);
    enum http_wait (*wait)(const struct http_engine *engine);
    bool (*wants_input)(const struct http_engine *engine);
    nsec_t (*deadline)(struct http_engine *engine, nsec_t now);
    void (*sweep)(struct http_engine *engine, nsec_t now);
    void (*shutdown)(struct http_engine *engine);
    void (*hangup)(struct http_engine *engine);
    void (*cut_off)(struct http_engine *engine, enum http_end end);
    /** Bytes of kept input and queued output. */
    int64_t (*buffered)(const struct http_engine *engine);
    void (*destroy)(struct http_engine *engine);
};

enum http_engine_state {
    HTTP_ENGINE_OUTSIDE,
    HTTP_ENGINE_INSIDE, /**< of receive, produce, sweep or an end */
    HTTP_ENGINE_WOKEN,  /**< outside, and on_wake was called */
};

/** Embedded first in each engine's own struct. */
struct http_engine {
    const struct http_engine_ops *ops;
    struct http_engine_config config;
    struct list exchanges; /**< live ones that were announced, oldest first */
    struct http_load load; /**< memory: what arenas and owners add to each exchange's first bytes */
    unsigned turn;         /**< requests that may be announced yet */
    uint8_t state;         /**< enum http_engine_state */
};

void http_engine_init(struct http_engine *engine, const struct http_engine_ops *ops,
                      const struct http_engine_config *config);
void http_engine_wake_owner(struct http_engine *engine);

/** An operation gave the engine output, or room for input. */
static inline void http_engine_wake(struct http_engine *engine)
{
    if (unlikely(engine->state == HTTP_ENGINE_OUTSIDE))
        http_engine_wake_owner(engine);
}

/** A new exchange begins. */
static inline struct http_exchange *http_engine_take(struct http_engine *engine,
                                                     const struct http_exchange_ops *ops)
{
    struct http_exchange *x = http_exchange_take(engine->config.pool);

    x->ops = ops;
    x->load = &engine->load;
    x->body_max = engine->config.limits->body_bytes;
    x->arena.account = &engine->load.memory;
    engine->load.exchanges++;
    return x;
}

/** Gives bytes of the body to an owner that streams it. */
void http_engine_hand_on(struct http_engine *engine, struct http_exchange *x, struct span bytes);
/** Gives bytes of a tunnel to its owner. */
void http_engine_tunnel(struct http_engine *engine, struct http_exchange *x, struct span bytes);
/** An exchange ends: closes its body, calls on_close if it was announced, takes what it held off
 *  the count, and gives its memory back. */
static inline void http_engine_release(struct http_engine *engine, struct http_exchange *x,
                                       enum http_end end, bool announced)
{
    struct http_body *body = take(x->body);

    list_remove(&x->link);
    if (body && body->close)
        body->close(body);
    if (announced && engine->config.events->on_close)
        engine->config.events->on_close(engine->config.owner, x, end);
    if (unlikely(x->held || x->memory || x->descriptors)) {
        engine->load.held -= x->held;
        engine->load.memory -= x->memory;
        engine->load.descriptors -= x->descriptors;
    }
    engine->load.exchanges--;
    http_exchange_give(engine->config.pool, x);
}
