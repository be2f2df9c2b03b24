/* The receiving half: heads, bodies and trailers in, upcalls out. Input that must wait for the
 * answer of the request before it is kept, bounded; an idle connection keeps nothing. */
#include "http/h1/connection.h"

bool h1_input_is_body(const struct h1_server *s)
{
    return s->in == H1_IN_BODY || s->in == H1_IN_CHUNKS || s->in == H1_IN_TRAILERS;
}

void h1_input_stop(struct h1_server *s)
{
    s->in = H1_IN_OVER;
    s->keep_alive = false;
    s->expects = s->say_continue = false;
}

static void complete(struct h1_server *s)
{
    const struct http_events *events = s->engine.config.events;
    bool discarding = !s->x;

    s->in = discarding ? H1_IN_HEAD : H1_IN_WAIT;
    if (!discarding && events->on_request_end)
        events->on_request_end(s->engine.config.owner, s->x);
}

/** The body broke its framing or a limit: the owner answers, or else the engine, unless an answer
 *  is on its way. */
static void refuse_body(struct h1_server *s, int status, const char *reason)
{
    struct http_response response = {.status = status, .content_length = 0, .close = true};
    const struct http_events *events = s->engine.config.events;
    struct http_exchange *x = s->x;

    h1_input_stop(s);
    if (!x || x->responded)
        return;
    x->request.refusal = status;
    x->request.refusal_reason = reason;
    if (events->on_refusal)
        events->on_refusal(s->engine.config.owner, x);
    if (s->x == x && !x->responded)
        http_respond(x, &response, NULL);
}

/** Hands on body bytes, or counts them off when nobody wants them any more. */
static void deliver(struct h1_server *s, struct span bytes)
{
    s->expects = s->say_continue = false;
    if (!s->x) {
        s->discarded += (uint32_t)bytes.len;
        if (s->discarded > H1_DISCARD_MAX)
            h1_input_stop(s);
        return;
    }
    s->x->body_received += bytes.len;
    if (s->x->body_received > s->x->body_max)
        refuse_body(s, 413, "body too large");
    else if (s->x->streams_body)
        http_engine_hand_on(&s->engine, s->x, bytes);
}

static void take_body(struct h1_server *s, struct span *input)
{
    size_t part = input->len < s->body_left ? input->len : (size_t)s->body_left;
    struct span bytes = span_of(input->ptr, part);

    *input = span_from(*input, part);
    s->body_left -= part;
    deliver(s, bytes);
    if (s->body_left == 0 && s->in == H1_IN_BODY)
        complete(s);
}

static void take_chunks(struct h1_server *s, struct span *input)
{
    struct span bytes;

    int r = h1_chunked_decode(&s->chunks, input, &bytes);
    if (r < 0) {
        refuse_body(s, r == ERR_LIMIT ? 413 : 400, "malformed chunk");
    } else if (r == 1) {
        deliver(s, bytes);
    } else if (r == 2) {
        s->in = H1_IN_TRAILERS;
        h1_parser_trailers(&s->parser, s->x);
    }
}

/** Fields that frame, route or authenticate must not come late: RFC 9110 section 6.5.1. */
static void drop_forbidden(struct http_fields *trailers)
{
    static const struct span forbidden[] = {
        {"authorization", 13},  {"cache-control", 13},
        {"connection", 10},     {"content-encoding", 16},
        {"content-length", 14}, {"content-range", 13},
        {"content-type", 12},   {"cookie", 6},
        {"expect", 6},          {"host", 4},
        {"max-forwards", 12},   {"proxy-authorization", 19},
        {"range", 5},           {"te", 2},
        {"trailer", 7},         {"transfer-encoding", 17},
        {"upgrade", 7},
    };

    for (size_t i = 0; i < ARRAY_SIZE(forbidden); i++)
        http_unset(trailers, forbidden[i]);
}

/** @return whether input was used */
static bool take_trailers(struct h1_server *s, struct span *input)
{
    ssize_t length = h1_parse(&s->parser, *input, s->engine.config.limits);

    if (length == 0)
        return false;
    if (length < 0) {
        refuse_body(s, s->parser.refusal, s->parser.reason);
        return true;
    }
    if (h1_parser_keep(&s->parser) < 0) {
        refuse_body(s, 431, "trailers use too much memory");
        return true;
    }
    *input = span_from(*input, (size_t)length);
    if (s->x && s->x->request.trailers.count)
        drop_forbidden(&s->x->request.trailers);
    complete(s);
    return true;
}

static void begin(struct h1_server *s, nsec_t now)
{
    struct http_exchange *x = http_engine_take(&s->engine, &h1_exchange_ops);

    x->stream = s;
    x->started = now;
    x->request.scheme = s->engine.config.secure ? SPAN("https") : SPAN("http");
    h1_parser_head(&s->parser, x);
    s->x = x;
}

/** The head is complete, or refused: the owner hears of it. */
static void announce(struct h1_server *s, const struct h1_framing *framing)
{
    const struct http_engine_config *config = &s->engine.config;
    struct http_request *request = &s->x->request;
    uint32_t max = config->limits->requests_per_connection;

    s->requests++;
    s->keep_alive = framing->keep_alive && !s->ending && (max == 0 || s->requests < max);
    s->expects = framing->expects;
    s->discarded = 0;
    s->body_left = framing->chunked ? 0 : (uint64_t)request->content_length;
    s->chunks = (struct h1_chunked){0};
    s->out = H1_OUT_ASKED;
    if (request->refusal)
        s->in = H1_IN_OVER;
    else if (!request->has_body)
        s->in = H1_IN_WAIT;
    else
        s->in = framing->chunked ? H1_IN_CHUNKS : H1_IN_BODY;
    s->pace = (struct pace){0};
    if (s->engine.turn)
        s->engine.turn--;
    list_append(&s->engine.exchanges, &s->x->link);
    config->events->on_request(config->owner, s->x);
    if (s->x && s->in == H1_IN_WAIT)
        complete(s);
}

static void refuse_head(struct h1_server *s, int status, const char *reason)
{
    static const struct h1_framing nothing = {0};
    struct http_request *request = &s->x->request;

    request->method = http_method_of(request->method_text);
    request->fields.count = 0; /* they may be cut short: nobody should act on them */
    h1_request_refuse(request, status, reason);
    announce(s, &nothing);
}

/** @return whether input was used */
static bool take_head(struct h1_server *s, struct span *input, nsec_t now)
{
    const struct http_limits *limits = s->engine.config.limits;
    struct h1_framing framing;

    if (!s->x && s->engine.turn == 0)
        return false;
    if (!s->x)
        begin(s, now);
    ssize_t length = h1_parse(&s->parser, *input, limits);
    if (length == 0)
        return false;
    int kept = h1_parser_keep(&s->parser);
    if (unlikely(length < 0 || kept < 0)) {
        bool full = length > 0;
        refuse_head(s, full ? 431 : s->parser.refusal,
                    full ? "header fields use too much memory" : s->parser.reason);
        return true;
    }
    *input = span_from(*input, (size_t)length);
    h1_request_read(&s->x->request, &s->x->arena, limits, &framing);
    announce(s, &framing);
    return true;
}

/** Goes on until the input is used up, incomplete, or has to wait. */
static void consume(struct h1_server *s, struct span *input, nsec_t now)
{
    bool more = true;

    while (more && input->len) {
        switch (s->in) {
        case H1_IN_HEAD:
            more = take_head(s, input, now);
            break;
        case H1_IN_BODY:
            take_body(s, input);
            break;
        case H1_IN_CHUNKS:
            take_chunks(s, input);
            break;
        case H1_IN_TRAILERS:
            more = take_trailers(s, input);
            break;
        case H1_IN_TUNNEL:
            http_engine_tunnel(&s->engine, s->x, *input);
            *input = (struct span){0};
            break;
        case H1_IN_OVER:
            *input = (struct span){0};
            break;
        default:
            more = false;
        }
    }
}

void h1_input_continue(struct h1_server *s, nsec_t now)
{
    struct span rest = span_from(buffer_span(&s->kept), s->used);

    consume(s, &rest, now);
    s->used = s->kept.len - rest.len;
    if (s->in == H1_IN_OVER || s->used == s->kept.len) {
        buffer_finish(&s->kept);
        s->used = 0;
    }
}

int h1_input_take(struct h1_server *s, struct span bytes, nsec_t now)
{
    if (s->in == H1_IN_OVER)
        return 0;
    if (s->kept.len) {
        buffer_consume(&s->kept, s->used);
        s->used = 0;
        int r = buffer_add(&s->kept, bytes);
        if (r == 0)
            h1_input_continue(s, now);
        return r;
    }
    consume(s, &bytes, now);
    if (bytes.len == 0 || s->in == H1_IN_OVER)
        return 0;
    s->kept = buffer_make((size_t)s->engine.config.limits->header_bytes + H1_RECEIVE_MAX);
    return buffer_add(&s->kept, bytes);
}

bool h1_input_awaited(const struct h1_server *s)
{
    const struct http_exchange *x = s->x;

    if (s->in == H1_IN_HEAD)
        return x; /* it has begun */
    if (!h1_input_is_body(s) || s->expects)
        return false;
    if (!x)
        return true; /* the rest of a body that was answered already */
    return (s->out == H1_OUT_ASKED || s->starved) && x->held < h1_window(s);
}

void h1_input_timeout(struct h1_server *s)
{
    /* What was parsed points at bytes that have moved since: it is copied from where they are. */
    ssize_t length =
        h1_parse(&s->parser, span_from(buffer_span(&s->kept), s->used), s->engine.config.limits);
    int kept = length <= 0 ? h1_parser_keep(&s->parser) : 0;

    refuse_head(s, 408,
                kept < 0 ? "header fields use too much memory" : "header section took too long");
}

void h1_input_answered(struct h1_server *s)
{
    s->pace = (struct pace){0};
    if (!s->keep_alive || s->ending)
        h1_input_stop(s);
    else if (s->in == H1_IN_WAIT)
        s->in = H1_IN_HEAD;
    else if (h1_input_is_body(s)) /* its fields would have gone to the exchange that is no more */
        s->parser.fields = NULL, s->parser.arena = NULL;
}
