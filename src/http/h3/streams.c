/* The streams of requests, and how their exchanges end. */
#include <stdlib.h>

#include "base/mem.h"
#include "http/h3/engine.h"

int h3_fail(struct h3_engine *h3, uint64_t code)
{
    if (!h3->code)
        h3->code = code;
    return ERR_PROTOCOL;
}

bool h3_count_reset(struct h3_engine *h3)
{
    uint32_t rate = h3->base.config.limits->h2_resets_per_minute;
    nsec_t step = rate ? 60 * NSEC_PER_SEC / rate : 0;

    if (h3->resets < h3->now)
        h3->resets = h3->now;
    h3->resets += step;
    return h3->resets - h3->now <= 60 * NSEC_PER_SEC;
}

struct h3_stream *h3_stream_make(struct h3_engine *h3, int64_t id)
{
    struct http_exchange *x = http_engine_take(&h3->base, &h3_exchange_ops);
    struct h3_stream *stream = mem_new(struct h3_stream);

    x->stream = stream;
    x->request.version = HTTP_3;
    x->started = h3->now;
    stream->exchange = x;
    stream->h3 = h3;
    stream->id = id;
    stream->body_left = -1;
    stream->chunks_end = &stream->chunks;
    list_init(&stream->end);
    list_append(&h3->streams, &stream->link);
    return stream;
}

struct h3_stream *h3_stream_of(struct h3_engine *h3, int64_t id)
{
    list_for_each (stream, spare, &h3->streams, struct h3_stream, link)
        if (stream->id == id)
            return stream;
    return NULL;
}

void h3_stream_release(struct h3_stream *stream, enum http_end how)
{
    struct http_exchange *x = take(stream->exchange);

    list_remove(&stream->end);
    if (!x)
        return;
    http_engine_release(&stream->h3->base, x, how, stream->announced);
}

void h3_stream_end(struct h3_stream *stream, enum http_end how)
{
    if (!list_empty(&stream->end) || !stream->exchange)
        return;
    stream->how = how;
    list_append(&stream->h3->ended, &stream->end);
}

void h3_stream_reset(struct h3_stream *stream, uint64_t code)
{
    struct h3_engine *h3 = stream->h3;

    if (stream->reset)
        return;
    stream->reset = stream->cut = true;
    if (stream->gone || h3->dead)
        return;
    nghttp3_conn_shutdown_stream_write(h3->http, stream->id);
    nghttp3_conn_shutdown_stream_read(h3->http, stream->id);
    h3->table->shut(h3->transport, stream->id, code, true);
    h3->table->shut(h3->transport, stream->id, code, false);
}

void h3_stream_lost(struct h3_stream *stream)
{
    if (!stream->exchange || stream->answered)
        return;
    stream->cut = true;
    h3_stream_end(stream, HTTP_END_CLIENT);
}

void h3_stream_free(struct h3_stream *stream)
{
    struct h3_engine *h3 = stream->h3;

    h3_stream_release(stream, stream->answered ? HTTP_END_DONE : HTTP_END_CLIENT);
    while (stream->chunks) {
        struct h3_chunk *chunk = stream->chunks;
        stream->chunks = chunk->next;
        h3->unacknowledged -= chunk->len;
        h3->chunk_bytes -= sizeof *chunk + H3_CHUNK;
        free(chunk);
    }
    if (stream->full)
        h3->full--;
    list_remove(&stream->link);
    free(stream);
}
