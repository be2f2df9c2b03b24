/* A GET as a client, over HTTP/1.1 in any pieces, and over HTTP/2 against our own server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "http/http.h"
#include "http/pool.h"
#include "http/server.h"

static struct http_fetch *fetch_of(int version)
{
    struct http_fetch_request request = {.version = version,
                                         .scheme = "https",
                                         .authority = "a.example",
                                         .path = "/x",
                                         .user_agent = "test"};
    struct http_fetch *fetch;

    assert_int_equal(http_fetch_create(&request, &fetch), 0);
    return fetch;
}

static void test_the_request_is_written(void **state)
{
    struct http_fetch *fetch = fetch_of(HTTP_1_1);
    char out[HTTP_FETCH_OUT + 1];

    (void)state;
    ssize_t len = http_fetch_output(fetch, out, HTTP_FETCH_OUT);
    assert_true(len > 0);
    out[len] = '\0';
    assert_string_equal(out, "GET /x HTTP/1.1\r\nHost: a.example\r\nUser-Agent: test\r\n"
                             "Accept: */*\r\nConnection: close\r\n\r\n");
    assert_int_equal(http_fetch_output(fetch, out, HTTP_FETCH_OUT), 0);
    http_fetch_destroy(fetch);
}

static void test_an_answer_is_read_in_any_pieces(void **state)
{
    static const char answer[] = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                                 "HTTP/1.1 301 Moved\r\nLocation:  /y \r\nX: 1\r\n\r\nbody";
    size_t head = sizeof answer - 1 - strlen("body");

    (void)state;
    for (size_t step = 1; step < sizeof answer; step++) {
        struct http_fetch *fetch = fetch_of(HTTP_1_1);
        int r = 0;
        for (size_t at = 0; r == 0; at += step) {
            size_t len = at + step < sizeof answer - 1 ? step : sizeof answer - 1 - at;
            r = http_fetch_input(fetch, span_of(answer + at, len));
            assert_true(r == 1 || at + len < head);
        }
        assert_int_equal(r, 1);
        assert_int_equal(http_fetch_status(fetch), 301);
        assert_int_equal(http_fetch_version(fetch), HTTP_1_1);
        assert_true(span_equal(http_fetch_value(fetch, SPAN("location")), SPAN("/y")));
        assert_null(http_fetch_value(fetch, SPAN("link")).ptr);
        http_fetch_destroy(fetch);
    }
}

static void test_what_is_no_http_is_refused_at_once(void **state)
{
    static const char *const wrong[] = {
        "SSH-2.0-x\r\n",          "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 2 OK\r\n\r\n",  "h",
        "HTTP/1.1 099 x\r\n\r\n", "HTTP/1.1 200 OK\r\na: b\rc\r\n\r\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct http_fetch *fetch = fetch_of(HTTP_1_1);
        assert_int_equal(http_fetch_input(fetch, span_str(wrong[i])), ERR_SYNTAX);
        assert_int_equal(http_fetch_input(fetch, SPAN("HTTP/1.1 200 OK\r\n\r\n")), ERR_SYNTAX);
        http_fetch_destroy(fetch);
    }
}

static void test_odd_heads_are_taken_as_browsers_take_them(void **state)
{
    static const struct {
        const char *head, *value;
        int status;
        unsigned oddities;
        bool differ;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nx: a\r\n\r\n", "a", 200, 0, false},
        {"HTTP/1.1 999 x\r\nx: a\r\n\r\n", "a", 999, 0, false},
        {"HTTP/1.1 200 OK\r\nx: a;\r\n \t b\r\ny: c\r\n\r\n", "a;     b", 200, HTTP_FETCH_FOLDED,
         false},
        {"HTTP/1.1 200 OK\r\nx:\r\n b\r\n\r\n", "b", 200, HTTP_FETCH_FOLDED, false},
        {"HTTP/1.1 200 OK\r\n b\r\nx: a\r\n\r\n", "a", 200, HTTP_FETCH_FOLDED, false},
        {"HTTP/1.1 200 OK\r\nno colon\r\nx: a\r\n\r\n", "a", 200, HTTP_FETCH_NO_FIELD, false},
        {"HTTP/1.1 200 OK\r\n: b\r\na b: c\r\nx: a\r\n\r\n", "a", 200, HTTP_FETCH_NO_FIELD, false},
        {"HTTP/1.1 200 OK\r\nX : a\r\n\r\n", "a", 200, HTTP_FETCH_BLANK_NAME, false},
        {"HTTP/1.1 200 OK\r\nx: a\r\ncontent-length: 5\r\nContent-Length: 5\r\n\r\n", "a", 200, 0,
         false},
        {"HTTP/1.1 200 OK\r\nx: a\r\ncontent-length: 5\r\nContent-Length: 6\r\n\r\n", "a", 200, 0,
         true},
        {"HTTP/1.1 200 OK\r\nx: a\r\ncontent-length: 5, 7\r\n\r\n", "a", 200, 0, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct http_fetch *fetch = fetch_of(HTTP_1_1);
        assert_int_equal(http_fetch_input(fetch, span_str(cases[i].head)), 1);
        assert_int_equal(http_fetch_status(fetch), cases[i].status);
        struct span value = http_fetch_value(fetch, SPAN("x"));
        scoped(mem_release) char *text = mem_string(value);
        assert_string_equal(text, cases[i].value);
        assert_int_equal(http_fetch_oddities(fetch), cases[i].oddities);
        assert_int_equal(http_fetch_lengths_differ(fetch), cases[i].differ);
        http_fetch_destroy(fetch);
    }
}

static void test_cookies_are_collected(void **state)
{
    struct http_fetch *fetch = fetch_of(HTTP_1_1);

    (void)state;
    assert_int_equal(http_fetch_input(fetch, SPAN("HTTP/1.1 302 x\r\nSet-Cookie: a=1; Path=/\r\n"
                                                  "set-cookie: nothing\r\nSet-Cookie: b=\r\n\r\n")),
                     1);
    scoped(mem_release) char *cookies = http_fetch_cookies(fetch);
    assert_string_equal(cookies, "a=1; Path=/\nnothing\nb=");
    http_fetch_destroy(fetch);
}

static void test_a_head_without_end_is_cut(void **state)
{
    struct http_fetch *fetch = fetch_of(HTTP_1_1);
    char line[1000];
    int r, rounds = 0;

    (void)state;
    memset(line, 'a', sizeof line);
    memcpy(line, "x: ", 3);
    memcpy(line + sizeof line - 2, "\r\n", 2);
    r = http_fetch_input(fetch, SPAN("HTTP/1.1 200 OK\r\n"));
    while (r == 0 && rounds++ < 1000)
        r = http_fetch_input(fetch, span_of(line, sizeof line));
    assert_int_equal(r, ERR_LIMIT);
    assert_true(rounds <= HTTP_FETCH_HEAD_MAX / 1000 + 1);
    http_fetch_destroy(fetch);
}

/* ---- HTTP/2 against our own engine ---- */

static void on_request(void *owner, struct http_exchange *x)
{
    struct http_response response = {.status = 204, .content_length = -1};

    (void)owner;
    assert_true(span_equal(x->request.path, SPAN("/x")));
    assert_int_equal(http_add(&x->arena, &response.fields, SPAN("x-a"), SPAN("b")), 0);
    http_respond(x, &response, NULL);
}

static void on_close(void *owner, struct http_exchange *x, enum http_end end)
{
    (void)owner;
    (void)x;
    (void)end;
}

static void test_http2_is_spoken(void **state)
{
    static const struct http_events events = {.on_request = on_request, .on_close = on_close};
    static const struct http_limits limits = {.header_bytes = 32768,
                                              .header_count = 100,
                                              .uri_bytes = 8192,
                                              .body_bytes = 1000,
                                              .h2_streams = 10,
                                              .h2_resets_per_minute = 100,
                                              .h2_settings_per_minute = 100,
                                              .h2_pings_per_minute = 100,
                                              .h2_empty_frames_per_minute = 100,
                                              .h2_continuations = 8,
                                              .body_window = 65535};
    struct http_pool *pool = http_pool_create(1 << 20);
    struct http_engine_config config = {.events = &events,
                                        .limits = &limits,
                                        .pool = pool,
                                        .date = "Sun, 06 Nov 1994 08:49:37 GMT",
                                        .secure = true};
    struct http_engine *server = h2_server_create(&config);
    struct http_fetch *fetch = fetch_of(HTTP_2);
    char bytes[65536];
    int r = 0;

    (void)state;
    for (int round = 0; r == 0 && round < 10; round++) {
        ssize_t len = http_fetch_output(fetch, bytes, sizeof bytes);
        assert_true(len >= 0);
        assert_int_equal(http_receive(server, span_of(bytes, (size_t)len), 1), 0);
        while (r == 0 && (len = http_produce(server, bytes, sizeof bytes, 1)) > 0)
            r = http_fetch_input(fetch, span_of(bytes, (size_t)len));
    }
    assert_int_equal(r, 1);
    assert_int_equal(http_fetch_status(fetch), 204);
    assert_int_equal(http_fetch_version(fetch), HTTP_2);
    assert_true(span_equal(http_fetch_value(fetch, SPAN("x-a")), SPAN("b")));
    http_fetch_destroy(fetch);
    http_engine_destroy(server);
    http_pool_destroy(pool);
}

static void test_a_server_that_says_goodbye_gave_no_answer(void **state)
{
    static const char frames[] = "\0\0\0\4\0\0\0\0\0"                      /* SETTINGS */
                                 "\0\0\x08\7\0\0\0\0\0\0\0\0\0\0\0\0\x0b"; /* GOAWAY */
    struct http_fetch *fetch = fetch_of(HTTP_2);
    char bytes[HTTP_FETCH_OUT];

    (void)state;
    assert_true(http_fetch_output(fetch, bytes, sizeof bytes) > 0);
    assert_int_equal(http_fetch_input(fetch, span_of(frames, sizeof frames - 1)), ERR_CLOSED);
    http_fetch_destroy(fetch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_request_is_written),
        cmocka_unit_test(test_an_answer_is_read_in_any_pieces),
        cmocka_unit_test(test_what_is_no_http_is_refused_at_once),
        cmocka_unit_test(test_odd_heads_are_taken_as_browsers_take_them),
        cmocka_unit_test(test_cookies_are_collected),
        cmocka_unit_test(test_a_head_without_end_is_cut),
        cmocka_unit_test(test_http2_is_spoken),
        cmocka_unit_test(test_a_server_that_says_goodbye_gave_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
