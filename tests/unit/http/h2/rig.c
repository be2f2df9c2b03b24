/* The owner, the client and the frame reader behind the HTTP/2 tests. */
#include "rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"

static const char date[] = "Sun, 06 Nov 1994 08:49:37 GMT";

static char byte_at(uint64_t at)
{
    return (char)('a' + at % 23);
}

/* ---- the owner ---- */

static ssize_t read_body(struct http_body *body, char *out, size_t cap)
{
    struct rig_body *b = container_of(body, struct rig_body, body);
    uint64_t left = b->size - b->at;

    if (b->fail_at && b->at >= b->fail_at)
        return -EIO;
    if (b->short_at && b->at >= b->short_at)
        return 0;
    if (b->stall_at && b->at >= b->stall_at) {
        b->stall_at = 0;
        return -EAGAIN;
    }
    size_t count = left < cap ? (size_t)left : cap;
    uint64_t stops[] = {b->stall_at, b->fail_at, b->short_at};
    for (size_t i = 0; i < 3; i++)
        if (stops[i] && b->at + count > stops[i])
            count = (size_t)(stops[i] - b->at);
    for (size_t i = 0; i < count; i++)
        out[i] = byte_at(b->at + i);
    b->at += count;
    return (ssize_t)count;
}

struct owned_body {
    struct rig_body body;
    struct rig *rig;
};

static void close_owned(struct http_body *body)
{
    struct owned_body *b = container_of(body, struct owned_body, body.body);

    b->rig->bodies_closed++;
    if (b->rig->last_body == &b->body)
        b->rig->last_body = NULL;
    free(b);
}

static struct http_fields trailers_of(struct http_exchange *x)
{
    struct http_fields fields = {0};

    assert_int_equal(http_add(&x->arena, &fields, SPAN("x-sum"), SPAN("42")), 0);
    return fields;
}

static uint64_t number_after(struct span s, const char *word)
{
    char text[512];
    const char *at;

    snprintf(text, sizeof text, "%.*s", SPAN_ARGS(s));
    at = strstr(text, word);
    return at ? strtoull(at + strlen(word), NULL, 10) : 0;
}

/** Paths: /SIZE, with ?unknown (no length), stall=N, fail=N, short=N, trailer, status=N. */
void rig_answer(struct rig *rig, struct http_exchange *x)
{
    struct http_response response = rig->response;
    struct span query = x->request.query;
    struct owned_body *b = NULL;
    uint64_t size = x->request.path.ptr ? number_after(x->request.path, "/") : 0;

    if (response.status == 0)
        response.status = x->request.refusal ? x->request.refusal : 200;
    if (number_after(query, "status="))
        response.status = (int)number_after(query, "status=");
    response.content_length = number_after(query, "unknown=") ? -1 : (int64_t)size;
    if (size) {
        b = mem_new(struct owned_body);
        b->rig = rig;
        b->body = (struct rig_body){.body = {read_body, close_owned, NULL},
                                    .size = size,
                                    .stall_at = number_after(query, "stall="),
                                    .fail_at = number_after(query, "fail="),
                                    .short_at = number_after(query, "short=")};
        if (number_after(query, "trailer=")) {
            struct http_fields *fields = arena_alloc(&x->arena, sizeof *fields);
            *fields = trailers_of(x);
            b->body.body.trailers = fields;
        }
        rig->last_body = &b->body;
        rig->bodies_made++;
    }
    http_respond(x, &response, b ? &b->body.body : NULL);
}

static void describe(struct rig *rig, const struct http_exchange *x)
{
    const struct http_request *r = &x->request;
    int at = snprintf(rig->seen, sizeof rig->seen,
                      "%.*s scheme=%.*s authority=%.*s host=%.*s path=%.*s query=%.*s%s\n",
                      SPAN_ARGS(r->method_text), SPAN_ARGS(r->scheme), SPAN_ARGS(r->authority),
                      SPAN_ARGS(r->host), SPAN_ARGS(r->path), SPAN_ARGS(r->query),
                      r->query.ptr ? "" : "-");

    for (unsigned i = 0; i < r->fields.count && at < (int)sizeof rig->seen; i++)
        at += snprintf(rig->seen + at, sizeof rig->seen - (size_t)at, "%.*s: %.*s\n",
                       SPAN_ARGS(r->fields.items[i].name), SPAN_ARGS(r->fields.items[i].value));
}

static void on_request(void *owner, struct http_exchange *x)
{
    struct rig *rig = owner;

    rig->requests++;
    rig->refusal = x->request.refusal;
    rig->last = x;
    describe(rig, x);
    if (!rig->drops_body)
        http_stream_body(x);
    if (rig->on_request_resets) {
        http_reset(x);
        return;
    }
    if (rig->hold) {
        rig->held[rig->held_count++ % RIG_STREAMS] = x;
        return;
    }
    http_inform(x, 100, NULL);
    if (!x->request.has_body || x->request.refusal)
        rig_answer(rig, x);
}

static void on_body(void *owner, struct http_exchange *x, struct span bytes)
{
    struct rig *rig = owner;

    for (size_t i = 0; i < bytes.len; i++)
        assert_int_equal(bytes.ptr[i], byte_at(x->body_received - bytes.len + i));
    rig->upload_bytes += bytes.len;
    if (!rig->keeps_body)
        http_consume(x, bytes.len);
}

static void on_refusal(void *owner, struct http_exchange *x)
{
    struct rig *rig = owner;

    rig->refusals++;
    rig->refusal = x->request.refusal;
    rig->response.status = rig->refusal_status;
    if (rig->refusal_status)
        rig_answer(rig, x);
}

static void on_wake(void *owner)
{
    struct rig *rig = owner;

    rig->wakes++;
}

static void on_request_end(void *owner, struct http_exchange *x)
{
    struct rig *rig = owner;
    size_t at = strlen(rig->seen);

    rig->request_ends++;
    for (unsigned i = 0; i < x->request.trailers.count; i++)
        snprintf(rig->seen + at, sizeof rig->seen - at, "trailer %.*s: %.*s\n",
                 SPAN_ARGS(x->request.trailers.items[i].name),
                 SPAN_ARGS(x->request.trailers.items[i].value));
    if (!rig->hold && !x->responded)
        rig_answer(rig, x);
}

static void on_close(void *owner, struct http_exchange *x, enum http_end end)
{
    struct rig *rig = owner;

    rig->closes[end]++;
    if (rig->last == x)
        rig->last = NULL;
    for (unsigned i = 0; i < RIG_STREAMS; i++)
        if (rig->held[i] == x)
            rig->held[i] = NULL;
}

static const struct http_events events = {.on_request = on_request,
                                          .on_body = on_body,
                                          .on_refusal = on_refusal,
                                          .on_request_end = on_request_end,
                                          .on_close = on_close,
                                          .on_wake = on_wake};

/* ---- the client ---- */

struct rig_stream *rig_at(struct rig *rig, int32_t id)
{
    return &rig->streams[(uint32_t)id / 2 % RIG_STREAMS];
}

static int client_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                         size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                         void *user)
{
    struct rig_stream *s = rig_at(user, frame->hd.stream_id);
    bool trailer = s->status >= 200 && name[0] != ':' && s->body_bytes > 0;
    char *text = trailer ? s->trailers : s->headers;
    size_t room = trailer ? sizeof s->trailers : sizeof s->headers;
    size_t at = strlen(text);

    if (name_len == 7 && memcmp(name, ":status", 7) == 0)
        s->status = atoi((const char *)value);
    snprintf(text + at, room - at, "%.*s: %.*s\n", (int)name_len, (const char *)name,
             (int)value_len, (const char *)value);
    return 0;
}

static int client_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
                       size_t len, void *user)
{
    struct rig_stream *s = rig_at(user, id);

    for (size_t i = 0; i < len; i++)
        s->body_right = s->body_right && (char)bytes[i] == byte_at(s->body_bytes + i);
    s->body_bytes += len;
    return 0;
}

static int client_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        rig_at(user, frame->hd.stream_id)->ended = true;
    return 0;
}

static int client_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    struct rig_stream *s = rig_at(user, id);

    s->closed = true;
    s->code = code;
    return 0;
}

static nghttp2_session *make_client(struct rig *rig)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_session *client;
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
                                         {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};

    assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, client_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, client_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, client_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, client_close);
    assert_int_equal(nghttp2_session_client_new(&client, callbacks, rig), 0);
    nghttp2_session_callbacks_del(callbacks);
    assert_int_equal(nghttp2_submit_settings(client, 0, settings, 2), 0);
    return client;
}

/* ---- bytes ---- */

static void see_frame(struct rig *rig, const uint8_t *f)
{
    uint32_t len = (uint32_t)f[0] << 16 | (uint32_t)f[1] << 8 | f[2];
    int32_t id =
        (int32_t)((uint32_t)f[5] << 24 | (uint32_t)f[6] << 16 | (uint32_t)f[7] << 8 | f[8]);
    const uint8_t *p = f + 9;

    rig->frames_out++;
    if (f[3] == NGHTTP2_DATA && rig->order_count < RIG_ORDER)
        rig->order[rig->order_count++] = id;
    if (f[3] == NGHTTP2_WINDOW_UPDATE && len == 4)
        rig->window_back[id != 0] +=
            (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    if (f[3] == NGHTTP2_PING)
        rig->pings_out++;
    if (f[3] == NGHTTP2_RST_STREAM && len == 4) {
        rig->resets_out++;
        rig->reset_code = p[3];
    }
    if (f[3] == NGHTTP2_GOAWAY && len >= 8) {
        rig->goaways++;
        rig->goaway_last =
            (int32_t)((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]);
        rig->goaway = p[7];
    }
}

static void see_output(struct rig *rig, const char *bytes, size_t len)
{
    size_t at = 0;

    assert_true(rig->pending_len + len <= sizeof rig->pending);
    memcpy(rig->pending + rig->pending_len, bytes, len);
    rig->pending_len += len;
    while (rig->pending_len - at >= 9) {
        const uint8_t *f = (const uint8_t *)rig->pending + at;
        size_t size = 9 + ((size_t)f[0] << 16 | (size_t)f[1] << 8 | f[2]);
        if (rig->pending_len - at < size)
            break;
        see_frame(rig, f);
        at += size;
    }
    assert_int_equal(at, rig->pending_len); /* the engine never leaves a frame in two */
    rig->pending_len = 0;
}

static ssize_t produce(struct rig *rig, char *out)
{
    ssize_t count = http_produce(rig->engine, out, rig->produce_cap, rig->now);

    if (count < 0)
        rig->error = (int)count;
    if (count > 0) {
        assert_true((size_t)count <= rig->produce_cap);
        see_output(rig, out, (size_t)count);
    }
    return count;
}

size_t rig_drain(struct rig *rig)
{
    static char out[RIG_OUT];
    size_t total = 0;
    ssize_t count;

    while ((count = produce(rig, out)) > 0)
        total += (size_t)count;
    return total;
}

static bool pump_out(struct rig *rig)
{
    static char out[RIG_OUT];
    bool moved = false;
    ssize_t count;

    while ((count = produce(rig, out)) > 0) {
        moved = true;
        if (rig->client)
            assert_int_equal(nghttp2_session_mem_recv(rig->client, (uint8_t *)out, (size_t)count),
                             count);
    }
    return moved;
}

static bool pump_in(struct rig *rig)
{
    const uint8_t *bytes;
    bool moved = false;
    ssize_t count;

    while (rig->client && (count = nghttp2_session_mem_send(rig->client, &bytes)) > 0) {
        moved = true;
        rig_feed(rig, bytes, (size_t)count);
    }
    return moved;
}

void rig_pump(struct rig *rig)
{
    bool moved = true;

    while (moved) {
        moved = pump_in(rig);
        moved = pump_out(rig) || moved;
    }
}

int rig_feed(struct rig *rig, const void *bytes, size_t len)
{
    int r = http_receive(rig->engine, span_of(bytes, len), rig->now);

    if (r < 0)
        rig->error = r;
    return r;
}

/* ---- requests ---- */

static size_t split_lines(char *text, nghttp2_nv *nva, size_t count)
{
    char *save = NULL;

    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *colon = strchr(line + 1, ':');
        assert_non_null(colon);
        *colon = '\0';
        char *value = colon + (colon[1] == ' ' ? 2 : 1);
        nva[count++] = (nghttp2_nv){(uint8_t *)line, (uint8_t *)value, strlen(line), strlen(value),
                                    NGHTTP2_NV_FLAG_NONE};
    }
    return count;
}

struct upload {
    struct rig *rig;
    uint64_t at, size;
    bool trailer;
};

static ssize_t client_read(nghttp2_session *session, int32_t id, uint8_t *out, size_t cap,
                           uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct upload *u = source->ptr;
    size_t count = u->size - u->at < cap ? (size_t)(u->size - u->at) : cap;

    for (size_t i = 0; i < count; i++)
        out[i] = (uint8_t)byte_at(u->at + i);
    u->at += count;
    if (u->at == u->size) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (u->trailer) {
            nghttp2_nv nv = {(uint8_t *)"x-check", (uint8_t *)"ok", 7, 2, 0};
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            nghttp2_submit_trailer(session, id, &nv, 1);
        }
    }
    return (ssize_t)count;
}

static int32_t submit(struct rig *rig, const char *method, const char *path, const char *extra,
                      struct upload *upload)
{
    char text[4096];
    nghttp2_nv nva[64];
    nghttp2_data_provider provider = {.source.ptr = upload, .read_callback = client_read};

    snprintf(text, sizeof text,
             ":method: %s\n:scheme: https\n:authority: example.com\n:path: %s\n%s", method, path,
             extra ? extra : "");
    int32_t id = nghttp2_submit_request(rig->client, NULL, nva, split_lines(text, nva, 0),
                                        upload ? &provider : NULL, NULL);
    assert_true(id > 0);
    *rig_at(rig, id) = (struct rig_stream){.body_right = true};
    return id;
}

int32_t rig_ask(struct rig *rig, const char *method, const char *path, const char *extra)
{
    return submit(rig, method, path, extra, NULL);
}

int32_t rig_post(struct rig *rig, const char *path, const char *extra, uint64_t size, bool trailer)
{
    static struct upload uploads[RIG_STREAMS]; /* live until the stream has read them */
    static unsigned next;
    struct upload *upload = &uploads[next++ % RIG_STREAMS];

    *upload = (struct upload){rig, 0, size, trailer};
    return submit(rig, "POST", path, extra, upload);
}

void rig_preface(struct rig *rig)
{
    rig_feed(rig, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN);
    rig_frame(rig, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    rig_drain(rig);
    rig_frame(rig, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, NULL, 0);
    rig_drain(rig);
}

int rig_frame(struct rig *rig, uint8_t type, uint8_t flags, int32_t id, const void *payload,
              size_t len)
{
    uint8_t frame[9 + (1 << 14)];
    uint32_t n = (uint32_t)id;

    assert_true(len <= 1 << 14);
    memcpy(frame,
           (uint8_t[]){(uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len, type, flags,
                       (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n},
           9);
    if (len)
        memcpy(frame + 9, payload, len);
    return rig_feed(rig, frame, 9 + len);
}

int rig_headers(struct rig *rig, int32_t id, const char *lines, uint8_t flags)
{
    char text[4096];
    uint8_t block[8192];
    nghttp2_nv nva[128];

    snprintf(text, sizeof text, "%s", lines);
    size_t count = split_lines(text, nva, 0);
    ssize_t len = nghttp2_hd_deflate_hd(rig->deflater, block, sizeof block, nva, count);
    assert_true(len > 0);
    return rig_frame(rig, NGHTTP2_HEADERS, flags, id, block, (size_t)len);
}

int rig_get(struct rig *rig, int32_t id)
{
    return rig_headers(rig, id,
                       ":method: GET\n:scheme: https\n:authority: example.com\n:path: /5\n",
                       NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM);
}

/* ---- life ---- */

void rig_init(struct rig *rig)
{
    memset(rig, 0, sizeof *rig);
    rig->limits = (struct http_limits){
        .header_bytes = 16384,
        .header_count = 100,
        .uri_bytes = 2048,
        .body_bytes = 1 << 20,
        .h2_streams = 100,
        .h2_resets_per_minute = 100,
        .h2_settings_per_minute = 20,
        .h2_pings_per_minute = 20,
        .h2_empty_frames_per_minute = 50,
        .h2_continuations = 8,
        .body_window = 65535,
    };
    rig->now = NSEC_PER_SEC;
    rig->goaway = -1;
    rig->secure = true;
    rig->produce_cap = 32768;
}

void rig_open(struct rig *rig, bool raw)
{
    rig->pool = http_pool_create(1 << 20);
    rig->engine = h2_server_create(&(struct http_engine_config){.events = &events,
                                                                .owner = rig,
                                                                .limits = &rig->limits,
                                                                .pool = rig->pool,
                                                                .date = date,
                                                                .secure = rig->secure});
    assert_non_null(rig->engine);
    assert_int_equal(nghttp2_hd_deflate_new(&rig->deflater, 4096), 0);
    if (raw)
        rig_preface(rig);
    else
        rig->client = make_client(rig);
}

void rig_start(struct rig *rig, bool raw)
{
    rig_init(rig);
    rig_open(rig, raw);
}

void rig_stop(struct rig *rig)
{
    http_engine_destroy(rig->engine);
    nghttp2_session_del(rig->client);
    nghttp2_hd_deflate_del(rig->deflater);
    http_pool_destroy(rig->pool);
    assert_int_equal(rig->bodies_made, rig->bodies_closed);
    assert_int_equal(rig->requests,
                     rig->closes[0] + rig->closes[1] + rig->closes[2] + rig->closes[3]);
}
