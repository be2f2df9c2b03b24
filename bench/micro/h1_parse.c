/* Nanoseconds for a request and its answer through the HTTP/1 engine alone: no socket, no TLS.
 * How gardien compares with other servers is measured by the other benchmarks. */
#include <stdio.h>
#include <stdlib.h>

#include "base/nsec.h"
#include "http/h1/parser.h"
#include "http/h1/request.h"
#include "http/h1/scan.h"
#include "http/http.h"
#include "http/pool.h"
#include "http/server.h"

enum { ROUNDS = 1000000, BEST_OF = 7, OUT_BYTES = 32 << 10, FILE_BYTES = 1024 };

static const char tiny[] = "GET / HTTP/1.1\r\n"
                           "Host: localhost:8443\r\n"
                           "User-Agent: curl/7.88.1\r\n"
                           "Accept: */*\r\n\r\n";

static const char chrome[] =
    "GET /assets/app-3f2a9c.js?v=20240611 HTTP/1.1\r\n"
    "Host: www.example.com\r\n"
    "Connection: keep-alive\r\n"
    "sec-ch-ua: \"Chromium\";v=\"124\", \"Google Chrome\";v=\"124\", \"Not-A.Brand\";v=\"99\"\r\n"
    "sec-ch-ua-mobile: ?0\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/124.0.0.0 Safari/537.36\r\n"
    "sec-ch-ua-platform: \"Linux\"\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
    "\r\n"
    "Sec-Fetch-Site: same-origin\r\n"
    "Sec-Fetch-Mode: no-cors\r\n"
    "Sec-Fetch-Dest: script\r\n"
    "Referer: https://www.example.com/shop/index.html\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=all\r\n"
    "If-None-Match: \"5f3e1b2c-1a2b\"\r\n\r\n";

struct memory_body {
    struct http_body body;
    size_t left;
};

static char file[FILE_BYTES];
static char out[OUT_BYTES];

static ssize_t read_memory(struct http_body *body, char *to, size_t cap)
{
    struct memory_body *memory = container_of(body, struct memory_body, body);
    size_t part = memory->left < cap ? memory->left : cap;

    memcpy(to, file + sizeof file - memory->left, part);
    memory->left -= part;
    return (ssize_t)part;
}

static void answer(void *owner, struct http_exchange *x)
{
    struct memory_body *memory = arena_alloc(&x->arena, sizeof *memory);
    struct http_response response = {.status = 200, .content_length = FILE_BYTES};
    static const struct http_field fields[] = {
        {{"content-type", 12}, {"text/html; charset=utf-8", 24}},
        {{"last-modified", 13}, {"Tue, 11 Jun 2024 10:00:00 GMT", 29}},
        {{"etag", 4}, {"\"5f3e1b2c-400\"", 14}},
        {{"accept-ranges", 13}, {"bytes", 5}},
        {{"strict-transport-security", 25}, {"max-age=3600", 12}},
        {{"x-content-type-options", 22}, {"nosniff", 7}},
    };

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        if (!memory || http_add(&x->arena, &response.fields, fields[i].name, fields[i].value) < 0)
            abort();
    *memory = (struct memory_body){.body = {.read = read_memory}, .left = sizeof file};
    http_respond(x, &response, &memory->body);
}

static void ignore_close(void *owner, struct http_exchange *x, enum http_end end)
{
}

static const struct http_limits limits = {
    .header_bytes = 32 << 10,
    .header_count = 100,
    .uri_bytes = 8 << 10,
    .body_bytes = 1 << 20,
};

static double engine_round(struct http_engine *engine, struct span request, unsigned repeat)
{
    nsec_t start = nsec_monotonic();

    for (unsigned i = 0; i < ROUNDS / repeat; i++) {
        if (http_receive(engine, request, 1) < 0 || http_produce(engine, out, sizeof out, 1) <= 0)
            abort();
        while (http_wait(engine) == HTTP_WAIT_OUTPUT)
            if (http_produce(engine, out, sizeof out, 1) <= 0)
                abort();
    }
    return (double)(nsec_monotonic() - start) / ROUNDS;
}

static double parse_round(struct http_pool *pool, struct span request)
{
    nsec_t start = nsec_monotonic();

    for (unsigned i = 0; i < ROUNDS; i++) {
        struct http_exchange *x = http_exchange_take(pool);
        struct h1_parser parser;
        struct h1_framing framing;
        h1_parser_head(&parser, x);
        if (h1_parse(&parser, request, &limits) <= 0 || h1_parser_keep(&parser) < 0)
            abort();
        h1_request_read(&x->request, &x->arena, &limits, &framing);
        http_exchange_give(pool, x);
    }
    return (double)(nsec_monotonic() - start) / ROUNDS;
}

static double scan_round(struct span request, void (*scan)(const char *, size_t, struct h1_marks *))
{
    struct h1_marks marks;
    nsec_t start = nsec_monotonic();

    for (unsigned i = 0; i < ROUNDS; i++) {
        size_t len = request.len < 1024 ? request.len : 1024;
        scan(request.ptr, len, &marks);
        __asm__ volatile("" : : "r"(&marks) : "memory");
    }
    return (double)(nsec_monotonic() - start) / ROUNDS;
}

#define BEST(expression)                                                                           \
    ({                                                                                             \
        double best_ = 1e9;                                                                        \
        for (int round_ = 0; round_ < BEST_OF; round_++) {                                         \
            double this_ = (expression);                                                           \
            best_ = this_ < best_ ? this_ : best_;                                                 \
        }                                                                                          \
        best_;                                                                                     \
    })

static void report(const char *name, struct span request)
{
    static const struct http_events events = {.on_request = answer, .on_close = ignore_close};
    struct http_pool *pool = http_pool_create(256 << 10);
    struct http_engine_config config = {
        .events = &events,
        .limits = &limits,
        .pool = pool,
        .date = "Tue, 11 Jun 2024 10:00:00 GMT",
    };
    struct http_engine *engine = h1_server_create(&config);

    printf("%-8s %4zu bytes: scan %3.0f ns (scalar %4.0f), parse %3.0f ns, parse and answer %3.0f "
           "ns\n",
           name, request.len, BEST(scan_round(request, h1_scan)),
           BEST(scan_round(request, h1_scan_scalar)), BEST(parse_round(pool, request)),
           BEST(engine_round(engine, request, 1)));
    http_engine_destroy(engine);
    http_pool_destroy(pool);
}

int main(void)
{
    report("tiny", span_str(tiny));
    report("chrome", span_str(chrome));
    return 0;
}
