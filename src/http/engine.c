/* What HTTP/1's and HTTP/2's engines have in common: the calls of their owner down to their table,
 * turns, and the count of what they hold. */
#include "http/engine_base.h"

#include <limits.h>

int http_receive(struct http_engine *engine, struct span bytes, nsec_t now)
{
    engine->state = HTTP_ENGINE_INSIDE;
    int r = engine->ops->receive(engine, bytes, now);
    engine->state = HTTP_ENGINE_OUTSIDE;
    return r;
}

ssize_t http_produce(struct http_engine *engine, char *out, size_t cap, nsec_t now)
{
    engine->state = HTTP_ENGINE_INSIDE;
    ssize_t count = engine->ops->produce(engine, out, cap, now);
    engine->state = HTTP_ENGINE_OUTSIDE;
    return count;
}

enum http_wait http_wait(const struct http_engine *engine)
{
    return engine->ops->wait(engine);
}

bool http_wants_input(const struct http_engine *engine)
{
    return engine->turn > 0 && engine->ops->wants_input(engine);
}

void http_turn_begin(struct http_engine *engine, unsigned requests)
{
    engine->turn = requests;
}

void http_turn_end(struct http_engine *engine)
{
    engine->turn = 0;
}

bool http_turn_over(const struct http_engine *engine)
{
    return engine->turn == 0;
}

nsec_t http_deadline(struct http_engine *engine, nsec_t now)
{
    return engine->ops->deadline(engine, now);
}

void http_sweep(struct http_engine *engine, nsec_t now)
{
    engine->state = HTTP_ENGINE_INSIDE;
    engine->ops->sweep(engine, now);
    engine->state = HTTP_ENGINE_OUTSIDE;
}

void http_shutdown(struct http_engine *engine)
{
    engine->ops->shutdown(engine);
}

void http_hangup(struct http_engine *engine)
{
    engine->state = HTTP_ENGINE_INSIDE;
    engine->ops->hangup(engine);
    engine->state = HTTP_ENGINE_OUTSIDE;
}

void http_cut_off(struct http_engine *engine, enum http_end end)
{
    engine->state = HTTP_ENGINE_INSIDE;
    engine->ops->cut_off(engine, end);
    engine->state = HTTP_ENGINE_OUTSIDE;
}

void http_engine_destroy(struct http_engine *engine)
{
    if (!engine)
        return;
    http_hangup(engine);
    engine->ops->destroy(engine);
}

void http_engine_set_limits(struct http_engine *engine, const struct http_limits *limits)
{
    engine->config.limits = limits;
}

struct http_load http_load(const struct http_engine *engine)
{
    struct http_load load = engine->load;

    load.memory += engine->ops->buffered(engine) + (int64_t)load.exchanges * HTTP_EXCHANGE_BYTES;
    return load;
}

/* ---- for the engines ---- */

void http_engine_init(struct http_engine *engine, const struct http_engine_ops *ops,
                      const struct http_engine_config *config)
{
    *engine = (struct http_engine){.ops = ops, .config = *config, .turn = UINT_MAX};
    list_init(&engine->exchanges);
}

void http_engine_wake_owner(struct http_engine *engine)
{
    const struct http_events *events = engine->config.events;

    engine->state = HTTP_ENGINE_WOKEN;
    if (events->on_wake)
        events->on_wake(engine->config.owner);
}

void http_engine_hand_on(struct http_engine *engine, struct http_exchange *x, struct span bytes)
{
    x->held += bytes.len;
    engine->load.held += bytes.len;
    engine->config.events->on_body(engine->config.owner, x, bytes);
}

void http_engine_tunnel(struct http_engine *engine, struct http_exchange *x, struct span bytes)
{
    x->held += bytes.len;
    engine->load.held += bytes.len;
    engine->config.events->on_tunnel(engine->config.owner, x, bytes);
}
