/* Builds requests from fields as they are decoded, within the limits, and hands on their bodies.
 * A request that RFC 9113 section 8 calls malformed ends with its stream; one that is merely
 * refused is handed on, so that it gets an answer. */
#include "http/h2/check.h"
#include "http/h2/engine.h"
#include "http/head.h"

static void announce_malformed(struct h2_engine *h2, struct h2_stream *stream);

/** The stream ends (section 8.1.1); the owner hears of a request that it did not know, so that it
 *  can be logged and judged, but its answer goes nowhere. */
static void malformed(struct h2_engine *h2, struct h2_stream *stream)
{
    h2_stream_reset(h2, stream, NGHTTP2_PROTOCOL_ERROR);
    if (!stream->announced && !h2->error)
        announce_malformed(h2, stream);
}

void h2_too_large(struct h2_engine *h2, struct h2_stream *stream)
{
    if (stream->trailing)
        h2_stream_reset(h2, stream, NGHTTP2_ENHANCE_YOUR_CALM);
    else
        http_refuse(&stream->exchange->request, 431, "header section too large");
}

static bool pseudo_valid(unsigned pseudo, struct span value)
{
    switch (pseudo) {
    case H2_METHOD:
        return h2_token_valid(value);
    case H2_PATH:
        return value.len > 0 && h2_visible(value, false);
    default:
        return h2_visible(value, true);
    }
}

static struct span *place_of(struct http_request *request, unsigned pseudo)
{
    switch (pseudo) {
    case H2_METHOD:
        return &request->method_text;
    case H2_SCHEME:
        return &request->scheme;
    case H2_AUTHORITY:
        return &request->authority;
    default:
        return &request->target;
    }
}

/** Section 8.3: the four of requests, each once, before all other fields and never in trailers. */
static void on_pseudo(struct h2_engine *h2, struct h2_stream *stream, struct span name,
                      struct span value)
{
    unsigned pseudo = h2_pseudo_of(name);

    if (!pseudo || stream->trailing || stream->regular || stream->pseudo & pseudo ||
        !pseudo_valid(pseudo, value)) {
        malformed(h2, stream);
        return;
    }
    stream->pseudo |= (uint8_t)pseudo;
    name.len = 0; /* need not be kept */
    if (http_keep(stream->exchange, &name, &value))
        *place_of(&stream->exchange->request, pseudo) = value;
    else
        h2_too_large(h2, stream);
}

static bool take_length(struct http_request *request, struct span value)
{
    uint64_t length;

    if (request->content_length >= 0 || span_to_uint(value, &length) < 0)
        return false;
    request->content_length = (int64_t)length;
    return true;
}

/** Notes what a field says to the engine itself. @return false when it makes the request malformed
 */
static bool note_field(struct h2_engine *h2, struct h2_stream *stream, struct span name,
                       struct span value)
{
    switch (name.len) {
    case 4:
        if (!span_equal(name, SPAN("host")))
            return true;
        if (stream->host.ptr)
            return false;
        stream->host = value;
        return h2_visible(value, true);
    case 6:
        if (span_equal(name, SPAN("cookie")))
            stream->cookies++;
        if (span_equal(name, SPAN("expect")))
            stream->expects = span_equal_nocase(value, SPAN("100-continue"));
        return true;
    case 8:
        if (!stream->prioritised && span_equal(name, SPAN("priority")))
            h2_prioritise(h2, stream, value);
        return true;
    case 14:
        return !span_equal(name, SPAN("content-length")) ||
               take_length(&stream->exchange->request, value);
    default:
        return true;
    }
}

void h2_on_field(struct h2_engine *h2, struct span name, struct span value)
{
    struct h2_stream *stream = h2->opening;
    struct http_exchange *x = stream->exchange;

    if (name.len && name.ptr[0] == ':') {
        on_pseudo(h2, stream, name, value);
        return;
    }
    if (!h2_name_valid(name) || !h2_value_valid(value) || h2_is_connection_field(name, value)) {
        malformed(h2, stream);
        return;
    }
    stream->regular = true;
    if (!http_keep(x, &name, &value)) {
        h2_too_large(h2, stream);
        return;
    }
    if (!stream->trailing && !note_field(h2, stream, name, value)) {
        malformed(h2, stream);
        return;
    }
    struct http_fields *fields = stream->trailing ? &x->request.trailers : &x->request.fields;
    if (http_add(&x->arena, fields, name, value) < 0)
        h2_too_large(h2, stream);
}

/** Section 8.3.1: what a request must say, and what its path looks like. */
static bool is_whole(const struct h2_stream *stream, bool ended)
{
    const struct http_request *request = &stream->exchange->request;
    const unsigned needed = H2_METHOD | H2_SCHEME | H2_PATH;
    bool web = span_equal_nocase(request->scheme, SPAN("https")) ||
               span_equal_nocase(request->scheme, SPAN("http"));

    if (ended && request->content_length > 0)
        return false;
    if (request->method == HTTP_CONNECT)
        return (stream->pseudo & (needed | H2_AUTHORITY)) == (H2_METHOD | H2_AUTHORITY);
    if ((stream->pseudo & needed) != needed || (!request->authority.ptr && !stream->host.ptr))
        return request->refusal == 431; /* some of it was not kept */
    return !web || request->target.ptr[0] == '/' ||
           (request->method == HTTP_OPTIONS && span_equal(request->target, SPAN("*")));
}

/** Makes the message whole once its header block is. */
static void settle(struct h2_engine *h2, struct h2_stream *stream)
{
    struct http_request *request = &stream->exchange->request;

    if (request->method == HTTP_CONNECT)
        http_refuse(request, 501, "CONNECT");
    http_settle_authority(stream->exchange, stream->host);
    http_settle_path(request, h2->base.config.limits->uri_bytes);
    http_settle_scheme(request, h2->base.config.secure);
    if (stream->cookies > 1 && !http_join_cookies(stream->exchange))
        http_refuse(&stream->exchange->request, 431, "header section too large");
    if (request->content_length > 0 &&
        (uint64_t)request->content_length > h2->base.config.limits->body_bytes)
        http_refuse(&stream->exchange->request, 413, "body too large");
}

/** A connection whose requests are used up ends in good order; a client that ignores that is cut
 *  short. */
static void count_request(struct h2_engine *h2)
{
    const struct http_limits *limits = h2->base.config.limits;
    uint32_t max = limits->requests_per_connection;

    h2->requests++;
    if (max == 0 || h2->requests < max)
        return;
    h2_shutdown(&h2->base);
    if (h2->requests - max < limits->h2_streams || h2->drain == H2_DRAIN_FINAL)
        return;
    h2_last_word(h2);
}

/** The client has sent everything. */
static void end_request(struct h2_engine *h2, struct h2_stream *stream)
{
    const struct http_events *events = h2->base.config.events;

    stream->request_done = true;
    bool heard = !stream->exchange->request.refusal && !stream->cut;
    if (events->on_request_end && heard)
        events->on_request_end(h2->base.config.owner, stream->exchange);
}

void h2_on_end(struct h2_engine *h2, struct h2_stream *stream)
{
    const struct http_exchange *x = stream->exchange;

    if (stream->reset)
        return;
    if (!stream->cut && x->request.content_length >= 0 &&
        x->body_received != (uint64_t)x->request.content_length) {
        malformed(h2, stream); /* section 8.1.1 */
        return;
    }
    h2->current = stream;
    end_request(h2, stream);
}

__attribute__((always_inline)) static inline void announce(struct h2_engine *h2,
                                                           struct h2_stream *stream, bool whole)
{
    struct http_exchange *x = stream->exchange;

    list_remove(&x->link);
    list_append(&h2->base.exchanges, &x->link);
    x->request.has_body = !whole;
    stream->announced = true;
    stream->request_done = whole;
    h2->last_taken = stream->id;
    if (h2->base.turn)
        h2->base.turn--;
    count_request(h2);
    h2->current = stream;
    h2->base.config.events->on_request(h2->base.config.owner, x);
    if (whole && h2->current)
        end_request(h2, stream);
}

__attribute__((noinline)) static void announce_malformed(struct h2_engine *h2,
                                                         struct h2_stream *stream)
{
    struct http_request *request = &stream->exchange->request;

    request->refusal = 0;
    http_refuse(request, 400, "malformed request");
    request->fields.count = 0; /* some may be missing: nobody should act on them */
    request->method = http_method_of(request->method_text);
    request->path = SPAN("/");
    request->query = request->authority = request->host = (struct span){0};
    request->scheme = h2->base.config.secure ? SPAN("https") : SPAN("http");
    announce(h2, stream, true);
}

void h2_on_block(struct h2_engine *h2)
{
    struct h2_stream *stream = h2->opening;
    struct http_request *request = &stream->exchange->request;
    bool whole = h2->in.block_ends;

    h2->opening = NULL;
    if (stream->trailing) {
        h2_on_end(h2, stream);
        return;
    }
    request->method = http_method_of(request->method_text);
    if (!is_whole(stream, whole)) {
        malformed(h2, stream);
        return;
    }
    settle(h2, stream);
    announce(h2, stream, whole);
}

/** Past the limit: the client learns why if no answer has begun (RFC 9110 section 15.5.14). */
static void refuse_body(struct h2_engine *h2, struct h2_stream *stream)
{
    const struct http_events *events = h2->base.config.events;
    struct http_exchange *x = stream->exchange;

    stream->cut = true;
    if (x->responded && !x->streams_body)
        return; /* the client gets the answer, and no more window */
    if (x->responded) {
        h2_stream_reset(h2, stream, NGHTTP2_CANCEL);
        return;
    }
    h2->current = stream;
    x->request.refusal = 413;
    x->request.refusal_reason = "body too large";
    if (events->on_refusal)
        events->on_refusal(h2->base.config.owner, x);
    if (h2->current && !x->responded)
        http_respond(x, &(struct http_response){.status = 413, .content_length = 0}, NULL);
}

void h2_on_data(struct h2_engine *h2, struct h2_stream *stream, struct span bytes)
{
    struct http_exchange *x = stream->exchange;

    if (stream->reset || stream->cut)
        return;
    stream->expects = false;
    x->body_received += bytes.len;
    if (x->request.content_length >= 0 && x->body_received > (uint64_t)x->request.content_length) {
        malformed(h2, stream);
        return;
    }
    if (x->request.refusal)
        return;
    if (x->body_received > x->body_max) {
        refuse_body(h2, stream);
        return;
    }
    if (x->streams_body)
        http_engine_hand_on(&h2->base, x, bytes);
}
