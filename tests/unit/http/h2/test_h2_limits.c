/* What the HTTP/2 engine refuses: malformed requests, requests past the limits, and each known
 * attack, made of frames by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "rig.h"

enum {
    END = NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM,
    OPEN = NGHTTP2_FLAG_END_HEADERS,
};

static const char usual[] = ":method: GET\n:scheme: https\n:authority: a\n:path: /5\n";

/** The connection was ended for its behaviour, and only once that is said. */
static void assert_calmed(struct rig *rig)
{
    assert_int_equal(rig->error, ERR_LIMIT);
    rig_drain(rig);
    assert_int_equal(rig->goaway, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_int_equal(http_wait(rig->engine), HTTP_WAIT_CLOSED);
    assert_false(http_wants_input(rig->engine));
    assert_int_equal(rig_get(rig, 9999), ERR_LIMIT);
}

static void assert_unharmed(struct rig *rig)
{
    rig_drain(rig);
    assert_int_equal(rig->error, 0);
    assert_int_equal(rig->goaway, -1);
}

/* ---- refusals and malformed requests ---- */

static void check_refused(const char *lines, uint8_t flags, int status)
{
    static struct rig rig;

    rig_start(&rig, true);
    rig_headers(&rig, 1, lines, flags);
    if (rig.requests != 1 || rig.refusal != status)
        print_error("%s\n", lines);
    assert_int_equal(rig.requests, 1);
    assert_int_equal(rig.refusal, status);
    assert_unharmed(&rig);
    if (!(flags & NGHTTP2_FLAG_END_STREAM)) { /* its upload is left to it until it has the answer */
        assert_int_equal(rig.resets_out, 0);
        rig_frame(&rig, NGHTTP2_RST_STREAM, 0, 1, "\0\0\0\10", 4);
    }
    assert_int_equal(rig.closes[HTTP_END_DONE], 1);
    rig_get(&rig, 3); /* the connection lives on */
    rig_drain(&rig);
    assert_int_equal(rig.closes[HTTP_END_DONE], 2);
    rig_stop(&rig);
}

static void test_h2_refuses_with_a_status(void **state)
{
#define R(lines, status) check_refused(lines, END, status)
    R(":method: GET\n:scheme: https\n:authority: a:b\n:path: /\n", 400);
    R(":method: GET\n:scheme: https\n:authority: a:99999\n:path: /\n", 400);
    R(":method: GET\n:scheme: https\n:authority: a\n:path: /\nhost: b\n", 400);
    R(":method: GET\n:scheme: https\n:path: /\nhost: a:b\n", 400);
    R(":method: GET\n:scheme: ftp\n:authority: a\n:path: /\n", 400);
    R(":method: GET\n:scheme: ftp\n:authority: a\n:path: x\n", 400);
    R(":method: GET\n:scheme: https\n:authority: a\n:path: /#x\n", 400);
    R(":method: GET\n:scheme: https\n:authority: a\n:path: /\xc3\xa4\n", 400);
    R(":method: CONNECT\n:authority: a:443\n", 501);
    R(":method: GET\n:scheme: https\n:authority: A.b\n:path: /5\nhost: a.B\n", 0);
    R(":method: GET\n:scheme: https\n:path: /5\nhost: a\n", 0);
    R(":method: GET\n:scheme: http\n:authority: a\n:path: /5\n", 0);
    R(":method: OPTIONS\n:scheme: https\n:authority: a\n:path: *\n", 0);
    R(":method: BREW\n:scheme: https\n:authority: a\n:path: /5?\n", 0);
#undef R
    check_refused(":method: POST\n:scheme: https\n:authority: a\n:path: /5\n"
                  "content-length: 9999999\n",
                  OPEN, 413);
}

/** Newer nghttp2 resets such a stream before we see it. */
static void test_h2_never_serves_an_authority_with_user(void **state)
{
    static struct rig rig;

    rig_start(&rig, true);
    rig_headers(&rig, 1, ":method: GET\n:scheme: https\n:authority: user@a\n:path: /\n", END);
    assert_unharmed(&rig);
    assert_true(rig.requests ? rig.refusal == 400 : rig.reset_code == NGHTTP2_PROTOCOL_ERROR);
    rig_stop(&rig);
}

static void test_h2_refuses_https_without_tls(void **state)
{
    static struct rig rig;

    rig_init(&rig);
    rig.secure = false;
    rig_open(&rig, true);
    rig_get(&rig, 1);
    assert_int_equal(rig.refusal, 421);
    rig_drain(&rig);
    rig_stop(&rig);
}

static void check_malformed(const char *lines, uint8_t flags)
{
    static struct rig rig;

    rig_start(&rig, true);
    rig_headers(&rig, 1, lines, flags);
    if (rig.refusal != 400)
        print_error("%s\n", lines);
    assert_int_equal(rig.requests, 1); /* it is told, but its answer goes nowhere */
    assert_int_equal(rig.refusal, 400);
    assert_unharmed(&rig);
    assert_int_equal(rig.closes[HTTP_END_SERVER], 1);
    assert_int_equal(rig.resets_out, 1);
    assert_int_equal(rig.reset_code, NGHTTP2_PROTOCOL_ERROR);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_IDLE);
    rig_get(&rig, 3);
    rig_drain(&rig);
    assert_int_equal(rig.closes[HTTP_END_DONE], 1);
    rig_stop(&rig);
}

static void test_h2_resets_malformed_requests(void **state)
{
    static const char *const extra[] = {
        "connection: close\n",
        "keep-alive: 1\n",
        "proxy-connection: x\n",
        "upgrade: h2c\n",
        "X-Upper: 1\n",
        "transfer-encoding: chunked\n",
        "te: gzip\n",
        "content-length: 5\n",
        "content-length: -1\n",
        "content-length: 1x\n",
        ":path: /again\n",
        "x: a\x01z\n",
        "x y: 1\n",
        ":unknown: 1\n",
    };
    char lines[512];

    for (size_t i = 0; i < ARRAY_SIZE(extra); i++) {
        snprintf(lines, sizeof lines, "%s%s", usual, extra[i]);
        check_malformed(lines, END);
    }
    check_malformed(":scheme: https\n:authority: a\n:path: /\n", END);
    check_malformed(":method: GET\n:authority: a\n:path: /\n", END);
    check_malformed(":method: GET\n:scheme: https\n:authority: a\n", END);
    check_malformed(":method: GET\n:scheme: https\n:path: /\n", END);
    check_malformed(":method: GET\n:scheme: https\n:authority: a\n:path: x\n", END);
    check_malformed(":method: GET\n:scheme: https\n:authority: a\n:path: *\n", END);
    check_malformed(":method: GET\n:scheme: https\n:authority: a\n:path: /a b\n", END);
    check_malformed(":method: GET\n:scheme: https\n:authority: a b\n:path: /\n", END);
    check_malformed("x: 1\n:method: GET\n:scheme: https\n:authority: a\n:path: /\n", END);
}

static void test_h2_resets_a_body_of_the_wrong_length(void **state)
{
    static struct rig rig;

    rig_start(&rig, true);
    rig_headers(&rig, 1,
                ":method: POST\n:scheme: https\n:authority: a\n:path: /5\ncontent-length: 5\n",
                OPEN);
    rig_frame(&rig, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, "abc", 3);
    assert_unharmed(&rig);
    assert_int_equal(rig.reset_code, NGHTTP2_PROTOCOL_ERROR);
    assert_int_equal(rig.request_ends, 0);
    rig_headers(&rig, 3,
                ":method: POST\n:scheme: https\n:authority: a\n:path: /5\ncontent-length: 2\n",
                OPEN);
    rig_frame(&rig, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 3, "abc", 3);
    assert_unharmed(&rig);
    assert_int_equal(rig.resets_out, 2);
    assert_int_equal(rig.request_ends, 0);
    assert_int_equal(rig.closes[HTTP_END_SERVER], 2);
    rig_stop(&rig);
}

static void test_h2_answers_413_to_a_body_past_the_limit(void **state)
{
    static struct rig rig;

    rig_init(&rig);
    rig.limits.body_bytes = 1000;
    rig_open(&rig, false);
    int32_t id = rig_post(&rig, "/5", NULL, 5000, false);
    rig_pump(&rig);
    assert_int_equal(rig_at(&rig, id)->status, 413);
    assert_int_equal(rig.request_ends, 0);
    assert_int_equal(rig.closes[HTTP_END_DONE], 1);
    assert_true(rig.upload_bytes <= 1000);
    rig_stop(&rig);
}

static void test_h2_refuses_long_targets_with_414(void **state)
{
    static struct rig rig;
    char lines[3200];

    rig_start(&rig, true);
    snprintf(lines, sizeof lines, ":method: GET\n:scheme: https\n:authority: a\n:path: /%0*d\n",
             2048, 0);
    rig_headers(&rig, 1, lines, END);
    assert_int_equal(rig.refusal, 414);
    assert_unharmed(&rig);
    rig_stop(&rig);
}

/** A HEADERS frame whose block is `raw`, in front the usual pseudo-headers. */
static int raw_block(struct rig *rig, int32_t id, const void *raw, size_t len, uint8_t flags)
{
    static const uint8_t pseudo[] = {0x82, 0x87, 0x84, 0x01, 0x01, 'a'}; /* :authority: a */
    static uint8_t block[1 << 14];

    memcpy(block, pseudo, sizeof pseudo);
    memcpy(block + sizeof pseudo, raw, len);
    return rig_frame(rig, NGHTTP2_HEADERS, flags, id, block, sizeof pseudo + len);
}

static void test_h2_refuses_large_header_sections_with_431(void **state)
{
    static struct rig rig;
    uint8_t many[5 * 120];

    rig_start(&rig, true);
    for (size_t i = 0; i < 120; i++)
        memcpy(many + 5 * i, "\x00\x01x\x01y", 5);
    raw_block(&rig, 1, many, sizeof many, END); /* 120 fields of 100 */
    assert_int_equal(rig.refusal, 431);
    assert_unharmed(&rig);
    rig.limits.header_bytes = 1000;
    raw_block(&rig, 3, many, 5 * 60, END); /* 60 * 34 bytes of 1000 */
    assert_int_equal(rig.refusal, 431);
    assert_unharmed(&rig);
    rig_stop(&rig);
}

static void test_h2_ends_a_header_bomb(void **state)
{
    static struct rig rig;
    static uint8_t bomb[1 << 14];

    rig_start(&rig, true);
    /* a 3000 byte value into the dynamic table, then references of one byte each */
    memcpy(bomb, "\x40\x01x\x7f\xb9\x16", 6); /* length 3000 as 127 + 2873 */
    memset(bomb + 6, 'v', 3000);
    memset(bomb + 3006, 0xbe, 12000);
    raw_block(&rig, 1, bomb, 15006, END);
    assert_int_equal(rig.requests, 0);
    assert_calmed(&rig);
    rig_stop(&rig);
}

static void test_h2_drops_trailers_past_the_limit(void **state)
{
    static struct rig rig;
    uint8_t many[5 * 120];

    rig_start(&rig, true);
    for (size_t i = 0; i < 120; i++)
        memcpy(many + 5 * i, "\x00\x01x\x01y", 5);
    rig_headers(&rig, 1, ":method: POST\n:scheme: https\n:authority: a\n:path: /5\n", OPEN);
    rig_frame(&rig, NGHTTP2_HEADERS, END, 1, many, sizeof many);
    assert_unharmed(&rig);
    assert_int_equal(rig.reset_code, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_int_equal(rig.request_ends, 0);
    assert_int_equal(rig.closes[HTTP_END_SERVER], 1);
    rig_stop(&rig);
}

/* ---- floods ---- */

static void test_h2_caps_concurrent_streams(void **state)
{
    static struct rig rig;

    rig_init(&rig);
    rig.limits.h2_streams = 10;
    rig_open(&rig, true);
    rig.hold = true;
    for (int i = 0; i < 10; i++)
        rig_get(&rig, 2 * i + 1);
    assert_unharmed(&rig);
    assert_int_equal(rig.requests, 10);
    rig_get(&rig, 21); /* our SETTINGS were acknowledged: that is an error of the connection */
    rig_drain(&rig);
    assert_int_equal(rig.requests, 10);
    assert_int_equal(rig.goaway, NGHTTP2_PROTOCOL_ERROR);
    rig_stop(&rig);
}

static void test_h2_refuses_streams_past_a_lowered_limit(void **state)
{
    static struct rig rig;

    rig_start(&rig, true);
    rig.hold = true;
    rig.limits.h2_streams = 2;
    for (int i = 0; i < 4; i++)
        rig_get(&rig, 2 * i + 1);
    assert_unharmed(&rig);
    assert_int_equal(rig.requests, 2);
    assert_int_equal(rig.resets_out, 2);
    assert_int_equal(rig.reset_code, NGHTTP2_REFUSED_STREAM);
    rig_stop(&rig);
}

static void test_h2_ends_rapid_resets(void **state)
{
    static struct rig rig;
    int32_t id = 1;

    rig_start(&rig, true);
    rig.hold = true;
    for (; id < 2 * 100; id += 2) {
        rig_get(&rig, id);
        rig_frame(&rig, NGHTTP2_RST_STREAM, 0, id, "\0\0\0\x08", 4);
    }
    assert_unharmed(&rig);
    assert_int_equal(rig.requests, 100);
    assert_int_equal(rig.closes[HTTP_END_CLIENT], 100);
    rig_get(&rig, id);
    rig_frame(&rig, NGHTTP2_RST_STREAM, 0, id, "\0\0\0\x08", 4);
    assert_calmed(&rig);
    rig_stop(&rig);
}

static void test_h2_forgets_resets_with_time(void **state)
{
    static struct rig rig;

    rig_start(&rig, true);
    for (int32_t id = 1; id < 1000; id += 2) {
        rig_get(&rig, id);
        rig_frame(&rig, NGHTTP2_RST_STREAM, 0, id, "\0\0\0\x08", 4);
        rig.now += NSEC_PER_SEC * 6 / 10;
    }
    assert_unharmed(&rig);
    rig_stop(&rig);
}

/** Streams that the client makes us reset (MadeYouReset): a window that overflows. */
static void test_h2_ends_provoked_resets(void **state)
{
    static struct rig rig;
    int32_t id = 1;

    rig_start(&rig, true);
    rig.hold = true;
    for (; id < 1000 && rig.goaway < 0; id += 2) {
        rig_get(&rig, id);
        rig_frame(&rig, NGHTTP2_WINDOW_UPDATE, 0, id, "\x7f\xff\xff\xff", 4);
        rig_drain(&rig);
    }
    assert_int_equal(rig.requests, 101);
    rig_drain(&rig);
    assert_int_equal(rig.goaway, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_CLOSED);
    assert_int_equal(rig.closes[HTTP_END_SERVER], 101);
    rig_stop(&rig);
}

/** The same through malformed requests, without reading what we say. */
static void test_h2_ends_malformed_requests_without_end(void **state)
{
    static struct rig rig;
    char lines[128];

    rig_start(&rig, true);
    snprintf(lines, sizeof lines, "%sx y: 1\n", usual);
    for (int32_t id = 1; id < 1000 && rig.goaway < 0; id += 2) {
        rig_headers(&rig, id, lines, END);
        rig_drain(&rig);
    }
    assert_int_equal(rig.resets_out, 101);
    assert_int_equal(rig.goaway, NGHTTP2_ENHANCE_YOUR_CALM);
    rig_stop(&rig);
}

/** Sends a frame until the connection ends. @return how many were taken */
static int flood(uint8_t type, uint8_t flags, const void *payload, size_t len)
{
    static struct rig rig;
    int taken = 0;

    rig_start(&rig, true);
    rig.hold = true;
    rig_headers(&rig, 1, ":method: POST\n:scheme: https\n:authority: a\n:path: /5\n", OPEN);
    rig_drain(&rig);
    int32_t id = type == NGHTTP2_PING || type == NGHTTP2_SETTINGS || type >= 0x10 ? 0 : 1;
    while (taken < 5000 && rig_frame(&rig, type, flags, id, payload, len) == 0) {
        taken++;
        rig_drain(&rig);
    }
    if (taken < 5000)
        assert_calmed(&rig);
    rig_stop(&rig);
    return taken;
}

static void test_h2_ends_floods_of_cheap_frames(void **state)
{
    assert_int_equal(flood(NGHTTP2_PING, 0, "12345678", 8), 20);
    assert_int_equal(flood(NGHTTP2_SETTINGS, 0, NULL, 0), 20);
    assert_int_equal(flood(NGHTTP2_DATA, 0, NULL, 0), 50);
    assert_int_equal(flood(NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, "\x03\0\0\0", 4), 50);
    assert_int_equal(flood(0x77, 0, "grease", 6), 50);
    int priorities = flood(NGHTTP2_PRIORITY, 0, "\0\0\0\0\x10", 5);
    assert_true(priorities >= 50 && priorities < 200);
    int updates = flood(NGHTTP2_WINDOW_UPDATE, 0, "\0\0\0\x01", 4);
    assert_true(updates >= 50 && updates < 200);
    int reprioritised = flood(NGHTTP2_PRIORITY_UPDATE, 0, "\0\0\0\x01u=1", 7);
    assert_true(reprioritised >= 50 && reprioritised < 200);
}

/** A client that closes one stream's window and goes on asking: the small requests buy the large
 *  answer no time, while one that is taken at a decent rate lives on. */
static void test_h2_sweeps_answers_that_their_window_holds(void **state)
{
    static struct rig rig;
    static const char connection_window[] = {0, 127, 127, 127};

    rig_init(&rig);
    rig.limits.answer = (struct pace_bounds){.timeout = 30 * NSEC_PER_SEC, .rate = 500};
    rig_open(&rig, true);
    rig_frame(&rig, NGHTTP2_WINDOW_UPDATE, 0, 0, connection_window, 4);
    for (int32_t id = 1; id <= 3; id += 2)
        rig_headers(&rig, id, ":method: GET\n:scheme: https\n:authority: a\n:path: /900000\n",
                    NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM);
    rig_drain(&rig);
    for (int second = 0; second < 60; second += 5) {
        http_sweep(rig.engine, rig.now);
        rig.now += 5 * NSEC_PER_SEC;
        rig_frame(&rig, NGHTTP2_WINDOW_UPDATE, 0, 1, "\0\0\x10\0", 4);
        rig_headers(&rig, 5 + 2 * second,
                    ":method: GET\n:scheme: https\n:authority: a\n:path: /10\n",
                    NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM);
        rig_drain(&rig);
        unsigned cut = rig.closes[HTTP_END_TIMEOUT];
        assert_int_equal(cut, second < 30 ? 0 : 1);
        assert_int_equal(rig.resets_out, cut);
    }
    assert_int_equal(rig.reset_code, NGHTTP2_CANCEL);
    assert_int_equal(http_load(rig.engine).exchanges, 1); /* the one that is taken */
    assert_int_equal(rig.error, 0);
    rig_stop(&rig);
}

static void test_h2_takes_window_updates_that_data_explains(void **state)
{
    static struct rig rig;

    rig_start(&rig, true);
    rig_headers(&rig, 1, ":method: GET\n:scheme: https\n:authority: a\n:path: /9000000\n", END);
    rig_drain(&rig);
    for (int i = 0; i < 8000; i++) { /* in steps of 1 KiB, both windows */
        rig_frame(&rig, NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\x04\0", 4);
        rig_frame(&rig, NGHTTP2_WINDOW_UPDATE, 0, 1, "\0\0\x04\0", 4);
        rig_drain(&rig);
    }
    assert_unharmed(&rig);
    assert_true(rig.last->body_sent > 8000000);
    rig_stop(&rig);
}

static void test_h2_ends_continuation_floods(void **state)
{
    static struct rig rig;

    rig_start(&rig, true);
    rig_headers(&rig, 1, usual, NGHTTP2_FLAG_END_STREAM);
    for (int i = 0; i < 8; i++)
        assert_int_equal(rig_frame(&rig, NGHTTP2_CONTINUATION, 0, 1, "\x00\x01x\x01y", 5), 0);
    assert_int_equal(rig_frame(&rig, NGHTTP2_CONTINUATION, 0, 1, "\x00\x01x\x01y", 5), ERR_LIMIT);
    assert_calmed(&rig);
    assert_int_equal(rig.requests, 0);
    rig_stop(&rig);
}

static void test_h2_takes_a_block_in_pieces(void **state)
{
    static struct rig rig;

    rig_start(&rig, true);
    rig_headers(&rig, 1, usual, NGHTTP2_FLAG_END_STREAM);
    for (int i = 0; i < 7; i++)
        rig_frame(&rig, NGHTTP2_CONTINUATION, 0, 1, "\x00\x01x\x01y", 5);
    rig_frame(&rig, NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, 1, NULL, 0);
    assert_unharmed(&rig);
    assert_int_equal(rig.requests, 1);
    rig_stop(&rig);
}

static void test_h2_stops_input_while_output_is_stuck(void **state)
{
    static struct rig rig;

    rig_init(&rig);
    rig.limits.h2_pings_per_minute = 100000;
    rig.limits.h2_resets_per_minute = 100000;
    rig.limits.h2_streams = 5000;
    rig_open(&rig, true);
    int32_t id = 1;
    while (http_wants_input(rig.engine) && id < 20000) {
        rig_get(&rig, id);
        id += 2;
    }
    assert_true(id < 3000);
    assert_unharmed(&rig);
    assert_true(http_wants_input(rig.engine));
    rig_stop(&rig);
}

static void test_h2_ends_what_is_not_http2(void **state)
{
    static struct rig rig;

    rig_init(&rig);
    rig_open(&rig, true);
    rig_stop(&rig);
    rig_init(&rig);
    rig_open(&rig, false); /* no preface sent yet */
    assert_int_equal(rig_feed(&rig, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27), ERR_PROTOCOL);
    rig_drain(&rig);
    assert_int_equal(rig.goaway, NGHTTP2_PROTOCOL_ERROR);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_CLOSED);
    rig_stop(&rig);
}

static void test_h2_ends_on_errors_of_the_connection(void **state)
{
    static struct rig rig;

    rig_start(&rig, true);
    rig.hold = true;
    rig_get(&rig, 1);
    rig_frame(&rig, NGHTTP2_DATA, 0, 0, "abc", 3); /* DATA on stream 0 */
    rig_drain(&rig);
    assert_int_equal(rig.goaway, NGHTTP2_PROTOCOL_ERROR);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_CLOSED);
    rig_stop(&rig);
    assert_int_equal(rig.closes[HTTP_END_SERVER], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_h2_refuses_with_a_status),
        cmocka_unit_test(test_h2_never_serves_an_authority_with_user),
        cmocka_unit_test(test_h2_refuses_https_without_tls),
        cmocka_unit_test(test_h2_resets_malformed_requests),
        cmocka_unit_test(test_h2_resets_a_body_of_the_wrong_length),
        cmocka_unit_test(test_h2_answers_413_to_a_body_past_the_limit),
        cmocka_unit_test(test_h2_refuses_long_targets_with_414),
        cmocka_unit_test(test_h2_refuses_large_header_sections_with_431),
        cmocka_unit_test(test_h2_ends_a_header_bomb),
        cmocka_unit_test(test_h2_drops_trailers_past_the_limit),
        cmocka_unit_test(test_h2_caps_concurrent_streams),
        cmocka_unit_test(test_h2_refuses_streams_past_a_lowered_limit),
        cmocka_unit_test(test_h2_ends_rapid_resets),
        cmocka_unit_test(test_h2_forgets_resets_with_time),
        cmocka_unit_test(test_h2_ends_provoked_resets),
        cmocka_unit_test(test_h2_ends_malformed_requests_without_end),
        cmocka_unit_test(test_h2_ends_floods_of_cheap_frames),
        cmocka_unit_test(test_h2_sweeps_answers_that_their_window_holds),
        cmocka_unit_test(test_h2_takes_window_updates_that_data_explains),
        cmocka_unit_test(test_h2_ends_continuation_floods),
        cmocka_unit_test(test_h2_takes_a_block_in_pieces),
        cmocka_unit_test(test_h2_stops_input_while_output_is_stuck),
        cmocka_unit_test(test_h2_ends_what_is_not_http2),
        cmocka_unit_test(test_h2_ends_on_errors_of_the_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
