/* The HTTP/2 server engine: what its owner calls, its way to a good end and to a bad one.
 * Frames are taken apart in input.c, control.c and block.c; requests made in request.c; answers put
 * out in response.c and output.c; what is too much is guard.c's to say. */
#include <stdlib.h>

#include "base/mem.h"
#include "http/h2/cells.h"
#include "http/h2/engine.h"

enum {
    QUEUE_MAX = 1024,      /* frames waiting for output before input waits too */
    QUEUE_BYTES = 1 << 20, /* far more than input can bring about until then */
    WINDOW_STREAMS = 4,    /* the connection's window, in windows of a stream */
};

void h2_fail(struct h2_engine *h2, uint32_t code)
{
    if (h2->error)
        return;
    h2->error = code == NGHTTP2_ENHANCE_YOUR_CALM ? ERR_LIMIT : ERR_PROTOCOL;
    h2_queue_goaway(h2, h2->last_taken, code);
}

void h2_calm(struct h2_engine *h2)
{
    h2_fail(h2, NGHTTP2_ENHANCE_YOUR_CALM);
}

void h2_last_word(struct h2_engine *h2)
{
    h2->drain = H2_DRAIN_FINAL;
    h2_queue_goaway(h2, h2->last_taken, NGHTTP2_NO_ERROR);
}

/* ---- the table ---- */

static int h2_receive(struct http_engine *engine, struct span bytes, nsec_t now)
{
    struct h2_engine *h2 = h2_of(engine);

    if (h2->error)
        return h2->error;
    h2->now = now;
    h2->received += bytes.len;
    h2_input(h2, bytes);
    if (h2->error)
        h2_release_all(h2, HTTP_END_SERVER);
    return h2->error;
}

static ssize_t h2_produce(struct http_engine *engine, char *out, size_t cap, nsec_t now)
{
    struct h2_engine *h2 = h2_of(engine);

    h2->now = now;
    h2->out = out;
    h2->cap = cap;
    h2->used = 0;
    if (h2->kept.len)
        h2_input_continue(h2);
    h2_output(h2);
    h2->out = NULL;
    if (h2->error)
        h2_release_all(h2, HTTP_END_SERVER);
    return (ssize_t)h2->used;
}

/** What the live exchanges wait for, when there is nothing to send. */
static enum http_wait wait_of_exchanges(const struct h2_engine *h2)
{
    const struct list *head = &h2->base.exchanges;
    bool body = !list_empty(&h2->half_closed), answer = false, window = false;

    for (const struct list *at = head->next; at != head; at = at->next) {
        const struct http_exchange *x = container_of(at, struct http_exchange, link);
        const struct h2_stream *stream = x->stream;
        if (!x->responded && !stream->request_done)
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
    if (h2_has_output(h2) || h2->kept.len)
        return HTTP_WAIT_OUTPUT;
    if (h2->error || (h2->live == 0 && (h2->drain == H2_DRAIN_FINAL || h2->client_leaves)))
        return HTTP_WAIT_CLOSED;
    if (h2->in.block || !h2->settled)
        return HTTP_WAIT_HEADER;
    return wait_of_exchanges(h2);
}

static bool h2_wants_input(const struct http_engine *engine)
{
    const struct h2_engine *h2 = container_of(engine, struct h2_engine, base);

    return !h2->error && !h2->kept.len && h2->queued + h2->starting_count < QUEUE_MAX;
}

static int64_t h2_buffered(const struct http_engine *engine)
{
    const struct h2_engine *h2 = container_of(engine, const struct h2_engine, base);

    return (int64_t)(h2->kept.room + h2->queue.room);
}

static void h2_cut_off(struct http_engine *engine, enum http_end end)
{
    struct h2_engine *h2 = h2_of(engine);

    h2->error = ERR_CLOSED;
    h2_release_all(h2, end);
}

static void h2_hangup(struct http_engine *engine)
{
    h2_cut_off(engine, HTTP_END_CLIENT);
}

static void h2_destroy(struct http_engine *engine)
{
    struct h2_engine *h2 = h2_of(engine);

    nghttp2_hd_inflate_del(h2->inflater);
    h2_hpack_finish(&h2->hpack);
    buffer_finish(&h2->kept);
    buffer_finish(&h2->queue);
    free(h2);
}

static const struct http_engine_ops h2_ops = {
    .receive = h2_receive,
    .produce = h2_produce,
    .wait = h2_wait,
    .wants_input = h2_wants_input,
    .deadline = h2_deadline,
    .sweep = h2_sweep,
    .shutdown = h2_shutdown,
    .hangup = h2_hangup,
    .cut_off = h2_cut_off,
    .buffered = h2_buffered,
    .destroy = h2_destroy,
};

/* ---- birth ---- */

static void put_setting(uint8_t *at, uint16_t name, uint32_t value)
{
    at[0] = (uint8_t)(name >> 8);
    at[1] = (uint8_t)name;
    h2_set32(at + 2, value);
}

static void greet(struct h2_engine *h2)
{
    const struct http_limits *limits = h2->base.config.limits;
    uint64_t window = (uint64_t)limits->body_window * WINDOW_STREAMS;
    uint8_t settings[4 * 6];

    h2->streams_told = limits->h2_streams;
    h2->window_told = (int32_t)limits->body_window;
    put_setting(settings, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, h2->streams_told);
    put_setting(settings + 6, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, (uint32_t)h2->window_told);
    put_setting(settings + 12, NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits->header_bytes);
    put_setting(settings + 18, NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1);
    h2_queue(h2, NGHTTP2_SETTINGS, 0, 0, span_of((char *)settings, sizeof settings));
    h2->window = H2_WINDOW_FIRST;
    if (window > H2_WINDOW_FIRST) {
        h2->window = window > H2_WINDOW_MAX ? H2_WINDOW_MAX : (int32_t)window;
        h2_queue_code(h2, NGHTTP2_WINDOW_UPDATE, 0, (uint32_t)(h2->window - H2_WINDOW_FIRST));
    }
    h2->window_size = h2->window;
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

    http_engine_init(&h2->base, &h2_ops, config);
    h2->queue = buffer_make(QUEUE_BYTES);
    h2->kept = buffer_make(H2_KEPT_MAX);
    h2->send_window = h2->send_window_told = H2_WINDOW_FIRST;
    list_init(&h2->unannounced);
    list_init(&h2->half_closed);
    list_init(&h2->starting);
    list_init(&h2->doomed);
    for (unsigned i = 0; i < H2_URGENCIES; i++)
        list_init(&h2->ready[i]);
    h2_guard_init(&h2->guard);
    h2_hpack_init(&h2->hpack);
    h2->memory = (nghttp2_mem){http_pool_cells(config->pool), cells_malloc, cells_free,
                               cells_calloc, cells_realloc};
    if (nghttp2_hd_inflate_new2(&h2->inflater, &h2->memory) != 0)
        abort(); /* out of memory: nothing else can fail here */
    greet(h2);
    return &h2->base;
}
