/* What one stream holds and for how long: windows given back by consumption, deadlines of their
 * own, turns, what is counted, and who is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"
#include "rig.h"

enum {
    END = NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM,
    OPEN = NGHTTP2_FLAG_END_HEADERS,
    WINDOW = 65535,
    PIECE = 16384,
};

#define S(n) ((nsec_t)(n)*NSEC_PER_SEC)

static const char post[] = ":method: POST\n:scheme: https\n:authority: a\n:path: /5\n";
static const char large[] = ":method: GET\n:scheme: https\n:authority: a\n:path: /900000\n";

static void assert_going(struct rig *rig)
{
    rig_drain(rig);
    assert_int_equal(rig->error, 0);
    assert_int_equal(rig->goaway, -1);
}

/** Sends the next bytes of an upload as the rig expects them. @return the engine's result */
static int upload(struct rig *rig, int32_t id, uint64_t from, size_t len, uint8_t flags)
{
    static char piece[PIECE];

    for (size_t i = 0; i < len; i++)
        piece[i] = (char)('a' + (from + i) % 23);
    return rig_frame(rig, NGHTTP2_DATA, flags, id, piece, len);
}

/* ---- windows ---- */

static void start_held(struct rig *rig)
{
    rig_start(rig, true);
    rig->hold = rig->keeps_body = true;
    rig_headers(rig, 1, post, OPEN);
    assert_going(rig);
    rig->window_back[0] = rig->window_back[1] = 0;
}

static void test_h2_gives_no_window_back_before_it_is_consumed(void **state)
{
    static struct rig rig;

    start_held(&rig);
    for (uint64_t at = 0; at < 3 * PIECE; at += PIECE)
        upload(&rig, 1, at, PIECE, 0);
    assert_going(&rig);
    assert_int_equal(rig.window_back[1], 0);
    assert_int_equal(rig.held[0]->held, 3 * PIECE);
    assert_int_equal(http_load(rig.engine).held, 3 * PIECE);
    http_consume(rig.held[0], PIECE);
    assert_going(&rig);
    assert_int_equal(rig.window_back[1], 0); /* not worth a frame yet */
    http_consume(rig.held[0], PIECE);
    assert_going(&rig);
    assert_int_equal(rig.window_back[1], 2 * PIECE);
    assert_int_equal(http_load(rig.engine).held, PIECE);
    http_consume(rig.held[0], 1 << 30); /* never more than is held */
    assert_int_equal(rig.held[0]->held, 0);
    rig_stop(&rig);
}

static void test_h2_holds_at_most_a_window(void **state)
{
    static struct rig rig;
    uint64_t at = 0;

    start_held(&rig);
    for (; at < WINDOW - PIECE; at += PIECE)
        upload(&rig, 1, at, PIECE, 0);
    upload(&rig, 1, at, WINDOW - at, 0);
    assert_going(&rig);
    assert_int_equal(rig.held[0]->held, WINDOW);
    upload(&rig, 1, WINDOW, 1, 0);
    assert_going(&rig);
    assert_int_equal(rig.reset_code, NGHTTP2_FLOW_CONTROL_ERROR);
    assert_int_equal(http_load(rig.engine).held, 0);
    rig_stop(&rig);
}

/** The connection's window comes back as DATA arrives: a stream that nobody consumes leaves the
 *  others theirs. */
static void test_h2_stalled_stream_stops_no_other(void **state)
{
    static struct rig rig;
    uint64_t at = 0;

    start_held(&rig);
    for (; at < WINDOW - PIECE; at += PIECE)
        upload(&rig, 1, at, PIECE, 0);
    rig.keeps_body = false;
    rig_headers(&rig, 3, post, OPEN);
    for (at = 0; at < 40 * PIECE; at += PIECE) {
        assert_int_equal(upload(&rig, 3, at, PIECE, 0), 0);
        assert_going(&rig);
    }
    assert_int_equal(rig.resets_out, 0);
    assert_int_equal(rig.held[1]->body_received, 40 * PIECE);
    assert_int_equal(rig.held[0]->held, 3 * PIECE);
    rig_stop(&rig);
}

static void test_h2_drops_bodies_that_nobody_streams(void **state)
{
    static struct rig rig;

    rig_start(&rig, true);
    rig.hold = rig.drops_body = true;
    rig_headers(&rig, 1, post, OPEN);
    for (uint64_t at = 0; at < 20 * PIECE; at += PIECE) {
        assert_int_equal(upload(&rig, 1, at, PIECE, 0), 0);
        assert_going(&rig);
    }
    assert_int_equal(rig.upload_bytes, 0);
    assert_int_equal(rig.held[0]->body_received, 20 * PIECE);
    assert_int_equal(rig.held[0]->held, 0);
    rig_stop(&rig);
}

static void test_h2_discarding_gives_back_what_is_held(void **state)
{
    static struct rig rig;

    start_held(&rig);
    for (uint64_t at = 0; at < 3 * PIECE; at += PIECE)
        upload(&rig, 1, at, PIECE, 0);
    http_discard_body(rig.held[0]);
    assert_going(&rig);
    assert_int_equal(rig.window_back[1], 3 * PIECE);
    upload(&rig, 1, 0, PIECE, 0);
    assert_int_equal(rig.upload_bytes, 3 * PIECE);
    rig_stop(&rig);
}

/* ---- who is told ---- */

static void test_h2_wakes_its_owner_for_late_output(void **state)
{
    static struct rig rig;

    start_held(&rig);
    upload(&rig, 1, 0, PIECE, 0);
    upload(&rig, 1, PIECE, PIECE, 0);
    upload(&rig, 1, 2 * PIECE, PIECE, 0);
    assert_going(&rig);
    assert_int_equal(rig.wakes, 0);
    http_consume(rig.held[0], 1);
    assert_int_equal(rig.wakes, 0); /* nothing to send */
    http_consume(rig.held[0], 3 * PIECE);
    assert_int_equal(rig.wakes, 1);
    http_inform(rig.held[0], 103, NULL);
    assert_int_equal(rig.wakes, 1); /* once, until it comes */
    assert_going(&rig);
    http_inform(rig.held[0], 103, NULL);
    assert_int_equal(rig.wakes, 2);
    assert_going(&rig);
    rig_answer(&rig, rig.held[0]);
    assert_int_equal(rig.wakes, 3);
    assert_going(&rig);
    rig_get(&rig, 3);
    assert_int_equal(rig.wakes, 3); /* an upcall is no news */
    http_reset(rig.held[1]);
    assert_int_equal(rig.wakes, 4);
    rig_stop(&rig);
}

static void test_h2_wakes_its_owner_when_a_body_goes_on(void **state)
{
    static struct rig rig;

    rig_start(&rig, true);
    rig_headers(&rig, 1, ":method: GET\n:scheme: https\n:authority: a\n:path: /50?stall=20\n", END);
    assert_going(&rig);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_ANSWER);
    assert_int_equal(http_deadline(rig.engine, S(5)), NSEC_NEVER);
    http_resume(rig.last);
    http_resume(rig.last);
    assert_int_equal(rig.wakes, 1);
    assert_going(&rig);
    assert_int_equal(rig.closes[HTTP_END_DONE], 1);
    rig_stop(&rig);
}

static void test_h2_informs_with_fields(void **state)
{
    struct http_field link = {SPAN("link"), SPAN("</a.css>; rel=preload")};
    struct http_fields fields = {&link, 1, 1};
    static struct rig rig;

    rig_start(&rig, false);
    rig.hold = true;
    int32_t id = rig_ask(&rig, "GET", "/5", NULL);
    rig_pump(&rig);
    http_inform(rig.last, 103, &fields);
    rig_pump(&rig);
    assert_string_equal(rig_at(&rig, id)->headers, ":status: 103\nlink: </a.css>; rel=preload\n");
    rig_answer(&rig, rig.last);
    rig_pump(&rig);
    assert_int_equal(rig_at(&rig, id)->status, 200);
    assert_int_equal(rig_at(&rig, id)->body_bytes, 5);
    rig_stop(&rig);
}

static void test_h2_asks_the_owner_about_a_body_that_is_refused(void **state)
{
    static struct rig rig;

    rig_init(&rig);
    rig.limits.body_bytes = 1000;
    rig.refusal_status = 413;
    rig_open(&rig, false);
    int32_t id = rig_post(&rig, "/7", NULL, 5000, false);
    rig_pump(&rig);
    assert_int_equal(rig.refusals, 1);
    assert_int_equal(rig.refusal, 413);
    assert_int_equal(rig_at(&rig, id)->status, 413);
    assert_int_equal(rig_at(&rig, id)->body_bytes, 7); /* the owner's own page */
    assert_int_equal(rig.closes[HTTP_END_DONE], 1);
    rig_stop(&rig);
}

/* ---- deadlines ---- */

static void start_timed(struct rig *rig)
{
    rig_init(rig);
    rig->limits.header = (struct pace_bounds){S(20), S(40), 500};
    rig->limits.body = (struct pace_bounds){S(20), 0, 500};
    rig->limits.answer = (struct pace_bounds){S(60), 0, 500};
    rig_open(rig, true);
}

static void test_h2_sweeps_the_upload_that_stalls_and_no_other(void **state)
{
    static struct rig rig;
    uint64_t at = 0;

    start_timed(&rig);
    rig.hold = true;
    rig_headers(&rig, 1, post, OPEN);
    rig_headers(&rig, 3, post, OPEN);
    assert_int_equal(http_deadline(rig.engine, rig.now), rig.now + S(20));
    nsec_t end = rig.now + S(20);
    for (; rig.now < end; rig.now += S(1)) {
        upload(&rig, 3, at, 1000, 0);
        at += 1000;
        rig_get(&rig, (int32_t)(5 + 2 * at / 1000)); /* new requests buy no time either */
        assert_going(&rig);
        http_sweep(rig.engine, rig.now);
        http_deadline(rig.engine, rig.now);
        assert_int_equal(rig.resets_out, 0);
    }
    http_sweep(rig.engine, rig.now);
    assert_going(&rig);
    assert_int_equal(rig.resets_out, 1);
    assert_int_equal(rig.reset_code, NGHTTP2_CANCEL);
    assert_int_equal(rig.closes[HTTP_END_TIMEOUT], 1);
    assert_null(rig.held[0]);
    assert_non_null(rig.held[1]);
    rig_stop(&rig);
}

static void test_h2_sweeps_an_upload_below_the_rate(void **state)
{
    static struct rig rig;
    uint64_t at = 0;

    start_timed(&rig);
    rig.hold = true;
    rig_headers(&rig, 1, post, OPEN);
    while (rig.resets_out == 0 && rig.now < S(100)) {
        http_deadline(rig.engine, rig.now);
        rig.now += S(1);
        upload(&rig, 1, at++, 1, 0);
        http_sweep(rig.engine, rig.now);
        assert_going(&rig);
    }
    assert_int_equal(rig.closes[HTTP_END_TIMEOUT], 1);
    assert_int_equal(rig.now, S(21));
    rig_stop(&rig);
}

/** Who waits for the owner to consume is not slow. */
static void test_h2_deadlines_stand_still_while_the_owner_holds_the_window(void **state)
{
    static struct rig rig;
    uint64_t at = 0;

    start_timed(&rig);
    rig.hold = rig.keeps_body = true;
    rig_headers(&rig, 1, post, OPEN);
    for (; at < 3 * PIECE; at += PIECE)
        upload(&rig, 1, at, PIECE, 0);
    upload(&rig, 1, at, PIECE - 1, 0);
    assert_int_equal(http_deadline(rig.engine, rig.now), NSEC_NEVER);
    rig.now += S(1000);
    http_sweep(rig.engine, rig.now);
    assert_going(&rig);
    assert_int_equal(rig.resets_out, 0);
    http_consume(rig.held[0], WINDOW);
    assert_going(&rig);
    assert_int_equal(http_deadline(rig.engine, rig.now), rig.now + S(20));
    rig_stop(&rig);
}

static void test_h2_exchange_may_have_deadlines_of_its_own(void **state)
{
    static const struct pace_bounds patient = {.timeout = S(500)};
    static struct rig rig;

    start_timed(&rig);
    rig.hold = true;
    rig_headers(&rig, 1, post, OPEN);
    rig.held[0]->body_bounds = &patient;
    assert_int_equal(http_deadline(rig.engine, rig.now), rig.now + S(500));
    rig_stop(&rig);
}

static void test_h2_ends_a_header_block_that_takes_too_long(void **state)
{
    static struct rig rig;

    start_timed(&rig);
    rig.hold = true;
    rig_get(&rig, 1);
    rig_headers(&rig, 3, post, 0);
    nsec_t deadline = http_deadline(rig.engine, rig.now);
    assert_int_equal(deadline, rig.now + S(20));
    http_sweep(rig.engine, deadline - 1);
    assert_going(&rig);
    http_sweep(rig.engine, deadline);
    rig_drain(&rig);
    assert_int_equal(rig.goaway, NGHTTP2_NO_ERROR);
    assert_int_equal(rig.closes[HTTP_END_TIMEOUT], 1);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_CLOSED);
    rig_stop(&rig);
}

static void test_h2_ends_a_connection_whose_window_stays_shut(void **state)
{
    static struct rig rig;

    start_timed(&rig);
    rig_frame(&rig, NGHTTP2_SETTINGS, 0, 0, "\0\4\x7f\xff\xff\xff", 6);
    rig_headers(&rig, 1, large, END);
    rig_headers(&rig, 3, large, END);
    rig_drain(&rig);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_WINDOW);
    nsec_t deadline = http_deadline(rig.engine, rig.now);
    assert_int_equal(deadline, rig.now + S(60));
    http_sweep(rig.engine, deadline);
    rig_drain(&rig);
    assert_int_equal(rig.goaway, NGHTTP2_NO_ERROR);
    assert_int_equal(rig.closes[HTTP_END_TIMEOUT], 2);
    rig_stop(&rig);
}

/** Streams that wait behind others for the connection's window are not to blame. */
static void test_h2_streams_that_wait_for_their_turn_live(void **state)
{
    static struct rig rig;

    start_timed(&rig);
    rig_frame(&rig, NGHTTP2_SETTINGS, 0, 0, "\0\4\x7f\xff\xff\xff", 6);
    rig_headers(&rig, 1, large, END);
    rig_headers(&rig, 3, large, END);
    rig_drain(&rig);
    for (int i = 0; i < 80; i++) { /* 10,000 bytes a second, all for the first */
        http_deadline(rig.engine, rig.now);
        rig.now += S(1);
        rig_frame(&rig, NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\x27\x10", 4);
        rig_drain(&rig);
        http_sweep(rig.engine, rig.now);
        assert_going(&rig);
    }
    assert_int_equal(rig.resets_out, 0);
    assert_int_equal(http_load(rig.engine).exchanges, 2);
    rig_stop(&rig);
}

/* ---- turns ---- */

static void test_h2_turn_announces_so_many_requests(void **state)
{
    static struct rig rig;
    static char out[RIG_OUT];
    struct rig_stream *last;

    rig_start(&rig, false);
    rig_pump(&rig);
    int32_t id = 0;
    for (int i = 0; i < 10; i++)
        id = rig_ask(&rig, "GET", "/5", NULL);
    http_turn_begin(rig.engine, 4);
    const uint8_t *bytes;
    ssize_t count;
    while ((count = nghttp2_session_mem_send(rig.client, &bytes)) > 0)
        rig_feed(&rig, bytes, (size_t)count);
    assert_int_equal(rig.requests, 4);
    assert_true(http_turn_over(rig.engine));
    assert_false(http_wants_input(rig.engine));
    while ((count = http_produce(rig.engine, out, rig.produce_cap, rig.now)) > 0)
        nghttp2_session_mem_recv(rig.client, (uint8_t *)out, (size_t)count);
    assert_int_equal(rig.requests, 4);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_OUTPUT);
    http_turn_begin(rig.engine, 4);
    assert_false(http_turn_over(rig.engine));
    rig_pump(&rig);
    assert_int_equal(rig.requests, 8);
    assert_true(http_turn_over(rig.engine));
    http_turn_begin(rig.engine, 4);
    rig_pump(&rig);
    assert_int_equal(rig.requests, 10);
    assert_false(http_turn_over(rig.engine));
    assert_true(http_wants_input(rig.engine));
    last = rig_at(&rig, id);
    assert_true(last->ended && last->status == 200);
    rig_stop(&rig);
}

static void test_h2_kept_input_is_bounded(void **state)
{
    static struct rig rig;
    static char piece[PIECE];

    rig_start(&rig, true);
    http_turn_begin(rig.engine, 0);
    int r = 0;
    for (int i = 0; i < 1000 && r == 0; i++)
        r = rig_frame(&rig, 0x77, 0, 1, piece, sizeof piece);
    assert_int_equal(r, ERR_LIMIT); /* nobody should have given it more */
    assert_true(http_load(rig.engine).memory < 512 << 10);
    rig_stop(&rig);
}

/* ---- what is counted ---- */

static void test_h2_counts_what_exchanges_hold(void **state)
{
    static struct rig rig;

    rig_start(&rig, true);
    rig.hold = true;
    struct http_load empty = http_load(rig.engine);
    assert_int_equal(empty.exchanges, 0);
    rig_get(&rig, 1);
    rig_headers(&rig, 3, post, OPEN);
    struct http_load two = http_load(rig.engine);
    assert_int_equal(two.exchanges, 2);
    assert_true(two.memory >= empty.memory + 2 * HTTP_EXCHANGE_BYTES);
    assert_non_null(arena_alloc(&rig.held[0]->arena, 20000));
    assert_true(http_load(rig.engine).memory >= two.memory + 20000);
    http_charge(rig.held[0], 5000, 3);
    http_charge(rig.held[1], 7000, 1);
    http_charge(rig.held[1], -2000, 0);
    assert_int_equal(http_load(rig.engine).descriptors, 4);
    assert_true(http_load(rig.engine).memory >= two.memory + 30000);
    http_reset(rig.held[0]);
    assert_int_equal(http_load(rig.engine).descriptors, 1);
    http_reset(rig.held[1]);
    rig_drain(&rig);
    assert_int_equal(http_load(rig.engine).descriptors, 0);
    assert_int_equal(http_load(rig.engine).exchanges, 0);
    assert_int_equal(http_load(rig.engine).memory, empty.memory);
    rig_stop(&rig);
}

/** Requests that are answered while their upload never ends keep a few bytes, not their fields. */
static void test_h2_lets_fields_go_once_answered(void **state)
{
    static struct rig rig;
    char lines[4200];

    snprintf(lines, sizeof lines, "%sx-large: %04000d\n", post, 0);
    rig_start(&rig, true);
    for (int32_t id = 1; id < 200; id += 2) {
        rig_headers(&rig, id, lines, OPEN);
        if (rig.last)
            rig_answer(&rig, rig.last);
        assert_going(&rig);
    }
    assert_int_equal(rig.closes[HTTP_END_DONE], 100);
    assert_int_equal(http_load(rig.engine).exchanges, 0);
    assert_true(http_load(rig.engine).memory < 4096);
    rig_stop(&rig);
}

static void test_h2_cuts_everything_off(void **state)
{
    static struct rig rig;

    rig_start(&rig, true);
    rig.hold = true;
    for (int32_t id = 1; id < 20; id += 2)
        rig_get(&rig, id);
    http_cut_off(rig.engine, HTTP_END_TIMEOUT);
    assert_int_equal(rig.closes[HTTP_END_TIMEOUT], 10);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_CLOSED);
    assert_int_equal(rig.wakes, 0);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_h2_gives_no_window_back_before_it_is_consumed),
        cmocka_unit_test(test_h2_holds_at_most_a_window),
        cmocka_unit_test(test_h2_stalled_stream_stops_no_other),
        cmocka_unit_test(test_h2_drops_bodies_that_nobody_streams),
        cmocka_unit_test(test_h2_discarding_gives_back_what_is_held),
        cmocka_unit_test(test_h2_wakes_its_owner_for_late_output),
        cmocka_unit_test(test_h2_wakes_its_owner_when_a_body_goes_on),
        cmocka_unit_test(test_h2_informs_with_fields),
        cmocka_unit_test(test_h2_asks_the_owner_about_a_body_that_is_refused),
        cmocka_unit_test(test_h2_sweeps_the_upload_that_stalls_and_no_other),
        cmocka_unit_test(test_h2_sweeps_an_upload_below_the_rate),
        cmocka_unit_test(test_h2_deadlines_stand_still_while_the_owner_holds_the_window),
        cmocka_unit_test(test_h2_exchange_may_have_deadlines_of_its_own),
        cmocka_unit_test(test_h2_ends_a_header_block_that_takes_too_long),
        cmocka_unit_test(test_h2_ends_a_connection_whose_window_stays_shut),
        cmocka_unit_test(test_h2_streams_that_wait_for_their_turn_live),
        cmocka_unit_test(test_h2_turn_announces_so_many_requests),
        cmocka_unit_test(test_h2_kept_input_is_bounded),
        cmocka_unit_test(test_h2_counts_what_exchanges_hold),
        cmocka_unit_test(test_h2_lets_fields_go_once_answered),
        cmocka_unit_test(test_h2_cuts_everything_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
