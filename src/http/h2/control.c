/* Frames that carry no message: settings, windows, resets, priorities, pings and goodbyes
 * (RFC 9113 section 6, RFC 9218 section 7). How often they may come is guard.c's. */
#include "http/h2/engine.h"

enum { ACKS_MAX = 256 /* answers to SETTINGS and PING that may wait for output */ };

/** Payload of the PING whose answer says that the client has seen our GOAWAY. */
static const char drain_ping[8] = "draining";

/** Whether the frame's stream was never begun (section 5.1); we begin none ourselves. */
static bool is_idle(const struct h2_engine *h2)
{
    return h2->in.id > h2->last_id || h2->in.id % 2 == 0;
}

/* ---- windows ---- */

/** Adds to a window. @return false past 2^31 - 1 */
static bool widen(int32_t *window, int64_t by)
{
    int64_t wide = *window + by;

    if (wide > H2_WINDOW_MAX)
        return false;
    *window = (int32_t)wide;
    return true;
}

static void on_window_update(struct h2_engine *h2, const uint8_t *bytes)
{
    uint32_t by = h2_get32(bytes) & INT32_MAX;

    if (h2->in.id == 0) {
        if (by == 0 || !widen(&h2->send_window, by))
            h2_fail(h2, by ? NGHTTP2_FLOW_CONTROL_ERROR : NGHTTP2_PROTOCOL_ERROR);
        return;
    }
    struct h2_stream *stream = h2_stream_of(h2, h2->in.id);
    if (!stream || stream->reset)
        return; /* closed a while ago (section 5.1) */
    bool was_shut = stream->send_window <= 0;
    if (by == 0 || !widen(&stream->send_window, by))
        h2_stream_reset(h2, stream, by ? NGHTTP2_FLOW_CONTROL_ERROR : NGHTTP2_PROTOCOL_ERROR);
    else if (was_shut)
        h2_make_ready(h2, stream);
}

/** Gives the client the connection's window back once half of it is used, whatever is held: one
 *  stream that is held up must not stop the others. What can be held is bounded by the windows of
 *  the streams. */
static void restore_connection(struct h2_engine *h2)
{
    int32_t used = h2->window_size - h2->window;

    if (used < h2->window_size / 2)
        return;
    h2->window = h2->window_size;
    h2_queue_code(h2, NGHTTP2_WINDOW_UPDATE, 0, (uint32_t)used);
}

/** DATA for a stream that is no more: under way when we reset it, or sent in spite of its end
 *  (section 5.1). */
static void count_late_data(struct h2_engine *h2)
{
    const struct h2_input *in = &h2->in;
    bool unknown = h2->drain == H2_DRAIN_FINAL && in->id > h2->last_taken;

    if (h2_closed_spend(&h2->closed, in->id, in->length))
        return;
    if (h2_guard_empty(&h2->guard, h2->base.config.limits, h2->now) < 0) {
        h2_calm(h2);
        return;
    }
    if (unknown || h2_closed_was_reset(&h2->closed, in->id))
        return;
    h2_queue_code(h2, NGHTTP2_RST_STREAM, in->id, NGHTTP2_STREAM_CLOSED);
    if (h2_guard_reset(&h2->guard, h2->base.config.limits, h2->now) < 0)
        h2_calm(h2);
}

bool h2_count_data(struct h2_engine *h2, struct h2_stream *stream)
{
    int32_t length = (int32_t)h2->in.length;

    if (is_idle(h2)) {
        h2_fail(h2, NGHTTP2_PROTOCOL_ERROR);
        return false;
    }
    if (length > h2->window) {
        h2_fail(h2, NGHTTP2_FLOW_CONTROL_ERROR);
        return false;
    }
    h2->window -= length;
    restore_connection(h2);
    if (!stream || stream->reset) {
        if (!h2_half_closed_data(h2, h2->in.id))
            count_late_data(h2);
        return false;
    }
    if (stream->request_done) {
        h2_stream_reset(h2, stream, NGHTTP2_STREAM_CLOSED);
        return false;
    }
    if (length > stream->window) {
        h2_stream_reset(h2, stream, NGHTTP2_FLOW_CONTROL_ERROR);
        return false;
    }
    stream->window -= length;
    return true;
}

int32_t h2_window_size(const struct h2_engine *h2)
{
    return h2->acknowledged ? h2->window_told : H2_WINDOW_FIRST;
}

void h2_restore_window(struct h2_engine *h2, struct h2_stream *stream)
{
    const struct h2_input *in = &h2->in;
    bool arriving = in->stage == H2_AT_CONTENT && in->type == NGHTTP2_DATA && in->id == stream->id;
    int64_t held = (int64_t)stream->exchange->held + (arriving ? in->content : 0);
    int32_t size = h2_window_size(h2);
    int64_t back = size - stream->window - held;

    if (stream->request_done || stream->cut || stream->reset || back < size / 2)
        return;
    stream->window += (int32_t)back;
    h2_queue_code(h2, NGHTTP2_WINDOW_UPDATE, stream->id, (uint32_t)back);
}

/* ---- settings ---- */

/** Every stream's window grows or shrinks with the first one (section 6.9.2).
 *  @return 0, or an error code of section 7 */
static uint32_t shift_send_windows(struct h2_engine *h2, uint32_t first)
{
    int64_t by = (int64_t)first - h2->send_window_told;

    if (first > H2_WINDOW_MAX)
        return NGHTTP2_FLOW_CONTROL_ERROR;
    h2->send_window_told = (int32_t)first;
    for (unsigned i = 0; i < H2_BUCKETS; i++) {
        for (struct h2_stream *at = h2->buckets[i]; at; at = at->next) {
            bool was_shut = at->send_window <= 0;
            if (!widen(&at->send_window, by))
                return NGHTTP2_FLOW_CONTROL_ERROR;
            if (at->send_window <= 0 && at->begun && !at->starting && !at->reset)
                list_remove(&at->turn);
            else if (was_shut)
                h2_make_ready(h2, at);
        }
    }
    return 0;
}

/** @return 0, or an error code of section 7 */
static uint32_t set_no_priorities(struct h2_engine *h2, uint32_t value, bool first)
{
    if (value > 1 || (!first && h2->no_priorities != (value == 1)))
        return NGHTTP2_PROTOCOL_ERROR; /* RFC 9218 section 2.1.1 */
    h2->no_priorities = value == 1;
    return 0;
}

/** @return 0, or an error code of section 7 */
static uint32_t set_one(struct h2_engine *h2, uint16_t name, uint32_t value, bool first)
{
    switch (name) {
    case NGHTTP2_SETTINGS_HEADER_TABLE_SIZE:
        h2_hpack_resize(&h2->hpack, value);
        return 0;
    case NGHTTP2_SETTINGS_ENABLE_PUSH: /* we push nothing */
    case NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL:
        return value > 1 ? NGHTTP2_PROTOCOL_ERROR : 0;
    case NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE:
        return shift_send_windows(h2, value);
    case NGHTTP2_SETTINGS_MAX_FRAME_SIZE: /* ours stay at the least that it can be */
        return value < H2_FRAME_MAX || value > 0xffffff ? NGHTTP2_PROTOCOL_ERROR : 0;
    case NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES:
        return set_no_priorities(h2, value, first);
    default:
        return 0;
    }
}

/** The client has taken ours: windows of its streams are as wide as they say. */
static void on_settings_ack(struct h2_engine *h2)
{
    int32_t by = h2->window_told - H2_WINDOW_FIRST;

    if (h2->acknowledged || h2->in.length) {
        h2_fail(h2, h2->in.length ? NGHTTP2_FRAME_SIZE_ERROR : NGHTTP2_PROTOCOL_ERROR);
        return;
    }
    h2->acknowledged = true;
    for (unsigned i = 0; i < H2_BUCKETS; i++)
        for (struct h2_stream *at = h2->buckets[i]; at; at = at->next)
            at->window += by;
}

/** @return false: too many wait */
static bool acknowledge(struct h2_engine *h2, uint8_t type, struct span payload)
{
    if (++h2->acks > ACKS_MAX) {
        h2_calm(h2);
        return false;
    }
    h2_queue(h2, type, NGHTTP2_FLAG_ACK, 0, payload);
    return true;
}

static void on_settings(struct h2_engine *h2, const uint8_t *bytes)
{
    bool first = !h2->settled;

    if (h2->in.flags & NGHTTP2_FLAG_ACK) {
        on_settings_ack(h2);
        return;
    }
    if (h2->in.length % 6) {
        h2_fail(h2, NGHTTP2_FRAME_SIZE_ERROR);
        return;
    }
    if (h2->in.length > H2_LEAD_MAX) {
        h2_calm(h2);
        return;
    }
    h2->settled = true;
    for (const uint8_t *at = bytes; at < bytes + h2->in.length; at += 6) {
        uint32_t code = set_one(h2, (uint16_t)(at[0] << 8 | at[1]), h2_get32(at + 2), first);
        if (code) {
            h2_fail(h2, code);
            return;
        }
    }
    acknowledge(h2, NGHTTP2_SETTINGS, (struct span){0});
}

/* ---- the rest ---- */

static void on_ping(struct h2_engine *h2, const uint8_t *bytes)
{
    if (!(h2->in.flags & NGHTTP2_FLAG_ACK)) {
        acknowledge(h2, NGHTTP2_PING, span_of((const char *)bytes, sizeof drain_ping));
        return;
    }
    if (h2->drain == H2_DRAIN_NOTICE && memcmp(bytes, drain_ping, sizeof drain_ping) == 0)
        h2_last_word(h2); /* whatever it sends from now on, it sends knowingly */
}

void h2_shutdown(struct http_engine *engine)
{
    struct h2_engine *h2 = h2_of(engine);

    if (h2->drain != H2_DRAIN_NONE || h2->error)
        return;
    h2->drain = H2_DRAIN_NOTICE;
    h2_queue_goaway(h2, INT32_MAX, NGHTTP2_NO_ERROR);
    h2_queue(h2, NGHTTP2_PING, 0, 0, span_of(drain_ping, sizeof drain_ping));
}

static void on_reset(struct h2_engine *h2)
{
    struct h2_stream *stream = h2_stream_of(h2, h2->in.id);

    if (!stream) {
        h2_half_closed_reset(h2, h2->in.id);
        return;
    }
    stream->left = true;
    h2_close(h2, stream);
}

/** A field value of RFC 9218 section 4; what cannot be read leaves the default. */
static struct h2_priority read_priority(struct span text)
{
    struct h2_priority priority = {.urgency = 3};
    struct span part;

    while (span_next(&text, ',', &part)) {
        part = span_trim(part);
        if (part.len >= 3 && memcmp(part.ptr, "u=", 2) == 0 && part.ptr[2] >= '0' &&
            part.ptr[2] <= '7' && (part.len == 3 || part.ptr[3] == ';'))
            priority.urgency = (uint8_t)(part.ptr[2] - '0');
        else if (part.len >= 1 && part.ptr[0] == 'i' && (part.len == 1 || part.ptr[1] == ';'))
            priority.incremental = true;
        else if (span_starts(part, SPAN("i=?")))
            priority.incremental = part.len > 3 && part.ptr[3] == '1';
    }
    return priority;
}

void h2_prioritise(struct h2_engine *h2, struct h2_stream *stream, struct span text)
{
    bool waits = !stream->starting && !stream->reset && !list_empty(&stream->turn);

    stream->priority = read_priority(text);
    if (waits)
        h2_make_ready(h2, stream);
}

void h2_keep_promise(struct h2_engine *h2, struct h2_stream *stream)
{
    for (unsigned i = 0; i < H2_PROMISES; i++) {
        if (h2->promises[i].id == stream->id) {
            stream->priority = h2->promises[i].priority;
            stream->prioritised = true;
            h2->promises[i].id = 0;
        }
    }
}

static void on_priority_update(struct h2_engine *h2, const uint8_t *bytes, size_t len)
{
    uint32_t id = h2_get32(bytes) & INT32_MAX;
    struct span text = span_of((const char *)bytes + 4, len - 4);
    struct h2_stream *stream = h2_stream_of(h2, id);

    if (id % 2 == 0) { /* none of the client's (RFC 9218 section 7.1) */
        h2_fail(h2, NGHTTP2_PROTOCOL_ERROR);
        return;
    }
    if (stream) {
        stream->prioritised = true;
        h2_prioritise(h2, stream, text);
    } else if (id > h2->last_id) {
        unsigned slot = h2->next_promise++ % H2_PROMISES;
        for (unsigned i = 0; i < H2_PROMISES; i++)
            if (h2->promises[i].id == id)
                slot = i;
        h2->promises[slot].id = id;
        h2->promises[slot].priority = read_priority(text);
    }
}

void h2_control(struct h2_engine *h2, const uint8_t *bytes, size_t len)
{
    uint8_t type = h2->in.type;
    bool touches = type == NGHTTP2_RST_STREAM || (type == NGHTTP2_WINDOW_UPDATE && h2->in.id);

    if (touches && is_idle(h2)) {
        h2_fail(h2, NGHTTP2_PROTOCOL_ERROR);
        return;
    }
    switch (type) {
    case NGHTTP2_SETTINGS:
        on_settings(h2, bytes);
        break;
    case NGHTTP2_PING:
        on_ping(h2, bytes);
        break;
    case NGHTTP2_GOAWAY:
        h2->client_leaves = true;
        break;
    case NGHTTP2_RST_STREAM:
        on_reset(h2);
        break;
    case NGHTTP2_WINDOW_UPDATE:
        on_window_update(h2, bytes);
        break;
    case NGHTTP2_PRIORITY_UPDATE:
        on_priority_update(h2, bytes, len);
        break;
    default: /* PRIORITY is of no meaning any more (section 5.3.2); the rest is unknown */
        break;
    }
}
