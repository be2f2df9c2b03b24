/* The HTTP/2 server engine: an nghttp2 session in memory, its limits, its way to a good end. What a
 * request is stands in request.c, what an answer is in response.c, what is too much in guard.c. */
#include <stdlib.h>

#include "base/mem.h"
#include "http/h2/cells.h"
#include "http/h2/engine.h"

enum {
    ACKS_MAX = 256,     /* SETTINGS and PING answers that may wait for output */
    ENTRIES_MAX = 32,   /* of one SETTINGS frame */
    QUEUE_MAX = 1024,   /* frames waiting for output before input waits too */
    WINDOW_STREAMS = 4, /* the connection's window, in windows of a stream */
};

/** Payload of the PING whose answer says that the client has seen our GOAWAY. */
static const uint8_t drain_ping[8] = "draining";

void h2_calm(struct h2_engine *h2)
{
    if (h2->error)
        return;
    h2->error = ERR_LIMIT;
    nghttp2_session_terminate_session(h2->session, NGHTTP2_ENHANCE_YOUR_CALM);
}

void h2_reset_stream(struct h2_engine *h2, int32_t id, uint32_t code)
{
    if (nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, id, code) != 0)
        h2_calm(h2); /* out of memory: nothing can be promised about this connection */
}

void h2_release(struct h2_engine *h2, struct h2_stream *stream, enum http_end end)
{
    struct http_exchange *x = stream->exchange;

    if (h2->opening == stream)
        h2->opening = NULL;
    if (h2->current == stream)
        h2->current = NULL;
    if (h2->sending == stream)
        h2->sending = NULL;
    list_remove(&x->link);
    h2->live--;
    if (x->body && x->body->close)
        x->body->close(x->body);
    x->body = NULL;
    if (stream->announced && h2->base.config.events->on_close)
        h2->base.config.events->on_close(h2->base.config.owner, x, end);
    http_exchange_give(h2->base.config.pool, x);
}

/** Ends an exchange whose stream nghttp2 still knows. */
static void drop(struct h2_engine *h2, struct http_exchange *x, enum http_end end)
{
    struct h2_stream *stream = x->stream;

    nghttp2_session_set_stream_user_data(h2->session, stream->id, NULL);
    h2_release(h2, stream, end);
}

static void drop_all(struct h2_engine *h2, enum http_end end)
{
    while (!list_empty(&h2->base.exchanges))
        drop(h2, list_first(&h2->base.exchanges, struct http_exchange, link), end);
    while (!list_empty(&h2->unannounced))
        drop(h2, list_first(&h2->unannounced, struct http_exchange, link), end);
}

/* ---- what nghttp2 tells, beside request.c and response.c ---- */

static int on_data_frame(struct h2_engine *h2, const nghttp2_frame *frame)
{
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
        struct h2_stream *stream = h2_stream_of(h2, frame->hd.stream_id);
        if (stream)
            h2_on_request_end(h2, stream);
        return 0;
    }
    if (frame->hd.length > 0 && frame->data.padlen == frame->hd.length &&
        h2_guard_empty(&h2->guard, h2->base.config.limits, h2->now) < 0) {
        h2_calm(h2);
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    return 0;
}

/** The client has seen the notice: whatever it sends from now on, it sends knowingly. */
static int on_ping(struct h2_engine *h2, const nghttp2_frame *frame)
{
    if (!(frame->hd.flags & NGHTTP2_FLAG_ACK) || h2->drain != H2_DRAIN_NOTICE ||
        memcmp(frame->ping.opaque_data, drain_ping, sizeof drain_ping) != 0)
        return 0;
    h2->drain = H2_DRAIN_FINAL;
    return nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
                                 nghttp2_session_get_last_proc_stream_id(h2->session),
                                 NGHTTP2_NO_ERROR, NULL, 0);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2_engine *h2 = user;
    struct h2_stream *stream;

    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        return h2_on_headers(h2, frame);
    case NGHTTP2_DATA:
        return on_data_frame(h2, frame);
    case NGHTTP2_PING:
        return on_ping(h2, frame);
    case NGHTTP2_RST_STREAM:
        stream = h2_stream_of(h2, frame->hd.stream_id);
        if (stream)
            stream->left = true;
        return 0;
    default:
        return 0;
    }
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    struct h2_engine *h2 = user;
    struct h2_stream *stream = h2_stream_of(h2, id);
    enum http_end end = HTTP_END_SERVER;

    if (!stream)
        return 0;
    if (stream->answered && !stream->cut)
        end = HTTP_END_DONE;
    else if (stream->left)
        end = HTTP_END_CLIENT;
    h2_release(h2, stream, end);
    return 0;
}

/* ---- the table ---- */

/** What an error of nghttp2 means for the connection. */
static void fail(struct h2_engine *h2, ssize_t error)
{
    bool flood = error == NGHTTP2_ERR_FLOODED;

#ifdef HAVE_NGHTTP2_MAX_CONTINUATIONS
    flood = flood || error == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS;
#endif
    if (h2->error)
        return;
    h2->error = flood ? ERR_LIMIT : ERR_PROTOCOL;
    nghttp2_session_terminate_session(h2->session,
                                      flood ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
}

static int h2_receive(struct http_engine *engine, struct span bytes, nsec_t now)
{
    struct h2_engine *h2 = h2_of(engine);

    if (h2->error)
        return h2->error;
    h2->now = now;
    if (h2_guard_watch(&h2->guard, bytes, engine->config.limits, now) < 0) {
        h2_calm(h2);
    } else {
        ssize_t used = nghttp2_session_mem_recv(h2->session, (const uint8_t *)bytes.ptr, bytes.len);
        if (used < 0)
            fail(h2, used);
    }
    if (h2->error)
        drop_all(h2, HTTP_END_SERVER);
    return h2->error;
}

static ssize_t h2_produce(struct http_engine *engine, char *out, size_t cap, nsec_t now)
{
    struct h2_engine *h2 = h2_of(engine);

    h2->now = now;
    h2->out = out;
    h2->cap = cap;
    h2->used = 0;
    int r = nghttp2_session_send(h2->session);
    h2->out = NULL;
    if (r != 0)
        fail(h2, r);
    if (h2->error)
        drop_all(h2, HTTP_END_SERVER);
    if (r != 0 && h2->used == 0)
        return h2->error;
    return (ssize_t)h2->used;
}

/** What the live exchanges wait for, when there is nothing to send. */
static enum http_wait wait_of_exchanges(const struct h2_engine *h2)
{
    const struct list *head = &h2->base.exchanges;
    bool body = false, answer = false, window = false;

    for (const struct list *at = head->next; at != head; at = at->next) {
        const struct http_exchange *x = container_of(at, struct http_exchange, link);
        const struct h2_stream *stream = x->stream;
        if (stream->answered || (!x->responded && !stream->request_done))
            body = true;
        else if (x->responded && !stream->deferred)
            window = true;
        else
            answer = true;
    }
    if (body) /* the client's turn, whatever else is under way */
        return HTTP_WAIT_BODY;
    if (answer)
        return HTTP_WAIT_ANSWER;
    return window ? HTTP_WAIT_WINDOW : HTTP_WAIT_IDLE;
}

static enum http_wait h2_wait(const struct http_engine *engine)
{
    const struct h2_engine *h2 = container_of(engine, struct h2_engine, base);

    if (h2->error == ERR_CLOSED)
        return HTTP_WAIT_CLOSED;
    if (nghttp2_session_want_write(h2->session))
        return HTTP_WAIT_OUTPUT;
    if (h2->error || !nghttp2_session_want_read(h2->session))
        return HTTP_WAIT_CLOSED;
    if (h2->opening || !h2->guard.settled)
        return HTTP_WAIT_HEADER;
    return wait_of_exchanges(h2);
}

static bool h2_wants_input(const struct http_engine *engine)
{
    const struct h2_engine *h2 = container_of(engine, struct h2_engine, base);

    return !h2->error && nghttp2_session_get_outbound_queue_size(h2->session) < QUEUE_MAX;
}

/* Whether a stream's own window keeps its answer back. */
static bool is_held(struct h2_engine *h2, const struct h2_stream *stream)
{
    const struct http_exchange *x = stream->exchange;

    return x->responded && x->body && !stream->answered && !stream->deferred &&
           nghttp2_session_get_stream_remote_window_size(h2->session, stream->id) <= 0;
}

/* @return false when the answer has been kept back for too long */
static bool may_stay(struct h2_engine *h2, struct h2_stream *stream, nsec_t now, nsec_t patience,
                     uint64_t rate)
{
    uint64_t sent = stream->exchange->body_sent;
    bool held = is_held(h2, stream);
    nsec_t time = now - stream->held_since;

    if (held && stream->held_since &&
        sent - stream->held_sent <= rate * (uint64_t)(time / NSEC_PER_SEC))
        return time < patience;
    stream->held_since = held ? now : 0;
    stream->held_sent = sent;
    return true;
}

static void h2_sweep(struct http_engine *engine, nsec_t now, nsec_t patience, uint64_t rate)
{
    struct h2_engine *h2 = h2_of(engine);

    list_for_each (x, next, &engine->exchanges, struct http_exchange, link) {
        struct h2_stream *stream = x->stream;
        if (may_stay(h2, stream, now, patience, rate))
            continue;
        h2_reset_stream(h2, stream->id, NGHTTP2_CANCEL);
        drop(h2, x, HTTP_END_SERVER);
    }
}

static void h2_reset(struct http_engine *engine, struct http_exchange *x)
{
    struct h2_engine *h2 = h2_of(engine);
    struct h2_stream *stream = x->stream;

    h2_reset_stream(h2, stream->id, NGHTTP2_INTERNAL_ERROR);
    drop(h2, x, HTTP_END_SERVER);
}

void h2_shutdown(struct http_engine *engine)
{
    struct h2_engine *h2 = h2_of(engine);

    if (h2->drain != H2_DRAIN_NONE || h2->error)
        return;
    h2->drain = H2_DRAIN_NOTICE;
    if (nghttp2_submit_shutdown_notice(h2->session) != 0 ||
        nghttp2_submit_ping(h2->session, NGHTTP2_FLAG_NONE, drain_ping) != 0)
        h2_calm(h2);
}

static void h2_hangup(struct http_engine *engine)
{
    struct h2_engine *h2 = h2_of(engine);

    h2->error = ERR_CLOSED;
    drop_all(h2, HTTP_END_CLIENT);
}

static void h2_destroy(struct http_engine *engine)
{
    struct h2_engine *h2 = h2_of(engine);

    nghttp2_session_del(h2->session);
    free(h2);
}

static const struct http_engine_ops h2_ops = {
    .receive = h2_receive,
    .produce = h2_produce,
    .wait = h2_wait,
    .wants_input = h2_wants_input,
    .respond = h2_respond,
    .inform = h2_inform,
    .resume = h2_resume,
    .reset = h2_reset,
    .sweep = h2_sweep,
    .shutdown = h2_shutdown,
    .hangup = h2_hangup,
    .destroy = h2_destroy,
};

/* ---- birth ---- */

/** Our own counts come first; nghttp2's stand behind them where ours cannot see. */
static nghttp2_option *make_options(const struct http_limits *limits)
{
    nghttp2_option *options = NULL;

    if (nghttp2_option_new(&options) != 0)
        return NULL;
    nghttp2_option_set_no_closed_streams(options, 1);
    nghttp2_option_set_builtin_recv_extension_type(options, NGHTTP2_PRIORITY_UPDATE);
    nghttp2_option_set_max_outbound_ack(options, ACKS_MAX);
    nghttp2_option_set_max_settings(options, ENTRIES_MAX);
#ifdef HAVE_NGHTTP2_STREAM_RESET_RATE_LIMIT
    nghttp2_option_set_stream_reset_rate_limit(options, UINT64_MAX, UINT64_MAX);
#endif
#ifdef HAVE_NGHTTP2_MAX_CONTINUATIONS
    /* nghttp2 counts each piece in which a frame header arrives */
    nghttp2_option_set_max_continuations(options, 10 * ((size_t)limits->h2_continuations + 1));
#endif
    return options;
}

static nghttp2_session_callbacks *make_callbacks(void)
{
    nghttp2_session_callbacks *callbacks = NULL;

    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        return NULL;
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    h2_request_callbacks(callbacks);
    h2_response_callbacks(callbacks);
    return callbacks;
}

static int greet(struct h2_engine *h2)
{
    const struct http_limits *limits = h2->base.config.limits;
    uint64_t window = (uint64_t)limits->h2_window_bytes * WINDOW_STREAMS;
    nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits->h2_streams},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits->h2_window_bytes},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits->header_bytes},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    int r = nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, entries, ARRAY_SIZE(entries));

    if (r != 0)
        return r;
    return nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0,
                                                 window > INT32_MAX ? INT32_MAX : (int32_t)window);
}

static void *cells_malloc(size_t size, void *user)
{
    return h2_cells_take(user, size);
}

static void cells_free(void *piece, void *user)
{
    h2_cells_give(user, piece);
}

static void *cells_calloc(size_t count, size_t size, void *user)
{
    size_t total;

    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    return memset(h2_cells_take(user, total), 0, total);
}

static void *cells_realloc(void *piece, size_t size, void *user)
{
    return h2_cells_resize(user, piece, size);
}

struct http_engine *h2_server_create(const struct http_engine_config *config)
{
    struct h2_engine *h2 = mem_new(struct h2_engine);
    nghttp2_session_callbacks *callbacks = make_callbacks();
    nghttp2_option *options = make_options(config->limits);
    nghttp2_mem mem = {http_pool_cells(config->pool), cells_malloc, cells_free, cells_calloc,
                       cells_realloc};

    h2->base = (struct http_engine){.ops = &h2_ops, .config = *config};
    list_init(&h2->base.exchanges);
    list_init(&h2->unannounced);
    h2_guard_init(&h2->guard);
    if (!callbacks || !options ||
        nghttp2_session_server_new3(&h2->session, callbacks, h2, options, &mem) != 0 ||
        greet(h2) != 0)
        abort(); /* out of memory: nothing else can fail here */
    nghttp2_option_del(options);
    nghttp2_session_callbacks_del(callbacks);
    return &h2->base;
}
