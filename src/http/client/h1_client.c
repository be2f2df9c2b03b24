/* The engine's table and its writing half: pulls requests' bodies straight into the transport's
 * buffer. One call at a time; a connection on which anything was not as it should be is over. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "http/client/h1.h"

enum {
    ROOM_WORTH = 1024, /* less is not worth a read of the body */
};

struct sink {
    char *start;
    char *at;
    char *end;
};

static struct h1_client *h1_of(struct http_client *client)
{
    return container_of(client, struct h1_client, client);
}

static const struct h1_client *h1_of_const(const struct http_client *client)
{
    return container_of(client, const struct h1_client, client);
}

void h1_client_finish(struct h1_client *c, int error)
{
    struct http_call *call = take(c->call);
    bool usable = error == 0 && c->persistent && c->out == H1C_OUT_DONE;

    c->in = H1C_IN_IDLE;
    c->out = H1C_OUT_IDLE;
    c->over |= !usable;
    buffer_finish(&c->pending);
    c->interim = (struct http_fields){0};
    call->client = NULL;
    call->events->on_end(call, error);
}

static void h1_call(struct http_client *client, struct http_call *call)
{
    struct h1_client *c = h1_of(client);

    c->call = call;
    c->chunked = call->body && call->content_length < 0;
    c->send_left = call->body && !c->chunked ? (uint64_t)call->content_length : 0;
    c->in = H1C_IN_HEAD;
    c->out = H1C_OUT_HEAD;
    c->starved = false;
    h1_parser_answer(&c->parser, &c->interim, call->arena);
}

/* Each step of output returns 1 when another may follow; 0 when there is nothing now, or too little
 * room; negative when the request has to be given up. */

static int sent_all(struct h1_client *c)
{
    c->out = H1C_OUT_DONE;
    c->call->request_sent = true;
    return 0;
}

static int head_is_out(struct h1_client *c)
{
    if (c->chunked || c->send_left) {
        c->out = H1C_OUT_BODY;
        return 1;
    }
    return sent_all(c);
}

/** A head larger than the room waits in a buffer of its own, and goes out in pieces. */
static int put_pending(struct h1_client *c, struct sink *sink)
{
    size_t room = (size_t)(sink->end - sink->at);
    size_t part = c->pending.len < room ? c->pending.len : room;

    memcpy(sink->at, c->pending.data, part);
    sink->at += part;
    buffer_consume(&c->pending, part);
    if (c->pending.len)
        return 0;
    buffer_finish(&c->pending);
    return head_is_out(c);
}

static int put_head(struct h1_client *c, struct sink *sink)
{
    size_t size = h1_request_size(c->call);

    if (c->pending.len)
        return put_pending(c, sink);
    if (size <= (size_t)(sink->end - sink->at)) {
        sink->at += h1_request_write(sink->at, c->call, c->chunked);
        return head_is_out(c);
    }
    c->pending = buffer_make(size);
    int r = buffer_reserve(&c->pending, size);
    if (r < 0)
        return r;
    c->pending.len = h1_request_write(c->pending.data, c->call, c->chunked);
    return put_pending(c, sink);
}

/** What a read of the body means that brought no data. */
static int no_data(struct h1_client *c, ssize_t n)
{
    if (n == -EAGAIN) {
        c->starved = true;
        return 0;
    }
    c->call->reason = "the request's body broke off";
    return ERR_CLOSED;
}

static int put_length(struct h1_client *c, struct sink *sink)
{
    struct http_body *body = c->call->body;
    size_t room = (size_t)(sink->end - sink->at);
    size_t most = room < c->send_left ? room : (size_t)c->send_left;

    ssize_t n = body->read(body, sink->at, most);
    if (n <= 0 || (size_t)n > most) /* its end before the length is a broken promise */
        return no_data(c, n);
    sink->at += n;
    c->call->sent += (uint64_t)n;
    c->send_left -= (uint64_t)n;
    return c->send_left ? 1 : sent_all(c);
}

static int put_chunk(struct h1_client *c, struct sink *sink)
{
    size_t chunk;

    ssize_t n = h1_chunk_pull(c->call->body, sink->at, (size_t)(sink->end - sink->at), &chunk);
    if (n < 0)
        return no_data(c, n);
    if (n == 0) {
        c->out = H1C_OUT_LAST;
        return 1;
    }
    sink->at += chunk;
    c->call->sent += (uint64_t)n;
    return 1;
}

static int put_last(struct h1_client *c, struct sink *sink)
{
    const struct http_fields *trailers = c->call->body->trailers;
    size_t size = 3 + h1_trailers_size(trailers);

    if (size > (size_t)(sink->end - sink->at)) {
        if (sink->at > sink->start)
            return 0;
        trailers = NULL; /* no room would hold them */
    }
    memcpy(sink->at, "0\r\n", 3);
    sink->at += 3 + h1_trailers_write(sink->at + 3, trailers);
    return sent_all(c);
}

static int put_tunnel(struct h1_client *c, struct sink *sink)
{
    struct http_body *body = c->call->body;

    ssize_t n = body ? body->read(body, sink->at, (size_t)(sink->end - sink->at)) : -EAGAIN;
    if (n < 0)
        return no_data(c, n);
    if (n == 0)
        return sent_all(c);
    sink->at += n;
    c->call->sent += (uint64_t)n;
    return 1;
}

static int put_next(struct h1_client *c, struct sink *sink)
{
    size_t room = (size_t)(sink->end - sink->at);

    if (c->out == H1C_OUT_HEAD)
        return room ? put_head(c, sink) : 0;
    if (c->starved || room < ROOM_WORTH)
        return 0;
    switch (c->out) {
    case H1C_OUT_BODY:
        return c->chunked ? put_chunk(c, sink) : put_length(c, sink);
    case H1C_OUT_LAST:
        return put_last(c, sink);
    case H1C_OUT_TUNNEL:
        return put_tunnel(c, sink);
    default:
        return 0;
    }
}

static ssize_t h1_produce(struct http_client *client, char *out, size_t cap)
{
    struct h1_client *c = h1_of(client);
    struct sink sink = {out, out, out + cap};
    int r = c->call ? 1 : 0;

    while (r > 0)
        r = put_next(c, &sink);
    if (r < 0) {
        h1_client_finish(c, r);
        return r;
    }
    return sink.at - out;
}

static int h1_receive(struct http_client *client, struct span bytes)
{
    return h1_client_input(h1_of(client), bytes);
}

static void h1_eof(struct http_client *client, bool clean)
{
    struct h1_client *c = h1_of(client);
    int error = ERR_PROTOCOL;

    c->persistent = false;
    if (!c->call) {
        c->over = true;
        return;
    }
    if (clean && (c->in == H1C_IN_UNTIL_EOF || c->in == H1C_IN_TUNNEL)) {
        error = 0;
    } else if (c->call->received == 0) {
        c->call->reason = clean ? "closed before an answer" : "reset before an answer";
        error = ERR_CLOSED;
    } else {
        c->call->reason = c->call->answered ? "body cut short" : "head cut short";
    }
    h1_client_finish(c, error);
}

static bool h1_is_free(const struct http_client *client)
{
    const struct h1_client *c = h1_of_const(client);

    return !c->call && !c->over;
}

static bool h1_is_over(const struct http_client *client)
{
    return h1_of_const(client)->over;
}

static bool h1_wants_input(const struct http_client *client)
{
    const struct h1_client *c = h1_of_const(client);

    return !c->over && (!c->call || c->call->held < c->call->window);
}

static void h1_resume(struct http_client *client, struct http_call *call)
{
    h1_of(client)->starved = false;
}

static void h1_cancel(struct http_client *client, struct http_call *call)
{
    struct h1_client *c = h1_of(client);

    c->call = NULL;
    c->in = H1C_IN_IDLE;
    c->out = H1C_OUT_IDLE;
    c->over = true;
    buffer_finish(&c->pending);
}

static void h1_destroy(struct http_client *client)
{
    struct h1_client *c = h1_of(client);

    buffer_finish(&c->kept);
    buffer_finish(&c->pending);
    free(c);
}

static const struct http_client_ops h1_ops = {
    .call = h1_call,
    .is_free = h1_is_free,
    .is_over = h1_is_over,
    .receive = h1_receive,
    .eof = h1_eof,
    .produce = h1_produce,
    .wants_input = h1_wants_input,
    .resume = h1_resume,
    .cancel = h1_cancel,
    .destroy = h1_destroy,
};

struct http_client *h1_client_create(const struct http_client_limits *limits)
{
    struct h1_client *c = mem_new(struct h1_client);

    c->client.ops = &h1_ops;
    c->client.limits = limits;
    return &c->client;
}
