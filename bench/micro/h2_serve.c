/* Nanoseconds of CPU for one 1 KiB answer over HTTP/2 in memory: 16 connections of 32 streams, as
 * `h2load -c16 -m32` asks. First with nghttp2 alone, then with the engine; the difference is ours.
 */
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "http/http.h"
#include "http/pool.h"
#include "http/server.h"

enum { CONNECTIONS = 16, STREAMS = 32, BODY = 1024, OUT = 65536, IN = 8192 };

static const char file[BODY] = "the hot file";
static const char date[] = "Sun, 06 Nov 1994 08:49:37 GMT";
static char out[OUT];
static uint64_t answered;

static const struct {
    struct span name, value;
} fields[] = {
    {{"content-type", 12}, {"text/html; charset=utf-8", 24}},
    {{"etag", 4}, {"\"18c2a5b1f3e-400\"", 17}},
    {{"last-modified", 13}, {"Sat, 05 Nov 1994 08:49:37 GMT", 29}},
    {{"accept-ranges", 13}, {"bytes", 5}},
    {{"strict-transport-security", 25}, {"max-age=300", 11}},
    {{"x-content-type-options", 22}, {"nosniff", 7}},
};

static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- the client's bytes, one round of STREAMS requests at a time ---- */

struct asker {
    nghttp2_hd_deflater *deflater;
    int32_t id;
    uint8_t block[256];
    size_t block_len;
};

static size_t put_frame(uint8_t *at, uint8_t type, uint8_t flags, int32_t id, const void *payload,
                        size_t len)
{
    uint32_t n = (uint32_t)id;
    uint8_t header[9] = {0,         (uint8_t)(len >> 8), (uint8_t)len,       type,
                         flags,     (uint8_t)(n >> 24),  (uint8_t)(n >> 16), (uint8_t)(n >> 8),
                         (uint8_t)n};

    memcpy(at, header, 9);
    if (len)
        memcpy(at + 9, payload, len);
    return 9 + len;
}

static size_t greet(uint8_t *in)
{
    memcpy(in, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN);
    size_t len = NGHTTP2_CLIENT_MAGIC_LEN;
    len += put_frame(in + len, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    len += put_frame(in + len, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, NULL, 0);
    return len;
}

static size_t ask(struct asker *asker, uint8_t *in)
{
#define NV(n, v) {(uint8_t *)(n), (uint8_t *)(v), sizeof(n) - 1, sizeof(v) - 1, 0}
    nghttp2_nv nva[] = {NV(":method", "GET"), NV(":scheme", "https"), NV(":path", "/"),
                        NV(":authority", "localhost:8443"),
                        NV("user-agent", "h2load nghttp2/1.52.0")};
    size_t len = 0;

    for (int i = 0; i < STREAMS; i++, asker->id += 2) {
        if (asker->block_len == 0 || asker->id < 6) /* from then on every block is the same */
            asker->block_len = (size_t)nghttp2_hd_deflate_hd(asker->deflater, asker->block,
                                                             sizeof asker->block, nva, 5);
        len +=
            put_frame(in + len, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM,
                      asker->id, asker->block, asker->block_len);
    }
    return len +
           put_frame(in + len, NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\x80\0" /* STREAMS * BODY */, 4);
}

/* ---- nghttp2 alone: no request is looked at ---- */

struct bare {
    nghttp2_session *session;
    size_t used;
};

static ssize_t bare_read(nghttp2_session *session, int32_t id, uint8_t *buf, size_t len,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    *flags = NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_COPY;
    return BODY;
}

static int bare_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    nghttp2_data_provider provider = {.read_callback = bare_read};
    nghttp2_nv nva[9] = {NV(":status", "200"), NV("content-length", "1024")};

    if (frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    nva[2] = (nghttp2_nv){(uint8_t *)"date", (uint8_t *)date, 4, 29, 0};
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        nva[3 + i] = (nghttp2_nv){(uint8_t *)fields[i].name.ptr, (uint8_t *)fields[i].value.ptr,
                                  fields[i].name.len, fields[i].value.len, 0};
    for (size_t i = 0; i < 9; i++)
        nva[i].flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE;
    answered++;
    return nghttp2_submit_response(session, frame->hd.stream_id, nva, 9, &provider);
}

static ssize_t bare_send(nghttp2_session *session, const uint8_t *bytes, size_t len, int flags,
                         void *user)
{
    struct bare *bare = user;

    memcpy(out + bare->used, bytes, len);
    bare->used += len;
    return (ssize_t)len;
}

static int bare_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *header,
                          size_t len, nghttp2_data_source *source, void *user)
{
    struct bare *bare = user;

    memcpy(out + bare->used, header, 9);
    memcpy(out + bare->used + 9, file, len);
    bare->used += 9 + len;
    return 0;
}

static void bare_start(struct bare *bare)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *options;

    if (nghttp2_session_callbacks_new(&callbacks) || nghttp2_option_new(&options))
        abort();
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, bare_frame);
    nghttp2_session_callbacks_set_send_callback(callbacks, bare_send);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, bare_send_data);
    nghttp2_option_set_no_closed_streams(options, 1);
    nghttp2_settings_entry entry = {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1};
    if (nghttp2_session_server_new2(&bare->session, callbacks, bare, options) ||
        nghttp2_submit_settings(bare->session, 0, &entry, 1))
        abort();
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(options);
}

static void bare_turn(void *connection, const uint8_t *in, size_t len)
{
    struct bare *bare = connection;

    if (nghttp2_session_mem_recv(bare->session, in, len) < 0)
        abort();
    bare->used = 0;
    if (nghttp2_session_send(bare->session) != 0)
        abort();
}

/* ---- the engine ---- */

struct answer {
    struct http_body body;
    size_t at;
};

static ssize_t read_file(struct http_body *body, char *to, size_t cap)
{
    struct answer *answer = container_of(body, struct answer, body);
    size_t count = BODY - answer->at < cap ? BODY - answer->at : cap;

    memcpy(to, file + answer->at, count);
    answer->at += count;
    return (ssize_t)count;
}

static void on_request(void *owner, struct http_exchange *x)
{
    struct http_response response = {.status = 200, .content_length = BODY};
    struct answer *answer = arena_alloc(&x->arena, sizeof *answer);

    if (!answer || x->request.method != HTTP_GET || !span_equal(x->request.path, SPAN("/")))
        abort();
    *answer = (struct answer){.body.read = read_file};
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        if (http_add(&x->arena, &response.fields, fields[i].name, fields[i].value) < 0)
            abort();
    http_respond(x, &response, &answer->body);
}

static void on_close(void *owner, struct http_exchange *x, enum http_end end)
{
    if (end != HTTP_END_DONE)
        abort();
    answered++;
}

static void engine_turn(void *connection, const uint8_t *in, size_t len)
{
    struct http_engine *engine = connection;
    ssize_t count;

    if (http_receive(engine, span_of((const char *)in, len), 1) < 0)
        abort();
    while ((count = http_produce(engine, out, sizeof out, 1)) > 0)
        ;
    if (count < 0 || http_wait(engine) != HTTP_WAIT_IDLE)
        abort();
}

/* ---- the clock ---- */

static double measure(void (*turn)(void *, const uint8_t *, size_t), void **connections, int rounds)
{
    static struct asker askers[CONNECTIONS];
    static uint8_t in[CONNECTIONS][IN];
    static size_t len[CONNECTIONS];
    double spent = 0;

    memset(askers, 0, sizeof askers);
    for (int c = 0; c < CONNECTIONS; c++) {
        askers[c].id = 1;
        if (nghttp2_hd_deflate_new(&askers[c].deflater, 4096))
            abort();
        turn(connections[c], in[c], greet(in[c]));
    }
    answered = 0;
    for (int r = 0; r < rounds; r++) {
        for (int c = 0; c < CONNECTIONS; c++)
            len[c] = ask(&askers[c], in[c]);
        double from = cpu_seconds();
        for (int c = 0; c < CONNECTIONS; c++)
            turn(connections[c], in[c], len[c]);
        spent += cpu_seconds() - from;
    }
    for (int c = 0; c < CONNECTIONS; c++)
        nghttp2_hd_deflate_del(askers[c].deflater);
    if (answered != (uint64_t)rounds * CONNECTIONS * STREAMS)
        abort();
    return spent * 1e9 / (double)answered;
}

int main(int argc, char **argv)
{
    static const struct http_events events = {.on_request = on_request, .on_close = on_close};
    static const struct http_limits limits = {.header_bytes = 32768,
                                              .header_count = 100,
                                              .uri_bytes = 8192,
                                              .body_bytes = 1 << 20,
                                              .h2_streams = 128,
                                              .h2_resets_per_minute = 1000,
                                              .h2_settings_per_minute = 60,
                                              .h2_pings_per_minute = 120,
                                              .h2_empty_frames_per_minute = 600,
                                              .h2_continuations = 8,
                                              .body_window = 262144};
    int rounds = argc > 1 ? atoi(argv[1]) : 2000;
    int repeats = argc > 2 ? atoi(argv[2]) : 5;
    struct http_pool *pool = http_pool_create(1 << 20);
    struct http_engine_config config = {
        .events = &events, .limits = &limits, .pool = pool, .date = date, .secure = true};

    for (int i = 0; i < repeats; i++) {
        static struct bare bares[CONNECTIONS];
        void *connections[CONNECTIONS];
        for (int c = 0; c < CONNECTIONS; c++) {
            bare_start(&bares[c]);
            connections[c] = &bares[c];
        }
        double bare = measure(bare_turn, connections, rounds);
        for (int c = 0; c < CONNECTIONS; c++) {
            nghttp2_session_del(bares[c].session);
            connections[c] = h2_server_create(&config);
        }
        double ours = measure(engine_turn, connections, rounds);
        for (int c = 0; c < CONNECTIONS; c++)
            http_engine_destroy(connections[c]);
        printf("nghttp2 alone %.0f ns, engine %.0f ns a request (ours: %.0f)\n", bare, ours,
               ours - bare);
    }
    http_pool_destroy(pool);
    return 0;
}
