/* Builds requests from header blocks as they are decoded, within the limits, and hands on their
 * bodies. Framing, HPACK and the grammar of field names and values are nghttp2's to check. */
#include "http/h2/engine.h"

enum {
    FIELD_OVERHEAD = 32, /* RFC 9113 section 6.5.2 */
    FIELDS_USUAL = 16,
    BOMB_FACTOR = 4, /* decoding goes on that far past a limit, for the sake of a clean 431 */
};

/** The first reason to refuse stands. */
static void refuse(struct h2_stream *stream, int status, const char *reason)
{
    struct http_request *request = &stream->exchange->request;

    if (request->refusal)
        return;
    request->refusal = status;
    request->refusal_reason = reason;
}

static struct h2_stream *make_stream(struct h2_engine *h2, int32_t id)
{
    struct http_exchange *x = http_exchange_take(h2->base.config.pool);
    struct h2_stream *stream = arena_alloc(&x->arena, sizeof *stream);

    if (!stream) {
        http_exchange_give(h2->base.config.pool, x);
        return NULL;
    }
    *stream = (struct h2_stream){.exchange = x, .id = id};
    x->stream = stream;
    x->engine = &h2->base;
    x->started = h2->now;
    x->request.version = HTTP_2;
    x->request.fields.items =
        arena_alloc(&x->arena, FIELDS_USUAL * sizeof *x->request.fields.items);
    x->request.fields.room = x->request.fields.items ? FIELDS_USUAL : 0;
    list_append(&h2->unannounced, &x->link);
    h2->live++;
    return stream;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2_engine *h2 = user;
    int32_t id = frame->hd.stream_id;

    h2->opening = NULL;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        h2->opening = h2_stream_of(h2, id);
        if (h2->opening)
            h2->opening->trailing = true;
        return 0;
    }
    /* nghttp2 counts streams too, but a reload may have lowered the limit since. */
    struct h2_stream *stream = NULL;
    if (h2->live < h2->base.config.limits->h2_streams)
        stream = make_stream(h2, id);
    if (!stream) {
        h2_reset_stream(h2, id, NGHTTP2_REFUSED_STREAM);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    h2->opening = stream;
    h2_guard_credit(&h2->guard, 0);
    return nghttp2_session_set_stream_user_data(session, id, stream);
}

static int drop_trailers(struct h2_engine *h2, struct h2_stream *stream)
{
    h2_reset_stream(h2, stream->id, NGHTTP2_ENHANCE_YOUR_CALM);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/** Counts a field. @return 0; 1 when it is past the limits and dropped; an error of nghttp2 when
 * the block ends there: trailers too large, or a bomb */
static int count_field(struct h2_engine *h2, struct h2_stream *stream, size_t len)
{
    const struct http_limits *limits = h2->base.config.limits;
    uint64_t bytes = stream->header_bytes + len + FIELD_OVERHEAD;

    stream->header_bytes = bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes;
    stream->header_count++;
    if (likely(bytes <= limits->header_bytes && stream->header_count <= limits->header_count))
        return 0;
    if (!stream->trailing)
        refuse(stream, 431, "header section too large");
    if (bytes / BOMB_FACTOR <= limits->header_bytes &&
        stream->header_count / BOMB_FACTOR <= limits->header_count)
        return stream->trailing ? drop_trailers(h2, stream) : 1;
    h2_calm(h2);
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

/** A copy in the arena, unless the bytes are nghttp2's constants. ptr is NULL past the ceiling. */
static struct span keep(struct http_exchange *x, nghttp2_rcbuf *buf, nghttp2_vec vec)
{
    if (nghttp2_rcbuf_is_static(buf))
        return span_of((const char *)vec.base, vec.len);
    char *copy = arena_alloc(&x->arena, vec.len);
    if (!copy)
        return (struct span){0};
    memcpy(copy, vec.base, vec.len);
    return span_of(copy, vec.len);
}

static void take_pseudo(struct http_request *request, char initial, struct span value)
{
    switch (initial) { /* nghttp2 lets only the four of requests through, each once */
    case 'm':
        request->method_text = value;
        break;
    case 's':
        request->scheme = value;
        break;
    case 'a':
        request->authority = value;
        break;
    case 'p':
        request->target = value;
        break;
    default:
        break;
    }
}

static void note_field(struct h2_stream *stream, struct span name, struct span value)
{
    struct http_request *request = &stream->exchange->request;

    switch (name.len) {
    case 4:
        if (span_equal(name, SPAN("host")))
            stream->host = value;
        break;
    case 6:
        if (span_equal(name, SPAN("cookie")))
            stream->cookies++;
        if (span_equal(name, SPAN("expect")))
            stream->expects = span_equal_nocase(value, SPAN("100-continue"));
        break;
    case 14:
        if (span_equal(name, SPAN("content-length"))) {
            uint64_t length;
            if (span_to_uint(value, &length) == 0)
                request->content_length = (int64_t)length;
            else
                refuse(stream, 400, "content-length is no number");
        }
        break;
    default:
        break;
    }
}

/** The exchange's memory is used up before its limits are. */
static int no_room(struct h2_engine *h2, struct h2_stream *stream)
{
    if (stream->trailing)
        return drop_trailers(h2, stream);
    refuse(stream, 431, "header section too large");
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name_buf,
                     nghttp2_rcbuf *value_buf, uint8_t flags, void *user)
{
    struct h2_engine *h2 = user;
    struct h2_stream *stream = h2->opening;

    if (!stream || stream->id != frame->hd.stream_id)
        return 0;
    struct http_exchange *x = stream->exchange;
    nghttp2_vec name_vec = nghttp2_rcbuf_get_buf(name_buf);
    nghttp2_vec value_vec = nghttp2_rcbuf_get_buf(value_buf);
    int r = count_field(h2, stream, name_vec.len + value_vec.len);
    if (r != 0)
        return r < 0 ? r : 0;
    struct span value = keep(x, value_buf, value_vec);
    if (value.ptr && name_vec.base[0] == ':') {
        take_pseudo(&x->request, (char)name_vec.base[1], value);
        return 0;
    }
    struct span name = keep(x, name_buf, name_vec);
    if (!name.ptr || !value.ptr)
        return no_room(h2, stream);
    if (!stream->trailing)
        note_field(stream, name, value);
    struct http_fields *fields = stream->trailing ? &x->request.trailers : &x->request.fields;
    return http_add(&x->arena, fields, name, value) < 0 ? no_room(h2, stream) : 0;
}

/** nghttp2 would drop a field with a bad name or value; RFC 9113 section 8.2.1 calls the whole
 *  request malformed. */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
                             const uint8_t *name, size_t name_len, const uint8_t *value,
                             size_t value_len, uint8_t flags, void *user)
{
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/** Joins the crumbs of the cookie field (RFC 9113 section 8.2.3). @return false past the ceiling */
static bool join_cookies(struct h2_stream *stream)
{
    struct http_exchange *x = stream->exchange;
    struct http_fields *fields = &x->request.fields;
    unsigned kept = 0;
    size_t len = 0;
    struct span *joined = NULL;

    for (unsigned i = 0; i < fields->count; i++)
        if (span_equal(fields->items[i].name, SPAN("cookie")))
            len += fields->items[i].value.len + 2;
    char *text = arena_alloc(&x->arena, len);
    if (!text)
        return false;
    for (unsigned i = 0; i < fields->count; i++) {
        struct http_field field = fields->items[i];
        if (!span_equal(field.name, SPAN("cookie"))) {
            fields->items[kept++] = field;
            continue;
        }
        size_t at = joined ? joined->len + 2 : 0;
        if (joined)
            memcpy(text + joined->len, "; ", 2);
        memcpy(text + at, field.value.ptr, field.value.len);
        if (!joined) {
            fields->items[kept] = field;
            joined = &fields->items[kept++].value;
        }
        *joined = span_of(text, at + field.value.len);
    }
    fields->count = kept;
    return true;
}

/** RFC 9113 section 8.3.1: ":authority" rules, and a host field must not contradict it. */
static void settle_authority(struct h2_stream *stream)
{
    struct http_exchange *x = stream->exchange;
    struct http_request *request = &x->request;

    if (!request->authority.ptr)
        request->authority = stream->host;
    else if (stream->host.ptr && !span_equal_nocase(stream->host, request->authority))
        refuse(stream, 400, ":authority and host differ");
    if (!http_authority_valid(request->authority)) {
        refuse(stream, 400, "malformed authority");
        request->authority = (struct span){0};
        return;
    }
    request->host = http_authority_host(&x->arena, request->authority);
    if (!request->host.ptr)
        refuse(stream, 431, "header section too large");
}

static bool has_bad_byte(struct span target)
{
    for (size_t i = 0; i < target.len; i++) {
        uint8_t c = (uint8_t)target.ptr[i];
        if (c <= ' ' || c >= 0x7f || c == '#')
            return true;
    }
    return false;
}

static void settle_path(struct h2_engine *h2, struct h2_stream *stream)
{
    struct http_request *request = &stream->exchange->request;
    uint32_t most = h2->base.config.limits->uri_bytes;
    bool asterisk = span_equal(request->target, SPAN("*"));

    request->path = SPAN("/"); /* what a refused request shows */
    if (request->method == HTTP_CONNECT) {
        request->target = request->authority;
        return;
    }
    if (request->target.len > most) {
        refuse(stream, 414, "request target too long");
        request->target.len = most;
        return;
    }
    if (asterisk ? request->method != HTTP_OPTIONS
                 : request->target.len == 0 || request->target.ptr[0] != '/' ||
                       has_bad_byte(request->target)) {
        refuse(stream, 400, "malformed path");
        return;
    }
    const char *mark = memchr(request->target.ptr, '?', request->target.len);
    request->path = request->target;
    if (!mark)
        return;
    request->path.len = (size_t)(mark - request->target.ptr);
    request->query = span_from(request->target, request->path.len + 1);
}

/** "http" through a TLS connection is a gateway's truth about its client; "https" without TLS is a
 *  lie (RFC 9110 section 7.4). */
static void settle_scheme(struct h2_engine *h2, struct h2_stream *stream)
{
    struct http_request *request = &stream->exchange->request;
    bool secure = h2->base.config.secure;

    if (span_equal_nocase(request->scheme, SPAN("https"))) {
        request->scheme = SPAN("https");
        if (!secure)
            refuse(stream, 421, "https without TLS");
    } else if (span_equal_nocase(request->scheme, SPAN("http"))) {
        request->scheme = SPAN("http");
    } else {
        request->scheme = secure ? SPAN("https") : SPAN("http");
        if (request->method != HTTP_CONNECT)
            refuse(stream, 400, "unknown scheme");
    }
}

/** Makes the message whole once its header block is. */
static void settle(struct h2_engine *h2, struct h2_stream *stream)
{
    struct http_request *request = &stream->exchange->request;

    request->method = http_method_of(request->method_text);
    if (request->method == HTTP_CONNECT)
        refuse(stream, 501, "CONNECT");
    settle_authority(stream);
    settle_path(h2, stream);
    settle_scheme(h2, stream);
    if (stream->cookies > 1 && !join_cookies(stream))
        refuse(stream, 431, "header section too large");
    if (request->content_length > 0 &&
        (uint64_t)request->content_length > h2->base.config.limits->body_bytes)
        refuse(stream, 413, "body too large");
}

/** A connection whose requests are used up ends in good order; a client that ignores that is cut
 *  short. */
static void count_request(struct h2_engine *h2)
{
    const struct http_limits *limits = h2->base.config.limits;
    uint32_t most = limits->requests_per_connection;

    h2->requests++;
    if (most == 0 || h2->requests < most)
        return;
    h2_shutdown(&h2->base);
    if (h2->requests - most < limits->h2_streams || h2->drain == H2_DRAIN_FINAL)
        return;
    h2->drain = H2_DRAIN_FINAL;
    if (nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
                              nghttp2_session_get_last_proc_stream_id(h2->session),
                              NGHTTP2_NO_ERROR, NULL, 0) != 0)
        h2_calm(h2);
}

void h2_on_request_end(struct h2_engine *h2, struct h2_stream *stream)
{
    const struct http_events *events = h2->base.config.events;

    stream->request_done = true;
    bool heard = !stream->exchange->request.refusal && !stream->cut && !stream->answered;
    if (events->on_request_end && heard)
        events->on_request_end(h2->base.config.owner, stream->exchange);
}

static void announce(struct h2_engine *h2, struct h2_stream *stream, bool whole)
{
    struct http_exchange *x = stream->exchange;

    list_remove(&x->link);
    list_append(&h2->base.exchanges, &x->link);
    x->request.has_body = !whole;
    stream->announced = true;
    stream->request_done = whole;
    count_request(h2);
    h2->current = stream;
    h2->base.config.events->on_request(h2->base.config.owner, x);
    if (whole && h2->current)
        h2_on_request_end(h2, stream);
}

int h2_on_headers(struct h2_engine *h2, const nghttp2_frame *frame)
{
    struct h2_stream *stream = h2->opening;
    bool whole = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

    h2->opening = NULL;
    if (!stream || stream->id != frame->hd.stream_id)
        return 0;
    if (!stream->trailing) {
        settle(h2, stream);
        announce(h2, stream, whole);
    } else if (whole) { /* nghttp2 refuses trailers that do not end the stream */
        h2_on_request_end(h2, stream);
    }
    return 0;
}

/** Past the limit: the client learns why if no answer has begun (RFC 9110 section 15.5.14). */
static void refuse_body(struct h2_engine *h2, struct h2_stream *stream)
{
    struct http_exchange *x = stream->exchange;

    stream->cut = true;
    if (x->responded) {
        h2_reset_stream(h2, stream->id, NGHTTP2_CANCEL);
        return;
    }
    x->responded = true;
    x->response = (struct http_response){.status = 413, .content_length = 0};
    h2_respond(&h2->base, x);
}

/** Body that comes after the answer: a little of it, and then no more. */
static void discard(struct h2_engine *h2, struct h2_stream *stream, size_t len)
{
    struct http_exchange *x = stream->exchange;
    bool enough = x->body_received > H2_DISCARD_MAX;

    x->body_received += len;
    if (!enough && x->body_received > H2_DISCARD_MAX)
        h2_reset_stream(h2, stream->id, NGHTTP2_NO_ERROR);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
                   size_t len, void *user)
{
    struct h2_engine *h2 = user;
    const struct http_events *events = h2->base.config.events;
    struct h2_stream *stream = h2_stream_of(h2, id);

    if (!stream || !stream->announced || stream->cut)
        return 0;
    if (stream->answered) {
        discard(h2, stream, len);
        return 0;
    }
    struct http_exchange *x = stream->exchange;
    stream->expects = false;
    x->body_received += len;
    if (x->request.refusal)
        return 0;
    if (x->body_received > h2->base.config.limits->body_bytes) {
        refuse_body(h2, stream);
        return 0;
    }
    if (events->on_body)
        events->on_body(h2->base.config.owner, x, span_of((const char *)bytes, len));
    return 0;
}

void h2_request_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
}
