/* Which client keeps which stream waiting, and for how long it may (as in h2/deadlines.c). */
#include "http/h3/engine.h"

static nsec_t earlier(nsec_t a, nsec_t b)
{
    return a < b ? a : b;
}

static nsec_t look(struct pace *pace, bool waiting, uint64_t moved,
                   const struct pace_bounds *bounds, nsec_t now)
{
    if (!waiting && !pace->since)
        return NSEC_NEVER;
    pace_update(pace, waiting, moved, now);
    return pace_deadline(pace, bounds);
}

/* Bytes go out, and the client is slow to acknowledge them: one pace for all, because we choose
 * whose go first. */
static nsec_t window_deadline(struct h3_engine *h3, nsec_t now)
{
    return look(&h3->window_pace, h3->unacknowledged > 0, h3->data_sent,
                &h3->base.config.limits->answer, now);
}

static nsec_t stream_deadline(struct h3_stream *stream, nsec_t now)
{
    const struct http_limits *limits = stream->h3->base.config.limits;
    const struct http_exchange *x = stream->exchange;

    if (!x || stream->reset)
        return NSEC_NEVER;
    if (!stream->announced)
        return look(&stream->header_pace, true, stream->header_bytes, &limits->header, now);
    bool body = !stream->request_done && !stream->cut && !stream->expects &&
                (!x->responded || stream->deferred) &&
                x->held < limits->body_window - limits->body_window / 4;
    nsec_t next = look(&stream->body_pace, body, x->body_received,
                       x->body_bounds ? x->body_bounds : &limits->body, now);
    bool held = x->responded && stream->blocked && !stream->deferred && !stream->answered;
    return earlier(next, look(&stream->answer_pace, held, stream->written,
                              x->answer_bounds ? x->answer_bounds : &limits->answer, now));
}

nsec_t h3_deadline(struct http_engine *engine, nsec_t now)
{
    struct h3_engine *h3 = h3_of(engine);
    nsec_t next = window_deadline(h3, now);

    if (h3->ending && !h3->shut && h3->ending_since && list_empty(&h3->streams))
        next = earlier(next, h3->ending_since + H3_LAST_REQUESTS);
    list_for_each (stream, spare, &h3->streams, struct h3_stream, link)
        next = earlier(next, stream_deadline(stream, now));
    return next;
}

static struct h3_stream *overdue(struct h3_engine *h3, nsec_t now)
{
    list_for_each (stream, spare, &h3->streams, struct h3_stream, link)
        if (stream_deadline(stream, now) <= now)
            return stream;
    return NULL;
}

void h3_sweep(struct http_engine *engine, nsec_t now)
{
    struct h3_engine *h3 = h3_of(engine);
    struct h3_stream *stream;

    h3->now = now;
    if (window_deadline(h3, now) <= now) {
        h3->code = H3_NO_ERROR;
        list_for_each (each, spare, &h3->streams, struct h3_stream, link)
            h3_stream_release(each, HTTP_END_TIMEOUT);
        return;
    }
    while ((stream = overdue(h3, now))) {
        h3_stream_reset(stream, NGHTTP3_H3_REQUEST_CANCELLED);
        h3_stream_release(stream, HTTP_END_TIMEOUT);
    }
}
