/* What RFC 9113 demands of a server frame by frame: errors of the connection, errors of a stream,
 * what is ignored, and how the windows are kept. */
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

/** A connection on which stream 1 is closed, 3 waits for its answer and 5 for its body. */
static void open_streams(struct rig *rig)
{
    rig_start(rig, true);
    rig_get(rig, 1);
    rig_drain(rig);
    rig->hold = true;
    rig_get(rig, 3);
    rig_headers(rig, 5, post, OPEN);
    rig_drain(rig);
    assert_int_equal(rig->requests, 3);
    assert_int_equal(rig->closes[HTTP_END_DONE], 1);
}

struct frame {
    uint8_t type, flags;
    int32_t id;
    struct span payload;
    long code; /**< that is expected */
};

#define P(literal)                                                                                 \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

static void test_h2_ends_the_connection_on_errors_of_it(void **state)
{
    static const struct frame frames[] = {
        {NGHTTP2_DATA, 0, 0, P("abc"), NGHTTP2_PROTOCOL_ERROR},
        {NGHTTP2_DATA, 0, 7, P("abc"), NGHTTP2_PROTOCOL_ERROR}, /* idle */
        {NGHTTP2_DATA, 0, 2, P("abc"), NGHTTP2_PROTOCOL_ERROR}, /* ours, which we never begin */
        {NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 5, P("\3abc"), 0},
        {NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 5, P("\4abc"), NGHTTP2_PROTOCOL_ERROR},
        {NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 5, P(""), NGHTTP2_FRAME_SIZE_ERROR},
        {NGHTTP2_HEADERS, END, 0, P("\x82"), NGHTTP2_PROTOCOL_ERROR},
        {NGHTTP2_HEADERS, END, 8, P("\x82"), NGHTTP2_PROTOCOL_ERROR},
        {NGHTTP2_HEADERS, END | NGHTTP2_FLAG_PADDED, 7, P("\2\x82"), NGHTTP2_PROTOCOL_ERROR},
        {NGHTTP2_HEADERS, END | NGHTTP2_FLAG_PRIORITY, 7, P("\x82"), NGHTTP2_FRAME_SIZE_ERROR},
        {NGHTTP2_HEADERS, END, 7, P("\xff\xff\xff\xff\xff"), NGHTTP2_COMPRESSION_ERROR},
        {NGHTTP2_HEADERS, END, 7, P("\x40"), NGHTTP2_COMPRESSION_ERROR},
        {NGHTTP2_PRIORITY, 0, 0, P("\0\0\0\1\0"), NGHTTP2_PROTOCOL_ERROR},
        {NGHTTP2_PRIORITY, 0, 3, P("\0\0\0\1"), NGHTTP2_FRAME_SIZE_ERROR},
        {NGHTTP2_RST_STREAM, 0, 0, P("\0\0\0\1"), NGHTTP2_PROTOCOL_ERROR},
        {NGHTTP2_RST_STREAM, 0, 7, P("\0\0\0\1"), NGHTTP2_PROTOCOL_ERROR}, /* idle */
        {NGHTTP2_RST_STREAM, 0, 2, P("\0\0\0\1"), NGHTTP2_PROTOCOL_ERROR},
        {NGHTTP2_RST_STREAM, 0, 3, P("\0\0\0"), NGHTTP2_FRAME_SIZE_ERROR},
        {NGHTTP2_SETTINGS, 0, 1, P(""), NGHTTP2_PROTOCOL_ERROR},
        {NGHTTP2_SETTINGS, 0, 0, P("\0\4\0\0\0"), NGHTTP2_FRAME_SIZE_ERROR},
        {NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, P("\0\4\0\0\0\0"), NGHTTP2_FRAME_SIZE_ERROR},
        {NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, P(""), NGHTTP2_PROTOCOL_ERROR}, /* a second one */
        {NGHTTP2_SETTINGS, 0, 0, P("\0\2\0\0\0\2"), NGHTTP2_PROTOCOL_ERROR},
        {NGHTTP2_SETTINGS, 0, 0, P("\0\4\x80\0\0\0"), NGHTTP2_FLOW_CONTROL_ERROR},
        {NGHTTP2_SETTINGS, 0, 0, P("\0\5\0\0\x3f\xff"), NGHTTP2_PROTOCOL_ERROR},
        {NGHTTP2_SETTINGS, 0, 0, P("\0\5\1\0\0\0"), NGHTTP2_PROTOCOL_ERROR},
        {NGHTTP2_SETTINGS, 0, 0, P("\0\x09\0\0\0\1"), NGHTTP2_PROTOCOL_ERROR}, /* only at first */
        {NGHTTP2_PUSH_PROMISE, 0, 3, P("\0\0\0\2\x82"), NGHTTP2_PROTOCOL_ERROR},
        {NGHTTP2_PING, 0, 3, P("12345678"), NGHTTP2_PROTOCOL_ERROR},
        {NGHTTP2_PING, 0, 0, P("1234567"), NGHTTP2_FRAME_SIZE_ERROR},
        {NGHTTP2_GOAWAY, 0, 3, P("\0\0\0\0\0\0\0\0"), NGHTTP2_PROTOCOL_ERROR},
        {NGHTTP2_GOAWAY, 0, 0, P("\0\0\0\0\0\0\0"), NGHTTP2_FRAME_SIZE_ERROR},
        {NGHTTP2_WINDOW_UPDATE, 0, 0, P("\0\0\0\0"), NGHTTP2_PROTOCOL_ERROR},
        {NGHTTP2_WINDOW_UPDATE, 0, 0, P("\x7f\xff\xff\xff"), NGHTTP2_FLOW_CONTROL_ERROR},
        {NGHTTP2_WINDOW_UPDATE, 0, 7, P("\0\0\0\1"), NGHTTP2_PROTOCOL_ERROR}, /* idle */
        {NGHTTP2_WINDOW_UPDATE, 0, 2, P("\0\0\0\1"), NGHTTP2_PROTOCOL_ERROR},
        {NGHTTP2_WINDOW_UPDATE, 0, 3, P("\0\0\0"), NGHTTP2_FRAME_SIZE_ERROR},
        {NGHTTP2_CONTINUATION, END, 5, P("\x82"), NGHTTP2_PROTOCOL_ERROR},
        {NGHTTP2_PRIORITY_UPDATE, 0, 3, P("\0\0\0\3u=1"), NGHTTP2_PROTOCOL_ERROR},
        {NGHTTP2_PRIORITY_UPDATE, 0, 0, P("\0\0\0\2u=1"), NGHTTP2_PROTOCOL_ERROR},
        {NGHTTP2_PRIORITY_UPDATE, 0, 0, P("\0\0\0\0u=1"), NGHTTP2_PROTOCOL_ERROR},
        {NGHTTP2_PRIORITY_UPDATE, 0, 0, P("\0\0\3"), NGHTTP2_FRAME_SIZE_ERROR},
    };
    static struct rig rig;

    for (size_t i = 0; i < ARRAY_SIZE(frames); i++) {
        const struct frame *f = &frames[i];
        open_streams(&rig);
        int r = rig_frame(&rig, f->type, f->flags, f->id, f->payload.ptr, f->payload.len);
        rig_drain(&rig);
        if (rig.goaway != (f->code ? f->code : -1))
            print_error("row %zu: GOAWAY %ld\n", i, rig.goaway);
        assert_int_equal(r, f->code ? ERR_PROTOCOL : 0);
        assert_int_equal(rig.goaway, f->code ? f->code : -1);
        if (f->code) {
            assert_int_equal(rig.goaway_last, 5);
            assert_int_equal(http_wait(rig.engine), HTTP_WAIT_CLOSED);
        }
        rig_stop(&rig);
    }
}

static void test_h2_resets_the_stream_on_errors_of_it(void **state)
{
    static const struct frame frames[] = {
        {NGHTTP2_DATA, 0, 3, P("abc"), NGHTTP2_STREAM_CLOSED},
        {NGHTTP2_HEADERS, END, 3, P("\x82"), NGHTTP2_STREAM_CLOSED},
        {NGHTTP2_HEADERS, OPEN, 5, P("\x00\x01x\x01y"), NGHTTP2_PROTOCOL_ERROR}, /* no end */
        {NGHTTP2_HEADERS, END, 5, P("\x82"), NGHTTP2_PROTOCOL_ERROR}, /* :method as a trailer */
        {NGHTTP2_HEADERS, END, 5, P("\x00\x01X\x01y"), NGHTTP2_PROTOCOL_ERROR},
        {NGHTTP2_WINDOW_UPDATE, 0, 5, P("\0\0\0\0"), NGHTTP2_PROTOCOL_ERROR},
        {NGHTTP2_WINDOW_UPDATE, 0, 5, P("\x7f\xff\xff\xff"), NGHTTP2_FLOW_CONTROL_ERROR},
    };
    static struct rig rig;

    for (size_t i = 0; i < ARRAY_SIZE(frames); i++) {
        const struct frame *f = &frames[i];
        open_streams(&rig);
        rig_frame(&rig, f->type, f->flags, f->id, f->payload.ptr, f->payload.len);
        rig_drain(&rig);
        if (rig.resets_out != 1 || rig.reset_code != (uint32_t)f->code)
            print_error("row %zu: RST_STREAM %u\n", i, rig.reset_code);
        assert_int_equal(rig.error, 0);
        assert_int_equal(rig.resets_out, 1);
        assert_int_equal(rig.reset_code, f->code);
        assert_int_equal(rig.closes[HTTP_END_SERVER], 1);
        assert_int_equal(rig.request_ends, 2);
        rig_frame(&rig, f->type, f->flags, f->id, f->payload.ptr, f->payload.len);
        rig_drain(&rig); /* once more, as if it had crossed our reset */
        assert_int_equal(rig.error, 0);
        assert_int_equal(rig.resets_out, 1);
        rig_stop(&rig);
    }
}

static void test_h2_ignores_what_means_nothing(void **state)
{
    static const struct frame frames[] = {
        {0x77, 0xff, 9, P("whatever"), 0},
        {NGHTTP2_PRIORITY, 0, 99, P("\0\0\0\x63\x10"), 0},
        {NGHTTP2_PRIORITY, 0, 3, P("\0\0\0\3\x10"), 0},
        {NGHTTP2_SETTINGS, 0, 0, P("\0\3\0\0\0\0\x77\x77\1\2\3\4\0\6\0\0\0\1\0\x08\0\0\0\1"), 0},
        {NGHTTP2_RST_STREAM, 0, 1, P("\0\0\0\1"), 0},
        {NGHTTP2_WINDOW_UPDATE, 0, 1, P("\0\0\0\1"), 0},
        {NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, P("12345678"), 0},
        {NGHTTP2_PRIORITY_UPDATE, 0, 0, P("\0\0\0\1u=1"), 0},
        {NGHTTP2_PRIORITY_UPDATE, 0, 0, P("\0\0\0\3u=9;i=,,=(\x80"), 0},
        {NGHTTP2_DATA, 0xf6, 5, P("abc"), 0}, /* flags that DATA has none of */
    };
    static struct rig rig;

    open_streams(&rig);
    for (size_t i = 0; i < ARRAY_SIZE(frames); i++) {
        const struct frame *f = &frames[i];
        assert_int_equal(
            rig_frame(&rig, f->type, f->flags, f->id | INT32_MIN, f->payload.ptr, f->payload.len),
            0); /* the reserved bit is ignored, too */
        rig_drain(&rig);
    }
    assert_int_equal(rig.goaway, -1);
    assert_int_equal(rig.resets_out, 0);
    rig_frame(&rig, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 5, NULL, 0);
    rig_answer(&rig, rig.held[0]);
    rig_answer(&rig, rig.held[1]);
    rig_drain(&rig);
    assert_int_equal(rig.closes[HTTP_END_DONE], 3);
    rig_stop(&rig);
}

static void test_h2_wants_settings_first(void **state)
{
    static struct rig rig;

    rig_init(&rig);
    rig_open(&rig, false); /* no preface sent yet */
    rig_feed(&rig, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN);
    assert_int_equal(rig_frame(&rig, NGHTTP2_PING, 0, 0, "12345678", 8), ERR_PROTOCOL);
    rig_drain(&rig);
    assert_int_equal(rig.goaway, NGHTTP2_PROTOCOL_ERROR);
    rig_stop(&rig);
}

static void test_h2_refuses_frames_that_are_too_long(void **state)
{
    static struct rig rig;

    open_streams(&rig);
    assert_int_equal(rig_feed(&rig, "\0\x40\1\0\0\0\0\0\5", 9), ERR_PROTOCOL);
    rig_drain(&rig);
    assert_int_equal(rig.goaway, NGHTTP2_FRAME_SIZE_ERROR);
    rig_stop(&rig);
}

static void test_h2_lets_nothing_come_into_a_header_block(void **state)
{
    static const struct frame frames[] = {
        {NGHTTP2_PING, 0, 0, P("12345678"), 0},
        {NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, 5, P(""), 0},
        {NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 7, P("\x82"), 0},
        {0x77, 0, 7, P(""), 0},
    };
    static struct rig rig;

    for (size_t i = 0; i < ARRAY_SIZE(frames); i++) {
        const struct frame *f = &frames[i];
        open_streams(&rig);
        rig_headers(&rig, 7, usual, NGHTTP2_FLAG_END_STREAM);
        assert_int_equal(http_wait(rig.engine), HTTP_WAIT_HEADER);
        assert_int_equal(rig_frame(&rig, f->type, f->flags, f->id, f->payload.ptr, f->payload.len),
                         ERR_PROTOCOL);
        rig_drain(&rig);
        assert_int_equal(rig.goaway, NGHTTP2_PROTOCOL_ERROR);
        rig_stop(&rig);
    }
}

static void test_h2_takes_padding_and_priorities_off(void **state)
{
    static struct rig rig;

    open_streams(&rig);
    rig_frame(&rig, NGHTTP2_HEADERS, OPEN | NGHTTP2_FLAG_PADDED | NGHTTP2_FLAG_PRIORITY, 7,
              "\3\0\0\0\1\x10\x83\x87\x84\1\1a\0\0\0", 15);
    assert_int_equal(rig.requests, 4);
    rig_frame(&rig, NGHTTP2_DATA, NGHTTP2_FLAG_PADDED | NGHTTP2_FLAG_END_STREAM, 7, "\2abcxy", 6);
    assert_int_equal(rig.upload_bytes, 3);
    assert_int_equal(rig.request_ends, 3);
    assert_int_equal(rig.error, 0);
    rig_stop(&rig);
}

/** A stream that is refused leaves the decoder's table as its block says. */
static void test_h2_reads_the_blocks_of_refused_streams(void **state)
{
    static struct rig rig;

    rig_start(&rig, true);
    rig.hold = true;
    rig.limits.h2_streams = 1;
    rig_get(&rig, 1);
    rig_headers(&rig, 3, ":method: GET\n:scheme: https\n:authority: a\n:path: /\nx-new: 1\n", END);
    assert_int_equal(rig.requests, 1);
    rig.limits.h2_streams = 100;
    rig_headers(&rig, 5, ":method: GET\n:scheme: https\n:authority: a\n:path: /\nx-new: 1\n", END);
    assert_int_equal(rig.requests, 2);
    assert_non_null(strstr(rig.seen, "x-new: 1\n"));
    rig_stop(&rig);
}

static void check_malformed(const char *lines, const char *raw, size_t len)
{
    static struct rig rig;
    uint8_t block[256];

    rig_start(&rig, true);
    if (lines) {
        rig_headers(&rig, 1, lines, END);
    } else {
        memcpy(block,
               "\x82\x87\x84\x01\x01"
               "a",
               6);
        memcpy(block + 6, raw, len);
        rig_frame(&rig, NGHTTP2_HEADERS, END, 1, block, 6 + len);
    }
    if (rig.refusal != 400)
        print_error("%s\n", rig.seen);
    rig_drain(&rig);
    assert_int_equal(rig.requests, 1);
    assert_int_equal(rig.refusal, 400);
    assert_int_equal(rig.closes[HTTP_END_SERVER], 1);
    assert_int_equal(rig.reset_code, NGHTTP2_PROTOCOL_ERROR);
    assert_int_equal(rig.error, 0);
    rig_stop(&rig);
}

static void test_h2_resets_more_malformed_requests(void **state)
{
#define RAW(bytes) check_malformed(NULL, bytes, sizeof(bytes) - 1)
    RAW("\x00\x00\x01y");    /* no name */
    RAW("\x00\x01x\x02 y");  /* space in front */
    RAW("\x00\x01x\x02y\t"); /* HTAB behind */
    RAW("\x00\x01x\x03"
        "a\0b");
    RAW("\x00\x01x\x03"
        "a\nb");
    RAW("\x00\x01x\x03"
        "a\rb");
    RAW("\x00\x01x\x01\x7f");
    RAW("\x00\x02x:\x01y");
    RAW("\x00\x02x\xc3\x01y");
    RAW("\x00\x01:\x01y");
    RAW("\x00\x04host\x01"
        "a\x00\x04host\x01"
        "a");
    RAW("\x00\x04host\x03"
        "a b");
    RAW("\x00\x0e"
        "content-length\x01"
        "0\x00\x0e"
        "content-length\x01"
        "0");
    RAW("\x00\x0e"
        "content-length\x14"
        "99999999999999999999");
    RAW("\x00\x0e"
        "content-length\x00");
#undef RAW
    check_malformed(":method: CONNECT\n:scheme: https\n:authority: a\n:path: /\n", NULL, 0);
    check_malformed(":method: CONNECT\n:protocol: websocket\n:authority: a\n", NULL, 0);
    check_malformed(":method: G T\n:scheme: https\n:authority: a\n:path: /\n", NULL, 0);
    check_malformed(":method: GET\n:scheme: https\n:authority: a\n:path: \n", NULL, 0);
    check_malformed(":method: GET\n:method: GET\n:scheme: https\n:authority: a\n:path: /\n", NULL,
                    0);
}

/** Half of a window used is given back: the stream's 65,535 bytes, the connection's four of them.
 */
static void test_h2_gives_windows_back(void **state)
{
    static struct rig rig;
    static char piece[16384];

    open_streams(&rig);
    unsigned before = rig.frames_out;
    for (unsigned i = 0; i < 8; i++) {
        for (size_t at = 0; at < sizeof piece; at++)
            piece[at] = (char)('a' + (i * sizeof piece + at) % 23);
        assert_int_equal(rig_frame(&rig, NGHTTP2_DATA, 0, 5, piece, sizeof piece), 0);
        rig_drain(&rig);
        assert_int_equal(rig.frames_out - before, (i + 1) / 2 + (i == 7));
    }
    assert_int_equal(rig.upload_bytes, 8 * sizeof piece);
    rig_stop(&rig);
}

static void test_h2_sends_by_windows_that_change(void **state)
{
    static struct rig rig;

    rig_start(&rig, true);
    rig_headers(&rig, 1, ":method: GET\n:scheme: https\n:authority: a\n:path: /60000\n", END);
    rig_frame(&rig, NGHTTP2_SETTINGS, 0, 0, "\0\4\0\0\x27\x10", 6); /* 10,000 bytes a stream */
    rig_drain(&rig);
    assert_int_equal(rig.last->body_sent, 10000);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_WINDOW);
    rig_frame(&rig, NGHTTP2_SETTINGS, 0, 0, "\0\4\0\0\0\0", 6); /* none: now 10,000 in debt */
    rig_drain(&rig);
    rig_frame(&rig, NGHTTP2_WINDOW_UPDATE, 0, 1, "\0\0\x27\x10", 4);
    assert_int_equal(rig_drain(&rig), 0);
    rig_frame(&rig, NGHTTP2_WINDOW_UPDATE, 0, 1, "\0\0\0\1", 4);
    assert_int_equal(rig_drain(&rig), 9 + 1);
    rig_frame(&rig, NGHTTP2_SETTINGS, 0, 0, "\0\4\0\0\x4e\x20", 6); /* 20,000 */
    rig_drain(&rig);
    assert_int_equal(rig.last->body_sent, 30001);
    rig_frame(&rig, NGHTTP2_SETTINGS, 0, 0, "\0\4\x7f\xff\xff\xff", 6);
    rig_drain(&rig);
    assert_int_equal(rig.closes[HTTP_END_DONE], 1);
    rig_stop(&rig);
}

static void test_h2_ends_when_a_setting_overflows_a_window(void **state)
{
    static struct rig rig;

    open_streams(&rig);
    rig_frame(&rig, NGHTTP2_WINDOW_UPDATE, 0, 3, "\x7f\xff\0\0", 4);
    assert_int_equal(rig_frame(&rig, NGHTTP2_SETTINGS, 0, 0, "\0\4\x7f\xff\xff\xff", 6),
                     ERR_PROTOCOL);
    rig_drain(&rig);
    assert_int_equal(rig.goaway, NGHTTP2_FLOW_CONTROL_ERROR);
    rig_stop(&rig);
}

/** The last DATA frame of a stream, by its place among all. */
static unsigned last_data_of(const struct rig *rig, int32_t id)
{
    unsigned last = 0;

    for (unsigned i = 0; i < rig->order_count; i++)
        if (rig->order[i] == id)
            last = i + 1;
    return last;
}

static void test_h2_remembers_a_priority_that_comes_before_its_request(void **state)
{
    static struct rig rig;

    rig_start(&rig, true);
    rig_frame(&rig, NGHTTP2_PRIORITY_UPDATE, 0, 0, "\0\0\0\3u=7", 7);
    rig_frame(&rig, NGHTTP2_PRIORITY_UPDATE, 0, 0, "\0\0\0\3u=0;x, i=?0", 15);
    rig_get(&rig, 1);
    rig_headers(&rig, 3, ":method: GET\n:scheme: https\n:authority: a\n:path: /5\npriority: u=7\n",
                END); /* the frame outdoes the field */
    rig_drain(&rig);
    assert_true(last_data_of(&rig, 3) < last_data_of(&rig, 1));
    rig_stop(&rig);
}

static void test_h2_moves_an_answer_under_way(void **state)
{
    static struct rig rig;

    rig_start(&rig, true);
    rig.produce_cap = 32768;
    rig_frame(&rig, NGHTTP2_SETTINGS, 0, 0, "\0\4\0\1\x86\xa0", 6);
    rig_frame(&rig, NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\1\0\0", 4);
    for (int32_t id = 1; id <= 3; id += 2)
        rig_headers(&rig, id, ":method: GET\n:scheme: https\n:authority: a\n:path: /60000\n", END);
    rig_frame(&rig, NGHTTP2_PRIORITY_UPDATE, 0, 0, "\0\0\0\1u=6", 7);
    rig_drain(&rig);
    assert_true(last_data_of(&rig, 3) < last_data_of(&rig, 1));
    assert_int_equal(rig.closes[HTTP_END_DONE], 2);
    rig_stop(&rig);
}

static void test_h2_ends_with_a_client_that_leaves(void **state)
{
    static struct rig rig;

    open_streams(&rig);
    rig_frame(&rig, NGHTTP2_GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0why", 11);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_BODY); /* what it asked for is answered */
    rig_frame(&rig, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 5, NULL, 0);
    rig_answer(&rig, rig.held[0]);
    rig_answer(&rig, rig.held[1]);
    rig_drain(&rig);
    assert_int_equal(rig.closes[HTTP_END_DONE], 3);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_CLOSED);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_h2_ends_the_connection_on_errors_of_it),
        cmocka_unit_test(test_h2_resets_the_stream_on_errors_of_it),
        cmocka_unit_test(test_h2_ignores_what_means_nothing),
        cmocka_unit_test(test_h2_wants_settings_first),
        cmocka_unit_test(test_h2_refuses_frames_that_are_too_long),
        cmocka_unit_test(test_h2_lets_nothing_come_into_a_header_block),
        cmocka_unit_test(test_h2_takes_padding_and_priorities_off),
        cmocka_unit_test(test_h2_reads_the_blocks_of_refused_streams),
        cmocka_unit_test(test_h2_resets_more_malformed_requests),
        cmocka_unit_test(test_h2_gives_windows_back),
        cmocka_unit_test(test_h2_sends_by_windows_that_change),
        cmocka_unit_test(test_h2_ends_when_a_setting_overflows_a_window),
        cmocka_unit_test(test_h2_remembers_a_priority_that_comes_before_its_request),
        cmocka_unit_test(test_h2_moves_an_answer_under_way),
        cmocka_unit_test(test_h2_ends_with_a_client_that_leaves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
