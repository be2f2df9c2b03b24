/* The fields of forwarded requests and answers: what strangers say of themselves stops here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "serve/proxy/path.h"
#include "serve/proxy/rewrite.h"

static struct arena arena;

/** "name: value\n" lines to fields. */
static struct http_fields fields_of(const char *lines)
{
    struct span rest = span_str(lines), line;
    struct http_fields fields = {0};

    while (span_next(&rest, '\n', &line)) {
        ptrdiff_t colon = span_find(line, ':');
        if (colon > 0)
            assert_int_equal(http_add(&arena, &fields, span_of(line.ptr, (size_t)colon),
                                      span_trim(span_from(line, (size_t)colon + 1))),
                             0);
    }
    return fields;
}

static const char *lines_of(const struct http_fields *fields)
{
    struct buffer lines = buffer_make(1 << 20);
    static char text[65536];

    for (unsigned i = 0; i < fields->count; i++)
        assert_int_equal(buffer_printf(&lines, "%.*s: %.*s\n", SPAN_ARGS(fields->items[i].name),
                                       SPAN_ARGS(fields->items[i].value)),
                         0);
    assert_true(lines.len < sizeof text);
    if (lines.len)
        memcpy(text, lines.data, lines.len);
    text[lines.len] = '\0';
    buffer_finish(&lines);
    return text;
}

static const char *request_lines(const char *lines, bool trusted, bool secure)
{
    struct http_request request = {.version = HTTP_1_1, .authority = SPAN("a.example:8443")};
    struct rewrite_facts facts = {.trusted = trusted, .secure = secure, .id = SPAN("id1")};
    struct http_fields out;

    facts.peer.bytes[10] = facts.peer.bytes[11] = 0xff;
    memcpy(facts.peer.bytes + 12, "\xc0\x00\x02\x01", 4);
    request.fields = fields_of(lines);
    assert_int_equal(rewrite_request(&arena, &request, &facts, &out), 0);
    return lines_of(&out);
}

#define OURS                                                                                       \
    "x-forwarded-for: 192.0.2.1\nx-forwarded-proto: https\nx-forwarded-host: a.example:8443\n"     \
    "forwarded: for=192.0.2.1;host=\"a.example:8443\";proto=https\nvia: 1.1 gardien\n"             \
    "x-request-id: id1\n"

static void test_requests_lose_what_belongs_to_the_connection(void **state)
{
    static const struct {
        const char *in;
        const char *out;
    } rows[] = {
        {"", OURS},
        {"host: x\naccept: a\ncookie: c=1; d=2\n", "accept: a\ncookie: c=1; d=2\n" OURS},
        {"connection: close\nkeep-alive: 1\nproxy-connection: x\nte: trailers, gzip\n"
         "trailer: x\ntransfer-encoding: chunked\nupgrade: h2c\nhttp2-settings: x\n"
         "proxy-authorization: secret\ncontent-length: 5\nexpect: 100-continue\n",
         OURS},
        /* nominated by Connection, in any case and several fields */
        {"connection: Foo, close\nconnection: BAR\nfoo: 1\nbar: 2\nbaz: 3\n", "baz: 3\n" OURS},
        /* what we say cannot be taken away by naming it */
        {"connection: x-forwarded-for, x-forwarded-host, forwarded, via, x-request-id\n", OURS},
        /* strangers' words about themselves */
        {"x-forwarded-for: 6.6.6.6\nx-forwarded-proto: http\nx-forwarded-host: evil\n"
         "x-forwarded-port: 1\nx-forwarded-prefix: /x\nx-real-ip: 6.6.6.6\nforwarded: for=6\n"
         "x-request-id: evil\nx-client-ip: 6\n",
         OURS},
        /* CGI would mix them up with those that a proxy sets */
        {"x_forwarded_for: 6.6.6.6\nremote_user: admin\nremote-user: b\n", "remote-user: b\n" OURS},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_string_equal(request_lines(rows[i].in, false, true), rows[i].out);
}

static void test_a_trusted_proxy_is_believed(void **state)
{
    const char *out =
        request_lines("x-forwarded-for: 1.1.1.1, 2.2.2.2\nx-forwarded-for: 3.3.3.3\n"
                      "x-forwarded-proto: https\nx-forwarded-host: front.example\n"
                      "forwarded: for=1.1.1.1\nvia: 1.1 front\nx-request-id: theirs\n",
                      true, false);

    (void)state;
    assert_string_equal(
        out, "x-request-id: theirs\n"
             "x-forwarded-for: 1.1.1.1, 2.2.2.2, 3.3.3.3, 192.0.2.1\nx-forwarded-proto: https\n"
             "x-forwarded-host: front.example\nforwarded: for=1.1.1.1, "
             "for=192.0.2.1;host=\"a.example:8443\";proto=http\nvia: 1.1 front, 1.1 gardien\n");
}

static void test_ipv6_is_quoted_in_forwarded(void **state)
{
    struct http_request request = {.version = HTTP_2, .authority = SPAN("a.example")};
    struct rewrite_facts facts = {.secure = true, .id = SPAN("id1")};
    struct http_fields out;

    (void)state;
    facts.peer.bytes[0] = 0x20;
    facts.peer.bytes[1] = 0x01;
    facts.peer.bytes[15] = 1;
    assert_int_equal(rewrite_request(&arena, &request, &facts, &out), 0);
    assert_non_null(strstr(lines_of(&out),
                           "forwarded: for=\"[2001::1]\";host=\"a.example\";proto=https\n"
                           "via: 2.0 gardien\n"));
}

static void test_answers_lose_what_belongs_to_the_connection(void **state)
{
    struct http_fields out,
        in = fields_of("content-type: text/html\ncontent-length: 5\nconnection: close, x-a\n"
                       "x-a: 1\nkeep-alive: x\ntransfer-encoding: chunked\nset-cookie: a=1\n"
                       "set-cookie: b=2\nx-accel-redirect: /etc\nx-accel-buffering: no\n"
                       "proxy-authenticate: x\nserver: app\n");

    (void)state;
    assert_int_equal(rewrite_answer(&arena, &in, &out), 0);
    assert_string_equal(lines_of(&out),
                        "content-type: text/html\nset-cookie: a=1\nset-cookie: b=2\nserver: app\n");
}

static void test_trailers_frame_nothing(void **state)
{
    struct http_fields trailers =
        fields_of("grpc-status: 0\ncontent-length: 5\ntransfer-encoding: chunked\nhost: x\n"
                  "x-checksum: 1\nset-cookie: a\nconnection: close\n");

    (void)state;
    http_trailers_filter(&trailers);
    assert_string_equal(lines_of(&trailers), "grpc-status: 0\nx-checksum: 1\n");
}

static void test_ambiguous_paths_are_found(void **state)
{
    static const struct {
        const char *path;
        bool ambiguous;
    } rows[] = {
        {"/", false},
        {"/a/b.c/..d/e../...", false},
        {"/queues/%2F/x%2fy", false}, /* one segment with slashes in it */
        {"/a;jsessionid=1/b;c", false},
        {"/100%25", false},
        {"/a%20b//c", false},
        {"/a/../b", true},
        {"/a/./b", true},
        {"/a/..", true},
        {"/.", true},
        {"/a/%2e%2e/b", true},
        {"/a/.%2E/b", true},
        {"/a/%252e%252e/b", true},
        {"/a/%25252e./b", true},
        {"/a/..%2fb", true},
        {"/a%2f..%2Fb", true},
        {"/a%252f..", true},
        {"/a/..;/b", true},
        {"/a/..;x=1/b", true},
        {"/a/.%3b/b", true},
        {"/a\\b", true},
        {"/a%5cb", true},
        {"/a%255Cb", true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (path_is_ambiguous(span_str(rows[i].path)) != rows[i].ambiguous)
            fail_msg("%s", rows[i].path);
}

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, NULL, 0, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_reset(&arena, NULL, 0);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_lose_what_belongs_to_the_connection),
        cmocka_unit_test(test_a_trusted_proxy_is_believed),
        cmocka_unit_test(test_ipv6_is_quoted_in_forwarded),
        cmocka_unit_test(test_answers_lose_what_belongs_to_the_connection),
        cmocka_unit_test(test_trailers_frame_nothing),
        cmocka_unit_test(test_ambiguous_paths_are_found),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
