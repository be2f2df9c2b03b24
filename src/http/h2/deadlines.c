/* Which client keeps which stream waiting, and for how long it may. Waits begin when they are first
 * looked at, so that a request that is answered at once costs nothing here. */
#include "http/h2/engine.h"

/** The preface or a header block has begun: nothing else can come before it ends. */
static nsec_t header_deadline(struct h2_engine *h2, nsec_t now)
{
    bool awaited = h2->in.block || !h2->settled;

    if (awaited) {
        pace_update(&h2->header_pace, true, h2->received - h2->header_from, now);
        return pace_deadline(&h2->header_pace, &h2->base.config.limits->header);
    }
    h2->header_pace = (struct pace){0};
    h2->header_from = h2->received;
    return NSEC_NEVER;
}

/** All that may send wait for the connection's window. Streams don't have this deadline for their
 *  own: we choose who is next. */
static nsec_t window_deadline(struct h2_engine *h2, nsec_t now)
{
    bool held = false;

    if (h2->send_window <= 0)
        for (unsigned i = 0; i < H2_URGENCIES && !held; i++)
            held = !list_empty(&h2->ready[i]);
    if (!held && !h2->window_pace.since)
        return NSEC_NEVER;
    pace_update(&h2->window_pace, held, h2->data_sent, now);
    return pace_deadline(&h2->window_pace, &h2->base.config.limits->answer);
}

/** Whether the client is to send this stream's body, and may. A quarter of a window is what it has
 *  at least when nothing is held. */
static bool body_is_awaited(const struct h2_engine *h2, const struct h2_stream *stream)
{
    const struct http_exchange *x = stream->exchange;

    if (stream->request_done || stream->reset || stream->expects)
        return false;
    return (!x->responded || stream->deferred) && stream->window >= h2_window_size(h2) / 4;
}

static nsec_t body_deadline(struct h2_engine *h2, struct h2_stream *stream, nsec_t now)
{
    const struct http_exchange *x = stream->exchange;
    bool awaited = body_is_awaited(h2, stream);

    if (!awaited && !stream->body_pace.since)
        return NSEC_NEVER;
    pace_update(&stream->body_pace, awaited, x->body_received, now);
    return pace_deadline(&stream->body_pace,
                         x->body_bounds ? x->body_bounds : &h2->base.config.limits->body);
}

/** The stream's own window keeps its answer back. */
static nsec_t answer_deadline(struct h2_engine *h2, struct h2_stream *stream, nsec_t now)
{
    const struct http_exchange *x = stream->exchange;
    bool held = stream->begun && x->body && !stream->answered && !stream->ending &&
                !stream->deferred && !stream->reset && stream->send_window <= 0;

    if (!held && !stream->answer_pace.since)
        return NSEC_NEVER;
    pace_update(&stream->answer_pace, held, x->body_sent, now);
    return pace_deadline(&stream->answer_pace,
                         x->answer_bounds ? x->answer_bounds : &h2->base.config.limits->answer);
}

static nsec_t earlier(nsec_t a, nsec_t b)
{
    return a < b ? a : b;
}

static nsec_t stream_deadline(struct h2_engine *h2, struct h2_stream *stream, nsec_t now)
{
    return earlier(body_deadline(h2, stream, now), answer_deadline(h2, stream, now));
}

nsec_t h2_deadline(struct http_engine *engine, nsec_t now)
{
    struct h2_engine *h2 = h2_of(engine);
    nsec_t next = earlier(header_deadline(h2, now), window_deadline(h2, now));

    if (h2->error)
        return NSEC_NEVER;
    next = earlier(next, h2_half_closed_deadline(h2, now));
    list_for_each (x, spare, &engine->exchanges, struct http_exchange, link)
        next = earlier(next, stream_deadline(h2, x->stream, now));
    return next;
}

/** The first stream whose deadline has passed, or NULL. */
static struct h2_stream *overdue(struct h2_engine *h2, nsec_t now)
{
    list_for_each (x, spare, &h2->base.exchanges, struct http_exchange, link)
        if (stream_deadline(h2, x->stream, now) <= now)
            return x->stream;
    return NULL;
}

void h2_sweep(struct http_engine *engine, nsec_t now)
{
    struct h2_engine *h2 = h2_of(engine);
    struct h2_stream *stream;

    if (h2->error)
        return;
    if (header_deadline(h2, now) <= now || window_deadline(h2, now) <= now) {
        h2_fail(h2, NGHTTP2_NO_ERROR);
        h2_release_all(h2, HTTP_END_TIMEOUT);
        return;
    }
    h2_half_closed_sweep(h2, now);
    while ((stream = overdue(h2, now))) {
        h2_stream_reset(h2, stream, NGHTTP2_CANCEL);
        h2_release(h2, stream, HTTP_END_TIMEOUT);
    }
}
