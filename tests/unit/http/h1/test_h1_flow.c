/* What a client of HTTP/1 holds and for how long: body windows, deadlines, turns, refusals,
 * informational answers, and who is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "owner.h"

#define DATE "date: Tue, 11 Jun 2024 10:00:00 GMT\r\n"
#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST(length) "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " length "\r\n\r\n"
#define S(n) ((nsec_t)(n)*NSEC_PER_SEC)

enum { WINDOW = 20000 };

static bool has(const struct buffer *buffer, const char *text)
{
    return buffer->len && memmem(buffer->data, buffer->len, text, strlen(text));
}

static unsigned count(const struct buffer *buffer, const char *text)
{
    unsigned found = 0;

    for (size_t at = 0; at + strlen(text) <= buffer->len; at++)
        found += memcmp(buffer->data + at, text, strlen(text)) == 0;
    return found;
}

static void feed_bytes(struct owner *o, size_t bytes)
{
    static char piece[1000];

    memset(piece, 'b', sizeof piece);
    for (; bytes; bytes -= sizeof piece)
        owner_feed(o, span_of(piece, sizeof piece));
}

/* ---- windows ---- */

static void test_h1_reads_no_further_than_its_owner_consumes(void **state)
{
    struct owner o;

    owner_begin(&o);
    o.limits.body_window = WINDOW;
    o.keeps = o.at_end = true;
    owner_feed(&o, SPAN(POST("100000")));
    feed_bytes(&o, WINDOW - 1000);
    assert_true(http_wants_input(o.engine));
    feed_bytes(&o, 1000);
    assert_false(http_wants_input(o.engine));
    assert_int_equal(o.x->held, WINDOW);
    assert_int_equal(http_load(o.engine).held, WINDOW);
    assert_int_equal(o.wakes, 0);
    http_consume(o.x, 1);
    assert_true(http_wants_input(o.engine));
    assert_int_equal(o.wakes, 1);
    http_consume(o.x, 1000);
    assert_int_equal(o.wakes, 1);
    http_discard_body(o.x);
    assert_int_equal(http_load(o.engine).held, 0);
    feed_bytes(&o, 80000); /* dropped as it comes */
    assert_true(has(&o.heard, "(end)"));
    assert_int_equal(count(&o.heard, "b"), WINDOW);
    owner_finish(&o);
}

static void test_h1_drops_bodies_that_nobody_streams(void **state)
{
    struct owner o;

    owner_begin(&o);
    o.drops = o.at_end = true;
    owner_feed(&o, SPAN(POST("5") "hello" GET));
    assert_false(has(&o.heard, "hello"));
    assert_int_equal(count(&o.heard, "(done)"), 2);
    owner_finish(&o);
}

static void test_h1_discards_the_rest_after_an_early_answer(void **state)
{
    struct owner o;

    owner_begin(&o);
    o.limits.body_window = WINDOW;
    o.keeps = true; /* answers at once, while it holds bytes */
    owner_feed(&o, SPAN(POST("60000") "hello"));
    assert_true(has(&o.heard, "(done)"));
    assert_int_equal(http_load(o.engine).exchanges, 0);
    assert_int_equal(http_load(o.engine).held, 0);
    feed_bytes(&o, 59000);
    assert_true(http_wants_input(o.engine));
    owner_finish(&o);
}

/* ---- refusals ---- */

static void test_h1_asks_the_owner_about_a_body_that_is_refused(void **state)
{
    struct owner o;

    owner_begin(&o);
    o.limits.body_bytes = 1000;
    o.at_end = true;
    o.refused = 413;
    o.body = "our page";
    o.length = 8;
    owner_feed(&o, SPAN("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n"));
    feed_bytes(&o, 2000);
    assert_true(has(&o.heard, "(refused 413 body too large)(done)"));
    assert_true(has(&o.sent, "HTTP/1.1 413 Content Too Large\r\n"));
    assert_true(has(&o.sent, "x-test: yes\r\n\r\nour page"));
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_CLOSED);
    owner_finish(&o);
}

static void test_h1_answers_a_refused_body_if_its_owner_does_not(void **state)
{
    struct owner o;

    owner_begin(&o);
    o.at_end = true;
    owner_feed(&o, SPAN("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnot hex"));
    assert_true(has(&o.heard, "(refused 400 malformed chunk)(done)"));
    assert_true(has(&o.sent, "HTTP/1.1 400 Bad Request\r\n"));
    owner_finish(&o);
}

/* ---- who is told ---- */

static void test_h1_wakes_its_owner_for_late_output(void **state)
{
    struct owner o;

    owner_begin(&o);
    o.status = 0;
    owner_feed(&o, SPAN(GET));
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_ANSWER);
    assert_int_equal(o.wakes, 0);
    http_inform(o.x, 103, NULL);
    assert_int_equal(o.wakes, 1);
    owner_answer(&o, o.x, 200);
    assert_int_equal(o.wakes, 1); /* it is due already */
    owner_pump(&o);
    owner_feed(&o, SPAN(GET));
    owner_answer(&o, o.x, 200);
    assert_int_equal(o.wakes, 2);
    owner_pump(&o);
    owner_feed(&o, SPAN(GET));
    http_reset(o.x);
    assert_int_equal(o.wakes, 3);
    owner_pump(&o);
    assert_true(o.cut);
    owner_finish(&o);
}

static void test_h1_informs_with_fields_before_the_answer(void **state)
{
    struct http_field link = {SPAN("link"), SPAN("</a.css>")};
    struct http_fields fields = {&link, 1, 1};
    struct owner o;

    owner_begin(&o);
    o.status = 0;
    owner_feed(&o, SPAN(GET));
    http_inform(o.x, 103, &fields);
    owner_answer(&o, o.x, 204);
    http_inform(o.x, 103, &fields); /* too late */
    owner_pump(&o);
    assert_true(
        span_starts(buffer_span(&o.sent), SPAN("HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n"
                                               "HTTP/1.1 204 No Content\r\n")));
    assert_int_equal(count(&o.sent, "103"), 1);
    owner_feed(&o, SPAN("GET / HTTP/1.0\r\n\r\n")); /* section 15.2: not for HTTP/1.0 */
    http_inform(o.x, 103, &fields);
    owner_answer(&o, o.x, 204);
    owner_pump(&o);
    assert_int_equal(count(&o.sent, "103"), 1);
    owner_finish(&o);
}

static void test_h1_bounds_informational_answers_that_nobody_takes(void **state)
{
    char value[1000];
    struct http_field link = {SPAN("link"), span_of(value, sizeof value)};
    struct http_fields fields = {&link, 1, 1};
    struct owner o;

    memset(value, 'v', sizeof value);
    owner_begin(&o);
    o.status = 0;
    owner_feed(&o, SPAN(GET));
    for (int i = 0; i < 1000; i++)
        http_inform(o.x, 103, &fields);
    assert_true(http_load(o.engine).memory < 64 << 10);
    owner_answer(&o, o.x, 204);
    owner_pump(&o);
    assert_true(has(&o.sent, "204"));
    owner_finish(&o);
}

/* ---- deadlines ---- */

static void begin_timed(struct owner *o)
{
    owner_begin(o);
    o->limits.header = (struct pace_bounds){S(20), S(40), 500};
    o->limits.body = (struct pace_bounds){S(20), 0, 500};
}

static void test_h1_refuses_a_head_that_takes_too_long(void **state)
{
    struct owner o;

    begin_timed(&o);
    assert_int_equal(http_deadline(o.engine, o.now), NSEC_NEVER);
    owner_feed(&o, SPAN("GET / HTTP/1.1\r\nHo"));
    assert_int_equal(http_deadline(o.engine, o.now), o.now + S(20));
    http_sweep(o.engine, o.now + S(20) - 1);
    assert_int_equal(o.asked, 0);
    http_sweep(o.engine, o.now + S(20));
    owner_pump(&o);
    assert_true(has(&o.heard, "REFUSED 408"));
    assert_true(has(&o.sent, "HTTP/1.1 408 Request Timeout\r\n"));
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_CLOSED);
    owner_finish(&o);
}

static void test_h1_head_has_an_end_however_fast_it_comes(void **state)
{
    struct owner o;
    nsec_t from;

    begin_timed(&o);
    o.limits.header_bytes = 1 << 20;
    owner_feed(&o, SPAN("GET / HTTP/1.1\r\nX: "));
    from = o.now;
    while (o.asked == 0 && o.now < S(100)) {
        http_deadline(o.engine, o.now);
        o.now += S(1);
        feed_bytes(&o, 1000);
        http_sweep(o.engine, o.now);
    }
    assert_int_equal(o.now - from, S(40));
    owner_pump(&o);
    owner_finish(&o);
}

static void test_h1_cuts_a_body_that_stalls(void **state)
{
    struct owner o;

    begin_timed(&o);
    o.at_end = true;
    owner_feed(&o, SPAN(POST("100") "some"));
    assert_int_equal(http_deadline(o.engine, o.now), o.now + S(20));
    http_sweep(o.engine, o.now + S(20));
    owner_pump(&o);
    assert_true(has(&o.heard, "some(timeout)"));
    assert_true(o.cut);
    owner_finish(&o);
}

static void test_h1_body_has_no_deadline_while_it_waits_for_us(void **state)
{
    struct owner o;

    begin_timed(&o);
    o.limits.body_window = WINDOW;
    o.keeps = o.at_end = true;
    owner_feed(&o, SPAN(POST("100000")));
    feed_bytes(&o, WINDOW);
    assert_int_equal(http_deadline(o.engine, o.now), NSEC_NEVER);
    http_consume(o.x, WINDOW);
    assert_int_equal(http_deadline(o.engine, o.now), o.now + S(20));
    owner_finish(&o);

    begin_timed(&o);
    o.status = 0;
    owner_feed(&o, SPAN(GET));
    assert_int_equal(http_deadline(o.engine, o.now), NSEC_NEVER);
    owner_finish(&o);
}

static void test_h1_discarded_body_has_a_deadline(void **state)
{
    struct owner o;

    begin_timed(&o);
    owner_feed(&o, SPAN(POST("1000") "some"));
    assert_true(has(&o.heard, "(done)"));
    assert_int_equal(http_deadline(o.engine, o.now), o.now + S(20));
    http_sweep(o.engine, o.now + S(20));
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_CLOSED);
    owner_finish(&o);
}

/* ---- turns and loads ---- */

static void test_h1_turn_announces_so_many_requests(void **state)
{
    struct owner o;

    owner_begin(&o);
    http_turn_begin(o.engine, 2);
    for (int i = 0; i < 5; i++) {
        char out[32 << 10];
        (void)!http_receive(o.engine, SPAN(GET), o.now);
        while (http_produce(o.engine, out, sizeof out, o.now) > 0)
            continue;
    }
    assert_int_equal(o.asked, 2);
    assert_true(http_turn_over(o.engine));
    assert_int_equal(http_wait(o.engine), HTTP_WAIT_OUTPUT);
    assert_false(http_wants_input(o.engine));
    http_turn_begin(o.engine, 10);
    owner_pump(&o);
    assert_int_equal(o.asked, 5);
    assert_false(http_turn_over(o.engine));
    owner_finish(&o);
}

static void end_turn(void *owner, struct http_exchange *x)
{
    struct owner *o = owner;

    owner_on_request(o, x);
    http_turn_end(o->engine);
}

static void test_h1_owner_may_end_the_turn(void **state)
{
    struct http_events events = owner_events;
    struct http_engine_config config = {.events = &events, .secure = true};
    char out[32 << 10];
    struct owner o;

    owner_begin(&o);
    http_engine_destroy(o.engine);
    events.on_request = end_turn;
    config.owner = &o;
    config.limits = &o.limits;
    config.pool = o.pool;
    config.date = "Tue, 11 Jun 2024 10:00:00 GMT";
    o.engine = h1_server_create(&config);
    assert_int_equal(http_receive(o.engine, SPAN(GET GET GET), o.now), 0);
    for (unsigned turn = 1; turn <= 3; turn++) {
        while (http_produce(o.engine, out, sizeof out, o.now) > 0)
            continue;
        assert_int_equal(o.asked, turn);
        assert_true(http_turn_over(o.engine));
        http_turn_begin(o.engine, 100);
        assert_false(http_turn_over(o.engine));
    }
    owner_finish(&o);
}

static void test_h1_counts_what_it_holds(void **state)
{
    struct owner o;

    owner_begin(&o);
    o.status = 0;
    assert_int_equal(http_load(o.engine).memory, 0);
    owner_feed(&o, SPAN(GET));
    assert_int_equal(http_load(o.engine).exchanges, 1);
    assert_true(http_load(o.engine).memory >= HTTP_EXCHANGE_BYTES);
    http_charge(o.x, 1000, 2);
    assert_int_equal(http_load(o.engine).descriptors, 2);
    owner_answer(&o, o.x, 200);
    owner_pump(&o);
    assert_int_equal(http_load(o.engine).memory, 0);
    assert_int_equal(http_load(o.engine).descriptors, 0);
    owner_finish(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_h1_reads_no_further_than_its_owner_consumes),
        cmocka_unit_test(test_h1_drops_bodies_that_nobody_streams),
        cmocka_unit_test(test_h1_discards_the_rest_after_an_early_answer),
        cmocka_unit_test(test_h1_asks_the_owner_about_a_body_that_is_refused),
        cmocka_unit_test(test_h1_answers_a_refused_body_if_its_owner_does_not),
        cmocka_unit_test(test_h1_wakes_its_owner_for_late_output),
        cmocka_unit_test(test_h1_informs_with_fields_before_the_answer),
        cmocka_unit_test(test_h1_bounds_informational_answers_that_nobody_takes),
        cmocka_unit_test(test_h1_refuses_a_head_that_takes_too_long),
        cmocka_unit_test(test_h1_head_has_an_end_however_fast_it_comes),
        cmocka_unit_test(test_h1_cuts_a_body_that_stalls),
        cmocka_unit_test(test_h1_body_has_no_deadline_while_it_waits_for_us),
        cmocka_unit_test(test_h1_discarded_body_has_a_deadline),
        cmocka_unit_test(test_h1_turn_announces_so_many_requests),
        cmocka_unit_test(test_h1_owner_may_end_the_turn),
        cmocka_unit_test(test_h1_counts_what_it_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
