/* Body bytes go straight to the handler. Only while protection is not through with them are they
 * held, up to `hold_max` of the question; then they stream.
 *
 * on_body → protect_body → (hold) → handler->on_body → request_consume
 * request_body_release → request_body_feed: piece by piece, the next when the one before was
 * consumed */
#include "serve/request_body.h"

#include <stdlib.h>

#include "base/mem.h"
#include "serve/hold.h"
#include "serve/server_state.h"

enum { FEED_MAX = 32 * 1024 /* bytes of one piece */ };

/* @return false when the request ended inside */
static bool call_handler(struct request *r, struct span bytes)
{
    bool gone = false, *outer = r->gone;

    r->gone = &gone;
    if (bytes.len)
        r->handler->on_body(r, bytes);
    else
        r->handler->on_request_end(r);
    if (!gone)
        r->gone = outer;
    else if (outer)
        *outer = true;
    return !gone;
}

/* The end follows the last byte. */
static void tell_end(struct request *r)
{
    if (!r->body_done || r->end_told || r->refused || !r->handler || r->held_back)
        return;
    if (r->hold && hold_waiting(r->hold))
        return;
    r->end_told = true;
    if (r->handler->on_request_end)
        (void)call_handler(r, (struct span){NULL, 0});
}

static bool to_handler(struct request *r, struct span bytes)
{
    if (r->handler->on_body && !r->refused)
        return call_handler(r, bytes);
    request_consume(r, bytes.len);
    return true;
}

void request_body_feed(struct request *r)
{
    while (!r->held_back && !r->offered && hold_waiting(r->hold)) {
        struct span piece = hold_front(r->hold, FEED_MAX);
        char *copy = mem_alloc(piece.len);
        memcpy(copy, piece.ptr, piece.len);
        r->offered = piece.len;
        hold_advance(r->hold, piece.len);
        http_charge(r->x, -(int64_t)piece.len, 0);
        bool alive = to_handler(r, span_of(copy, piece.len));
        free(copy);
        if (!alive)
            return;
    }
    tell_end(r);
}

void request_body_release(struct request *r)
{
    r->held_back = false;
    if (r->hold)
        request_body_feed(r);
    else
        tell_end(r);
}

void request_body_drop(struct request *r)
{
    if (r->refused)
        http_discard_body(r->x);
    list_remove(&r->feed);
    if (r->hold)
        http_charge(r->x, -(int64_t)hold_waiting(r->hold), 0);
    hold_destroy(take(r->hold));
    r->held_back = false;
    r->offered = 0;
}

static void feed_later(struct request *r)
{
    if (!list_empty(&r->feed))
        return;
    list_append(&r->server->feeds, &r->feed);
    loop_hurry(r->server->loop);
}

void request_consume(struct request *r, uint64_t bytes)
{
    r->offered -= bytes < r->offered ? bytes : r->offered;
    if (r->hold) {
        bytes = hold_settle(r->hold, bytes);
        if (!r->offered && !r->held_back && hold_waiting(r->hold))
            feed_later(r);
    }
    if (bytes)
        http_consume(r->x, bytes);
}

/* @return false when more came than may be held: it is refused */
static bool keep(struct request *r, struct span bytes)
{
    uint64_t credit = 0;

    if (!r->hold)
        r->hold =
            hold_create(r->question.hold_max, (size_t)r->sites->limits.h2_window + HOLD_LIMIT);
    if (hold_add(r->hold, bytes, &credit) < 0) {
        struct verdict verdict = verdict_refuse(413, "more of the body came than may be held");
        request_judge(r, &verdict);
        return false;
    }
    http_charge(r->x, (int64_t)bytes.len, 0);
    if (credit)
        http_consume(r->x, credit);
    return true;
}

/* What protection said of bytes that came, if any: they go on, or wait behind what waits. */
static void settle(struct request *r, const struct verdict *verdict, struct span bytes)
{
    if (verdict->kind == VERDICT_ANSWER || verdict->kind == VERDICT_REFUSE) {
        request_judge(r, verdict);
        return;
    }
    r->held_back = verdict->kind == VERDICT_WAIT && !r->streams;
    if (!r->held_back && !(r->hold && hold_waiting(r->hold))) {
        if (bytes.len == 0 || to_handler(r, bytes))
            tell_end(r);
        return;
    }
    if (bytes.len && !keep(r, bytes))
        return;
    if (r->hold && hold_waiting(r->hold) >= r->question.hold_max) {
        r->streams = true;
        r->held_back = false;
    }
    if (!r->held_back)
        request_body_release(r);
}

static struct verdict inspect(struct request *r, struct span bytes)
{
    if (!r->question.inspecting)
        return verdict_pass();
    r->question.now = request_now(r);
    r->question.body_done = r->body_done;
    return protect_body(r->server->protect, &r->question, bytes);
}

void request_on_body(void *owner, struct http_exchange *x, struct span bytes)
{
    struct request *r = request_of(x);

    (void)owner;
    if (!r || r->refused) {
        http_consume(x, bytes.len);
    } else if (!r->handler) { /* the header is not judged yet */
        (void)keep(r, bytes);
    } else {
        struct verdict verdict = inspect(r, bytes);
        settle(r, &verdict, bytes);
    }
}

void request_on_end(void *owner, struct http_exchange *x)
{
    const struct span nothing = {NULL, 0};
    struct request *r = request_of(x);

    (void)owner;
    if (!r || r->refused)
        return;
    r->body_done = true;
    if (!r->handler)
        return;
    struct verdict verdict = inspect(r, nothing);
    settle(r, &verdict, nothing);
}

void request_body_begin(struct request *r)
{
    const struct span nothing = {NULL, 0};

    if (!r->hold && !r->body_done)
        return;
    struct verdict verdict = inspect(r, r->hold ? hold_front(r->hold, SIZE_MAX) : nothing);
    settle(r, &verdict, nothing);
}
