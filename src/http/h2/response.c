/* Turns answers into HEADERS and DATA frames, body bytes going straight from the body's read() into
 * the caller's output. When a stream may send is nghttp2's decision (RFC 9113, RFC 9218). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/h2/engine.h"

enum {
    FRAME_HEADER = 9,
    DATA_WORTH = 4096, /* less room than that is not worth a frame of its own */
    NV_USUAL = 32,     /* fields of a usual answer, ours included */
    NV_OURS = 3,       /* :status, date, content-length */
};

static nghttp2_nv make_nv(struct span name, struct span value)
{
    return (nghttp2_nv){
        .name = (uint8_t *)name.ptr,
        .namelen = name.len,
        .value = (uint8_t *)value.ptr,
        .valuelen = value.len,
        .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE,
    };
}

/** The first byte of the answer is on its way. */
static void note_headers(struct h2_engine *h2, struct h2_stream *stream)
{
    struct http_exchange *x = stream->exchange;

    if (x->responded && x->first_byte == 0)
        x->first_byte = h2->now;
}

/** Whether the rest of the body is too much to take it for nothing, or would never come. What is
 *  less is let in, because some clients lose an answer whose stream is reset while they send. */
static bool body_is_burden(const struct h2_stream *stream)
{
    const struct http_exchange *x = stream->exchange;

    return stream->expects || stream->cut || x->body_received > H2_DISCARD_MAX ||
           x->request.content_length > H2_DISCARD_MAX;
}

/** The stream's last frame was put out. A client that still sends much is told that nobody listens
 *  (RFC 9113 section 8.1). */
static void note_end(struct h2_engine *h2, struct h2_stream *stream)
{
    stream->answered = true;
    if (!stream->request_done && body_is_burden(stream))
        h2_reset_stream(h2, stream->id, NGHTTP2_NO_ERROR);
}

/** Resets that the client's own doing brought about, or may have. */
static bool is_clients_fault(uint32_t code)
{
    return code != NGHTTP2_NO_ERROR && code != NGHTTP2_INTERNAL_ERROR && code != NGHTTP2_CANCEL;
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2_engine *h2 = user;
    struct h2_stream *stream = NULL;

    if (frame->hd.type == NGHTTP2_DATA) {
        stream = h2->sending;
    } else if (frame->hd.type == NGHTTP2_HEADERS) {
        stream = h2_stream_of(h2, frame->hd.stream_id);
        if (stream)
            note_headers(h2, stream);
    } else if (frame->hd.type == NGHTTP2_RST_STREAM) {
        if (is_clients_fault(frame->rst_stream.error_code) &&
            h2_guard_reset(&h2->guard, h2->base.config.limits, h2->now) < 0)
            h2_calm(h2);
        return 0;
    }
    if (stream && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        note_end(h2, stream);
    return 0;
}

/** A header that cannot be sent (64 KiB of fields are nghttp2's bound) takes its stream along. */
static int on_frame_not_send(nghttp2_session *session, const nghttp2_frame *frame, int error,
                             void *user)
{
    struct h2_engine *h2 = user;
    bool gone = error == NGHTTP2_ERR_STREAM_CLOSED || error == NGHTTP2_ERR_STREAM_CLOSING ||
                error == NGHTTP2_ERR_SESSION_CLOSING;

    if (frame->hd.type == NGHTTP2_HEADERS && !gone)
        h2_reset_stream(h2, frame->hd.stream_id, NGHTTP2_INTERNAL_ERROR);
    return 0;
}

static ssize_t on_send(nghttp2_session *session, const uint8_t *bytes, size_t len, int flags,
                       void *user)
{
    struct h2_engine *h2 = user;

    if (h2->cap - h2->used < len)
        return NGHTTP2_ERR_WOULDBLOCK;
    memcpy(h2->out + h2->used, bytes, len);
    h2->used += len;
    return (ssize_t)len;
}

/** The payload stands where it belongs since read_body(); its frame header goes before it. */
static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *header,
                        size_t len, nghttp2_data_source *source, void *user)
{
    struct h2_engine *h2 = user;

    h2->sending = source->ptr;
    memcpy(h2->out + h2->used, header, FRAME_HEADER);
    h2->used += FRAME_HEADER + len;
    h2_guard_credit(&h2->guard, len);
    return 0;
}

void h2_response_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_frame_not_send);
}

/** The nv array for `fields` and `extra` more: on the stack if it fits, else in the arena. */
static nghttp2_nv *nv_room(struct http_exchange *x, nghttp2_nv *usual, size_t count)
{
    return count <= NV_USUAL ? usual : arena_alloc(&x->arena, count * sizeof *usual);
}

/** Queues the trailer section. @return false when there is none, or none can be sent */
static bool submit_trailers(struct h2_engine *h2, struct h2_stream *stream)
{
    struct http_exchange *x = stream->exchange;
    const struct http_fields *trailers = x->body->trailers;
    nghttp2_nv usual[NV_USUAL];

    if (!trailers || trailers->count == 0)
        return false;
    nghttp2_nv *nva = nv_room(x, usual, trailers->count);
    if (!nva)
        return false;
    for (unsigned i = 0; i < trailers->count; i++)
        nva[i] = make_nv(trailers->items[i].name, trailers->items[i].value);
    return nghttp2_submit_trailer(h2->session, stream->id, nva, trailers->count) == 0;
}

/** How many bytes the next DATA frame takes; 0 when it had better wait for an emptier output. */
static size_t frame_room(const struct h2_engine *h2, const struct h2_stream *stream, size_t most)
{
    size_t room = h2->cap - h2->used;

    if (room <= FRAME_HEADER)
        return 0;
    room -= FRAME_HEADER;
    if (stream->body_left >= 0 && (uint64_t)stream->body_left < most)
        most = (size_t)stream->body_left;
    if (room >= most)
        return most;
    return room >= DATA_WORTH ? room : 0;
}

/** nghttp2 asks for the next DATA frame of a stream. The bytes are put where the frame will stand
 * in the output: nothing is sent between this call and on_send_data(). */
static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *unused, size_t most,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct h2_engine *h2 = user;
    struct h2_stream *stream = source->ptr;
    struct http_exchange *x = stream->exchange;
    size_t room = frame_room(h2, stream, most);

    if (room == 0)
        return NGHTTP2_ERR_PAUSE;
    ssize_t count = x->body->read(x->body, h2->out + h2->used + FRAME_HEADER, room);
    if (count == -EAGAIN) {
        stream->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (count < 0 || (count == 0 && stream->body_left > 0))
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* resets the stream: INTERNAL_ERROR */
    x->body_sent += (uint64_t)count;
    if (stream->body_left > 0)
        stream->body_left -= count;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (count == 0 || stream->body_left == 0) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (submit_trailers(h2, stream))
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    }
    return count;
}

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

static bool may_have_content(const struct http_exchange *x)
{
    int status = x->response.status;

    return status != 204 && status != 304 && x->request.method != HTTP_HEAD;
}

/** What content-length says; -1 for no such field (RFC 9110 section 8.6). */
static int64_t length_to_tell(const struct http_exchange *x)
{
    if (x->response.status == 204 || x->response.status == 304)
        return -1;
    if (x->response.content_length >= 0)
        return x->response.content_length;
    return !x->body && may_have_content(x) ? 0 : -1;
}

/** Writes the answer's fields. @return their count */
static size_t fill_nva(struct h2_engine *h2, struct h2_stream *stream, nghttp2_nv *nva)
{
    struct http_exchange *x = stream->exchange;
    const struct http_fields *fields = &x->response.fields;
    int64_t length = length_to_tell(x);
    size_t count = 0;

    write_length(stream->status, x->response.status);
    nva[count++] = make_nv(SPAN(":status"), span_of(stream->status, 3));
    if (h2->base.config.date)
        nva[count++] = make_nv(SPAN("date"), span_of(h2->base.config.date, 29));
    if (length >= 0) {
        size_t digits = write_length(stream->length, length);
        nva[count++] = make_nv(SPAN("content-length"), span_of(stream->length, digits));
    }
    for (unsigned i = 0; i < fields->count; i++)
        if (!is_ours(fields->items[i].name))
            nva[count++] = make_nv(fields->items[i].name, fields->items[i].value);
    return count;
}

void h2_respond(struct http_engine *engine, struct http_exchange *x)
{
    struct h2_engine *h2 = h2_of(engine);
    struct h2_stream *stream = x->stream;
    nghttp2_nv usual[NV_USUAL];
    nghttp2_nv *nva = nv_room(x, usual, x->response.fields.count + NV_OURS);
    nghttp2_data_provider provider = {.source.ptr = stream, .read_callback = read_body};
    bool content = may_have_content(x) && x->response.content_length != 0;
    bool broken = x->response.status < 200 || x->response.status > 999 ||
                  (content && !x->body && x->response.content_length > 0);

    if (!nva || broken) {
        h2_reset_stream(h2, stream->id, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    stream->body_left = x->response.content_length;
    size_t count = fill_nva(h2, stream, nva);
    if (nghttp2_submit_response(h2->session, stream->id, nva, count,
                                content && x->body ? &provider : NULL) != 0)
        h2_reset_stream(h2, stream->id, NGHTTP2_INTERNAL_ERROR);
    if (x->response.close)
        h2_shutdown(engine);
}

void h2_inform(struct http_engine *engine, struct http_exchange *x, int status)
{
    struct h2_engine *h2 = h2_of(engine);
    struct h2_stream *stream = x->stream;
    nghttp2_nv nv = make_nv(SPAN(":status"), SPAN("100"));

    if (status != 100 || !stream->expects || x->responded || stream->request_done)
        return;
    stream->expects = false;
    int r = nghttp2_submit_headers(h2->session, NGHTTP2_FLAG_NONE, stream->id, NULL, &nv, 1, NULL);
    if (r < 0)
        h2_reset_stream(h2, stream->id, NGHTTP2_INTERNAL_ERROR);
}

void h2_resume(struct http_engine *engine, struct http_exchange *x)
{
    struct h2_engine *h2 = h2_of(engine);
    struct h2_stream *stream = x->stream;

    if (!stream->deferred)
        return;
    stream->deferred = false;
    if (nghttp2_session_resume_data(h2->session, stream->id) != 0)
        h2_reset_stream(h2, stream->id, NGHTTP2_INTERNAL_ERROR);
}
