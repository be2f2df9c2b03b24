/* The streams of a connection: found by their numbers, begun and ended. What they carry is
 * request.c's and response.c's. */
#include "http/h2/engine.h"

enum { FIELDS_USUAL = 16 };

static struct h2_stream **bucket_of(struct h2_engine *h2, uint32_t id)
{
    return &h2->buckets[id / 2 % H2_BUCKETS];
}

struct h2_stream *h2_stream_of(struct h2_engine *h2, uint32_t id)
{
    struct h2_stream *at = *bucket_of(h2, id);

    while (at && at->id != id)
        at = at->next;
    return at;
}

static void forget(struct h2_engine *h2, struct h2_stream *stream)
{
    struct h2_stream **at = bucket_of(h2, stream->id);

    while (*at != stream)
        at = &(*at)->next;
    *at = stream->next;
}

struct h2_stream *h2_stream_make(struct h2_engine *h2, uint32_t id)
{
    struct http_exchange *x = http_engine_take(&h2->base, &h2_exchange_ops);
    struct h2_stream *stream = arena_alloc(&x->arena, sizeof *stream);
    struct h2_stream **bucket = bucket_of(h2, id);

    if (!stream) {
        http_engine_release(&h2->base, x, HTTP_END_SERVER, false);
        return NULL;
    }
    *stream = (struct h2_stream){
        .exchange = x,
        .h2 = h2,
        .id = id,
        .next = *bucket,
        .window = h2->acknowledged ? h2->window_told : H2_WINDOW_FIRST,
        .send_window = h2->send_window_told,
        .priority = {.urgency = 3},
    };
    *bucket = stream;
    list_init(&stream->turn);
    x->stream = stream;
    x->started = h2->now;
    x->request.version = HTTP_2;
    x->request.fields.items =
        arena_alloc(&x->arena, FIELDS_USUAL * sizeof *x->request.fields.items);
    x->request.fields.room = x->request.fields.items ? FIELDS_USUAL : 0;
    list_append(&h2->unannounced, &x->link);
    h2->live++;
    return stream;
}

/** Resets that the client's own doing brought about, or may have. */
static bool is_clients_fault(uint32_t code)
{
    return code != NGHTTP2_NO_ERROR && code != NGHTTP2_INTERNAL_ERROR && code != NGHTTP2_CANCEL;
}

void h2_stream_reset(struct h2_engine *h2, struct h2_stream *stream, uint32_t code)
{
    if (stream->reset || h2->error)
        return;
    stream->reset = true;
    h2_closed_add_reset(&h2->closed, stream->id, stream->request_done ? 0 : stream->window);
    h2_take_out(h2, stream);
    list_append(&h2->doomed, &stream->turn);
    if (h2->opening == stream)
        h2->opening = NULL;
    h2_queue_code(h2, NGHTTP2_RST_STREAM, stream->id, code);
    if (is_clients_fault(code) && h2_guard_reset(&h2->guard, h2->base.config.limits, h2->now) < 0)
        h2_calm(h2);
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
    forget(h2, stream);
    h2_take_out(h2, stream);
    h2->live--;
    http_engine_release(&h2->base, x, end, stream->announced);
}

void h2_close(struct h2_engine *h2, struct h2_stream *stream)
{
    enum http_end end = HTTP_END_SERVER;

    if (stream->answered)
        end = HTTP_END_DONE;
    else if (stream->left)
        end = HTTP_END_CLIENT;
    h2_release(h2, stream, end);
}

static void release_list(struct h2_engine *h2, struct list *list, enum http_end end)
{
    while (!list_empty(list)) {
        struct http_exchange *x = list_first(list, struct http_exchange, link);
        h2_release(h2, x->stream, end);
    }
}

void h2_release_all(struct h2_engine *h2, enum http_end end)
{
    release_list(h2, &h2->base.exchanges, end);
    release_list(h2, &h2->unannounced, end);
    h2_half_closed_forget(h2);
}
