/* From answers to what nghttp3 sends. Bytes of bodies stay here until the client has acknowledged
 * them; so many are under way at a time. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "http/h3/engine.h"
#include "http/head.h"

enum { OWN_FIELDS = 3 };

/* Fields that the engine writes itself or that HTTP/3 forbids (RFC 9114 section 4.2). */
static bool is_ours(struct span name)
{
    static const struct span ours[] = {SPAN("date"),
                                       SPAN("upgrade"),
                                       SPAN("connection"),
                                       SPAN("keep-alive"),
                                       SPAN("content-length"),
                                       SPAN("proxy-connection"),
                                       SPAN("transfer-encoding")};

    for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
        if (span_equal(name, ours[i]))
            return true;
    return false;
}

static nghttp3_nv pair(struct span name, struct span value)
{
    return (nghttp3_nv){(uint8_t *)(uintptr_t)name.ptr, (uint8_t *)(uintptr_t)value.ptr, name.len,
                        value.len, NGHTTP3_NV_FLAG_NONE};
}

static size_t put_fields(nghttp3_nv *pairs, size_t count, const struct http_fields *fields)
{
    for (unsigned i = 0; i < fields->count; i++)
        if (!is_ours(fields->items[i].name))
            pairs[count++] = pair(fields->items[i].name, fields->items[i].value);
    return count;
}

/* ---- bodies ---- */

static struct h3_chunk *take_chunk(struct h3_engine *h3)
{
    struct h3_chunk *chunk = take(h3->spare);

    if (!chunk)
        chunk = mem_alloc(sizeof *chunk + H3_CHUNK);
    chunk->next = NULL;
    return chunk;
}

static void give_chunk(struct h3_engine *h3, struct h3_chunk *chunk)
{
    if (h3->spare)
        free(chunk);
    else
        h3->spare = chunk;
}

static void send_trailers(struct h3_stream *stream)
{
    const struct http_fields *fields = stream->exchange->body->trailers;
    nghttp3_nv *pairs = mem_zalloc((fields->count + 1) * sizeof *pairs);
    size_t count = put_fields(pairs, 0, fields);

    if (nghttp3_conn_submit_trailers(stream->h3->http, stream->id, pairs, count) != 0)
        h3_stream_reset(stream, NGHTTP3_H3_INTERNAL_ERROR);
    free(pairs);
}

/* The body is complete. */
static void finish_body(struct h3_stream *stream, uint32_t *flags)
{
    const struct http_fields *trailers = stream->exchange->body->trailers;

    *flags |= NGHTTP3_DATA_FLAG_EOF;
    stream->answered = true;
    if (trailers && trailers->count) {
        *flags |= NGHTTP3_DATA_FLAG_NO_END_STREAM;
        send_trailers(stream);
    }
    h3_stream_end(stream, HTTP_END_DONE);
}

static void keep(struct h3_stream *stream, struct h3_chunk *chunk, size_t len)
{
    struct h3_engine *h3 = stream->h3;

    chunk->len = len;
    *stream->chunks_end = chunk;
    stream->chunks_end = &chunk->next;
    h3->unacknowledged += len;
    h3->chunk_bytes += sizeof *chunk + H3_CHUNK;
    stream->exchange->body_sent += len;
    if (stream->body_left > 0)
        stream->body_left -= (int64_t)len;
}

static nghttp3_ssize give_up(struct h3_stream *stream)
{
    h3_stream_reset(stream, NGHTTP3_H3_INTERNAL_ERROR); /* so that the client can tell */
    h3_stream_end(stream, HTTP_END_SERVER);
    return NGHTTP3_ERR_WOULDBLOCK;
}

static nghttp3_ssize on_read(nghttp3_conn *http, int64_t id, nghttp3_vec *pieces, size_t max,
                             uint32_t *flags, void *user, void *stream_user)
{
    struct h3_engine *h3 = user;
    struct h3_stream *stream = stream_user;

    (void)http;
    (void)id;
    (void)max;
    if (!stream || !stream->exchange || stream->reset || stream->answered)
        return NGHTTP3_ERR_WOULDBLOCK;
    if (h3->unacknowledged >= H3_UNACKNOWLEDGED) {
        h3->full += !stream->full;
        stream->full = true;
        return NGHTTP3_ERR_WOULDBLOCK;
    }
    struct http_exchange *x = stream->exchange;
    struct h3_chunk *chunk = take_chunk(h3);
    size_t room = H3_CHUNK;
    if (stream->body_left >= 0 && (uint64_t)stream->body_left < room)
        room = (size_t)stream->body_left;
    ssize_t count = room ? x->body->read(x->body, chunk->bytes, room) : 0;
    if (count <= 0)
        give_chunk(h3, chunk);
    if (count == -EAGAIN) {
        stream->deferred = true;
        return NGHTTP3_ERR_WOULDBLOCK;
    }
    if (count < 0 || (count == 0 && stream->body_left > 0) || stream->reset)
        return give_up(stream);
    if (count > 0)
        keep(stream, chunk, (size_t)count);
    if (count == 0 || stream->body_left == 0)
        finish_body(stream, flags);
    if (count == 0)
        return 0;
    pieces[0] = (nghttp3_vec){(uint8_t *)chunk->bytes, (size_t)count};
    return 1;
}

void h3_unfill(struct h3_engine *h3)
{
    if (!h3->full || h3->unacknowledged > H3_UNACKNOWLEDGED / 2)
        return;
    list_for_each (stream, spare, &h3->streams, struct h3_stream, link)
        if (stream->full) {
            stream->full = false;
            h3->full--;
            (void)nghttp3_conn_resume_stream(h3->http, stream->id);
        }
}

static int on_acknowledged(nghttp3_conn *http, int64_t id, uint64_t bytes, void *user,
                           void *stream_user)
{
    struct h3_engine *h3 = user;
    struct h3_stream *stream = stream_user;

    (void)http;
    (void)id;
    h3->data_sent += bytes;
    if (!stream)
        return 0;
    stream->acknowledged += bytes;
    while (stream->chunks && stream->acknowledged >= stream->chunks->len) {
        struct h3_chunk *chunk = stream->chunks;
        stream->acknowledged -= chunk->len;
        stream->chunks = chunk->next;
        if (!stream->chunks)
            stream->chunks_end = &stream->chunks;
        h3->unacknowledged -= chunk->len;
        h3->chunk_bytes -= sizeof *chunk + H3_CHUNK;
        give_chunk(h3, chunk);
    }
    return 0;
}

void h3_answer_callbacks(nghttp3_callbacks *callbacks)
{
    callbacks->acked_stream_data = on_acknowledged;
}

/* ---- operations ---- */

static bool has_content(const struct http_exchange *x)
{
    return x->body && http_may_have_content(x) && x->response.content_length != 0;
}

static int submit(struct h3_stream *stream)
{
    static const nghttp3_data_reader reader = {on_read};
    struct http_exchange *x = stream->exchange;
    nghttp3_nv *pairs = mem_zalloc((x->response.fields.count + OWN_FIELDS) * sizeof *pairs);
    const char *date = stream->h3->base.config.date;
    int64_t length = http_length_to_tell(x);
    char status[12], digits[24];
    size_t count = 0;

    int len = snprintf(status, sizeof status, "%d", x->response.status);
    pairs[count++] = pair(SPAN(":status"), span_of(status, (size_t)len));
    if (date)
        pairs[count++] = pair(SPAN("date"), span_of(date, 29));
    if (length >= 0) {
        len = snprintf(digits, sizeof digits, "%lld", (long long)length);
        pairs[count++] = pair(SPAN("content-length"), span_of(digits, (size_t)len));
    }
    count = put_fields(pairs, count, &x->response.fields);
    bool content = has_content(x);
    int r = nghttp3_conn_submit_response(stream->h3->http, stream->id, pairs, count,
                                         content ? &reader : NULL);
    free(pairs);
    if (r == 0 && !content) {
        stream->answered = true;
        h3_stream_end(stream, HTTP_END_DONE);
    }
    return r;
}

static void respond(struct http_exchange *x)
{
    struct h3_stream *stream = x->stream;
    struct h3_engine *h3 = stream->h3;
    bool broken = x->response.status < 200 || x->response.status > 999 ||
                  (http_may_have_content(x) && !x->body && x->response.content_length > 0);

    if (stream->reset || h3->dead)
        return;
    stream->responded = true;
    stream->body_left = x->response.content_length;
    if (broken || submit(stream) != 0) {
        h3_stream_reset(stream, NGHTTP3_H3_INTERNAL_ERROR);
        h3_stream_end(stream, HTTP_END_SERVER);
    }
    if (x->response.close)
        h3_shutdown(&h3->base);
    http_engine_wake(&h3->base);
}

static void inform(struct http_exchange *x, int status, const struct http_fields *fields)
{
    struct h3_stream *stream = x->stream;
    struct h3_engine *h3 = stream->h3;
    char text[12];

    if (stream->reset || h3->dead || (status == 100 && (!stream->expects || stream->request_done)))
        return;
    if (status == 100)
        stream->expects = false;
    nghttp3_nv *pairs = mem_zalloc((fields->count + 1) * sizeof *pairs);
    int len = snprintf(text, sizeof text, "%d", status);
    pairs[0] = pair(SPAN(":status"), span_of(text, (size_t)len));
    size_t count = put_fields(pairs, 1, fields);
    /* They are hints: the answer itself matters. */
    (void)nghttp3_conn_submit_info(h3->http, stream->id, pairs, count);
    free(pairs);
    http_engine_wake(&h3->base);
}

static void resume(struct http_exchange *x)
{
    struct h3_stream *stream = x->stream;
    struct h3_engine *h3 = stream->h3;

    if (!stream->deferred || stream->reset || h3->dead)
        return;
    stream->deferred = false;
    (void)nghttp3_conn_resume_stream(h3->http, stream->id);
    http_engine_wake(&h3->base);
}

static void reset(struct http_exchange *x)
{
    struct h3_stream *stream = x->stream;
    struct h3_engine *h3 = stream->h3;

    h3_stream_reset(stream, NGHTTP3_H3_INTERNAL_ERROR);
    h3_stream_release(stream, HTTP_END_SERVER);
    http_engine_wake(&h3->base);
}

static void consume(struct http_exchange *x, uint64_t bytes)
{
    struct h3_stream *stream = x->stream;
    struct h3_engine *h3 = stream->h3;

    if (stream->gone || h3->dead)
        return;
    h3->table->extend(h3->transport, stream->id, bytes, false);
    http_engine_wake(&h3->base);
}

const struct http_exchange_ops h3_exchange_ops = {
    .respond = respond,
    .inform = inform,
    .resume = resume,
    .reset = reset,
    .consume = consume,
};
