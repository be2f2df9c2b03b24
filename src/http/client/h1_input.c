/* The reading half: heads, bodies and trailers of answers in, upcalls out. What cannot be used yet
 * is an incomplete head or trailer section, and that is bounded. */
#include "base/error.h"
#include "http/client/h1.h"

enum { RECEIVE_MAX = 256 << 10 /* most that one http_client_receive() brings */ };

static int fail(struct h1_client *c, int error, const char *reason)
{
    c->call->reason = reason;
    h1_client_finish(c, error);
    return error;
}

/** A head or trailer section that the parser refused. */
static int refuse(struct h1_client *c)
{
    bool large = c->parser.refusal == 431 || c->parser.refusal == 414;

    return fail(c, large ? ERR_LIMIT : ERR_SYNTAX, c->parser.reason);
}

static ssize_t parse(struct h1_client *c, struct span input)
{
    const struct http_limits limits = {
        .header_bytes = c->client.limits->header_bytes,
        .header_count = c->client.limits->header_count,
    };

    return h1_parse(&c->parser, input, &limits);
}

/* Steps below return 1: go on; 0: more input is needed; negative: the call has ended. */

/** The answer is whole. Bytes that follow it belong to no request: the connection is not used
 * again. */
static int complete(struct h1_client *c, struct span rest)
{
    if (rest.len)
        c->persistent = false;
    h1_client_finish(c, 0);
    return 1;
}

static int take_interim(struct h1_client *c)
{
    struct http_call *call = c->call;
    int status = c->parser.status;

    if (status != 100 && h1_parser_keep(&c->parser) < 0)
        return fail(c, ERR_LIMIT, "informational answers use too much memory");
    if (status != 100)
        call->events->on_inform(call, status, &c->interim);
    if (c->call)
        h1_parser_answer(&c->parser, &c->interim, call->arena);
    return 1;
}

static int begin_tunnel(struct h1_client *c)
{
    struct http_call *call = c->call;

    if (!call->upgrade.len || c->out != H1C_OUT_DONE)
        return fail(c, ERR_PROTOCOL, "101 without a request for it");
    if (!span_equal_nocase(http_value(&call->answer.fields, SPAN("upgrade")), call->upgrade))
        return fail(c, ERR_PROTOCOL, "101 for another protocol");
    c->in = H1C_IN_TUNNEL;
    c->out = H1C_OUT_TUNNEL;
    c->persistent = false;
    call->answer.content_length = -1;
    call->answer.has_body = true;
    call->answered = true;
    call->events->on_answer(call);
    return 1;
}

static int begin_body(struct h1_client *c, struct span rest)
{
    struct h1_answer_framing framing;
    struct http_call *call = c->call;

    const char *wrong =
        h1_answer_read(&call->answer, span_equal(call->method, SPAN("HEAD")), &framing);
    if (wrong)
        return fail(c, ERR_PROTOCOL, wrong);
    c->persistent = framing.persistent;
    c->chunks = (struct h1_chunked){0};
    if (framing.chunked)
        c->in = H1C_IN_CHUNKS;
    else
        c->in = framing.until_eof ? H1C_IN_UNTIL_EOF : H1C_IN_BODY;
    c->body_left = call->answer.has_body ? (uint64_t)call->answer.content_length : 0;
    call->answered = true;
    call->events->on_answer(call);
    if (c->call && !call->answer.has_body)
        return complete(c, rest);
    return 1;
}

static int take_head(struct h1_client *c, struct span *input)
{
    struct http_call *call = c->call;

    ssize_t length = parse(c, *input);
    if (length < 0)
        return refuse(c);
    if (length == 0)
        return 0;
    *input = span_from(*input, (size_t)length);
    if (c->parser.status < 200 && c->parser.status != 101)
        return take_interim(c);
    if (h1_parser_keep(&c->parser) < 0)
        return fail(c, ERR_LIMIT, "header fields use too much memory");
    call->answer.status = c->parser.status;
    call->answer.version = c->parser.version;
    call->answer.fields = c->interim;
    return call->answer.status == 101 ? begin_tunnel(c) : begin_body(c, *input);
}

static void deliver(struct h1_client *c, struct span bytes)
{
    c->call->held += bytes.len;
    c->call->events->on_body(c->call, bytes);
}

static int take_body(struct h1_client *c, struct span *input)
{
    size_t part = input->len < c->body_left ? input->len : (size_t)c->body_left;
    struct span bytes = span_of(input->ptr, part);

    *input = span_from(*input, part);
    c->body_left -= part;
    deliver(c, bytes);
    return c->call && c->body_left == 0 ? complete(c, *input) : 1;
}

static int take_chunks(struct h1_client *c, struct span *input)
{
    struct span bytes;

    int r = h1_chunked_decode(&c->chunks, input, &bytes);
    if (r < 0)
        return fail(c, ERR_SYNTAX, "malformed chunk");
    if (r == 1)
        deliver(c, bytes);
    if (r != 2)
        return r;
    c->in = H1C_IN_TRAILERS;
    h1_parser_answer_trailers(&c->parser, &c->call->answer.trailers, c->call->arena);
    return 1;
}

static int take_trailers(struct h1_client *c, struct span *input)
{
    ssize_t length = parse(c, *input);

    if (length < 0)
        return refuse(c);
    if (length == 0)
        return 0;
    if (h1_parser_keep(&c->parser) < 0)
        return fail(c, ERR_LIMIT, "trailers use too much memory");
    *input = span_from(*input, (size_t)length);
    return complete(c, *input);
}

static int step(struct h1_client *c, struct span *input)
{
    switch (c->in) {
    case H1C_IN_HEAD:
        return take_head(c, input);
    case H1C_IN_BODY:
        return take_body(c, input);
    case H1C_IN_CHUNKS:
        return take_chunks(c, input);
    case H1C_IN_TRAILERS:
        return take_trailers(c, input);
    case H1C_IN_UNTIL_EOF:
    case H1C_IN_TUNNEL:
        deliver(c, *input);
        *input = (struct span){0};
        return 1;
    default: /* bytes that belong to no request */
        c->over = true;
        return ERR_PROTOCOL;
    }
}

static int consume(struct h1_client *c, struct span *input)
{
    int r = 1;

    while (r > 0 && input->len && !c->over)
        r = step(c, input);
    return r < 0 ? r : 0;
}

int h1_client_input(struct h1_client *c, struct span bytes)
{
    struct span rest = bytes;

    if (c->over)
        return ERR_CLOSED;
    if (c->call)
        c->call->received += bytes.len;
    if (c->kept.len) {
        if (buffer_add(&c->kept, bytes) < 0)
            return fail(c, ERR_LIMIT, "header section too long");
        rest = buffer_span(&c->kept);
    }
    int r = consume(c, &rest);
    if (r < 0 || c->over || rest.len == 0) {
        buffer_finish(&c->kept);
        return r;
    }
    if (c->kept.len) {
        buffer_consume(&c->kept, c->kept.len - rest.len);
        return 0;
    }
    c->kept = buffer_make((size_t)c->client.limits->header_bytes + RECEIVE_MAX);
    return buffer_add(&c->kept, rest) < 0 ? fail(c, ERR_LIMIT, "header section too long") : 0;
}
