/* From nghttp3's fields and DATA to upcalls. nghttp3 has looked at what RFC 9114 section 4 calls
 * malformed; what is merely refused is handed on, so that it gets an answer. */
#include "http/h2/check.h"
#include "http/h3/engine.h"
#include "http/head.h"

static struct span span_of_buffer(nghttp3_rcbuf *buffer)
{
    nghttp3_vec bytes = nghttp3_rcbuf_get_buf(buffer);

    return span_of((const char *)bytes.base, bytes.len);
}

static void too_large(struct h3_stream *stream)
{
    http_refuse(&stream->exchange->request, 431, "header section too large");
}

/* ---- fields ---- */

static int on_begin(nghttp3_conn *http, int64_t id, void *user, void *stream_user)
{
    struct h3_engine *h3 = user;

    (void)stream_user;
    struct h3_stream *stream = h3_stream_of(h3, id);
    if (!stream)
        stream = h3_stream_make(h3, id);
    nghttp3_conn_set_stream_user_data(http, id, stream);
    return 0;
}

static bool set_pseudo(struct h3_stream *stream, int32_t token, struct span value)
{
    struct http_request *request = &stream->exchange->request;

    switch (token) {
    case NGHTTP3_QPACK_TOKEN__METHOD:
        request->method_text = value;
        return true;
    case NGHTTP3_QPACK_TOKEN__SCHEME:
        request->scheme = value;
        return true;
    case NGHTTP3_QPACK_TOKEN__AUTHORITY:
        request->authority = value;
        return true;
    case NGHTTP3_QPACK_TOKEN__PATH:
        request->target = value;
        return true;
    default:
        return false;
    }
}

static void note_field(struct h3_stream *stream, int32_t token, struct span name, struct span value)
{
    uint64_t length;

    switch (token) {
    case NGHTTP3_QPACK_TOKEN_HOST:
        stream->host = value;
        break;
    case NGHTTP3_QPACK_TOKEN_COOKIE:
        stream->cookies++;
        break;
    case NGHTTP3_QPACK_TOKEN_CONTENT_LENGTH:
        if (span_to_uint(value, &length) == 0 && length <= INT64_MAX)
            stream->exchange->request.content_length = (int64_t)length;
        break;
    default:
        if (span_equal(name, SPAN("expect")))
            stream->expects = span_equal_nocase(value, SPAN("100-continue"));
    }
}

static bool within_limits(struct h3_stream *stream, struct span name, struct span value)
{
    const struct http_limits *limits = stream->h3->base.config.limits;

    stream->header_bytes += (uint32_t)(name.len + value.len + 32);
    stream->header_count++;
    return stream->header_bytes <= limits->header_bytes &&
           stream->header_count <= limits->header_count;
}

static int on_field(nghttp3_conn *http, int64_t id, int32_t token, nghttp3_rcbuf *name_buffer,
                    nghttp3_rcbuf *value_buffer, uint8_t flags, void *user, void *stream_user)
{
    struct h3_stream *stream = stream_user;
    struct span name = span_of_buffer(name_buffer), value = span_of_buffer(value_buffer);

    (void)http;
    (void)id;
    (void)flags;
    (void)user;
    if (!stream || !stream->exchange)
        return 0;
    struct http_exchange *x = stream->exchange;
    if (!within_limits(stream, name, value) || !http_keep(x, &name, &value)) {
        too_large(stream);
        return 0;
    }
    if (name.len && name.ptr[0] == ':') {
        (void)set_pseudo(stream, token, value); /* others were refused: none else is defined */
        return 0;
    }
    note_field(stream, token, name, value);
    if (http_add(&x->arena, &x->request.fields, name, value) < 0)
        too_large(stream);
    return 0;
}

static int on_trailer(nghttp3_conn *http, int64_t id, int32_t token, nghttp3_rcbuf *name_buffer,
                      nghttp3_rcbuf *value_buffer, uint8_t flags, void *user, void *stream_user)
{
    struct h3_stream *stream = stream_user;
    struct span name = span_of_buffer(name_buffer), value = span_of_buffer(value_buffer);

    (void)http;
    (void)id;
    (void)token;
    (void)flags;
    (void)user;
    if (!stream || !stream->exchange || stream->cut)
        return 0;
    struct http_exchange *x = stream->exchange;
    if (!within_limits(stream, name, value) || !http_keep(x, &name, &value) ||
        http_add(&x->arena, &x->request.trailers, name, value) < 0) {
        h3_stream_reset(stream, H3_EXCESSIVE_LOAD);
        h3_stream_end(stream, HTTP_END_SERVER);
    }
    return 0;
}

/* ---- the whole header ---- */

static void settle(struct h3_stream *stream)
{
    const struct http_limits *limits = stream->h3->base.config.limits;
    struct http_exchange *x = stream->exchange;
    struct http_request *request = &x->request;

    request->method = http_method_of(request->method_text);
    if (!h2_token_valid(request->method_text))
        http_refuse(request, 400, "malformed method");
    if (request->method == HTTP_CONNECT)
        http_refuse(request, 501, "CONNECT");
    http_settle_authority(x, stream->host);
    http_settle_path(request, limits->uri_bytes);
    http_settle_scheme(request, stream->h3->base.config.secure);
    if (stream->cookies > 1 && !http_join_cookies(x))
        too_large(stream);
    if (request->content_length > 0 && (uint64_t)request->content_length > limits->body_bytes)
        http_refuse(request, 413, "body too large");
}

static void count_request(struct h3_engine *h3)
{
    uint32_t max = h3->base.config.limits->requests_per_connection;

    h3->requests++;
    if (max && h3->requests >= max)
        h3_shutdown(&h3->base);
}

static void end_request(struct h3_stream *stream)
{
    const struct http_engine_config *config = &stream->h3->base.config;

    stream->request_done = true;
    bool heard = stream->exchange && !stream->exchange->request.refusal && !stream->cut;
    if (heard && config->events->on_request_end)
        config->events->on_request_end(config->owner, stream->exchange);
}

static void announce(struct h3_stream *stream, bool whole)
{
    const struct http_engine_config *config = &stream->h3->base.config;
    struct http_exchange *x = stream->exchange;

    list_remove(&x->link);
    list_append(&stream->h3->base.exchanges, &x->link);
    x->request.has_body = !whole;
    stream->announced = true;
    count_request(stream->h3);
    config->events->on_request(config->owner, x);
}

void h3_announce_malformed(struct h3_stream *stream)
{
    struct http_request *request = &stream->exchange->request;

    request->refusal = 0;
    http_refuse(request, 400, "malformed request");
    request->fields.count = 0; /* some may be missing: nobody should act on them */
    request->method = http_method_of(request->method_text);
    request->path = SPAN("/");
    request->query = request->authority = request->host = (struct span){0};
    request->scheme = SPAN("https");
    stream->reset = true;
    announce(stream, true);
}

static int on_header_end(nghttp3_conn *http, int64_t id, int last, void *user, void *stream_user)
{
    struct h3_stream *stream = stream_user;

    (void)http;
    (void)id;
    (void)user;
    if (!stream || !stream->exchange || stream->announced)
        return 0;
    settle(stream);
    announce(stream, last);
    return 0;
}

/* ---- the body ---- */

static void refuse_body(struct h3_stream *stream)
{
    const struct http_engine_config *config = &stream->h3->base.config;
    struct http_exchange *x = stream->exchange;

    stream->cut = true;
    if (x->responded) {
        h3_stream_reset(stream, NGHTTP3_H3_REQUEST_CANCELLED);
        h3_stream_end(stream, HTTP_END_SERVER);
        return;
    }
    x->request.refusal = 413;
    x->request.refusal_reason = "body too large";
    if (config->events->on_refusal)
        config->events->on_refusal(config->owner, x);
    if (stream->exchange && !x->responded)
        http_respond(x, &(struct http_response){.status = 413, .content_length = 0}, NULL);
}

/* @return whether the owner holds the bytes */
static bool hand_on(struct h3_stream *stream, struct span bytes)
{
    const struct http_engine_config *config = &stream->h3->base.config;
    struct http_exchange *x = stream->exchange;

    if (!x || stream->cut)
        return false;
    stream->expects = false;
    x->body_received += bytes.len;
    if (x->request.refusal)
        return false;
    if (x->body_received > config->limits->body_bytes) {
        refuse_body(stream);
        return false;
    }
    if (!x->streams_body)
        return false;
    http_engine_hand_on(&stream->h3->base, x, bytes);
    return true;
}

static int on_body(nghttp3_conn *http, int64_t id, const uint8_t *bytes, size_t len, void *user,
                   void *stream_user)
{
    struct h3_engine *h3 = user;
    struct h3_stream *stream = stream_user;

    (void)http;
    h3->bodies += len;
    bool held = stream && hand_on(stream, span_of((const char *)bytes, len));
    /* The connection's window goes back at once: a stream that stands still stops no other. */
    h3->table->extend(h3->transport, held ? -1 : id, len, true);
    return 0;
}

static int on_deferred(nghttp3_conn *http, int64_t id, size_t bytes, void *user, void *stream_user)
{
    struct h3_engine *h3 = user;

    (void)http;
    (void)stream_user;
    h3->chatter += bytes;
    h3->table->extend(h3->transport, id, bytes, true);
    return 0;
}

static int on_end(nghttp3_conn *http, int64_t id, void *user, void *stream_user)
{
    struct h3_stream *stream = stream_user;

    (void)http;
    (void)id;
    (void)user;
    if (stream && !stream->request_done)
        end_request(stream);
    return 0;
}

/* nghttp3 found the message malformed, or gives it up. */
static int on_stop(nghttp3_conn *http, int64_t id, uint64_t code, void *user, void *stream_user)
{
    struct h3_engine *h3 = user;

    (void)http;
    (void)stream_user;
    h3->table->shut(h3->transport, id, code, true);
    return 0;
}

static int on_reset(nghttp3_conn *http, int64_t id, uint64_t code, void *user, void *stream_user)
{
    struct h3_engine *h3 = user;
    struct h3_stream *stream = stream_user;

    (void)http;
    h3->table->shut(h3->transport, id, code, false);
    if (!h3_count_reset(h3)) {
        h3->code = H3_EXCESSIVE_LOAD;
        return NGHTTP3_ERR_CALLBACK_FAILURE;
    }
    if (!stream || !stream->exchange)
        return 0;
    if (!stream->announced)
        h3_announce_malformed(stream);
    stream->reset = stream->cut = true;
    h3_stream_end(stream, HTTP_END_CLIENT);
    return 0;
}

void h3_request_callbacks(nghttp3_callbacks *callbacks)
{
    callbacks->begin_headers = on_begin;
    callbacks->recv_header = on_field;
    callbacks->end_headers = on_header_end;
    callbacks->recv_trailer = on_trailer;
    callbacks->recv_data = on_body;
    callbacks->deferred_consume = on_deferred;
    callbacks->end_stream = on_end;
    callbacks->stop_sending = on_stop;
    callbacks->reset_stream = on_reset;
}
