/* States of streams (RFC 9113 section 5.1): frames for streams that are closed, were never opened,
 * or were answered before their request was complete. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"
#include "rig.h"

enum {
    END = NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM,
    OPEN = NGHTTP2_FLAG_END_HEADERS,
};

static const char usual[] = ":method: GET\n:scheme: https\n:authority: a\n:path: /5\n";
static const char post[] = ":method: POST\n:scheme: https\n:authority: a\n:path: /5\n";

static void assert_going(struct rig *rig)
{
    rig_drain(rig);
    assert_int_equal(rig->error, 0);
    assert_int_equal(rig->goaway, -1);
}

static void assert_ended(struct rig *rig, long code)
{
    rig_drain(rig);
    assert_int_equal(rig->error, ERR_PROTOCOL);
    assert_int_equal(rig->goaway, code);
    assert_int_equal(http_wait(rig->engine), HTTP_WAIT_CLOSED);
    rig_stop(rig);
}

/** Streams 1 and 9 are closed, 3 was reset by the client; 5 and 7 were passed over. */
static void close_streams(struct rig *rig)
{
    rig_start(rig, true);
    rig_get(rig, 1);
    rig_headers(rig, 3, post, OPEN);
    rig_frame(rig, NGHTTP2_RST_STREAM, 0, 3, "\0\0\0\10", 4);
    rig_get(rig, 9);
    assert_going(rig);
    assert_int_equal(rig->closes[HTTP_END_DONE], 2);
}

static void test_h2_resets_data_on_a_closed_stream(void **state)
{
    static struct rig rig;

    for (int32_t id = 1; id <= 9; id += 2) {
        close_streams(&rig);
        rig_frame(&rig, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, id, "abc", 3);
        assert_going(&rig);
        assert_int_equal(rig.resets_out, 1);
        assert_int_equal(rig.reset_code, NGHTTP2_STREAM_CLOSED);
        rig_stop(&rig);
    }
}

static void test_h2_ends_on_headers_of_a_closed_stream(void **state)
{
    static struct rig rig;

    for (int32_t id = 1; id <= 9; id += 2) {
        close_streams(&rig);
        rig_headers(&rig, id, usual, END);
        assert_ended(&rig, id == 5 || id == 7 ? NGHTTP2_PROTOCOL_ERROR : NGHTTP2_STREAM_CLOSED);
    }
}

static void test_h2_ends_on_continuation_of_a_closed_stream(void **state)
{
    static struct rig rig;

    close_streams(&rig);
    rig_frame(&rig, NGHTTP2_CONTINUATION, END, 1, "\x82", 1);
    assert_ended(&rig, NGHTTP2_PROTOCOL_ERROR);
}

static void test_h2_takes_what_may_come_late_on_a_closed_stream(void **state)
{
    static struct rig rig;

    close_streams(&rig);
    rig_frame(&rig, NGHTTP2_WINDOW_UPDATE, 0, 1, "\0\0\0\1", 4);
    rig_frame(&rig, NGHTTP2_RST_STREAM, 0, 1, "\0\0\0\x77", 4);
    rig_frame(&rig, NGHTTP2_PRIORITY, 0, 1, "\0\0\0\0\x10", 5);
    assert_going(&rig);
    assert_int_equal(rig.resets_out, 0);
    rig_stop(&rig);
}

/** The client's frames may have been under way when we reset the stream. */
static void test_h2_ignores_frames_that_crossed_our_reset(void **state)
{
    static struct rig rig;
    static char piece[1000];

    rig_start(&rig, true);
    rig.on_request_resets = true;
    rig_headers(&rig, 1, post, OPEN);
    assert_going(&rig);
    assert_int_equal(rig.resets_out, 1);
    for (int i = 0; i < 60; i++)
        assert_int_equal(rig_frame(&rig, NGHTTP2_DATA, 0, 1, piece, sizeof piece), 0);
    rig_headers(&rig, 1, "x-late: 1\n", END);
    assert_going(&rig);
    assert_int_equal(rig.resets_out, 1);
    rig_stop(&rig);
}

/** More than a window cannot have been under way. */
static void test_h2_counts_data_on_closed_streams(void **state)
{
    static struct rig rig;
    int taken = 0;

    rig_start(&rig, true);
    rig.on_request_resets = true;
    rig_headers(&rig, 1, post, OPEN);
    rig_drain(&rig);
    while (taken < 5000 && rig_frame(&rig, NGHTTP2_DATA, 0, 1, "x", 1) == 0) {
        taken++;
        rig_drain(&rig);
    }
    rig_drain(&rig);
    assert_true(taken < 200); /* 80 by the window, 50 by the budget of empty frames */
    assert_int_equal(rig.goaway, NGHTTP2_ENHANCE_YOUR_CALM);
    rig_stop(&rig);

    close_streams(&rig);
    taken = 0;
    while (taken < 5000 && rig_frame(&rig, NGHTTP2_DATA, 0, 1, "x", 1) == 0) {
        taken++;
        rig_drain(&rig);
    }
    rig_drain(&rig);
    assert_int_equal(taken, 50);
    assert_int_equal(rig.goaway, NGHTTP2_ENHANCE_YOUR_CALM);
    rig_stop(&rig);
}

/* ---- answered early ---- */

/** Stream 1 has its answer; its upload goes on. */
static void answer_early(struct rig *rig, const char *lines)
{
    rig_start(rig, true);
    rig->hold = true;
    rig_headers(rig, 1, lines, OPEN);
    rig_answer(rig, rig->held[0]);
    rig_drain(rig);
    assert_int_equal(rig->closes[HTTP_END_DONE], 1);
    assert_int_equal(rig->resets_out, 0);
    assert_int_equal(http_load(rig->engine).exchanges, 0);
    assert_int_equal(http_wait(rig->engine), HTTP_WAIT_BODY);
}

static void test_h2_reads_on_after_an_early_answer(void **state)
{
    static struct rig rig;

    answer_early(&rig, post);
    rig_frame(&rig, NGHTTP2_DATA, 0, 1, "abc", 3);
    rig_frame(&rig, NGHTTP2_WINDOW_UPDATE, 0, 1, "\0\0\0\1", 4);
    rig_frame(&rig, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, "abc", 3);
    assert_going(&rig);
    assert_int_equal(rig.resets_out, 0);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_IDLE);
    rig_frame(&rig, NGHTTP2_DATA, 0, 1, "abc", 3);
    assert_going(&rig);
    assert_int_equal(rig.reset_code, NGHTTP2_STREAM_CLOSED);
    rig_stop(&rig);
}

static void test_h2_ends_an_early_answered_stream_by_trailers_or_reset(void **state)
{
    static struct rig rig;

    answer_early(&rig, post);
    rig_headers(&rig, 1, "x-late: 1\n", END);
    assert_going(&rig);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_IDLE);
    rig_stop(&rig);
    answer_early(&rig, post);
    rig_frame(&rig, NGHTTP2_RST_STREAM, 0, 1, "\0\0\0\10", 4);
    assert_going(&rig);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_IDLE);
    assert_int_equal(rig.resets_out, 0);
    rig_stop(&rig);
    answer_early(&rig, post);
    rig_headers(&rig, 1, "x-late: 1\n", OPEN); /* a second header section without an end */
    assert_going(&rig);
    assert_int_equal(rig.reset_code, NGHTTP2_PROTOCOL_ERROR);
    rig_stop(&rig);
}

static void test_h2_holds_early_answered_uploads_to_their_length(void **state)
{
    static const char declared[] =
        ":method: POST\n:scheme: https\n:authority: a\n:path: /5\ncontent-length: 5\n";
    static struct rig rig;

    answer_early(&rig, declared);
    rig_frame(&rig, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, "abcde", 5);
    assert_going(&rig);
    assert_int_equal(rig.resets_out, 0);
    rig_stop(&rig);
    answer_early(&rig, declared);
    rig_frame(&rig, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, "abc", 3);
    assert_going(&rig);
    assert_int_equal(rig.reset_code, NGHTTP2_PROTOCOL_ERROR);
    rig_stop(&rig);
    answer_early(&rig, declared);
    rig_frame(&rig, NGHTTP2_DATA, 0, 1, "abcdefgh", 8);
    assert_going(&rig);
    assert_int_equal(rig.reset_code, NGHTTP2_PROTOCOL_ERROR);
    rig_stop(&rig);
}

static void test_h2_ends_an_upload_that_goes_on_after_its_answer(void **state)
{
    static struct rig rig;
    static char piece[16384];
    uint64_t sent = 0;

    answer_early(&rig, post);
    while (rig.resets_out == 0 && sent < 1 << 20) {
        rig_frame(&rig, NGHTTP2_DATA, 0, 1, piece, sizeof piece);
        sent += sizeof piece;
        assert_going(&rig);
    }
    assert_int_equal(rig.reset_code, NGHTTP2_NO_ERROR);
    assert_true(sent <= 65535 + (64 << 10));
    rig_stop(&rig);
}

static void test_h2_gives_an_early_answered_stream_a_deadline(void **state)
{
    static struct rig rig;

    answer_early(&rig, post);
    rig.limits.body = (struct pace_bounds){.timeout = 20 * NSEC_PER_SEC, .rate = 500};
    nsec_t deadline = http_deadline(rig.engine, rig.now);
    assert_int_equal(deadline, rig.now + 20 * NSEC_PER_SEC);
    rig.now = deadline - 1;
    rig_get(&rig, 3); /* adds nothing */
    rig_drain(&rig);
    http_sweep(rig.engine, rig.now);
    assert_going(&rig);
    assert_int_equal(rig.resets_out, 0);
    http_sweep(rig.engine, deadline);
    assert_going(&rig);
    assert_int_equal(rig.resets_out, 1);
    assert_int_equal(rig.reset_code, NGHTTP2_NO_ERROR);
    assert_int_equal(http_deadline(rig.engine, deadline), NSEC_NEVER);
    rig_stop(&rig);
}

/** They count as open for the client, so as many as may be open are all that can be held. */
static void test_h2_counts_early_answered_streams_as_open(void **state)
{
    static struct rig rig;

    rig_init(&rig);
    rig.limits.h2_streams = 3;
    rig_open(&rig, true);
    for (int32_t id = 1; id <= 5; id += 2) {
        rig_headers(&rig, id, ":method: GET\n:scheme: https\n:authority: a\n:path: /\n", OPEN);
        rig.hold = false;
        if (rig.last)
            rig_answer(&rig, rig.last);
        rig_drain(&rig);
    }
    assert_int_equal(rig.closes[HTTP_END_DONE], 3);
    rig_headers(&rig, 7, usual, END); /* a fourth: section 5.1.2 */
    rig_drain(&rig);
    assert_int_equal(rig.goaway, NGHTTP2_PROTOCOL_ERROR);
    rig_stop(&rig);
}

/* ---- header compression and settings, as h2spec asks ---- */

static void check_block(const void *bytes, size_t len)
{
    static struct rig rig;

    rig_start(&rig, true);
    rig_frame(&rig, NGHTTP2_HEADERS, END, 1, bytes, len);
    assert_int_equal(rig.requests, 0);
    assert_ended(&rig, NGHTTP2_COMPRESSION_ERROR);
}

static void test_h2_ends_on_blocks_that_do_not_decode(void **state)
{
#define BLOCK(literal) check_block(literal, sizeof(literal) - 1)
    BLOCK("\x80");                                             /* index 0 */
    BLOCK("\xc6");                                             /* beyond the tables */
    BLOCK("\x7f\x20\x01y");                                    /* a name beyond the tables */
    BLOCK("\x82\x87\x84\x20");                                 /* a size update behind fields */
    BLOCK("\x3f\xe2\x1f\x82");                                 /* a table larger than 4,096 */
    BLOCK("\x00\x85\xf2\xb2\x4a\x84\xff\x84\x49\x50\x9f\xff"); /* Huffman: 8 bits of padding */
    BLOCK("\x00\x85\xf2\xb2\x4a\x84\xff\x83\x49\x50\x90");     /* padded by zeros */
    BLOCK("\x00\x85\xf2\xb2\x4a\x84\xff\x87\x49\x51\xff\xff\xff\xfa\x7f"); /* with EOS */
#undef BLOCK
}

static void test_h2_takes_settings_in_their_order(void **state)
{
    static struct rig rig;

    rig_start(&rig, true);
    rig_frame(&rig, NGHTTP2_SETTINGS, 0, 0, "\0\4\0\0\0\x64\0\4\0\0\0\1", 12);
    rig_headers(&rig, 1, usual, END);
    assert_going(&rig);
    assert_int_equal(rig.last->body_sent, 1);
    rig_stop(&rig);
}

static void test_h2_hears_no_meaning_in_unknown_error_codes(void **state)
{
    static struct rig rig;

    rig_start(&rig, true);
    rig.hold = true;
    rig_get(&rig, 1);
    rig_frame(&rig, NGHTTP2_RST_STREAM, 0, 1, "\0\0\0\xff", 4);
    rig_frame(&rig, NGHTTP2_GOAWAY, 0, 0, "\0\0\0\0\0\0\0\xff", 8);
    unsigned before = rig.pings_out;
    rig_frame(&rig, NGHTTP2_PING, 0, 0, "12345678", 8);
    assert_going(&rig);
    assert_int_equal(rig.pings_out, before + 1);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_h2_resets_data_on_a_closed_stream),
        cmocka_unit_test(test_h2_ends_on_headers_of_a_closed_stream),
        cmocka_unit_test(test_h2_ends_on_continuation_of_a_closed_stream),
        cmocka_unit_test(test_h2_takes_what_may_come_late_on_a_closed_stream),
        cmocka_unit_test(test_h2_ignores_frames_that_crossed_our_reset),
        cmocka_unit_test(test_h2_counts_data_on_closed_streams),
        cmocka_unit_test(test_h2_reads_on_after_an_early_answer),
        cmocka_unit_test(test_h2_ends_an_early_answered_stream_by_trailers_or_reset),
        cmocka_unit_test(test_h2_holds_early_answered_uploads_to_their_length),
        cmocka_unit_test(test_h2_ends_an_upload_that_goes_on_after_its_answer),
        cmocka_unit_test(test_h2_gives_an_early_answered_stream_a_deadline),
        cmocka_unit_test(test_h2_counts_early_answered_streams_as_open),
        cmocka_unit_test(test_h2_ends_on_blocks_that_do_not_decode),
        cmocka_unit_test(test_h2_takes_settings_in_their_order),
        cmocka_unit_test(test_h2_hears_no_meaning_in_unknown_error_codes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
