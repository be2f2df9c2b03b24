/* Turns answers into HEADERS and DATA frames, body bytes going straight from the body's read() into
 * the caller's output. Whose turn it is to send is output.c's to say. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "http/h2/engine.h"
#include "http/head.h"

enum {
    DATA_WORTH = 4096,   /* less room than that is not worth a frame of its own */
    BLOCK_MAX = 1 << 16, /* of an answer's header or trailers */
    DIGITS_MAX = 20,
    INTERIM_MAX = 1 << 18, /* of the queue, from which on informational answers are dropped */
};

/** The stream's last frame is put out. */
static void note_end(struct h2_engine *h2, struct h2_stream *stream)
{
    stream->answered = true;
    if (!stream->request_done)
        h2_half_close(h2, stream);
    h2_close(h2, stream);
}

/* ---- header blocks ---- */

/** Writes a number in at most 19 digits. @return how many */
static size_t write_length(char *digits, int64_t number)
{
    char reversed[20];
    size_t len = 0;

    do {
        reversed[len++] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    for (size_t i = 0; i < len; i++)
        digits[i] = reversed[len - 1 - i];
    return len;
}

/** Fields that the engine writes itself or that HTTP/2 forbids (RFC 9113 section 8.2.2). */
static bool is_ours(struct span name)
{
    switch (name.len) {
    case 4:
        return span_equal(name, SPAN("date"));
    case 7:
        return span_equal(name, SPAN("upgrade"));
    case 10:
        return span_equal(name, SPAN("connection")) || span_equal(name, SPAN("keep-alive"));
    case 14:
        return span_equal(name, SPAN("content-length"));
    case 16:
        return span_equal(name, SPAN("proxy-connection"));
    case 17:
        return span_equal(name, SPAN("transfer-encoding"));
    default:
        return false;
    }
}

/** Most bytes that the fields take in a block. */
static size_t bound_of(const struct http_fields *fields)
{
    size_t bound = H2_HPACK_START + 3 * H2_HPACK_FIELD + 64; /* with :status, date, length */

    for (unsigned i = 0; i < fields->count && bound <= BLOCK_MAX; i++)
        bound += fields->items[i].name.len + fields->items[i].value.len + H2_HPACK_FIELD;
    return bound;
}

static char *put_fields(struct h2_engine *h2, char *at, const struct http_fields *fields)
{
    for (unsigned i = 0; i < fields->count; i++)
        if (!is_ours(fields->items[i].name))
            at = h2_hpack_put(&h2->hpack, at, fields->items[i].name, fields->items[i].value);
    return at;
}

/** Writes the block of the answer's header, or of its trailers. @return its length */
static size_t put_block(struct h2_engine *h2, struct h2_stream *stream, char *out)
{
    struct http_exchange *x = stream->exchange;
    char *at = h2_hpack_begin(&h2->hpack, out);

    if (stream->ending)
        return (size_t)(put_fields(h2, at, x->body->trailers) - out);
    at = h2_hpack_put_status(&h2->hpack, at, x->response.status);
    if (h2->base.config.date)
        at = h2_hpack_put(&h2->hpack, at, SPAN("date"), span_of(h2->base.config.date, 29));
    int64_t length = http_length_to_tell(x);
    if (length >= 0) {
        char digits[DIGITS_MAX];
        size_t count = write_length(digits, length);
        at = h2_hpack_put(&h2->hpack, at, SPAN("content-length"), span_of(digits, count));
    }
    return (size_t)(put_fields(h2, at, &x->response.fields) - out);
}

/** Queues a block that one frame may not hold (RFC 9113 section 4.3). */
static void queue_block(struct h2_engine *h2, uint32_t id, struct span block, uint8_t flags)
{
    uint8_t type = NGHTTP2_HEADERS;

    while (block.len > H2_FRAME_MAX) {
        h2_queue(h2, type, flags, id, span_of(block.ptr, H2_FRAME_MAX));
        block = span_from(block, H2_FRAME_MAX);
        type = NGHTTP2_CONTINUATION;
        flags = 0;
    }
    h2_queue(h2, type, flags | NGHTTP2_FLAG_END_HEADERS, id, block);
}

static bool has_content(const struct http_exchange *x)
{
    return x->body && http_may_have_content(x) && x->response.content_length != 0;
}

/** The header or the trailers are out. */
static void note_head(struct h2_engine *h2, struct h2_stream *stream, bool last)
{
    struct http_exchange *x = stream->exchange;

    stream->begun = true;
    if (x->first_byte == 0)
        x->first_byte = h2->now;
    h2_take_out(h2, stream);
    if (last)
        note_end(h2, stream);
    else
        h2_make_ready(h2, stream);
}

bool h2_put_head(struct h2_engine *h2, struct h2_stream *stream)
{
    struct http_exchange *x = stream->exchange;
    size_t room = h2->cap - h2->used;
    size_t bound = bound_of(stream->ending ? x->body->trailers : &x->response.fields);
    bool last = stream->ending || !has_content(x);
    uint8_t flags = last ? NGHTTP2_FLAG_END_STREAM : 0;

    if (bound > BLOCK_MAX) {
        h2_stream_reset(h2, stream, NGHTTP2_INTERNAL_ERROR);
        return true;
    }
    if (likely(bound <= H2_FRAME_MAX)) {
        if (room < H2_FRAME_HEADER + bound)
            return false;
        char *frame = h2->out + h2->used;
        size_t len = put_block(h2, stream, frame + H2_FRAME_HEADER);
        h2_put_frame(frame, len, NGHTTP2_HEADERS, flags | NGHTTP2_FLAG_END_HEADERS, stream->id);
        h2->used += H2_FRAME_HEADER + len;
    } else {
        scoped(mem_release) char *block = mem_alloc(bound);
        size_t len = put_block(h2, stream, block);
        queue_block(h2, stream->id, span_of(block, len), flags);
    }
    note_head(h2, stream, last);
    return true;
}

/* ---- DATA ---- */

/** How many bytes the next DATA frame takes; 0 when it had better wait for an emptier output. */
static size_t frame_room(const struct h2_engine *h2, const struct h2_stream *stream)
{
    size_t room = h2->cap - h2->used;
    size_t max = H2_FRAME_MAX;

    if (room <= H2_FRAME_HEADER)
        return 0;
    room -= H2_FRAME_HEADER;
    if ((size_t)h2->send_window < max)
        max = (size_t)h2->send_window;
    if ((size_t)stream->send_window < max)
        max = (size_t)stream->send_window;
    if (stream->body_left >= 0 && (uint64_t)stream->body_left < max)
        max = (size_t)stream->body_left;
    if (room >= max)
        return max;
    return room >= DATA_WORTH ? room : 0;
}

/** After a frame that was not the last: who is next. */
static void pass_turn(struct h2_engine *h2, struct h2_stream *stream)
{
    if (stream->send_window <= 0)
        list_remove(&stream->turn);
    else if (stream->priority.incremental)
        h2_make_ready(h2, stream); /* behind the others of its urgency */
}

/** Puts out what was read: `count` bytes stand where the payload belongs. */
static void put_frame(struct h2_engine *h2, struct h2_stream *stream, size_t count)
{
    struct http_exchange *x = stream->exchange;
    const struct http_fields *trailers = x->body->trailers;
    bool done = count == 0 || stream->body_left == (int64_t)count;
    bool trail = done && trailers && trailers->count > 0;

    x->body_sent += count;
    if (stream->body_left > 0)
        stream->body_left -= (int64_t)count;
    h2->data_sent += count;
    h2->send_window -= (int32_t)count;
    stream->send_window -= (int32_t)count;
    if (count || !trail) {
        h2_put_frame(h2->out + h2->used, count, NGHTTP2_DATA,
                     done && !trail ? NGHTTP2_FLAG_END_STREAM : 0, stream->id);
        h2->used += H2_FRAME_HEADER + count;
        h2_guard_credit(&h2->guard, count);
    }
    if (trail) {
        stream->ending = true;
        h2_make_starting(h2, stream);
    } else if (done) {
        note_end(h2, stream);
    } else {
        pass_turn(h2, stream);
    }
}

bool h2_put_data(struct h2_engine *h2, struct h2_stream *stream)
{
    struct http_exchange *x = stream->exchange;
    size_t room = frame_room(h2, stream);

    if (room == 0)
        return false;
    h2->sending = stream;
    ssize_t count = x->body->read(x->body, h2->out + h2->used + H2_FRAME_HEADER, room);
    bool gone = !h2->sending; /* its owner has ended it meanwhile */
    h2->sending = NULL;
    if (gone || stream->reset)
        return true;
    if (count == -EAGAIN) {
        stream->deferred = true;
        h2_take_out(h2, stream);
        return true;
    }
    if (count < 0 || (count == 0 && stream->body_left > 0))
        h2_stream_reset(h2, stream, NGHTTP2_INTERNAL_ERROR); /* so that the client can tell */
    else
        put_frame(h2, stream, (size_t)count);
    return true;
}

/* ---- what the owner calls ---- */

void h2_respond(struct h2_engine *h2, struct h2_stream *stream)
{
    const struct http_exchange *x = stream->exchange;
    bool content = http_may_have_content(x) && x->response.content_length != 0;
    bool broken = x->response.status < 200 || x->response.status > 999 ||
                  (content && !x->body && x->response.content_length > 0);

    if (stream->reset)
        return;
    if (broken) {
        h2_stream_reset(h2, stream, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    stream->body_left = x->response.content_length;
    h2_make_starting(h2, stream);
    if (x->response.close)
        h2_shutdown(&h2->base);
}

static void respond(struct http_exchange *x)
{
    struct h2_stream *stream = x->stream;
    struct h2_engine *h2 = stream->h2;

    h2_respond(h2, stream);
    http_engine_wake(&h2->base);
}

static void inform(struct http_exchange *x, int status, const struct http_fields *fields)
{
    struct h2_stream *stream = x->stream;
    struct h2_engine *h2 = stream->h2;
    size_t bound = bound_of(fields);

    if (stream->reset || (status == 100 && (!stream->expects || stream->request_done)))
        return;
    if (bound > BLOCK_MAX || h2->queue.len + bound > INTERIM_MAX)
        return; /* they are hints: the answer itself matters */
    if (status == 100)
        stream->expects = false;
    scoped(mem_release) char *block = mem_alloc(bound);
    char *at = h2_hpack_put_status(&h2->hpack, h2_hpack_begin(&h2->hpack, block), status);
    at = put_fields(h2, at, fields);
    queue_block(h2, stream->id, span_of(block, (size_t)(at - block)), 0);
    http_engine_wake(&h2->base);
}

static void resume(struct http_exchange *x)
{
    struct h2_stream *stream = x->stream;
    struct h2_engine *h2 = stream->h2;

    if (!stream->deferred)
        return;
    stream->deferred = false;
    h2_make_ready(h2, stream);
    if (h2_has_output(h2))
        http_engine_wake(&h2->base);
}

static void reset(struct http_exchange *x)
{
    struct h2_stream *stream = x->stream;
    struct h2_engine *h2 = stream->h2;

    h2_stream_reset(h2, stream, NGHTTP2_INTERNAL_ERROR);
    h2_release(h2, stream, HTTP_END_SERVER);
    http_engine_wake(&h2->base);
}

static void consume(struct http_exchange *x, uint64_t bytes)
{
    struct h2_stream *stream = x->stream;
    struct h2_engine *h2 = stream->h2;

    (void)bytes;
    h2_restore_window(h2, stream);
    if (h2->queue.len)
        http_engine_wake(&h2->base);
}

const struct http_exchange_ops h2_exchange_ops = {
    .respond = respond,
    .inform = inform,
    .resume = resume,
    .reset = reset,
    .consume = consume,
};
