/* What the fuzzers of the HTTP/2 engine put above it. Inventing the bytes is theirs. */
#include "owner.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#include "base/mem.h"

struct owned_body {
    struct http_body body;
    struct owner *owner;
    uint64_t left;
    uint8_t mood;
};

static uint64_t next(struct owner *owner)
{
    owner->seed = owner->seed * 6364136223846793005u + 1442695040888963407u;
    return owner->seed >> 33;
}

static void must(bool holds)
{
    if (!holds)
        abort();
}

static ssize_t body_read(struct http_body *body, char *out, size_t cap)
{
    struct owned_body *b = container_of(body, struct owned_body, body);
    uint64_t dice = next(b->owner);

    if (b->mood == 1 && dice % 3 == 0)
        return -EAGAIN;
    if (b->mood == 2 && dice % 8 == 0)
        return -EIO;
    if (b->mood == 3 && dice % 8 == 0)
        return 0;
    size_t count = b->left < cap ? (size_t)b->left : cap;
    if (b->mood == 4 && count > 1)
        count = 1 + dice % (count - 1);
    memset(out, 'x', count);
    b->left -= count;
    return (ssize_t)count;
}

static void body_close(struct http_body *body)
{
    struct owned_body *b = container_of(body, struct owned_body, body);

    b->owner->bodies--;
    free(b);
}

static void answer(struct owner *owner, struct http_exchange *x)
{
    static struct http_field fields[] = {{{"x-a", 3}, {"1", 1}},
                                         {{"connection", 10}, {"close", 5}}};
    static const struct http_fields trailers = {fields, 1, 1};
    static const int statuses[] = {200, 204, 304, 404, 500, 99};
    uint64_t dice = next(owner);
    struct http_response response = {.status = statuses[dice % 16 < 6 ? dice % 6 : 0],
                                     .fields = {fields, 2, 2},
                                     .content_length = -1,
                                     .close = dice % 64 == 7};
    struct owned_body *b = NULL;

    if (dice & 1) {
        b = mem_new(struct owned_body);
        *b = (struct owned_body){.body = {body_read, body_close, dice & 2 ? &trailers : NULL},
                                 .owner = owner,
                                 .left = (dice >> 3) % 100000,
                                 .mood = (uint8_t)((dice >> 20) % 8)};
        owner->bodies++;
    }
    if (dice & 4)
        response.content_length = b ? (int64_t)b->left : (int64_t)((dice >> 3) % 2);
    http_respond(x, &response, b ? &b->body : NULL);
}

static void check_span(struct span s)
{
    volatile char sum = 0;

    for (size_t i = 0; i < s.len; i++)
        sum = (char)(sum + s.ptr[i]);
    (void)sum;
}

static void check_fields(const struct http_fields *fields)
{
    for (unsigned i = 0; i < fields->count; i++) {
        check_span(fields->items[i].name);
        check_span(fields->items[i].value);
        must(fields->items[i].name.len > 0 && fields->items[i].name.ptr[0] != ':');
        must(!memchr(fields->items[i].value.ptr, '\n', fields->items[i].value.len));
    }
}

static void on_request(void *user, struct http_exchange *x)
{
    struct owner *owner = user;
    const struct http_request *r = &x->request;
    uint64_t dice = next(owner);

    owner->open++;
    must(owner->open <= owner->limits.h2_streams);
    check_fields(&r->fields);
    check_span(r->target);
    check_span(r->authority);
    check_span(r->host);
    check_span(r->query);
    must(r->path.len > 0 && (r->path.ptr[0] == '/' || span_equal(r->path, SPAN("*"))));
    must(r->refusal || (r->host.len > 0 && r->path.len <= owner->limits.uri_bytes));
    must(r->fields.count <= owner->limits.header_count);
    for (int i = 0; i < OWNER_HELD; i++) {
        if (!owner->held[i]) {
            owner->held[i] = x;
            break;
        }
    }
    if (dice % 4 == 0)
        http_inform(x, dice & 64 ? 103 : 100, &r->fields);
    if (dice & 128)
        http_stream_body(x);
    if (dice & 256)
        http_charge(x, (int64_t)(dice % 1000), 1);
    if (dice % 16 == 1)
        http_reset(x);
    else if (dice & 2)
        answer(owner, x);
}

static void on_body(void *user, struct http_exchange *x, struct span bytes)
{
    struct owner *owner = user;

    check_span(bytes);
    must(x->body_received <= owner->limits.body_bytes && x->held <= owner->limits.body_window);
    uint64_t dice = next(owner) % 64;
    if (dice == 0)
        http_reset(x);
    else if (dice == 1)
        http_discard_body(x);
    else if (dice < 32)
        http_consume(x, dice * 64);
}

static void on_refusal(void *user, struct http_exchange *x)
{
    struct owner *owner = user;

    must(x->request.refusal && !x->responded);
    if (next(owner) % 2)
        answer(owner, x);
}

static void on_wake(void *user)
{
    struct owner *owner = user;

    must(!owner->inside);
}

static void on_request_end(void *user, struct http_exchange *x)
{
    struct owner *owner = user;

    check_fields(&x->request.trailers);
    if (!x->responded && (next(owner) & 1))
        answer(owner, x);
}

static void on_close(void *user, struct http_exchange *x, enum http_end end)
{
    struct owner *owner = user;

    must(owner->open-- > 0);
    for (int i = 0; i < OWNER_HELD; i++)
        if (owner->held[i] == x)
            owner->held[i] = NULL;
}

static const struct http_events events = {.on_request = on_request,
                                          .on_body = on_body,
                                          .on_refusal = on_refusal,
                                          .on_request_end = on_request_end,
                                          .on_close = on_close,
                                          .on_wake = on_wake};

void owner_start(struct owner *owner, uint64_t seed)
{
    memset(owner, 0, sizeof *owner);
    owner->seed = seed;
    owner->now = 1;
    owner->limits = (struct http_limits){
        .header_bytes = 1024,
        .header_count = 20,
        .uri_bytes = 256,
        .body_bytes = 5000,
        .requests_per_connection = seed & 1 ? 10 : 0,
        .h2_streams = 8,
        .h2_resets_per_minute = 50,
        .h2_settings_per_minute = 50,
        .h2_pings_per_minute = 50,
        .h2_empty_frames_per_minute = 50,
        .h2_continuations = 4,
        .body_window = 65535,
        .header = {5 * NSEC_PER_SEC, 0, 100},
        .body = {5 * NSEC_PER_SEC, 0, 100},
        .answer = {5 * NSEC_PER_SEC, 0, 100},
    };
    owner->pool = http_pool_create(seed & 2 ? 1 << 20 : 4096);
    owner->engine =
        h2_server_create(&(struct http_engine_config){.events = &events,
                                                      .owner = owner,
                                                      .limits = &owner->limits,
                                                      .pool = owner->pool,
                                                      .date = "Sun, 06 Nov 1994 08:49:37 GMT",
                                                      .secure = true});
    must(owner_feed(owner, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN));
}

bool owner_feed(struct owner *owner, const void *bytes, size_t len)
{
    static char out[32768];
    ssize_t count;

    owner->now += NSEC_PER_MSEC;
    if (next(owner) % 4 == 0)
        http_turn_begin(owner->engine, 1);
    owner->inside = true;
    int r = http_receive(owner->engine, span_of(bytes, len), owner->now);
    http_turn_begin(owner->engine, 1000);
    (void)http_wait(owner->engine);
    if (r == 0 && next(owner) % 4 == 0) {
        owner->inside = false;
        return true; /* output stays behind */
    }
    while ((count = http_produce(owner->engine, out, sizeof out, owner->now)) > 0)
        check_span(span_of(out, (size_t)count));
    owner->inside = false;
    enum http_wait wait = http_wait(owner->engine);
    must(wait != HTTP_WAIT_OUTPUT || count < 0);
    must(r == 0 || wait == HTTP_WAIT_CLOSED);
    return r == 0 && count == 0 && wait != HTTP_WAIT_CLOSED;
}

void owner_act(struct owner *owner, uint8_t choice)
{
    struct http_exchange *x = owner->held[choice / 8 % OWNER_HELD];

    if (!x)
        return;
    switch (choice % 8) {
    case 0:
        http_reset(x);
        break;
    case 1:
    case 2:
        http_resume(x);
        break;
    case 3:
        http_shutdown(owner->engine);
        break;
    case 4:
        http_inform(x, 100, NULL);
        http_consume(x, choice * 16);
        (void)http_deadline(owner->engine, owner->now);
        owner->now += choice % 2 * NSEC_PER_SEC;
        http_sweep(owner->engine, owner->now);
        break;
    default:
        if (!x->responded)
            answer(owner, x);
        break;
    }
}

void owner_stop(struct owner *owner)
{
    if (next(owner) & 1)
        http_hangup(owner->engine);
    else
        http_cut_off(owner->engine, HTTP_END_SERVER);
    struct http_load load = http_load(owner->engine);
    must(load.exchanges == 0 && load.held == 0 && load.descriptors == 0);
    must(owner->open == 0 && load.memory >= 0 && load.memory < 2 << 20);
    http_engine_destroy(owner->engine);
    http_pool_destroy(owner->pool);
    must(owner->open == 0 && owner->bodies == 0);
}
