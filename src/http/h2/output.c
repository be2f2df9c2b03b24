/* Decides what goes next: queued frames, then headers, then DATA by urgency (RFC 9218 section 10).
 * Each call puts out whole frames only. */
#include "http/h2/engine.h"

enum { WORD_MAX = 8 /* payload of the frames that an error or a window brings about */ };

void h2_put_frame(void *at, size_t length, uint8_t type, uint8_t flags, uint32_t id)
{
    uint8_t *header = at;

    h2_set32(header, (uint32_t)length << 8 | type);
    header[4] = flags;
    h2_set32(header + 5, id);
}

/* ---- the queue ---- */

void h2_queue(struct h2_engine *h2, uint8_t type, uint8_t flags, uint32_t id, struct span payload)
{
    uint8_t header[H2_FRAME_HEADER];

    h2_put_frame(header, payload.len, type, flags, id);
    if (buffer_reserve(&h2->queue, sizeof header + payload.len) < 0 ||
        buffer_append(&h2->queue, header, sizeof header) < 0 || buffer_add(&h2->queue, payload) < 0)
        h2->error = ERR_LIMIT; /* input should have waited long ago */
    h2->queued++;
}

void h2_queue_code(struct h2_engine *h2, uint8_t type, uint32_t id, uint32_t code)
{
    uint8_t payload[4];

    h2_set32(payload, code);
    h2_queue(h2, type, 0, id, span_of((char *)payload, sizeof payload));
}

void h2_queue_goaway(struct h2_engine *h2, uint32_t last, uint32_t code)
{
    uint8_t payload[WORD_MAX];

    h2_set32(payload, last);
    h2_set32(payload + 4, code);
    h2_queue(h2, NGHTTP2_GOAWAY, 0, 0, span_of((char *)payload, sizeof payload));
}

/** How much of the queue goes into `room`, cut between frames. */
static size_t whole_frames(struct span queue, size_t room)
{
    size_t len = 0;

    if (queue.len <= room)
        return queue.len;
    for (;;) {
        const uint8_t *frame = (const uint8_t *)queue.ptr + len;
        size_t size = H2_FRAME_HEADER + (h2_get32(frame) >> 8);
        if (size > room - len)
            return len;
        len += size;
    }
}

/** @return false while some of it stays */
static bool flush_queue(struct h2_engine *h2)
{
    size_t len = whole_frames(buffer_span(&h2->queue), h2->cap - h2->used);

    if (len) {
        memcpy(h2->out + h2->used, h2->queue.data, len);
        h2->used += len;
    }
    if (len < h2->queue.len) {
        buffer_consume(&h2->queue, len);
        return false;
    }
    if (h2->queue.room)
        buffer_finish(&h2->queue);
    h2->queued = 0;
    h2->acks = 0;
    return true;
}

/* ---- turns ---- */

void h2_take_out(struct h2_engine *h2, struct h2_stream *stream)
{
    if (stream->starting) {
        stream->starting = false;
        h2->starting_count--;
    }
    list_remove(&stream->turn);
}

void h2_make_starting(struct h2_engine *h2, struct h2_stream *stream)
{
    h2_take_out(h2, stream);
    stream->starting = true;
    h2->starting_count++;
    list_append(&h2->starting, &stream->turn);
}

void h2_make_ready(struct h2_engine *h2, struct h2_stream *stream)
{
    bool idle = !stream->begun || stream->ending || stream->answered || stream->deferred ||
                stream->reset || stream->send_window <= 0;

    if (idle)
        return;
    list_remove(&stream->turn);
    list_append(&h2->ready[stream->priority.urgency], &stream->turn);
}

/** The stream whose turn it is to send DATA, or NULL. */
static struct h2_stream *next_ready(const struct h2_engine *h2)
{
    if (h2->send_window <= 0)
        return NULL;
    for (unsigned i = 0; i < H2_URGENCIES; i++)
        if (!list_empty(&h2->ready[i]))
            return list_first(&h2->ready[i], struct h2_stream, turn);
    return NULL;
}

bool h2_has_output(const struct h2_engine *h2)
{
    if (h2->queue.len || h2->error)
        return h2->queue.len > 0;
    return !list_empty(&h2->starting) || !list_empty(&h2->doomed) || next_ready(h2);
}

static void bury(struct h2_engine *h2)
{
    while (!list_empty(&h2->doomed))
        h2_close(h2, list_first(&h2->doomed, struct h2_stream, turn));
}

/** One pass over what waits. @return false when the output is full */
static bool put_out(struct h2_engine *h2)
{
    struct h2_stream *stream;

    if (!flush_queue(h2))
        return false;
    while (!h2->error && !list_empty(&h2->starting)) {
        if (!h2_put_head(h2, list_first(&h2->starting, struct h2_stream, turn)))
            return false;
        if (h2->queue.len && !flush_queue(h2))
            return false;
    }
    while (!h2->error && !h2->queue.len && list_empty(&h2->starting) && (stream = next_ready(h2)))
        if (!h2_put_data(h2, stream))
            return false;
    bury(h2);
    return true;
}

void h2_output(struct h2_engine *h2)
{
    while (put_out(h2) && h2_has_output(h2))
        ;
    bury(h2);
}
