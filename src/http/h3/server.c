/* The HTTP/3 server engine: what its transport calls, and its way to an end. */
#include <stdlib.h>

#include "base/mem.h"
#include "http/h3/engine.h"

enum { PIECES_MAX = 16 };

/* ---- what comes ---- */

static bool is_request(int64_t id)
{
    return (id & 3) == 0;
}

/* Frames that carry nothing cost as much as those that do (as HTTP/2's floods). */
static bool talks_too_much(const struct h3_engine *h3)
{
    uint64_t earned = (uint64_t)h3->requests * (H3_WORTH + h3->base.config.limits->header_bytes);

    return h3->chatter > H3_CHATTER + earned + 2 * h3->bodies;
}

int h3_receive(struct http_engine *engine, int64_t id, struct span bytes, bool last, nsec_t now)
{
    struct h3_engine *h3 = h3_of(engine);

    if (h3->code)
        return ERR_PROTOCOL;
    h3->now = now;
    engine->state = HTTP_ENGINE_INSIDE;
    if (is_request(id) && !h3_stream_of(h3, id) && !h3->shut)
        (void)h3_stream_make(h3, id);
    nghttp3_ssize used =
        nghttp3_conn_read_stream(h3->http, id, (const uint8_t *)bytes.ptr, bytes.len, last);
    engine->state = HTTP_ENGINE_OUTSIDE;
    if (used < 0)
        return h3_fail(h3, nghttp3_err_infer_quic_app_error_code((int)used));
    h3->chatter += (uint64_t)used;
    h3->table->extend(h3->transport, id, (uint64_t)used, true);
    return talks_too_much(h3) ? h3_fail(h3, H3_EXCESSIVE_LOAD) : 0;
}

int h3_acknowledged(struct http_engine *engine, int64_t id, uint64_t bytes)
{
    struct h3_engine *h3 = h3_of(engine);

    int r = nghttp3_conn_add_ack_offset(h3->http, id, bytes);
    if (r != 0)
        return h3_fail(h3, nghttp3_err_infer_quic_app_error_code(r));
    h3_unfill(h3);
    return 0;
}

int h3_closed(struct http_engine *engine, int64_t id, uint64_t code, nsec_t now)
{
    struct h3_engine *h3 = h3_of(engine);
    struct h3_stream *stream = h3_stream_of(h3, id);

    h3->now = now;
    if (code == UINT64_MAX)
        code = NGHTTP3_H3_NO_ERROR;
    int r = nghttp3_conn_close_stream(h3->http, id, code);
    if (r != 0 && r != NGHTTP3_ERR_STREAM_NOT_FOUND)
        return h3_fail(h3, nghttp3_err_infer_quic_app_error_code(r));
    if (stream) {
        stream->gone = true;
        h3_stream_free(stream);
    }
    if (is_request(id))
        h3->table->allow(h3->transport);
    return 0;
}

int h3_client_reset(struct http_engine *engine, int64_t id, bool stops, nsec_t now)
{
    struct h3_engine *h3 = h3_of(engine);
    struct h3_stream *stream = h3_stream_of(h3, id);

    h3->now = now;
    if (!is_request(id))
        return h3_fail(h3, NGHTTP3_H3_CLOSED_CRITICAL_STREAM);
    if (!h3_count_reset(h3))
        return h3_fail(h3, H3_EXCESSIVE_LOAD);
    if (stops)
        nghttp3_conn_shutdown_stream_write(h3->http, id);
    else
        nghttp3_conn_shutdown_stream_read(h3->http, id);
    if (stream && (stops || !stream->request_done))
        h3_stream_lost(stream);
    if (stream && !stops && !stream->responded) /* no answer follows: our side ends as well */
        h3->table->shut(h3->transport, id, NGHTTP3_H3_REQUEST_CANCELLED, false);
    return 0;
}

int h3_unblock(struct http_engine *engine, int64_t id)
{
    struct h3_engine *h3 = h3_of(engine);
    struct h3_stream *stream = is_request(id) ? h3_stream_of(h3, id) : NULL;

    if (stream)
        stream->blocked = false;
    return nghttp3_conn_unblock_stream(h3->http, id) == 0 ? 0
                                                          : h3_fail(h3, NGHTTP3_H3_INTERNAL_ERROR);
}

/* ---- what goes ---- */

ssize_t h3_next(struct http_engine *engine, int64_t *ret_id, bool *ret_last, struct iovec *pieces,
                size_t max, nsec_t now)
{
    struct h3_engine *h3 = h3_of(engine);
    nghttp3_vec vectors[PIECES_MAX];
    int last = 0;

    h3->now = now;
    *ret_id = -1;
    engine->state = HTTP_ENGINE_INSIDE;
    nghttp3_ssize count = nghttp3_conn_writev_stream(h3->http, ret_id, &last, vectors,
                                                     max < PIECES_MAX ? max : PIECES_MAX);
    engine->state = HTTP_ENGINE_OUTSIDE;
    if (count < 0)
        return h3_fail(h3, NGHTTP3_H3_INTERNAL_ERROR);
    for (nghttp3_ssize i = 0; i < count; i++)
        pieces[i] = (struct iovec){vectors[i].base, vectors[i].len};
    *ret_last = last;
    return count;
}

int h3_written(struct http_engine *engine, int64_t id, size_t bytes)
{
    struct h3_engine *h3 = h3_of(engine);
    struct h3_stream *stream = is_request(id) ? h3_stream_of(h3, id) : NULL;

    if (stream) {
        stream->written += bytes;
        if (stream->exchange && stream->exchange->first_byte == 0)
            stream->exchange->first_byte = h3->now;
    }
    return nghttp3_conn_add_write_offset(h3->http, id, bytes) == 0
               ? 0
               : h3_fail(h3, NGHTTP3_H3_INTERNAL_ERROR);
}

int h3_blocked(struct http_engine *engine, int64_t id, bool shut)
{
    struct h3_engine *h3 = h3_of(engine);
    struct h3_stream *stream = is_request(id) ? h3_stream_of(h3, id) : NULL;

    if (shut) {
        nghttp3_conn_shutdown_stream_write(h3->http, id);
        return 0;
    }
    if (stream)
        stream->blocked = true;
    nghttp3_conn_block_stream(h3->http, id);
    return 0;
}

void h3_settle(struct http_engine *engine, nsec_t now)
{
    struct h3_engine *h3 = h3_of(engine);

    h3->now = now;

    engine->state = HTTP_ENGINE_OUTSIDE; /* it may be woken again */
    while (!list_empty(&h3->ended)) {
        struct h3_stream *stream = list_first(&h3->ended, struct h3_stream, end);
        bool early = stream->answered && !stream->request_done && !stream->reset && !stream->gone;
        h3_stream_release(stream, stream->how);
        if (early) { /* RFC 9114 section 4.1: the rest is not wanted */
            nghttp3_conn_shutdown_stream_read(h3->http, stream->id);
            h3->table->shut(h3->transport, stream->id, H3_NO_ERROR, true);
        }
    }
    if (h3->ending && !h3->ending_since)
        h3->ending_since = h3->now;
    if (h3->ending && !h3->shut && list_empty(&h3->streams) &&
        h3->now - h3->ending_since >= H3_LAST_REQUESTS) {
        h3->shut = true;
        (void)nghttp3_conn_shutdown(h3->http);
    }
}

uint64_t h3_code(const struct http_engine *engine)
{
    const struct h3_engine *h3 = container_of(engine, const struct h3_engine, base);

    return h3->code ? h3->code : H3_NO_ERROR;
}

/* ---- the table ---- */

static enum http_wait wait_for(const struct http_engine *engine)
{
    const struct h3_engine *h3 = container_of(engine, const struct h3_engine, base);

    if (h3->code || h3->dead)
        return HTTP_WAIT_CLOSED;
    if (!list_empty(&h3->streams))
        return HTTP_WAIT_ANSWER;
    return h3->shut ? HTTP_WAIT_CLOSED : HTTP_WAIT_IDLE;
}

/* GOAWAY first names no stream, so that requests under way are taken; the last one goes when all
 * are answered (RFC 9114 section 5.2). */
void h3_shutdown(struct http_engine *engine)
{
    struct h3_engine *h3 = h3_of(engine);

    if (h3->ending || h3->dead)
        return;
    h3->ending = true;
    (void)nghttp3_conn_submit_shutdown_notice(h3->http);
    http_engine_wake(engine);
}

static void cut_off(struct http_engine *engine, enum http_end how)
{
    struct h3_engine *h3 = h3_of(engine);

    h3->dead = true;
    list_for_each (stream, spare, &h3->streams, struct h3_stream, link)
        h3_stream_release(stream, stream->answered ? HTTP_END_DONE : how);
}

static void hangup(struct http_engine *engine)
{
    cut_off(engine, HTTP_END_CLIENT);
}

static int64_t buffered(const struct http_engine *engine)
{
    const struct h3_engine *h3 = container_of(engine, const struct h3_engine, base);

    return (int64_t)h3->chunk_bytes;
}

static void destroy(struct http_engine *engine)
{
    struct h3_engine *h3 = h3_of(engine);

    list_for_each (stream, spare, &h3->streams, struct h3_stream, link) {
        stream->gone = true;
        h3_stream_free(stream);
    }
    nghttp3_conn_del(h3->http);
    free(h3->spare);
    free(h3);
}

static const struct http_engine_ops h3_ops = {
    .wait = wait_for,
    .deadline = h3_deadline,
    .sweep = h3_sweep,
    .shutdown = h3_shutdown,
    .hangup = hangup,
    .cut_off = cut_off,
    .buffered = buffered,
    .destroy = destroy,
};

struct http_engine *h3_server_create(const struct http_engine_config *config,
                                     const struct h3_transport *table, void *transport)
{
    struct h3_engine *h3 = mem_new(struct h3_engine);
    nghttp3_callbacks callbacks = {0};
    nghttp3_settings settings;

    http_engine_init(&h3->base, &h3_ops, config);
    h3->table = table;
    h3->transport = transport;
    list_init(&h3->streams);
    list_init(&h3->ended);
    h3_request_callbacks(&callbacks);
    h3_answer_callbacks(&callbacks);
    nghttp3_settings_default(&settings);
    settings.max_field_section_size = config->limits->header_bytes;
    settings.qpack_max_dtable_capacity = H3_TABLE;
    settings.qpack_encoder_max_dtable_capacity = H3_TABLE;
    settings.qpack_blocked_streams = H3_BLOCKED_STREAMS;
    if (nghttp3_conn_server_new(&h3->http, &callbacks, &settings, NULL, h3) != 0)
        abort(); /* out of memory: nothing else can fail here */
    return &h3->base;
}

int h3_begin(struct http_engine *engine, int64_t control, int64_t encoder, int64_t decoder)
{
    struct h3_engine *h3 = h3_of(engine);

    nghttp3_conn_set_max_client_streams_bidi(h3->http, h3->base.config.limits->h2_streams);
    if (nghttp3_conn_bind_control_stream(h3->http, control) != 0 ||
        nghttp3_conn_bind_qpack_streams(h3->http, encoder, decoder) != 0)
        return h3_fail(h3, NGHTTP3_H3_INTERNAL_ERROR);
    return 0;
}
