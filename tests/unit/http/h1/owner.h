/* An owner for HTTP/1 engines under test: answers as it was told, and writes down what it hears.
 * The unit tests and the engine's fuzzer share it. */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "http/http.h"
#include "http/pool.h"
#include "http/server.h"

struct owner {
    struct http_limits limits;
    struct http_pool *pool;
    struct http_engine *engine;
    struct buffer heard; /**< one line an event; body bytes are put together */
    struct buffer sent;  /**< all output */
    struct buffer heads; /**< a byte for each request: 'H' if it was HEAD, else '-' */
    bool cut;            /**< http_produce() or http_receive() failed */

    int status;       /**< of answers; 0: the test answers itself */
    bool at_end;      /**< answer when the request is complete */
    const char *body; /**< NULL: none */
    int64_t length;   /**< declared */
    size_t piece;     /**< most bytes of one read */
    bool starves;     /**< -EAGAIN before each piece */
    bool fails;       /**< an error instead of the end */
    bool keeps;       /**< consumes no body by itself */
    bool drops;       /**< streams no body */
    bool tunnels;     /**< answers 101 where it may */
    int refused;      /**< what it answers a refused body with; 0: leaves that to the engine */
    nsec_t now;
    unsigned wakes;
    const struct http_fields *trailers;
    struct http_exchange *x; /**< the one asked last, until it closes */
    struct http_exchange *starving;
    unsigned asked, closed, bodies_opened, bodies_closed;
};

struct owner_body {
    struct http_body body;
    struct owner *owner;
    struct http_exchange *x;
    size_t at;
    bool ready;
};

static inline void owner_put(struct buffer *buffer, struct span text)
{
    if (buffer_add(buffer, text) < 0)
        abort();
}

static inline void owner_note(struct owner *o, struct span text)
{
    owner_put(&o->heard, text);
}

static inline ssize_t owner_read(struct http_body *base, char *out, size_t cap)
{
    struct owner_body *body = container_of(base, struct owner_body, body);
    struct owner *o = body->owner;
    size_t left = strlen(o->body) - body->at;

    if (o->starves && !body->ready) {
        body->ready = true;
        o->starving = body->x;
        return -EAGAIN;
    }
    body->ready = false;
    if (left == 0)
        return o->fails ? -EIO : 0;
    size_t part = left < cap ? left : cap;
    if (o->piece && part > o->piece)
        part = o->piece;
    memcpy(out, o->body + body->at, part);
    body->at += part;
    return (ssize_t)part;
}

static inline void owner_close_body(struct http_body *base)
{
    container_of(base, struct owner_body, body)->owner->bodies_closed++;
}

static inline void owner_answer(struct owner *o, struct http_exchange *x, int status)
{
    struct http_response response = {.status = status, .content_length = o->length};
    struct owner_body *body = NULL;

    if (http_add(&x->arena, &response.fields, SPAN("x-test"), SPAN("yes")) < 0)
        abort();
    if (o->body) {
        body = arena_alloc(&x->arena, sizeof *body);
        if (!body)
            abort();
        *body = (struct owner_body){
            .body = {.read = owner_read, .close = owner_close_body, .trailers = o->trailers},
            .owner = o,
            .x = x};
        o->bodies_opened++;
    }
    http_respond(x, &response, body ? &body->body : NULL);
}

static inline void owner_on_request(void *owner, struct http_exchange *x)
{
    struct owner *o = owner;
    const struct http_request *r = &x->request;
    char line[512];

    o->x = x;
    o->asked++;
    owner_put(&o->heads, r->method == HTTP_HEAD ? SPAN("H") : SPAN("-"));
    int n =
        snprintf(line, sizeof line, "[%.*s %.*s v%d host=%.*s path=%.*s query=%.*s n=%u len=%d",
                 SPAN_ARGS(r->method_text), SPAN_ARGS(r->target), r->version, SPAN_ARGS(r->host),
                 SPAN_ARGS(r->path), SPAN_ARGS(r->query), r->fields.count, (int)r->content_length);
    owner_note(o, span_of(line, n < (int)sizeof line ? (size_t)n : sizeof line - 1));
    if (r->refusal) {
        n = snprintf(line, sizeof line, " REFUSED %d %s", r->refusal, r->refusal_reason);
        owner_note(o, span_of(line, (size_t)n));
    }
    owner_note(o, SPAN("]"));
    if (!o->drops)
        http_stream_body(x);
    http_inform(x, 100, NULL);
    if (r->refusal)
        owner_answer(o, x, r->refusal);
    else if (o->tunnels && r->upgrade.len)
        owner_answer(o, x, 101);
    else if (o->status && !o->at_end)
        owner_answer(o, x, o->status);
}

static inline void owner_on_body(void *owner, struct http_exchange *x, struct span bytes)
{
    struct owner *o = owner;

    owner_note(o, bytes);
    if (!o->keeps)
        http_consume(x, bytes.len);
}

static inline void owner_on_tunnel(void *owner, struct http_exchange *x, struct span bytes)
{
    struct owner *o = owner;

    owner_note(o, SPAN("{"));
    owner_note(o, bytes);
    owner_note(o, SPAN("}"));
    if (!o->keeps)
        http_consume(x, bytes.len);
}

static inline void owner_on_refusal(void *owner, struct http_exchange *x)
{
    struct owner *o = owner;
    char line[128];
    int n = snprintf(line, sizeof line, "(refused %d %s)", x->request.refusal,
                     x->request.refusal_reason);

    owner_note(o, span_of(line, (size_t)n));
    if (o->refused)
        owner_answer(o, x, o->refused);
}

static inline void owner_on_wake(void *owner)
{
    ((struct owner *)owner)->wakes++;
}

static inline void owner_on_request_end(void *owner, struct http_exchange *x)
{
    struct owner *o = owner;

    for (unsigned i = 0; i < x->request.trailers.count; i++) {
        owner_note(o, SPAN("<"));
        owner_note(o, x->request.trailers.items[i].name);
        owner_note(o, SPAN("="));
        owner_note(o, x->request.trailers.items[i].value);
        owner_note(o, SPAN(">"));
    }
    owner_note(o, SPAN("(end)"));
    if (o->status && o->at_end && !x->responded)
        owner_answer(o, x, o->status);
}

static inline void owner_on_close(void *owner, struct http_exchange *x, enum http_end end)
{
    static const char *const names[] = {"(done)", "(client)", "(server)", "(timeout)"};
    struct owner *o = owner;

    o->closed++;
    if (o->starving == x)
        o->starving = NULL;
    if (o->x == x)
        o->x = NULL;
    owner_note(o, span_str(names[end]));
}

static const struct http_events owner_events = {.on_request = owner_on_request,
                                                .on_body = owner_on_body,
                                                .on_refusal = owner_on_refusal,
                                                .on_request_end = owner_on_request_end,
                                                .on_tunnel = owner_on_tunnel,
                                                .on_close = owner_on_close,
                                                .on_wake = owner_on_wake};

static inline void owner_begin(struct owner *o)
{
    *o = (struct owner){.status = 200, .length = -1, .now = NSEC_PER_SEC};
    o->limits = (struct http_limits){
        .header_bytes = 2048, .header_count = 20, .uri_bytes = 256, .body_bytes = 1 << 20};
    o->heard = buffer_make(64 << 20);
    o->sent = buffer_make(64 << 20);
    o->heads = buffer_make(64 << 20);
    o->pool = http_pool_create(64 << 10);
    struct http_engine_config config = {
        .events = &owner_events,
        .owner = o,
        .limits = &o->limits,
        .pool = o->pool,
        .date = "Tue, 11 Jun 2024 10:00:00 GMT",
        .secure = true,
    };
    o->engine = h1_server_create(&config);
}

static inline void owner_finish(struct owner *o)
{
    http_engine_destroy(o->engine);
    http_pool_destroy(o->pool);
    if (o->asked != o->closed || o->bodies_opened != o->bodies_closed)
        abort();
    buffer_finish(&o->heard);
    buffer_finish(&o->sent);
    buffer_finish(&o->heads);
}

/** Takes all output that there is, feeding starving bodies. */
static inline void owner_pump(struct owner *o)
{
    scoped(mem_release) char *out = mem_alloc(32 << 10); /* exact, so that ASan sees overruns */

    while (!o->cut) {
        if (o->starving)
            http_resume(take(o->starving));
        if (http_wait(o->engine) != HTTP_WAIT_OUTPUT)
            return;
        ssize_t n = http_produce(o->engine, out, 32 << 10, o->now);
        if (n < 0)
            o->cut = true;
        else if (buffer_append(&o->sent, out, (size_t)n) < 0)
            abort();
    }
}

static inline void owner_feed(struct owner *o, struct span bytes)
{
    char *copy = mem_alloc(bytes.len + 1); /* exact in front, gone afterwards: ASan sees keepers */

    if (bytes.len)
        memcpy(copy + 1, bytes.ptr, bytes.len);
    if (!o->cut && http_receive(o->engine, span_of(copy + 1, bytes.len), o->now) < 0)
        o->cut = true;
    free(copy);
    owner_pump(o);
}

/** Feeds `step` bytes at a time. */
static inline void owner_feed_by(struct owner *o, struct span bytes, size_t step)
{
    for (size_t at = 0; at < bytes.len; at += step)
        owner_feed(o, span_of(bytes.ptr + at, bytes.len - at < step ? bytes.len - at : step));
}
