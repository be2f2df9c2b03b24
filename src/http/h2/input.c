/* Takes the client's bytes apart into frames (RFC 9113 section 4), however they are cut. Small
 * frames are gathered whole; header blocks and DATA are handed on as they come. */
#include "http/h2/engine.h"

enum place { ANYWHERE, ON_STREAM, ON_CONNECTION, NOWHERE };

/** Where a frame belongs and how long it is (section 6). */
struct rule {
    uint8_t place;
    uint8_t min; /**< bytes */
    uint8_t max; /**< bytes, or 0: no bound of its own */
};

static const struct rule rules[] = {
    [NGHTTP2_DATA] = {ON_STREAM, 0, 0},
    [NGHTTP2_HEADERS] = {ON_STREAM, 0, 0},
    [NGHTTP2_PRIORITY] = {ON_STREAM, 5, 5},
    [NGHTTP2_RST_STREAM] = {ON_STREAM, 4, 4},
    [NGHTTP2_SETTINGS] = {ON_CONNECTION, 0, 0},
    [NGHTTP2_PUSH_PROMISE] = {NOWHERE, 0, 0},
    [NGHTTP2_PING] = {ON_CONNECTION, 8, 8},
    [NGHTTP2_GOAWAY] = {ON_CONNECTION, 8, 0},
    [NGHTTP2_WINDOW_UPDATE] = {ANYWHERE, 4, 4},
    [NGHTTP2_CONTINUATION] = {ON_STREAM, 0, 0},
    [NGHTTP2_PRIORITY_UPDATE] = {ON_CONNECTION, 4, 0},
};

/** The error code that the frame's header deserves, or 0. */
static uint32_t judge_header(const struct h2_engine *h2)
{
    const struct h2_input *in = &h2->in;
    struct rule rule = in->type < ARRAY_SIZE(rules) ? rules[in->type] : (struct rule){0};

    if (in->length > H2_FRAME_MAX)
        return NGHTTP2_FRAME_SIZE_ERROR;
    if (!h2->settled && (in->type != NGHTTP2_SETTINGS || in->flags & NGHTTP2_FLAG_ACK))
        return NGHTTP2_PROTOCOL_ERROR; /* the preface ends with SETTINGS (section 3.4) */
    if (in->block ? in->type != NGHTTP2_CONTINUATION || in->id != in->block
                  : in->type == NGHTTP2_CONTINUATION)
        return NGHTTP2_PROTOCOL_ERROR; /* nothing comes between the pieces (section 4.3) */
    if (rule.place == NOWHERE || (rule.place == ON_STREAM && in->id == 0) ||
        (rule.place == ON_CONNECTION && in->id != 0))
        return NGHTTP2_PROTOCOL_ERROR;
    if (in->length < rule.min || (rule.max && in->length > rule.max))
        return NGHTTP2_FRAME_SIZE_ERROR;
    return 0;
}

/** Bytes of the frame that are looked at together. */
static uint32_t lead_of(const struct h2_input *in)
{
    bool padded = in->flags & NGHTTP2_FLAG_PADDED;

    switch (in->type) {
    case NGHTTP2_DATA:
        return padded;
    case NGHTTP2_HEADERS:
        return (uint32_t)padded + (in->flags & NGHTTP2_FLAG_PRIORITY ? 5 : 0);
    case NGHTTP2_CONTINUATION:
        return 0;
    default:
        return in->length < H2_LEAD_MAX ? in->length : H2_LEAD_MAX;
    }
}

static void on_header(struct h2_engine *h2, const uint8_t header[H2_FRAME_HEADER])
{
    struct h2_input *in = &h2->in;

    in->length = h2_get32(header) >> 8;
    in->type = header[3];
    in->flags = header[4];
    in->id = h2_get32(header + 5) & INT32_MAX;
    in->have = 0;
    uint32_t code = judge_header(h2);
    if (code) {
        h2_fail(h2, code);
        return;
    }
    struct h2_frame frame = {in->type, in->flags, in->length};
    if (h2_guard_frame(&h2->guard, frame, h2->base.config.limits, h2->now) < 0) {
        h2_calm(h2);
        return;
    }
    in->lead = lead_of(in);
    if (in->lead > in->length)
        h2_fail(h2, NGHTTP2_FRAME_SIZE_ERROR);
    in->stage = H2_AT_LEAD;
}

/** A message's frame begins, and its padding is known. */
static void begin_content(struct h2_engine *h2)
{
    struct h2_input *in = &h2->in;

    if (in->type == NGHTTP2_HEADERS) {
        h2_block_begin(h2);
        return;
    }
    if (in->type != NGHTTP2_DATA)
        return;
    struct h2_stream *stream = h2_stream_of(h2, in->id);
    if (!h2_count_data(h2, stream)) /* not for anyone: skipped as if it were padding */
        in->id = 0;
    if (!h2->error && in->content == 0 && in->length && !(in->flags & NGHTTP2_FLAG_END_STREAM) &&
        h2_guard_empty(&h2->guard, h2->base.config.limits, h2->now) < 0)
        h2_calm(h2);
}

static void on_lead(struct h2_engine *h2, const uint8_t *bytes)
{
    struct h2_input *in = &h2->in;
    bool message =
        in->type == NGHTTP2_DATA || in->type == NGHTTP2_HEADERS || in->type == NGHTTP2_CONTINUATION;

    in->stage = H2_AT_CONTENT;
    in->have = 0;
    in->content = in->length - in->lead;
    in->padding = 0;
    if (!message) {
        in->padding = in->content; /* what is not looked at */
        in->content = 0;
        h2_control(h2, bytes, in->lead);
        return;
    }
    if (in->type != NGHTTP2_CONTINUATION && in->flags & NGHTTP2_FLAG_PADDED) {
        in->padding = bytes[0];
        if (in->padding > in->content) {
            h2_fail(h2, NGHTTP2_PROTOCOL_ERROR);
            return;
        }
        in->content -= in->padding;
    }
    begin_content(h2);
}

static void on_content(struct h2_engine *h2, const uint8_t *bytes, size_t len, bool last)
{
    struct h2_input *in = &h2->in;

    if (in->type == NGHTTP2_HEADERS || in->type == NGHTTP2_CONTINUATION) {
        h2_block_take(h2, bytes, len, last && in->flags & NGHTTP2_FLAG_END_HEADERS);
        return;
    }
    if (in->type != NGHTTP2_DATA || in->id == 0)
        return;
    bool ends = last && in->flags & NGHTTP2_FLAG_END_STREAM;
    struct h2_stream *stream = h2_stream_of(h2, in->id);
    if (stream && len)
        h2_on_data(h2, stream, span_of((const char *)bytes, len));
    if (h2->error)
        return;
    stream = h2_stream_of(h2, in->id); /* its owner may have ended it meanwhile */
    if (stream && ends)
        h2_on_end(h2, stream);
    else if (stream && last)
        h2_restore_window(h2, stream);
}

/** Brings `want` bytes together. @return where they stand, or NULL until all are there */
static const uint8_t *gather(struct h2_input *in, struct span *rest, uint32_t want)
{
    if (in->have == 0 && rest->len >= want) {
        const uint8_t *whole = (const uint8_t *)rest->ptr;
        *rest = span_from(*rest, want);
        return whole;
    }
    size_t part = want - in->have < rest->len ? want - in->have : rest->len;
    memcpy(in->bytes + in->have, rest->ptr, part);
    in->have += (uint32_t)part;
    *rest = span_from(*rest, part);
    return in->have == want ? in->bytes : NULL;
}

/** The client's preface, refused at its first wrong byte. @return false: more is needed */
static bool take_preface(struct h2_engine *h2, struct span *rest)
{
    struct h2_input *in = &h2->in;
    size_t left = NGHTTP2_CLIENT_MAGIC_LEN - in->have;
    size_t part = left < rest->len ? left : rest->len;

    if (memcmp(rest->ptr, &NGHTTP2_CLIENT_MAGIC[in->have], part) != 0) {
        h2_fail(h2, NGHTTP2_PROTOCOL_ERROR);
        return false;
    }
    in->have += (uint32_t)part;
    *rest = span_from(*rest, part);
    if (in->have < NGHTTP2_CLIENT_MAGIC_LEN)
        return false;
    in->have = 0;
    in->stage = H2_AT_HEADER;
    return true;
}

static bool take_content(struct h2_engine *h2, struct span *rest)
{
    struct h2_input *in = &h2->in;
    size_t part = in->content < rest->len ? in->content : rest->len;

    if (part == 0 && in->content)
        return false;
    in->content -= (uint32_t)part;
    const uint8_t *bytes = (const uint8_t *)rest->ptr;
    *rest = span_from(*rest, part);
    if (in->content == 0)
        in->stage = H2_AT_PADDING;
    on_content(h2, bytes, part, in->content == 0);
    return true;
}

static bool skip_padding(struct h2_input *in, struct span *rest)
{
    size_t part = in->padding < rest->len ? in->padding : rest->len;

    in->padding -= (uint32_t)part;
    *rest = span_from(*rest, part);
    if (in->padding)
        return false;
    in->stage = H2_AT_HEADER;
    return true;
}

/** One step. @return false when it needs more bytes */
static bool step(struct h2_engine *h2, struct span *rest)
{
    const uint8_t *bytes;

    switch (h2->in.stage) {
    case H2_AT_PREFACE:
        return take_preface(h2, rest);
    case H2_AT_HEADER:
        if (unlikely(h2->base.turn == 0))
            return false;
        bytes = gather(&h2->in, rest, H2_FRAME_HEADER);
        if (bytes)
            on_header(h2, bytes);
        return bytes;
    case H2_AT_LEAD:
        bytes = gather(&h2->in, rest, h2->in.lead);
        if (bytes)
            on_lead(h2, bytes);
        return bytes;
    case H2_AT_CONTENT:
        return take_content(h2, rest);
    case H2_AT_PADDING:
        return skip_padding(&h2->in, rest);
    }
    return false;
}

/** Takes frames; none begins once a turn has ended. */
static void take_frames(struct h2_engine *h2, struct span *bytes)
{
    if (bytes->len == 0)
        return;
    while (!h2->error && step(h2, bytes))
        ;
}

void h2_input_continue(struct h2_engine *h2)
{
    struct span rest = span_from(buffer_span(&h2->kept), h2->kept_used);

    take_frames(h2, &rest);
    h2->kept_used = h2->kept.len - rest.len;
    if (rest.len && !h2->error)
        return;
    buffer_finish(&h2->kept);
    h2->kept_used = 0;
}

void h2_input(struct h2_engine *h2, struct span bytes)
{
    if (unlikely(h2->kept.len > 0)) {
        if (buffer_add(&h2->kept, bytes) < 0)
            h2->error = ERR_LIMIT; /* input should have waited */
        else
            h2_input_continue(h2);
        return;
    }
    take_frames(h2, &bytes);
    if (bytes.len && !h2->error && buffer_add(&h2->kept, bytes) < 0)
        h2->error = ERR_LIMIT;
}
