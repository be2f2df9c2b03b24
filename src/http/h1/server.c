/* The engine's table and its sending half: pulls answers' bodies straight into the transport's
 * buffer. Deadlines and sockets are the connection's owner's. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "http/h1/connection.h"

enum {
    ROOM_WHOLE = 32 << 10, /* what http_produce() promises to give, and a head must fit into */
    ROOM_WORTH = 1024,     /* less is not worth a read of the body or another request */
};

static const char continue_line[] = "HTTP/1.1 100 Continue\r\n\r\n";

/** Where output goes. */
struct sink {
    char *start;
    char *at;
    char *end;
};

static size_t room_of(const struct sink *sink)
{
    return (size_t)(sink->end - sink->at);
}

/** More room than this will not come. */
static bool room_is_whole(const struct sink *sink)
{
    return sink->at == sink->start && room_of(sink) >= ROOM_WHOLE;
}

static struct h1_server *server_of(struct http_engine *engine)
{
    return container_of(engine, struct h1_server, engine);
}

static void drop_interim(struct h1_server *s)
{
    if (likely(!s->interim))
        return;
    buffer_finish(s->interim);
    free(take(s->interim));
}

/** Ends the exchange, announced or not. */
static void finish(struct h1_server *s, enum http_end end)
{
    struct http_exchange *x = take(s->x);
    bool announced = s->out != H1_OUT_IDLE;

    s->out = H1_OUT_IDLE;
    s->starved = false;
    drop_interim(s);
    h1_input_answered(s);
    http_engine_release(&s->engine, x, end, announced);
}

/** Ends everything so that the client can tell that the answer is not whole. */
static void cut(struct h1_server *s, enum http_end end)
{
    h1_input_stop(s);
    s->cut = true;
    if (s->x)
        finish(s, end);
}

/** Whether the rest of the request's body is too much to read it for nothing. */
static bool body_is_burden(const struct h1_server *s)
{
    return s->expects || (s->in == H1_IN_BODY && s->body_left > H1_DISCARD_MAX);
}

static enum h1_body_framing choose_framing(const struct http_exchange *x, bool *ret_bodyless)
{
    const struct http_response *response = &x->response;
    bool never = response->status == 204 || response->status == 304;

    *ret_bodyless = never || x->request.method == HTTP_HEAD;
    if (response->status == 101)
        return H1_BODY_CLOSE;
    if (never)
        return H1_BODY_NONE;
    if (response->content_length >= 0)
        return H1_BODY_LENGTH;
    if (*ret_bodyless)
        return H1_BODY_NONE;
    return x->request.version == HTTP_1_0 ? H1_BODY_CLOSE : H1_BODY_CHUNKED;
}

static enum h1_persistence persistence(const struct h1_server *s)
{
    if (s->x->response.status == 101)
        return H1_PERSIST_UPGRADE;
    if (!s->keep_alive)
        return H1_PERSIST_NOT;
    return s->x->request.version == HTTP_1_0 ? H1_PERSIST_SAID : H1_PERSIST;
}

/* Each step of output below returns 1 when another may follow; 0 when there is nothing now, or too
 * little room; negative when the answer must be cut off. */

/** After the head of a 101: what the client sent meanwhile is the tunnel's already. */
static void begin_tunnel(struct h1_server *s, nsec_t now)
{
    s->in = H1_IN_TUNNEL;
    if (s->kept.len)
        h1_input_continue(s, now);
}

/** Writes the head; goes on to the body or to the exchange's end. */
static int put_head(struct h1_server *s, struct sink *sink, nsec_t now)
{
    struct http_exchange *x = s->x;
    bool bodyless;

    if (unlikely(h1_answer_size(&x->response) > room_of(sink)))
        return room_is_whole(sink) ? ERR_LIMIT : 0;
    if (!x->body && x->response.content_length < 0 && x->request.method != HTTP_HEAD)
        x->response.content_length = 0;
    s->framing = (uint8_t)choose_framing(x, &bodyless);
    if (x->response.close || s->ending || s->framing == H1_BODY_CLOSE || body_is_burden(s))
        s->keep_alive = false;
    s->answer_left = s->framing == H1_BODY_LENGTH ? (uint64_t)x->response.content_length : 0;
    sink->at += h1_answer_write(sink->at, &x->response, s->engine.config.date,
                                (enum h1_body_framing)s->framing, persistence(s));
    x->first_byte = now;
    s->out = H1_OUT_BODY;
    if (unlikely(x->response.status == 101))
        begin_tunnel(s, now);
    else if (bodyless || (s->framing == H1_BODY_LENGTH && s->answer_left == 0))
        finish(s, HTTP_END_DONE);
    return 1;
}

/** @return bytes; 0 at the end; -EAGAIN, with that noted; another negative: cut off */
static ssize_t read_body(struct h1_server *s, char *out, size_t room)
{
    struct http_body *body = s->x->body;
    ssize_t n = body ? body->read(body, out, room) : ERR_PROTOCOL;

    if (n == -EAGAIN)
        s->starved = true;
    if (n > 0)
        s->x->body_sent += (uint64_t)n;
    return n > (ssize_t)room ? ERR_PROTOCOL : n;
}

static int put_length(struct h1_server *s, struct sink *sink)
{
    size_t room = room_of(sink);

    ssize_t n = read_body(s, sink->at, room < s->answer_left ? room : (size_t)s->answer_left);
    if (n <= 0)
        return n == -EAGAIN ? 0 : ERR_CLOSED; /* a short body is a broken promise */
    sink->at += n;
    s->answer_left -= (uint64_t)n;
    if (s->answer_left == 0)
        finish(s, HTTP_END_DONE);
    return 1;
}

static int put_until_close(struct h1_server *s, struct sink *sink)
{
    ssize_t n = read_body(s, sink->at, room_of(sink));

    if (n < 0)
        return n == -EAGAIN ? 0 : ERR_CLOSED;
    sink->at += n;
    if (n == 0)
        finish(s, HTTP_END_DONE);
    return 1;
}

/** The head's width depends on the size, which is known only afterwards: room is left for the
 *  widest, and a shorter chunk moves up. */
static int put_chunk(struct h1_server *s, struct sink *sink)
{
    char head[H1_CHUNK_HEAD_MAX];
    size_t widest = h1_chunked_head(head, room_of(sink));

    ssize_t n = read_body(s, sink->at + widest, room_of(sink) - widest - 2);
    if (n < 0)
        return n == -EAGAIN ? 0 : ERR_CLOSED;
    if (n == 0) {
        s->out = H1_OUT_LAST;
        return 1;
    }
    size_t width = h1_chunked_head(head, (uint64_t)n);
    if (width < widest)
        memmove(sink->at + width, sink->at + widest, (size_t)n);
    memcpy(sink->at, head, width);
    memcpy(sink->at + width + n, "\r\n", 2);
    sink->at += width + (size_t)n + 2;
    return 1;
}

static int put_body(struct h1_server *s, struct sink *sink)
{
    size_t room = room_of(sink);

    if (room < ROOM_WORTH && (s->framing != H1_BODY_LENGTH || room < s->answer_left))
        return 0;
    if (s->framing == H1_BODY_LENGTH)
        return put_length(s, sink);
    return s->framing == H1_BODY_CHUNKED ? put_chunk(s, sink) : put_until_close(s, sink);
}

/** Last chunk and trailers; trailers that no room would hold are left out. */
static int put_last(struct h1_server *s, struct sink *sink)
{
    const struct http_fields *trailers = s->x->body->trailers;

    if (h1_trailers_size(trailers) + 3 > room_of(sink)) {
        if (!room_is_whole(sink))
            return 0;
        trailers = NULL;
    }
    memcpy(sink->at, "0\r\n", 3);
    sink->at += 3 + h1_trailers_write(sink->at + 3, trailers);
    finish(s, HTTP_END_DONE);
    return 1;
}

/** 100 Continue, when the owner lets the body come. */
static int put_continue(struct h1_server *s, struct sink *sink)
{
    if (!s->say_continue || room_of(sink) < sizeof continue_line)
        return 0;
    s->say_continue = s->expects = false;
    memcpy(sink->at, continue_line, sizeof continue_line - 1);
    sink->at += sizeof continue_line - 1;
    return 0;
}

/** Informational answers, all or none: they fit into what http_produce() is given at least. */
static int put_interim(struct h1_server *s, struct sink *sink)
{
    if (s->interim->len > room_of(sink))
        return 0;
    memcpy(sink->at, s->interim->data, s->interim->len);
    sink->at += s->interim->len;
    drop_interim(s);
    return 1;
}

/** The next of the requests that came early. */
static int next_request(struct h1_server *s, const struct sink *sink, nsec_t now)
{
    if (s->x || s->kept.len == 0 || room_of(sink) < ROOM_WORTH || s->engine.turn == 0)
        return 0;
    h1_input_continue(s, now);
    return s->out != H1_OUT_IDLE;
}

static int put_next(struct h1_server *s, struct sink *sink, nsec_t now)
{
    switch (s->out) {
    case H1_OUT_IDLE:
        return next_request(s, sink, now);
    case H1_OUT_ASKED:
        return s->interim ? put_interim(s, sink) : put_continue(s, sink);
    case H1_OUT_HEAD:
        return unlikely(s->interim) ? put_interim(s, sink) : put_head(s, sink, now);
    case H1_OUT_BODY:
        return s->starved ? 0 : put_body(s, sink);
    default:
        return put_last(s, sink);
    }
}

static ssize_t server_produce(struct http_engine *engine, char *out, size_t cap, nsec_t now)
{
    struct h1_server *s = server_of(engine);
    struct sink sink = {out, out, out + cap};
    int r = s->cut ? ERR_CLOSED : 1;

    while (r > 0)
        r = put_next(s, &sink, now);
    if (r < 0)
        cut(s, HTTP_END_SERVER);
    if (sink.at == out && s->cut)
        return ERR_CLOSED;
    return sink.at - out;
}

static int server_receive(struct http_engine *engine, struct span bytes, nsec_t now)
{
    struct h1_server *s = server_of(engine);

    int r = h1_input_take(s, bytes, now);
    if (r < 0)
        cut(s, HTTP_END_SERVER);
    return r;
}

static enum http_wait wait_for_input(const struct h1_server *s)
{
    if (s->in == H1_IN_OVER)
        return HTTP_WAIT_CLOSED;
    if (s->in != H1_IN_HEAD)
        return HTTP_WAIT_BODY; /* the rest of a body that is answered already */
    if (s->x)
        return HTTP_WAIT_HEADER;
    return s->kept.len ? HTTP_WAIT_OUTPUT : HTTP_WAIT_IDLE;
}

static enum http_wait server_wait(const struct http_engine *engine)
{
    const struct h1_server *s = container_of(engine, const struct h1_server, engine);

    if (s->cut || s->say_continue)
        return HTTP_WAIT_OUTPUT;
    if (s->out == H1_OUT_IDLE)
        return wait_for_input(s);
    if (s->out == H1_OUT_ASKED && s->interim)
        return HTTP_WAIT_OUTPUT;
    if (s->out == H1_OUT_ASKED)
        return h1_input_is_body(s) ? HTTP_WAIT_BODY : HTTP_WAIT_ANSWER;
    if (!s->starved)
        return HTTP_WAIT_OUTPUT;
    return s->in == H1_IN_TUNNEL ? HTTP_WAIT_BODY : HTTP_WAIT_ANSWER;
}

static bool server_wants_input(const struct http_engine *engine)
{
    const struct h1_server *s = container_of(engine, const struct h1_server, engine);

    if (s->in == H1_IN_OVER)
        return false;
    if (s->in == H1_IN_WAIT || !s->x)
        return s->kept.len - s->used < H1_PIPELINE_BYTES;
    return s->x->held < h1_window(s);
}

static const struct pace_bounds *bounds_of(const struct h1_server *s)
{
    const struct http_limits *limits = s->engine.config.limits;

    if (s->in == H1_IN_HEAD)
        return &limits->header;
    return s->x && s->x->body_bounds ? s->x->body_bounds : &limits->body;
}

/** Only the client's half has deadlines here: what it does not take of an answer, its transport
 *  sees. */
static nsec_t server_deadline(struct http_engine *engine, nsec_t now)
{
    struct h1_server *s = server_of(engine);
    bool awaited = h1_input_awaited(s);
    uint64_t moved = s->x ? s->x->body_received : s->discarded;

    if (!awaited && !s->pace.since)
        return NSEC_NEVER;
    if (s->in == H1_IN_HEAD)
        moved = s->kept.len - s->used;
    pace_update(&s->pace, awaited, moved, now);
    return pace_deadline(&s->pace, bounds_of(s));
}

static void server_sweep(struct http_engine *engine, nsec_t now)
{
    struct h1_server *s = server_of(engine);

    if (now < server_deadline(engine, now))
        return;
    if (s->in == H1_IN_HEAD)
        h1_input_timeout(s);
    else if (s->x)
        cut(s, HTTP_END_TIMEOUT);
    else
        h1_input_stop(s);
}

static void server_cut_off(struct http_engine *engine, enum http_end end)
{
    cut(server_of(engine), end);
}

static int64_t server_buffered(const struct http_engine *engine)
{
    const struct h1_server *s = container_of(engine, const struct h1_server, engine);

    return (int64_t)(s->kept.room + (s->interim ? s->interim->room : 0));
}

/* ---- what the owner calls ---- */

static void exchange_respond(struct http_exchange *x)
{
    struct h1_server *s = x->stream;

    s->out = H1_OUT_HEAD;
    s->say_continue = false;
    http_engine_wake(&s->engine);
}

/** What does not fit is left out: the answer itself matters. */
static void add_interim(struct buffer *interim, const struct http_response *response)
{
    if (buffer_reserve(interim, h1_answer_size(response)) == 0)
        interim->len += h1_interim_write(interim->data + interim->len, response);
}

static void exchange_inform(struct http_exchange *x, int status, const struct http_fields *fields)
{
    struct h1_server *s = x->stream;

    if (status == 100) {
        if (!s->expects)
            return;
        s->say_continue = true;
    } else {
        if (!s->interim) {
            s->interim = mem_new(struct buffer);
            *s->interim = buffer_make(H1_INTERIM_MAX);
        }
        add_interim(s->interim, &(struct http_response){.status = status, .fields = *fields});
    }
    http_engine_wake(&s->engine);
}

static void exchange_resume(struct http_exchange *x)
{
    struct h1_server *s = x->stream;

    if (!s->starved)
        return;
    s->starved = false;
    http_engine_wake(&s->engine);
}

static void exchange_reset(struct http_exchange *x)
{
    struct h1_server *s = x->stream;

    cut(s, HTTP_END_SERVER);
    http_engine_wake(&s->engine);
}

static void exchange_consume(struct http_exchange *x, uint64_t bytes)
{
    struct h1_server *s = x->stream;
    uint64_t window = h1_window(s);

    if (x->held < window && x->held + bytes >= window &&
        (h1_input_is_body(s) || s->in == H1_IN_TUNNEL))
        http_engine_wake(&s->engine);
}

const struct http_exchange_ops h1_exchange_ops = {
    .respond = exchange_respond,
    .inform = exchange_inform,
    .resume = exchange_resume,
    .reset = exchange_reset,
    .consume = exchange_consume,
};

/* ---- the table ---- */

static void server_shutdown(struct http_engine *engine)
{
    struct h1_server *s = server_of(engine);

    s->ending = true;
    if (!s->x)
        h1_input_stop(s);
}

static void server_hangup(struct http_engine *engine)
{
    struct h1_server *s = server_of(engine);

    h1_input_stop(s);
    if (s->x)
        finish(s, HTTP_END_CLIENT);
}

static void server_destroy(struct http_engine *engine)
{
    struct h1_server *s = server_of(engine);

    buffer_finish(&s->kept);
    drop_interim(s);
    free(s);
}

static const struct http_engine_ops server_ops = {
    .receive = server_receive,
    .produce = server_produce,
    .wait = server_wait,
    .wants_input = server_wants_input,
    .deadline = server_deadline,
    .sweep = server_sweep,
    .shutdown = server_shutdown,
    .hangup = server_hangup,
    .cut_off = server_cut_off,
    .buffered = server_buffered,
    .destroy = server_destroy,
};

struct http_engine *h1_server_create(const struct http_engine_config *config)
{
    struct h1_server *s = mem_new(struct h1_server);

    http_engine_init(&s->engine, &server_ops, config);
    return &s->engine;
}
