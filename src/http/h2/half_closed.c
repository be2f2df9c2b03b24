/* Streams whose answer is complete while the client is still sending its request (half-closed
 * (local), RFC 9113 section 5.1). Their exchange has ended; a few bytes stay until the client ends
 * the stream, has sent more than a little, or has taken too long.
 *
 * Clients are known that lose an answer when a reset is right behind it, and section 8.1 wants it
 * read. So a little more window goes after the answer: who uses that has passed the answer, and is
 * told then that nobody listens. */
#include "http/h2/cells.h"
#include "http/h2/engine.h"

struct h2_half_closed {
    struct list link;
    uint32_t id;
    int32_t window;    /**< what the client may send still */
    int64_t left;      /**< of the declared length; -1: none was declared */
    uint64_t received; /**< bytes since the answer */
    struct pace pace;
};

static struct h2_half_closed *half_of(struct h2_engine *h2, uint32_t id)
{
    list_for_each (half, next, &h2->half_closed, struct h2_half_closed, link)
        if (half->id == id)
            return half;
    return NULL;
}

static void forget(struct h2_engine *h2, struct h2_half_closed *half)
{
    list_remove(&half->link);
    h2->live--;
    h2_cells_give(http_pool_cells(h2->base.config.pool), half);
}

/** Ends it with an error code of section 7. */
static void reset(struct h2_engine *h2, struct h2_half_closed *half, uint32_t code)
{
    h2_closed_add_reset(&h2->closed, half->id, half->window);
    h2_queue_code(h2, NGHTTP2_RST_STREAM, half->id, code);
    forget(h2, half);
    if (code != NGHTTP2_NO_ERROR && h2_guard_reset(&h2->guard, h2->base.config.limits, h2->now) < 0)
        h2_calm(h2);
}

void h2_half_close(struct h2_engine *h2, struct h2_stream *stream)
{
    const struct http_exchange *x = stream->exchange;
    struct h2_half_closed *half =
        h2_cells_take(http_pool_cells(h2->base.config.pool), sizeof *half);
    int64_t length = x->request.content_length;

    *half = (struct h2_half_closed){
        .id = stream->id,
        .window = stream->window,
        .left = length < 0 || stream->cut ? -1 : length - (int64_t)x->body_received,
    };
    if (half->left < 0 || half->left >= half->window - H2_LINGER / 2) {
        half->window += H2_LINGER;
        h2_queue_code(h2, NGHTTP2_WINDOW_UPDATE, half->id, H2_LINGER);
    }
    list_append(&h2->half_closed, &half->link);
    h2->live++;
}

bool h2_half_closed_data(struct h2_engine *h2, uint32_t id)
{
    struct h2_half_closed *half = half_of(h2, id);
    const struct h2_input *in = &h2->in;
    bool ends = in->flags & NGHTTP2_FLAG_END_STREAM;

    if (!half)
        return false;
    if ((int64_t)in->length > half->window) {
        reset(h2, half, NGHTTP2_FLOW_CONTROL_ERROR);
        return true;
    }
    half->window -= (int32_t)in->length;
    half->received += in->content;
    if (half->left >= 0) {
        half->left -= in->content;
        if (half->left < 0 || (ends && half->left > 0)) { /* section 8.1.1 */
            reset(h2, half, NGHTTP2_PROTOCOL_ERROR);
            return true;
        }
    }
    if (ends)
        forget(h2, half);
    else if (half->window <= H2_LINGER / 2)
        reset(h2, half, NGHTTP2_NO_ERROR);
    return true;
}

bool h2_half_closed_trailers(struct h2_engine *h2, uint32_t id)
{
    struct h2_half_closed *half = half_of(h2, id);

    if (!half)
        return false;
    if (!(h2->in.flags & NGHTTP2_FLAG_END_STREAM) || half->left > 0)
        reset(h2, half, NGHTTP2_PROTOCOL_ERROR); /* sections 8.1 and 8.1.1 */
    else
        forget(h2, half);
    return true;
}

bool h2_half_closed_reset(struct h2_engine *h2, uint32_t id)
{
    struct h2_half_closed *half = half_of(h2, id);

    if (half)
        forget(h2, half);
    return half;
}

static nsec_t deadline_of(struct h2_engine *h2, struct h2_half_closed *half, nsec_t now)
{
    pace_update(&half->pace, true, half->received, now);
    return pace_deadline(&half->pace, &h2->base.config.limits->body);
}

nsec_t h2_half_closed_deadline(struct h2_engine *h2, nsec_t now)
{
    nsec_t first = NSEC_NEVER;

    list_for_each (half, next, &h2->half_closed, struct h2_half_closed, link) {
        nsec_t deadline = deadline_of(h2, half, now);
        if (deadline < first)
            first = deadline;
    }
    return first;
}

void h2_half_closed_sweep(struct h2_engine *h2, nsec_t now)
{
    list_for_each (half, next, &h2->half_closed, struct h2_half_closed, link)
        if (deadline_of(h2, half, now) <= now)
            reset(h2, half, NGHTTP2_NO_ERROR);
}

void h2_half_closed_forget(struct h2_engine *h2)
{
    list_for_each (half, next, &h2->half_closed, struct h2_half_closed, link)
        forget(h2, half);
}
