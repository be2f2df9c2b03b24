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
    /** Requests wait that only a new turn announces. */
    bool (*has_kept)(const struct http_engine *engine);
    nsec_t (*deadline)(struct http_engine *engine, nsec_t now);
    void (*sweep)(struct http_engine *engine, nsec_t now);
    void (*shutdown)(struct http_engine *engine);
    void (*hangup)(struct http_engine *engine);
    void (*cut_off)(struct http_engine *engine, enum http_end end);
    /** Bytes of kept input and queued output. */
    int64_t (*buffered)(const struct http_engine *engine);
    void (*destroy)(struct http_engine *engine);
};

/** Embedded first in each engine's own struct. */
struct http_engine {
    const struct http_engine_ops *ops;
    struct http_engine_config config;
    struct list exchanges; /**< live ones that were announced, oldest first */
    struct http_load load; /**< of its exchanges and their arenas */
    unsigned turn;         /**< requests that may be announced yet */
    uint8_t inside;        /**< depth of receive, produce and sweep */
    bool woken;            /**< on_wake was called since the last receive or produce */
};

void http_engine_init(struct http_engine *engine, const struct http_engine_ops *ops,
                      const struct http_engine_config *config);
/** An operation gave the engine output, or room for input. */
void http_engine_wake(struct http_engine *engine);
/** A new exchange begins. */
struct http_exchange *http_engine_take(struct http_engine *engine,
                                       const struct http_exchange_ops *ops);
/** Gives bytes of the body to an owner that streams it. */
void http_engine_hand_on(struct http_engine *engine, struct http_exchange *x, struct span bytes);
/** An exchange ends: closes its body, calls on_close if it was announced, takes what it held off
 *  the count, and gives its memory back. */
void http_engine_release(struct http_engine *engine, struct http_exchange *x, enum http_end end,
                         bool announced);
