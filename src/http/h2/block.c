/* Header blocks: whom their fields are for, how much of them is taken. The decoder is nghttp2's
 * (RFC 7541); each block goes through it, also one that nobody wants, for both sides must keep the
 * same table. */
#include "http/h2/engine.h"

enum {
    FIELD_OVERHEAD = 32, /* RFC 9113 section 6.5.2 */
    BOMB_FACTOR = 4,     /* decoding goes on that far past a limit, for the sake of a clean 431 */
};

/** A block for a stream that is no more, or never was (section 5.1). It may have been under way
 * when we reset the stream; else the client breaks the protocol. */
static void judge_late_block(struct h2_engine *h2)
{
    uint32_t id = h2->in.id;
    bool unknown = h2->drain == H2_DRAIN_FINAL && id > h2->last_taken;

    if (h2_closed_is_gap(&h2->closed, id))
        h2_fail(h2, NGHTTP2_PROTOCOL_ERROR); /* section 5.1.1 */
    else if (!unknown && !h2_closed_was_reset(&h2->closed, id))
        h2_fail(h2, NGHTTP2_STREAM_CLOSED);
    else if (h2_guard_empty(&h2->guard, h2->base.config.limits, h2->now) < 0)
        h2_calm(h2);
}

/** A block for a stream that is there or was: trailers, or too late. */
static void begin_trailers(struct h2_engine *h2)
{
    struct h2_stream *stream = h2_stream_of(h2, h2->in.id);

    if (!stream || stream->reset) {
        if (!h2_half_closed_trailers(h2, h2->in.id))
            judge_late_block(h2);
        return;
    }
    if (stream->request_done) {
        h2_stream_reset(h2, stream, NGHTTP2_STREAM_CLOSED);
        return;
    }
    if (!(h2->in.flags & NGHTTP2_FLAG_END_STREAM)) { /* section 8.1 */
        h2_stream_reset(h2, stream, NGHTTP2_PROTOCOL_ERROR);
        return;
    }
    stream->trailing = true;
    h2->opening = stream;
}

static void refuse_stream(struct h2_engine *h2)
{
    h2_closed_add_reset(&h2->closed, h2->in.id, H2_WINDOW_FIRST);
    h2_queue_code(h2, NGHTTP2_RST_STREAM, h2->in.id, NGHTTP2_REFUSED_STREAM);
    if (h2_guard_reset(&h2->guard, h2->base.config.limits, h2->now) < 0)
        h2_calm(h2);
}

static void begin_request(struct h2_engine *h2)
{
    uint32_t id = h2->in.id;
    struct h2_stream *stream = NULL;

    if (unlikely(id - h2->last_id > 2))
        h2_closed_add_gap(&h2->closed, h2->last_id + 1, id - 1);
    h2->last_id = id;
    if (h2->drain == H2_DRAIN_FINAL)
        return; /* beyond the last stream of our GOAWAY */
    if (h2->acknowledged && h2->live >= h2->streams_told) {
        h2_fail(h2, NGHTTP2_PROTOCOL_ERROR); /* section 5.1.2 */
        return;
    }
    if (h2->live < h2->base.config.limits->h2_streams) /* a reload may have lowered it */
        stream = h2_stream_make(h2, id);
    if (!stream) {
        refuse_stream(h2);
        return;
    }
    h2_keep_promise(h2, stream);
    h2->opening = stream;
    h2_guard_credit(&h2->guard, 0);
}

void h2_block_begin(struct h2_engine *h2)
{
    struct h2_input *in = &h2->in;

    if (in->id % 2 == 0) { /* no client's (section 5.1.1) */
        h2_fail(h2, NGHTTP2_PROTOCOL_ERROR);
        return;
    }
    h2->opening = NULL;
    in->block = in->id;
    in->block_ends = in->flags & NGHTTP2_FLAG_END_STREAM;
    in->block_bytes = in->block_count = 0;
    if (in->id > h2->last_id)
        begin_request(h2);
    else
        begin_trailers(h2);
}

/** Counts a field. @return whether it may be looked at */
static bool count_field(struct h2_engine *h2, size_t len)
{
    const struct http_limits *limits = h2->base.config.limits;
    struct h2_input *in = &h2->in;
    uint64_t bytes = in->block_bytes + len + FIELD_OVERHEAD;

    in->block_bytes = bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes;
    in->block_count++;
    if (likely(bytes <= limits->header_bytes && in->block_count <= limits->header_count))
        return true;
    if (bytes / BOMB_FACTOR > limits->header_bytes ||
        in->block_count / BOMB_FACTOR > limits->header_count)
        h2_calm(h2);
    else if (h2->opening)
        h2_too_large(h2, h2->opening);
    return false;
}

void h2_block_take(struct h2_engine *h2, const uint8_t *bytes, size_t len, bool last)
{
    int flags = 0;

    while (len || last) {
        nghttp2_nv nv;
        ssize_t used = nghttp2_hd_inflate_hd2(h2->inflater, &nv, &flags, bytes, len, last);
        if (used < 0) {
            h2_fail(h2, NGHTTP2_COMPRESSION_ERROR);
            return;
        }
        bytes += used;
        len -= (size_t)used;
        if (flags & NGHTTP2_HD_INFLATE_EMIT) {
            if (count_field(h2, nv.namelen + nv.valuelen) && h2->opening)
                h2_on_field(h2, span_of((char *)nv.name, nv.namelen),
                            span_of((char *)nv.value, nv.valuelen));
            if (h2->error)
                return;
        } else if (len == 0) {
            break;
        }
    }
    if (!(flags & NGHTTP2_HD_INFLATE_FINAL))
        return;
    nghttp2_hd_inflate_end_headers(h2->inflater);
    h2->in.block = 0;
    if (h2->opening)
        h2_on_block(h2);
}
