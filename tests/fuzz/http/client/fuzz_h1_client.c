/* The HTTP/1.1 client: answers in any pieces lead to the same events; every call ends once; a body
 * is as long as was declared; a connection that is free again has seen a whole answer. */
#include <errno.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/error.h"
#include "http/client/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    struct http_call call;
    struct buffer events;
    uint64_t body;
    unsigned ends;
    int error;
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static struct outcome *outcome_of(struct http_call *call)
{
    return container_of(call, struct outcome, call);
}

static void note(struct outcome *o, int status, const struct http_fields *fields)
{
    require(status >= 100 && status < 600 && o->ends == 0);
    require(buffer_printf(&o->events, "%d\n", status) == 0);
    for (unsigned i = 0; i < fields->count; i++) {
        struct span name = fields->items[i].name, value = fields->items[i].value;
        require(name.len > 0 && !memchr(name.ptr, ':', name.len));
        require(value.len == 0 ||
                (!memchr(value.ptr, '\r', value.len) && !memchr(value.ptr, '\n', value.len) &&
                 !memchr(value.ptr, '\0', value.len)));
        require(buffer_add(&o->events, name) == 0 && buffer_add(&o->events, value) == 0);
    }
}

static void on_inform(struct http_call *call, int status, const struct http_fields *fields)
{
    require(!call->answered && status < 200 && status > 101);
    note(outcome_of(call), status, fields);
}

static void on_answer(struct http_call *call)
{
    note(outcome_of(call), call->answer.status, &call->answer.fields);
}

static void on_body(struct http_call *call, struct span bytes)
{
    struct outcome *o = outcome_of(call);

    require(call->answered && call->answer.has_body && bytes.len > 0);
    o->body += bytes.len;
    require(buffer_add(&o->events, bytes) == 0);
    http_call_consume(call, bytes.len);
}

static void on_end(struct http_call *call, int error)
{
    struct outcome *o = outcome_of(call);

    o->ends++;
    o->error = error;
    require(error == 0 || call->reason);
    if (error == 0 && call->answer.has_body && call->answer.content_length >= 0)
        require(o->body == (uint64_t)call->answer.content_length);
}

static struct outcome run(struct span bytes, size_t step, uint8_t mode, bool *ret_free)
{
    static const struct http_client_limits limits = {4096, 20};
    static const struct http_call_events events = {on_inform, on_answer, on_body, on_end};
    static const struct http_fields none = {0};
    struct http_client *client = h1_client_create(&limits);
    struct outcome o = {.events = buffer_make(1 << 20)};
    struct arena arena;
    char out[16384];

    arena_init(&arena, NULL, 0, 1 << 20);
    o.call = (struct http_call){
        .events = &events,
        .method = mode & 1 ? SPAN("HEAD") : SPAN("GET"),
        .target = SPAN("/"),
        .authority = SPAN("a"),
        .fields = &none,
        .content_length = -1,
        .upgrade = mode & 2 ? SPAN("websocket") : (struct span){0},
        .arena = &arena,
        .window = 65536,
    };
    http_client_call(client, &o.call);
    require(http_client_produce(client, out, sizeof out) > 0);
    int r = 0;
    for (size_t at = 0; at < bytes.len && r == 0; at += step) {
        size_t len = bytes.len - at < step ? bytes.len - at : step;
        require(o.ends == 0 || o.error == 0);
        r = http_client_receive(client, span_of(bytes.ptr + at, len));
        require(r == 0 || http_client_is_over(client));
    }
    if (r == 0 && !http_client_is_free(client))
        http_client_eof(client, !(mode & 4));
    *ret_free = http_client_is_free(client);
    require(o.ends == 1 && o.call.client == NULL);
    require(!*ret_free || o.error == 0);
    http_client_destroy(client);
    require(o.ends == 1);
    arena_reset(&arena, NULL, 0);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool whole_free, split_free;

    if (size < 2 || size > 8192)
        return 0;
    struct span bytes = span_of((const char *)data + 2, size - 2);
    struct outcome whole = run(bytes, bytes.len + 1, data[0], &whole_free);
    struct outcome split = run(bytes, (size_t)data[1] % 40 + 1, data[0], &split_free);
    require(whole.error == split.error && whole_free == split_free);
    require(span_equal(buffer_span(&whole.events), buffer_span(&split.events)));
    buffer_finish(&whole.events);
    buffer_finish(&split.events);
    return 0;
}
