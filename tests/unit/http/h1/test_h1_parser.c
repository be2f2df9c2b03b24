/* The strict parser: what it takes, each thing that it refuses, and that splits change nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "http/h1/parser.h"
#include "http/h1/request.h"
#include "http/h1/scan.h"
#include "http/pool.h"

static const struct http_limits limits = {
    .header_bytes = 1024, .header_count = 8, .uri_bytes = 100, .body_bytes = 1000};

struct parsed {
    struct http_pool *pool;
    struct http_exchange *x;
    struct h1_framing framing;
    ssize_t length;
};

/** Parses as the engine does, `step` bytes more at a time, from memory that moves. */
static struct parsed parse_by(struct span head, size_t step)
{
    struct parsed r = {.pool = http_pool_create(64 << 10)};
    struct h1_parser parser;
    char *moving = NULL;

    r.x = http_exchange_take(r.pool);
    h1_parser_head(&parser, r.x);
    for (size_t have = step < head.len ? step : head.len; r.length == 0; have += step) {
        have = have < head.len ? have : head.len;
        char *next = malloc(have + 1);
        memcpy(next + 1, head.ptr, have);
        r.length = h1_parse(&parser, span_of(next + 1, have), &limits);
        free(moving);
        moving = next;
        if (have == head.len)
            break;
    }
    if (r.length != 0)
        assert_int_equal(h1_parser_keep(&parser), 0);
    free(moving);
    if (r.length > 0)
        h1_request_read(&r.x->request, &r.x->arena, &limits, &r.framing);
    else if (r.length < 0)
        h1_request_refuse(&r.x->request, parser.refusal, parser.reason);
    return r;
}

static void drop(struct parsed *r)
{
    http_exchange_give(r->pool, r->x);
    http_pool_destroy(r->pool);
}

/** The status that a head is refused with; 0: taken; -1: incomplete. The same for every split. */
static int status_of(struct span head)
{
    struct parsed whole = parse_by(head, head.len);
    int status = whole.length == 0 ? -1 : whole.x->request.refusal;

    for (size_t step = 1; step < 8; step++) {
        struct parsed split = parse_by(head, step);
        assert_int_equal(split.length, whole.length);
        assert_int_equal(split.x->request.refusal, whole.x->request.refusal);
        assert_int_equal(split.x->request.fields.count, whole.x->request.fields.count);
        if (whole.length != 0) {
            assert_true(span_equal(split.x->request.target, whole.x->request.target));
            assert_true(span_equal(split.x->request.path, whole.x->request.path));
        }
        drop(&split);
    }
    drop(&whole);
    return status;
}

#define assert_status(literal, status)                                                             \
    do {                                                                                           \
        int got_ = status_of(SPAN(literal));                                                       \
        if (got_ != (status))                                                                      \
            fail_msg("%d instead of %d for %s", got_, (status), literal);                          \
    } while (0)

#define HOST "Host: a\r\n"
#define WITH(fields) "GET / HTTP/1.1\r\n" HOST fields "\r\n"

static void assert_span(struct span s, const char *text)
{
    assert_int_equal(s.len, strlen(text));
    assert_memory_equal(s.ptr, text, s.len);
}

static void test_request_is_cut_into_its_parts(void **state)
{
    struct parsed r =
        parse_by(SPAN("GET /a%20b?x=1?2 HTTP/1.1\r\nHOST: Example.COM.:8443\r\n"
                      "User-Agent-With-Long-Name:\t spaced \xc3\xa9 \t \r\nE:\r\n\r\nrest"),
                 1000);
    const struct http_request *q = &r.x->request;

    assert_int_equal(r.length, 100);
    assert_int_equal(q->refusal, 0);
    assert_int_equal(q->method, HTTP_GET);
    assert_int_equal(q->version, HTTP_1_1);
    assert_span(q->target, "/a%20b?x=1?2");
    assert_span(q->path, "/a%20b");
    assert_span(q->query, "x=1?2");
    assert_span(q->authority, "Example.COM.:8443");
    assert_span(q->host, "example.com");
    assert_int_equal(q->fields.count, 3);
    assert_span(q->fields.items[0].name, "host");
    assert_span(q->fields.items[1].name, "user-agent-with-long-name");
    assert_span(q->fields.items[1].value, "spaced \xc3\xa9");
    assert_span(q->fields.items[2].name, "e");
    assert_span(q->fields.items[2].value, "");
    assert_int_equal(q->content_length, -1);
    assert_false(q->has_body);
    assert_true(r.framing.keep_alive);
    drop(&r);
}

static void test_incomplete_heads_ask_for_more(void **state)
{
    static const char head[] = "\r\nPOST /x HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n";

    for (size_t len = 0; len < sizeof head - 1; len++)
        assert_int_equal(status_of(span_of(head, len)), -1);
    assert_int_equal(status_of(span_of(head, sizeof head - 1)), 0);
}

static void test_target_forms(void **state)
{
    static const struct {
        const char *head, *path, *host, *query;
    } good[] = {
        {"GET http://H:80/p?q HTTP/1.1\r\nHost: other\r\n\r\n", "/p", "h", "q"},
        {"GET HTTPS://h HTTP/1.1\r\nHost: h\r\n\r\n", "/", "h", NULL},
        {"GET https://h?q HTTP/1.1\r\nHost: h\r\n\r\n", "/", "h", "q"},
        {"GET /? HTTP/1.1\r\nHost: [::1]:443\r\n\r\n", "/", "[::1]", ""},
        {"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "*", "h", NULL},
        {"OPTIONS http://h HTTP/1.1\r\nHost: h\r\n\r\n", "*", "h", NULL},
        {"GET //x HTTP/1.0\r\n\r\n", "//x", "", NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        struct parsed r = parse_by(span_str(good[i].head), 1000);
        assert_int_equal(r.x->request.refusal, 0);
        assert_span(r.x->request.path, good[i].path);
        assert_span(r.x->request.host, good[i].host);
        assert_int_equal(r.x->request.query.ptr != NULL, good[i].query != NULL);
        if (good[i].query)
            assert_span(r.x->request.query, good[i].query);
        drop(&r);
    }
}

static void test_request_lines_refused(void **state)
{
    assert_status("\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", 400);
    assert_status("\nGET / HTTP/1.1\r\n" HOST "\r\n", 400);
    assert_status(" GET / HTTP/1.1\r\n", 400);
    assert_status("G(T / HTTP/1.1\r\n", 400);
    assert_status("GET\t/ HTTP/1.1\r\n", 400);
    assert_status("GET  / HTTP/1.1\r\n", 400);
    assert_status("GET /  HTTP/1.1\r\n", 400);
    assert_status("GET /\r\n", 400);
    assert_status("GET / HTTP/1.1 \r\n", 400);
    assert_status("GET / HTTP/1.1\n" HOST "\n", 400);
    assert_status("GET / HTTP/1.1\rX", 400);
    assert_status("GET / http/1.1\r\n", 400);
    assert_status("GET / HTTP/1.10\r\n", 400);
    assert_status("GET / HTTP/11\r\n", 400);
    assert_status("GET / HTTP/1.2\r\n" HOST "\r\n", 0); /* RFC 9110 section 2.5: as 1.1 */
    assert_status("GET / HTTP/0.9\r\n", 400);
    assert_status("GET / HTTP/2.0\r\n", 505);
    assert_status("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
    assert_status("GET /a#b HTTP/1.1\r\n", 400);
    assert_status("GET /\x80 HTTP/1.1\r\n", 400);
    assert_status("GET /\x7f HTTP/1.1\r\n", 400);
    assert_status("GET /\0 HTTP/1.1\r\n", 400);
    assert_status("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\n", 400);
    assert_status("\x16\x03\x01\x02", 400);
    assert_status("GET a HTTP/1.1\r\n" HOST "\r\n", 400);
    assert_status("GET * HTTP/1.1\r\n" HOST "\r\n", 400);
    assert_status("GET ftp://a/ HTTP/1.1\r\n" HOST "\r\n", 400);
    assert_status("GET http:///x HTTP/1.1\r\n" HOST "\r\n", 400);
    assert_status("GET http://u@a/ HTTP/1.1\r\n" HOST "\r\n", 400);
    assert_status("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 501);
}

static void test_fields_refused(void **state)
{
    assert_status(WITH("A : b\r\n"), 400);
    assert_status(WITH(" A: b\r\n"), 400);
    assert_status(WITH("A: b\r\n c\r\n"), 400);
    assert_status(WITH("A: b\r\n\tc\r\n"), 400);
    assert_status("GET / HTTP/1.1\r\n " HOST "\r\n", 400);
    assert_status(WITH(": b\r\n"), 400);
    assert_status(WITH("A\r\n"), 400);
    assert_status(WITH("A: b\n"), 400);
    assert_status(WITH("A: b\rc\r\n"), 400);
    assert_status(WITH("A: b\r\r\n"), 400);
    assert_status(WITH("A: b\0c\r\n"), 400);
    assert_status(WITH("A: b\x01\r\n"), 400);
    assert_status(WITH("A: b\x7f\r\n"), 400);
    assert_status(WITH("A\xc3: b\r\n"), 400);
    assert_status(WITH("A\0: b\r\n"), 400);
    assert_status("GET / HTTP/1.1\r\n" HOST "\rX", 400);
    assert_status("GET / HTTP/1.1\r\n" HOST "\n", 400);
}

static void test_host_rules(void **state)
{
    assert_status("GET / HTTP/1.1\r\n\r\n", 400);
    assert_status("GET / HTTP/1.0\r\n\r\n", 0);
    assert_status(WITH(HOST), 400);
    assert_status("GET / HTTP/1.0\r\n" HOST HOST "\r\n", 400);
    assert_status("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400);
    assert_status("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400);
    assert_status("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400);
    assert_status("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400);
    assert_status("GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", 400);
    assert_status("GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n", 400);
    assert_status("GET http://a/ HTTP/1.1\r\n\r\n", 400);
}

static void test_lengths_and_codings_refused(void **state)
{
    assert_status(WITH("Content-Length: 5\r\n"), 0);
    assert_status(WITH("Transfer-Encoding: Chunked\r\n"), 0);
    assert_status(WITH("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400);
    assert_status(WITH("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400);
    assert_status(WITH("Content-Length: 5\r\nContent-Length: 6\r\n"), 400);
    assert_status(WITH("Content-Length: 5\r\nContent-Length: 5\r\n"), 400);
    assert_status(WITH("Content-Length: 5, 5\r\n"), 400);
    assert_status(WITH("Content-Length: +5\r\n"), 400);
    assert_status(WITH("Content-Length: -5\r\n"), 400);
    assert_status(WITH("Content-Length: 5 5\r\n"), 400);
    assert_status(WITH("Content-Length: 0x5\r\n"), 400);
    assert_status(WITH("Content-Length: \r\n"), 400);
    assert_status(WITH("Content-Length: 9223372036854775808\r\n"), 400);
    assert_status(WITH("Content-Length: 18446744073709551621\r\n"), 400);
    assert_status(WITH("Content-Length: 1001\r\n"), 413);
    assert_status(WITH("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400);
    assert_status(WITH("Transfer-Encoding: chunked, chunked\r\n"), 400);
    /* RFC 9110 section 5.3: several lines are one list. */
    assert_status(WITH("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"), 501);
    assert_status(WITH("Transfer-Encoding: chunked\r\nA: b\r\nTransfer-Encoding: gzip\r\n"), 400);
    assert_status(WITH("Transfer-Encoding: chunked\r\nTransfer-Encoding: \r\n"), 400);
    assert_status(WITH("Transfer-Encoding: chunked, gzip\r\n"), 400);
    assert_status(WITH("Transfer-Encoding: ,chunked\r\n"), 400);
    assert_status(WITH("Transfer-Encoding: \r\n"), 400);
    assert_status(WITH("Transfer-Encoding: gzip, chunked\r\n"), 501);
    assert_status(WITH("Transfer-Encoding: identity\r\n"), 501);
    assert_status(WITH("Transfer-Encoding: xchunked\r\n"), 501);
    assert_status(WITH("Transfer-Encoding: \x0b"
                       "chunked\r\n"),
                  400);
    assert_status("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400);
}

static void test_sizes_refused(void **state)
{
    char head[4096];
    char filler[3000];

    memset(filler, 'a', sizeof filler);
    int n = snprintf(head, sizeof head, "GET /%.99s HTTP/1.1\r\n" HOST "\r\n", filler);
    assert_int_equal(status_of(span_of(head, (size_t)n)), 0);
    n = snprintf(head, sizeof head, "GET /%.100s HTTP/1.1\r\n" HOST "\r\n", filler);
    assert_int_equal(status_of(span_of(head, (size_t)n)), 414);
    n = snprintf(head, sizeof head, "GET / HTTP/1.1\r\n" HOST "A: %.1200s\r\n\r\n", filler);
    assert_int_equal(status_of(span_of(head, (size_t)n)), 431);
    n = snprintf(head, sizeof head, "GET / HTTP/1.1\r\n" HOST "%.1200s", filler);
    assert_int_equal(status_of(span_of(head, (size_t)n)), 431);
    assert_status(WITH("A:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\n"), 0);
    assert_status(WITH("A:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\n"), 431);
}

static void test_connection_options(void **state)
{
    static const struct {
        const char *head;
        bool keeps;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: foo , CLOSE\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", true},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct parsed r = parse_by(span_str(cases[i].head), 1000);
        assert_int_equal(r.framing.keep_alive, cases[i].keeps);
        drop(&r);
    }
}

static void test_refused_requests_can_be_logged(void **state)
{
    struct parsed r = parse_by(SPAN("GET /admin\x01 HTTP/1.1\r\n"), 3);

    assert_int_equal(r.x->request.refusal, 400);
    assert_span(r.x->request.method_text, "GET");
    assert_span(r.x->request.target, "/admin");
    assert_span(r.x->request.path, "/");
    drop(&r);
}

static void test_simd_and_scalar_marks_agree(void **state)
{
    char bytes[H1_SCAN_BLOCK * 2 + 1];
    struct h1_marks fast, slow;

    for (unsigned c = 0; c < 256; c++) {
        for (size_t len = 1; len <= sizeof bytes; len++) {
            memset(bytes, 'a', sizeof bytes);
            bytes[len - 1] = (char)c;
            size_t blocks = (len + H1_SCAN_BLOCK - 1) / H1_SCAN_BLOCK;
            h1_scan(bytes, len, &fast);
            h1_scan_scalar(bytes, len, &slow);
            assert_memory_equal(fast.name, slow.name, blocks * sizeof fast.name[0]);
            assert_memory_equal(fast.value, slow.value, blocks * sizeof fast.value[0]);
            assert_memory_equal(fast.target, slow.target, blocks * sizeof fast.target[0]);
        }
    }
}

static void test_marks_follow_the_grammar(void **state)
{
    for (unsigned c = 0; c < 256; c++) {
        char byte = (char)c;
        struct h1_marks marks;
        bool alnum = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z' && c < 128);
        bool token = alnum || (c && strchr("!#$%&'*+-.^_`|~", (int)c));
        h1_scan_scalar(&byte, 1, &marks);
        assert_int_equal(marks.name[0] & 1, !token);
        assert_int_equal(marks.value[0] & 1, (c < 32 && c != '\t') || c == 127);
        assert_int_equal(marks.target[0] & 1, c <= 32 || c >= 127 || c == '#');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_is_cut_into_its_parts),
        cmocka_unit_test(test_incomplete_heads_ask_for_more),
        cmocka_unit_test(test_target_forms),
        cmocka_unit_test(test_request_lines_refused),
        cmocka_unit_test(test_fields_refused),
        cmocka_unit_test(test_host_rules),
        cmocka_unit_test(test_lengths_and_codings_refused),
        cmocka_unit_test(test_sizes_refused),
        cmocka_unit_test(test_connection_options),
        cmocka_unit_test(test_refused_requests_can_be_logged),
        cmocka_unit_test(test_simd_and_scalar_marks_agree),
        cmocka_unit_test(test_marks_follow_the_grammar),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
