/* The HTTP/1 engine between bytes and an owner: framing both ways, persistence, pipelining, ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "owner.h"

#define DATE "date: Tue, 11 Jun 2024 10:00:00 GMT\r\n"
#define OK_HEAD "HTTP/1.1 200 OK\r\n" DATE
#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_HEARD "[GET / v11 host=a path=/ query= n=1 len=-1](end)"

static void assert_text(const struct buffer *got, const char *expected)
{
    if (!span_equal(buffer_span(got), span_str(expected)))
        fail_msg("got <<%.*s>> instead of <<%s>>", (int)got->len, got->data ? got->data : "",
                 expected);
}

static bool sent_ends_with(const struct owner *o, const char *end)
{
    return span_ends(buffer_span(&o->sent), span_str(end));
}

static bool sent_has(const struct owner *o, const char *text)
{
    return o->sent.len && memmem(o->sent.data, o->sent.len, text, strlen(text));
}

static void test_get_is_answered_with_length(void **state)
{
    struct owner o;

    owner_begin(&o);
    o.body = "hello";
    o.length = 5;
    owner_feed(&o, SPAN(GET));
    assert_text(&o.heard, GET_HEARD "(done)");
    assert_text(&o.sent, OK_HEAD "content-length: 5\r\nx-test: yes\r\n\r\nhello");
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_IDLE);
    owner_finish(&o);
}

static void test_unknown_length_is_chunked(void **state)
{
    const struct http_field trailer[] = {{SPAN("x-sum"), SPAN("1")}};
    const struct http_fields trailers = {(struct http_field *)(uintptr_t)trailer, 1, 1};
    struct owner o;

    owner_begin(&o);
    o.body = "hello, wide world";
    o.piece = 16;
    o.trailers = &trailers;
    owner_feed(&o, SPAN(GET));
    assert_text(&o.sent, OK_HEAD "transfer-encoding: chunked\r\nx-test: yes\r\n\r\n"
                                 "10\r\nhello, wide worl\r\n1\r\nd\r\n0\r\nx-sum: 1\r\n\r\n");
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_IDLE);
    owner_finish(&o);
}

static void test_http_1_0_ends_with_the_connection(void **state)
{
    struct owner o;

    owner_begin(&o);
    o.body = "hello";
    owner_feed(&o, SPAN("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    assert_text(&o.sent, OK_HEAD "connection: close\r\nx-test: yes\r\n\r\nhello");
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_CLOSED);
    owner_finish(&o);
}

static void test_http_1_0_keeps_alive_on_request(void **state)
{
    struct owner o;

    owner_begin(&o);
    o.body = "hello";
    o.length = 5;
    owner_feed(&o, SPAN("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    assert_text(&o.sent,
                OK_HEAD "connection: keep-alive\r\ncontent-length: 5\r\nx-test: yes\r\n\r\nhello");
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_IDLE);
    owner_feed(&o, SPAN("GET / HTTP/1.0\r\n\r\n"));
    assert_true(sent_has(&o, "connection: close\r\n"));
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_CLOSED);
    owner_finish(&o);
}

static void test_bodyless_answers(void **state)
{
    static const struct {
        const char *method;
        int status;
        int64_t length;
        const char *sent;
    } cases[] = {
        {"HEAD", 200, 5, OK_HEAD "content-length: 5\r\nx-test: yes\r\n\r\n"},
        {"HEAD", 200, -1, OK_HEAD "x-test: yes\r\n\r\n"},
        {"GET", 204, -1, "HTTP/1.1 204 No Content\r\n" DATE "x-test: yes\r\n\r\n"},
        {"GET", 304, 5, "HTTP/1.1 304 Not Modified\r\n" DATE "x-test: yes\r\n\r\n"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct owner o;
        char head[100];
        owner_begin(&o);
        o.status = cases[i].status;
        o.body = "hello";
        o.length = cases[i].length;
        int n = snprintf(head, sizeof head, "%s / HTTP/1.1\r\nHost: a\r\n\r\n", cases[i].method);
        owner_feed(&o, span_of(head, (size_t)n));
        assert_text(&o.sent, cases[i].sent);
        assert_int_equal(o.bodies_closed, 1);
        assert_int_equal(http_wait(o.engine), HTTP_WAIT_IDLE);
        owner_finish(&o);
    }
}

static void test_no_body_has_length_zero(void **state)
{
    struct owner o;

    owner_begin(&o);
    o.status = 404;
    owner_feed(&o, SPAN(GET));
    assert_text(&o.sent,
                "HTTP/1.1 404 Not Found\r\n" DATE "content-length: 0\r\nx-test: yes\r\n\r\n");
    owner_finish(&o);
}

static void test_pipelined_requests_are_answered_in_order(void **state)
{
    struct owner o;

    owner_begin(&o);
    o.body = "x";
    o.length = 1;
    o.starves = true;
    for (int i = 0; i < 50; i++)
        owner_feed(&o, SPAN(GET "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
                                "HEAD /h HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_int_equal(o.asked, 150);
    assert_int_equal(o.closed, 150);
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_IDLE);
    owner_finish(&o);
}

static void test_pipelining_is_bounded_while_an_answer_is_due(void **state)
{
    struct owner o;
    size_t fed = 0;

    owner_begin(&o);
    o.status = 0;
    while (http_wants_input(o.engine)) {
        owner_feed(&o, SPAN(GET));
        fed += sizeof GET - 1;
        assert_in_range(fed, 1, 20000);
    }
    assert_int_equal(o.asked, 1);
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_ANSWER);
    o.status = 200;
    owner_answer(&o, o.x, 200);
    owner_pump(&o);
    assert_int_equal(o.closed, fed / (sizeof GET - 1));
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_IDLE);
    assert_true(http_wants_input(o.engine));
    owner_finish(&o);
}

static void test_request_bodies_arrive(void **state)
{
    struct owner o;

    owner_begin(&o);
    o.at_end = true;
    owner_feed(&o, SPAN("POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "3\r\nabc\r\n2\r\nde\r\n0\r\nX-T: v\r\nContent-Length: 9\r\n\r\n" GET));
    assert_text(&o.heard,
                "[POST /p v11 host=a path=/p query= n=2 len=-1]abcde<x-t=v>(end)(done)" GET_HEARD
                "(done)");
    owner_finish(&o);
}

/** Everything that a stream leads to, at once. */
static void run_stream(struct owner *o, struct span stream, size_t step)
{
    owner_begin(o);
    o->limits.body_bytes = 20;
    o->at_end = true;
    o->body = "answer";
    o->length = -1;
    owner_feed_by(o, stream, step);
}

static void test_splits_change_nothing(void **state)
{
    static const char *const streams[] = {
        GET GET "HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" GET,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789" GET,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 21\r\n\r\n0123456789" GET,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5;x=y\r\n01234\r\n5\r\n56789\r\n0\r\nA: b\r\nHost: c\r\n\r\n" GET,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n15\r\n"
        "012345678901234567890\r\n0\r\n\r\n" GET,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n" GET,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA : b\r\n\r\n" GET,
        GET "\r\n" GET "GET / HTTP/1.1\r\nHost: a\r\nA\r\n\r\n" GET,
        GET "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" GET,
        GET "GET / HTTP/1.1\nHost: a\n\n",
    };

    for (size_t i = 0; i < ARRAY_SIZE(streams); i++) {
        struct span stream = span_str(streams[i]);
        struct owner whole;
        run_stream(&whole, stream, stream.len);
        for (size_t step = 1; step < stream.len; step++) {
            struct owner split;
            run_stream(&split, stream, step);
            /* what arrived of a body before its fault does depend on the split */
            if (!memmem(whole.sent.data, whole.sent.len, " 413 ", 5))
                assert_true(span_equal(buffer_span(&split.heard), buffer_span(&whole.heard)));
            assert_true(span_equal(buffer_span(&split.sent), buffer_span(&whole.sent)));
            assert_int_equal(http_wait(split.engine), http_wait(whole.engine));
            owner_finish(&split);
        }
        owner_finish(&whole);
    }
}

static void test_refused_requests_are_answered_and_closed(void **state)
{
    struct owner o;

    owner_begin(&o);
    owner_feed(&o, SPAN("GET /x HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n" GET));
    assert_text(&o.heard,
                "[GET /x v11 host= path=/ query= n=0 len=-1 REFUSED 400 space in or after "
                "a field name](done)");
    assert_text(&o.sent, "HTTP/1.1 400 Bad Request\r\n" DATE
                         "connection: close\r\ncontent-length: 0\r\nx-test: yes\r\n\r\n");
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_CLOSED);
    assert_false(http_wants_input(o.engine));
    owner_feed(&o, SPAN(GET));
    assert_int_equal(o.asked, 1);
    owner_finish(&o);
}

static void test_broken_chunks_are_answered_by_the_engine(void **state)
{
    struct owner o;

    owner_begin(&o);
    o.at_end = true;
    owner_feed(&o, SPAN("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"));
    assert_text(&o.sent, "HTTP/1.1 400 Bad Request\r\n" DATE
                         "connection: close\r\ncontent-length: 0\r\n\r\n");
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_CLOSED);
    owner_finish(&o);
}

static void test_continue_is_said_when_the_body_is_wanted(void **state)
{
    struct owner o;

    owner_begin(&o);
    o.at_end = true;
    owner_feed(&o, SPAN("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                        "Content-Length: 2\r\n\r\n"));
    assert_text(&o.sent, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_BODY);
    owner_feed(&o, SPAN("ab"));
    assert_true(sent_ends_with(&o, "content-length: 0\r\nx-test: yes\r\n\r\n"));
    assert_false(sent_has(&o, "connection: close"));
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_IDLE);
    owner_finish(&o);
}

static void test_continue_is_not_said_once_the_body_has_begun(void **state)
{
    struct owner o;

    owner_begin(&o);
    o.at_end = true;
    owner_feed(&o, SPAN("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                        "Content-Length: 2\r\n\r\nab"));
    assert_false(sent_has(&o, "100 Continue"));
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_IDLE);
    owner_finish(&o);
}

static void test_early_answer_to_an_expecting_client_closes(void **state)
{
    struct owner o;

    owner_begin(&o);
    o.status = 403;
    owner_feed(&o, SPAN("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                        "Content-Length: 2\r\n\r\n"));
    assert_false(sent_has(&o, "100 Continue"));
    assert_true(sent_has(&o, "connection: close\r\n"));
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_CLOSED);
    owner_finish(&o);
}

static void test_small_unread_body_is_discarded(void **state)
{
    struct owner o;

    owner_begin(&o);
    owner_feed(&o, SPAN("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"));
    assert_int_equal(o.closed, 1);
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_BODY);
    owner_feed(&o, SPAN("ab"));
    owner_feed(&o, SPAN("cd" GET));
    assert_int_equal(o.closed, 2);
    owner_feed(&o, SPAN("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"));
    owner_feed(&o, SPAN("2\r\nab\r\n0\r\nT:"));
    owner_feed(&o, SPAN(" x\r\n\r\n" GET));
    assert_int_equal(o.closed, 4);
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_IDLE);
    owner_finish(&o);
}

static void test_large_unread_body_closes(void **state)
{
    struct owner o;
    char chunk[6 + 4096 + 2] = "1000\r\n";

    owner_begin(&o);
    owner_feed(&o, SPAN("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"));
    assert_true(sent_has(&o, "connection: close\r\n"));
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_CLOSED);
    owner_finish(&o);

    owner_begin(&o);
    memset(chunk + 6, 'x', 4096);
    memcpy(chunk + 6 + 4096, "\r\n", 2);
    owner_feed(&o, SPAN("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"));
    for (int i = 0; i < 16; i++) {
        assert_int_equal(http_wait(o.engine), HTTP_WAIT_BODY);
        owner_feed(&o, span_of(chunk, sizeof chunk));
    }
    owner_feed(&o, span_of(chunk, sizeof chunk));
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_CLOSED);
    owner_finish(&o);
}

static void test_short_or_failing_bodies_cut_the_connection(void **state)
{
    for (int fails = 0; fails < 2; fails++) {
        for (int64_t length = -1; length < 7; length += 7) {
            struct owner o;
            owner_begin(&o);
            o.body = "hello";
            o.length = length;
            o.fails = fails;
            owner_feed(&o, SPAN(GET GET));
            bool broken = fails || length > 5;
            assert_int_equal(o.cut, broken);
            assert_int_equal(sent_ends_with(&o, "0\r\n\r\n"), !broken);
            assert_int_equal(o.closed, broken ? 1 : 2);
            if (broken)
                assert_true(span_ends(buffer_span(&o.heard), SPAN("(server)")));
            owner_finish(&o);
        }
    }
}

static void test_never_more_than_declared(void **state)
{
    struct owner o;

    owner_begin(&o);
    o.body = "hello";
    o.length = 2;
    owner_feed(&o, SPAN(GET));
    assert_true(sent_ends_with(&o, "\r\n\r\nhe"));
    assert_false(o.cut);
    owner_finish(&o);
}

static void test_requests_are_counted(void **state)
{
    struct owner o;

    owner_begin(&o);
    o.limits.requests_per_connection = 2;
    owner_feed(&o, SPAN(GET GET GET));
    assert_int_equal(o.asked, 2);
    assert_true(sent_has(&o, "connection: close\r\n"));
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_CLOSED);
    owner_finish(&o);
}

static void test_shutdown_ends_after_the_answer(void **state)
{
    struct owner o;

    owner_begin(&o);
    http_shutdown(o.engine);
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_CLOSED);
    owner_finish(&o);

    owner_begin(&o);
    o.status = 0;
    owner_feed(&o, SPAN(GET));
    http_shutdown(o.engine);
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_ANSWER);
    owner_answer(&o, o.x, 200);
    owner_pump(&o);
    assert_true(sent_has(&o, "connection: close\r\n"));
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_CLOSED);
    owner_finish(&o);
}

static void test_reset_and_hangup_close_the_exchange_once(void **state)
{
    struct owner o;

    owner_begin(&o);
    o.status = 0;
    owner_feed(&o, SPAN(GET));
    http_reset(o.x);
    assert_text(&o.heard, GET_HEARD "(server)");
    owner_pump(&o);
    assert_true(o.cut);
    owner_finish(&o);

    owner_begin(&o);
    o.status = 0;
    owner_feed(&o, SPAN(GET));
    http_hangup(o.engine);
    assert_text(&o.heard, GET_HEARD "(client)");
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_CLOSED);
    owner_finish(&o);
}

static void test_waits_tell_what_is_due(void **state)
{
    struct owner o;

    owner_begin(&o);
    o.status = 0;
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_IDLE);
    owner_feed(&o, SPAN("GE"));
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_HEADER);
    owner_feed(&o, SPAN("T / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"));
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_BODY);
    owner_feed(&o, SPAN("x"));
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_ANSWER);
    owner_answer(&o, o.x, 200);
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_OUTPUT);
    owner_pump(&o);
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_IDLE);
    owner_finish(&o);
}

static void test_oversized_answer_head_is_cut(void **state)
{
    static char value[40000];
    struct owner o;

    owner_begin(&o);
    o.status = 0;
    owner_feed(&o, SPAN(GET));
    struct http_field field = {SPAN("x-large"), span_of(value, sizeof value)};
    struct http_response response = {.status = 200, .content_length = 0, .fields = {&field, 1, 1}};
    http_respond(o.x, &response, NULL);
    owner_pump(&o);
    assert_true(o.cut);
    assert_int_equal(o.sent.len, 0);
    owner_finish(&o);
}

#define UPGRADE "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

static void test_a_switch_of_protocols_begins_a_tunnel(void **state)
{
    struct owner o;

    (void)state;
    owner_begin(&o);
    o.tunnels = true;
    o.body = "bytes of the server";
    o.starves = true;
    owner_feed(&o, SPAN(UPGRADE "GET / HTTP/1.1\r\n\r\n"));
    assert_true(sent_has(&o, "HTTP/1.1 101 Switching Protocols\r\n"));
    assert_true(sent_has(&o, "connection: upgrade\r\n"));
    assert_false(sent_has(&o, "content-length"));
    assert_true(sent_ends_with(&o, "\r\n\r\nbytes of the server"));
    /* what came early is the tunnel's, and its end is the connection's */
    assert_non_null(memmem(o.heard.data, o.heard.len, "{GET / HTTP/1.1\r\n\r\n}", 20));
    assert_int_equal(o.asked, 1);
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_CLOSED);
    owner_finish(&o);
}

static void test_a_tunnel_has_a_window(void **state)
{
    static char bytes[64 << 10];
    struct owner o;

    (void)state;
    owner_begin(&o);
    o.tunnels = o.keeps = true;
    o.body = "x";
    o.status = 0; /* answered below, so that the tunnel stays open */
    o.tunnels = false;
    owner_feed(&o, SPAN(UPGRADE));
    o.starves = true;
    struct http_exchange *x = o.x;
    owner_answer(&o, x, 101);
    char *out = mem_alloc(32 << 10);
    assert_true(http_produce(o.engine, out, 32 << 10, o.now) > 0);
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_BODY);
    assert_true(http_wants_input(o.engine));
    assert_int_equal(http_receive(o.engine, span_of(bytes, sizeof bytes), o.now), 0);
    assert_false(http_wants_input(o.engine));
    http_consume(x, sizeof bytes);
    assert_true(http_wants_input(o.engine));
    assert_int_equal(http_deadline(o.engine, o.now), NSEC_NEVER);
    free(out);
    owner_finish(&o);
}

static void test_only_one_get_for_websocket_may_switch(void **state)
{
    static const struct {
        const char *request;
        bool upgrades;
    } rows[] = {
        {UPGRADE, true},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, UPGRADE\r\nUpgrade: "
         "WebSocket\r\n\r\n",
         true},
        {"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket, h2c\r\n\r\n",
         false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
         "Upgrade: websocket\r\n\r\n",
         false},
        {"GET / HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", false},
        {"POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
         "Content-Length: 1\r\n\r\nx",
         false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct owner o;
        owner_begin(&o);
        o.status = 0;
        owner_feed(&o, span_str(rows[i].request));
        assert_non_null(o.x);
        assert_int_equal(o.x->request.upgrade.len > 0, rows[i].upgrades);
        owner_finish(&o);
    }
}

static void test_owner_cannot_contradict_the_framing(void **state)
{
    struct http_field fields[] = {{SPAN("content-length"), SPAN("9")},
                                  {SPAN("transfer-encoding"), SPAN("chunked")},
                                  {SPAN("connection"), SPAN("close")},
                                  {SPAN("date"), SPAN("x")},
                                  {SPAN("etag"), SPAN("\"1\"")}};
    struct http_response response = {
        .status = 299, .content_length = 0, .fields = {fields, ARRAY_SIZE(fields), 0}};
    struct owner o;

    owner_begin(&o);
    o.status = 0;
    owner_feed(&o, SPAN(GET));
    http_respond(o.x, &response, NULL);
    owner_pump(&o);
    assert_text(&o.sent,
                "HTTP/1.1 299 Unknown\r\n" DATE "content-length: 0\r\netag: \"1\"\r\n\r\n");
    owner_finish(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get_is_answered_with_length),
        cmocka_unit_test(test_unknown_length_is_chunked),
        cmocka_unit_test(test_http_1_0_ends_with_the_connection),
        cmocka_unit_test(test_http_1_0_keeps_alive_on_request),
        cmocka_unit_test(test_bodyless_answers),
        cmocka_unit_test(test_no_body_has_length_zero),
        cmocka_unit_test(test_pipelined_requests_are_answered_in_order),
        cmocka_unit_test(test_pipelining_is_bounded_while_an_answer_is_due),
        cmocka_unit_test(test_request_bodies_arrive),
        cmocka_unit_test(test_splits_change_nothing),
        cmocka_unit_test(test_refused_requests_are_answered_and_closed),
        cmocka_unit_test(test_broken_chunks_are_answered_by_the_engine),
        cmocka_unit_test(test_continue_is_said_when_the_body_is_wanted),
        cmocka_unit_test(test_continue_is_not_said_once_the_body_has_begun),
        cmocka_unit_test(test_early_answer_to_an_expecting_client_closes),
        cmocka_unit_test(test_small_unread_body_is_discarded),
        cmocka_unit_test(test_large_unread_body_closes),
        cmocka_unit_test(test_short_or_failing_bodies_cut_the_connection),
        cmocka_unit_test(test_never_more_than_declared),
        cmocka_unit_test(test_requests_are_counted),
        cmocka_unit_test(test_shutdown_ends_after_the_answer),
        cmocka_unit_test(test_reset_and_hangup_close_the_exchange_once),
        cmocka_unit_test(test_waits_tell_what_is_due),
        cmocka_unit_test(test_oversized_answer_head_is_cut),
        cmocka_unit_test(test_a_switch_of_protocols_begins_a_tunnel),
        cmocka_unit_test(test_a_tunnel_has_a_window),
        cmocka_unit_test(test_only_one_get_for_websocket_may_switch),
        cmocka_unit_test(test_owner_cannot_contradict_the_framing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
