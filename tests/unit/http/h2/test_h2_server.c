/* The HTTP/2 server engine against nghttp2's client: messages, flow control, priorities, ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"
#include "rig.h"

static void test_h2_answers_get_with_date_and_length(void **state)
{
    static struct rig rig;

    rig_start(&rig, false);
    int32_t id = rig_ask(&rig, "GET", "/1024?a=b", "x-a: 1\n");
    rig_pump(&rig);
    struct rig_stream *s = rig_at(&rig, id);
    assert_int_equal(s->status, 200);
    assert_int_equal(s->body_bytes, 1024);
    assert_true(s->body_right && s->ended && s->closed);
    assert_int_equal(s->code, 0);
    assert_non_null(strstr(s->headers, "date: Sun, 06 Nov 1994 08:49:37 GMT\n"));
    assert_non_null(strstr(s->headers, "content-length: 1024\n"));
    assert_string_equal(rig.seen, "GET scheme=https authority=example.com host=example.com "
                                  "path=/1024 query=a=b\nx-a: 1\n");
    assert_int_equal(rig.request_ends, 1);
    assert_int_equal(rig.closes[HTTP_END_DONE], 1);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_IDLE);
    rig_stop(&rig);
}

static void test_h2_serves_many_streams_at_once(void **state)
{
    static struct rig rig;

    rig_start(&rig, false);
    for (int round = 0; round < 5; round++) {
        int32_t ids[90];
        char path[32];
        for (int i = 0; i < 90; i++) {
            snprintf(path, sizeof path, "/%d", i * 37);
            ids[i] = rig_ask(&rig, "GET", path, NULL);
        }
        rig_pump(&rig);
        for (int i = 0; i < 90; i++) {
            struct rig_stream *s = rig_at(&rig, ids[i]);
            assert_int_equal(s->status, 200);
            assert_int_equal(s->body_bytes, i * 37);
            assert_true(s->body_right && s->ended && s->closed);
        }
    }
    assert_int_equal(rig.closes[HTTP_END_DONE], 450);
    rig_stop(&rig);
}

static void test_h2_sends_large_bodies_within_the_window(void **state)
{
    static struct rig rig;

    rig_start(&rig, false);
    int32_t a = rig_ask(&rig, "GET", "/5000000", NULL);
    int32_t b = rig_ask(&rig, "GET", "/3000000?unknown=1", NULL);
    rig_pump(&rig);
    assert_int_equal(rig_at(&rig, a)->body_bytes, 5000000);
    assert_true(rig_at(&rig, a)->body_right && rig_at(&rig, a)->ended);
    assert_int_equal(rig_at(&rig, b)->body_bytes, 3000000);
    assert_true(rig_at(&rig, b)->body_right && rig_at(&rig, b)->ended);
    assert_null(strstr(rig_at(&rig, b)->headers, "content-length"));
    rig_stop(&rig);
}

static void test_h2_waits_for_a_closed_window(void **state)
{
    static struct rig rig;

    rig_start(&rig, true);
    rig_headers(&rig, 1, ":method: GET\n:scheme: https\n:authority: a\n:path: /200000\n",
                NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_OUTPUT);
    assert_true(rig_drain(&rig) > 65535);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_WINDOW);
    assert_int_equal(rig.last->body_sent, 65535);
    rig_frame(&rig, NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\x10\0", 4);
    assert_int_equal(rig_drain(&rig), 0); /* the stream's own is closed still */
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_WINDOW);
    rig_frame(&rig, NGHTTP2_WINDOW_UPDATE, 0, 1, "\0\0\x10\0", 4);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_OUTPUT);
    assert_int_equal(rig_drain(&rig), 4096 + 9);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_WINDOW);
    rig_stop(&rig);
    assert_int_equal(rig.closes[HTTP_END_CLIENT], 1);
}

static void test_h2_sends_no_body_where_none_belongs(void **state)
{
    static struct rig rig;

    rig_start(&rig, false);
    int32_t head = rig_ask(&rig, "HEAD", "/1000", NULL);
    int32_t none = rig_ask(&rig, "GET", "/1000?status=204", NULL);
    int32_t same = rig_ask(&rig, "GET", "/1000?status=304", NULL);
    int32_t empty = rig_ask(&rig, "GET", "/0", NULL);
    rig_pump(&rig);
    assert_non_null(strstr(rig_at(&rig, head)->headers, "content-length: 1000\n"));
    assert_null(strstr(rig_at(&rig, none)->headers, "content-length"));
    assert_null(strstr(rig_at(&rig, same)->headers, "content-length:")); /* as over HTTP/1 */
    assert_non_null(strstr(rig_at(&rig, empty)->headers, "content-length: 0\n"));
    int32_t ids[] = {head, none, same, empty};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(rig_at(&rig, ids[i])->body_bytes, 0);
        assert_true(rig_at(&rig, ids[i])->ended && rig_at(&rig, ids[i])->closed);
    }
    rig_stop(&rig);
}

static void test_h2_hands_on_bodies_and_trailers(void **state)
{
    static struct rig rig;

    rig_start(&rig, false);
    int32_t id = rig_post(&rig, "/10", "content-length: 300000\n", 300000, true);
    rig_pump(&rig);
    assert_int_equal(rig.upload_bytes, 300000);
    assert_non_null(strstr(rig.seen, "trailer x-check: ok\n"));
    assert_int_equal(rig_at(&rig, id)->status, 200);
    assert_int_equal(rig_at(&rig, id)->body_bytes, 10);
    assert_int_equal(rig.request_ends, 1);
    rig_stop(&rig);
}

static void test_h2_sends_trailers(void **state)
{
    static struct rig rig;

    rig_start(&rig, false);
    int32_t a = rig_ask(&rig, "GET", "/70000?trailer=1", NULL);
    int32_t b = rig_ask(&rig, "GET", "/500?trailer=1&unknown=1", NULL);
    rig_pump(&rig);
    assert_string_equal(rig_at(&rig, a)->trailers, "x-sum: 42\n");
    assert_string_equal(rig_at(&rig, b)->trailers, "x-sum: 42\n");
    assert_int_equal(rig_at(&rig, a)->body_bytes, 70000);
    assert_true(rig_at(&rig, a)->ended && rig_at(&rig, b)->ended);
    assert_int_equal(rig.closes[HTTP_END_DONE], 2);
    rig_stop(&rig);
}

static void test_h2_says_continue_only_when_asked(void **state)
{
    static struct rig rig;

    rig_start(&rig, false);
    int32_t asks = rig_post(&rig, "/1", "expect: 100-continue\n", 10, false);
    int32_t quiet = rig_post(&rig, "/1", NULL, 10, false);
    rig_pump(&rig);
    assert_non_null(strstr(rig_at(&rig, asks)->headers, ":status: 100\n"));
    assert_null(strstr(rig_at(&rig, quiet)->headers, ":status: 100\n"));
    assert_int_equal(rig_at(&rig, asks)->status, 200);
    rig_stop(&rig);
}

static void test_h2_resumes_a_body_that_had_nothing(void **state)
{
    static struct rig rig;

    rig_start(&rig, false);
    int32_t id = rig_ask(&rig, "GET", "/3000?stall=1000", NULL);
    rig_pump(&rig);
    assert_int_equal(rig_at(&rig, id)->body_bytes, 1000);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_ANSWER);
    http_resume(rig.last);
    http_resume(rig.last); /* one too many does nothing */
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_OUTPUT);
    rig_pump(&rig);
    assert_int_equal(rig_at(&rig, id)->body_bytes, 3000);
    assert_true(rig_at(&rig, id)->body_right && rig_at(&rig, id)->ended);
    rig_stop(&rig);
}

static void test_h2_resets_the_stream_of_a_broken_body(void **state)
{
    static struct rig rig;

    rig_start(&rig, false);
    int32_t fails = rig_ask(&rig, "GET", "/50000?fail=20000", NULL);
    int32_t ends = rig_ask(&rig, "GET", "/50000?short=100", NULL);
    int32_t right = rig_ask(&rig, "GET", "/10", NULL);
    rig_pump(&rig);
    assert_int_equal(rig_at(&rig, fails)->code, NGHTTP2_INTERNAL_ERROR);
    assert_int_equal(rig_at(&rig, ends)->code, NGHTTP2_INTERNAL_ERROR);
    assert_false(rig_at(&rig, ends)->ended);
    assert_true(rig_at(&rig, right)->ended);
    assert_int_equal(rig.closes[HTTP_END_SERVER], 2);
    assert_int_equal(rig.error, 0);
    rig_stop(&rig);
}

static void test_h2_closes_once_on_resets_of_either_side(void **state)
{
    static struct rig rig;

    rig_start(&rig, false);
    rig.hold = true;
    int32_t a = rig_ask(&rig, "GET", "/100", NULL);
    int32_t b = rig_ask(&rig, "GET", "/100", NULL);
    int32_t c = rig_ask(&rig, "GET", "/100", NULL);
    rig_pump(&rig);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_ANSWER);
    http_reset(rig.held[0]);
    assert_int_equal(rig.closes[HTTP_END_SERVER], 1);
    rig_answer(&rig, rig.held[1]); /* its header is queued when the reset comes */
    http_reset(rig.held[1]);
    assert_int_equal(rig.closes[HTTP_END_SERVER], 2);
    nghttp2_submit_rst_stream(rig.client, 0, c, NGHTTP2_CANCEL);
    rig_pump(&rig);
    assert_int_equal(rig.closes[HTTP_END_CLIENT], 1);
    assert_int_equal(rig_at(&rig, a)->code, NGHTTP2_INTERNAL_ERROR);
    assert_int_equal(rig_at(&rig, b)->code, NGHTTP2_INTERNAL_ERROR);
    assert_int_equal(rig_at(&rig, b)->status, 0);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_IDLE);
    rig_stop(&rig);
}

static void test_h2_lets_the_owner_reset_inside_on_request(void **state)
{
    static struct rig rig;

    rig_start(&rig, false);
    rig.on_request_resets = true;
    int32_t a = rig_ask(&rig, "GET", "/100", NULL);
    rig_post(&rig, "/100", NULL, 5000, true);
    rig_pump(&rig);
    assert_int_equal(rig.closes[HTTP_END_SERVER], 2);
    assert_int_equal(rig.request_ends, 0);
    assert_int_equal(rig_at(&rig, a)->code, NGHTTP2_INTERNAL_ERROR);
    rig_stop(&rig);
}

/** Begins an upload and answers it at once. */
static void answer_upload(struct rig *rig, const char *lines)
{
    rig_start(rig, true);
    rig->hold = true;
    rig_headers(rig, 1, lines, NGHTTP2_FLAG_END_HEADERS);
    rig_answer(rig, rig->held[0]);
    rig_drain(rig);
}

/* Clients are known that lose the answer when its stream is reset while they send. */
static void test_h2_lets_a_small_upload_end_after_its_answer(void **state)
{
    static struct rig rig;

    answer_upload(&rig, ":method: POST\n:scheme: https\n:authority: a\n:path: /10\n");
    assert_int_equal(rig.resets_out, 0);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_BODY);
    rig_frame(&rig, NGHTTP2_DATA, 0, 1, "abc", 3);
    rig_frame(&rig, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, "def", 3);
    rig_drain(&rig);
    assert_int_equal(rig.resets_out, 0);
    assert_int_equal(rig.goaway, -1);
    assert_int_equal(rig.upload_bytes, 0);
    assert_int_equal(rig.closes[HTTP_END_DONE], 1);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_IDLE);
    rig_stop(&rig);
}

/** Sends pieces until the stream is reset. @return bytes, at most 2 MiB */
static size_t upload_until_reset(struct rig *rig)
{
    static char piece[16384];
    size_t sent = 0;

    while (rig->resets_out == 0 && sent < 2 << 20) {
        rig_frame(rig, NGHTTP2_DATA, 0, 1, piece, sizeof piece);
        rig_drain(rig);
        sent += sizeof piece;
    }
    return sent;
}

/* Only past the window that it had before the answer can the client be known to have read it. */
static void test_h2_stops_a_long_upload_once_its_answer_was_passed(void **state)
{
    static const char *const lines[] = {
        ":method: POST\n:scheme: https\n:authority: a\n:path: /10\n",
        ":method: POST\n:scheme: https\n:authority: a\n:path: /10\ncontent-length: 30000000\n",
    };
    static struct rig rig;

    for (unsigned i = 0; i < 2; i++) {
        answer_upload(&rig, lines[i]);
        assert_int_equal(rig.resets_out, 0);
        size_t sent = upload_until_reset(&rig);
        assert_true(sent > 65535 && sent <= 65535 + (64 << 10)); /* our SETTINGS are not taken */
        assert_int_equal(rig.resets_out, 1);
        assert_int_equal(rig.reset_code, NGHTTP2_NO_ERROR);
        assert_int_equal(rig.closes[HTTP_END_DONE], 1);
        rig_frame(&rig, NGHTTP2_DATA, 0, 1, "abc", 3); /* was under way */
        rig_drain(&rig);
        assert_int_equal(rig.goaway, -1);
        assert_int_equal(rig.upload_bytes, 0);
        rig_stop(&rig);
    }
}

/** The order in which whole answers ended, by their DATA frames. */
static unsigned last_data_of(const struct rig *rig, int32_t id)
{
    unsigned last = 0;

    for (unsigned i = 0; i < rig->order_count; i++)
        if (rig->order[i] == id)
            last = i + 1;
    return last;
}

static unsigned first_data_of(const struct rig *rig, int32_t id)
{
    for (unsigned i = 0; i < rig->order_count; i++)
        if (rig->order[i] == id)
            return i + 1;
    return 0;
}

static void test_h2_sends_by_the_priority_header(void **state)
{
    static struct rig rig;

    rig_start(&rig, false);
    rig_pump(&rig);
    int32_t low = rig_ask(&rig, "GET", "/20000", "priority: u=6\n");
    int32_t usual = rig_ask(&rig, "GET", "/20000", NULL);
    int32_t high = rig_ask(&rig, "GET", "/20000", "priority: u=1\n");
    rig_pump(&rig);
    assert_true(last_data_of(&rig, high) < first_data_of(&rig, usual));
    assert_true(last_data_of(&rig, usual) < first_data_of(&rig, low));
    rig_stop(&rig);
}

static void test_h2_takes_turns_among_incremental_answers(void **state)
{
    static struct rig rig;

    rig_start(&rig, false);
    rig_pump(&rig);
    int32_t a = rig_ask(&rig, "GET", "/32000", "priority: u=3, i\n");
    int32_t b = rig_ask(&rig, "GET", "/32000", "priority: u=3, i\n");
    rig_pump(&rig);
    assert_true(first_data_of(&rig, b) < last_data_of(&rig, a));
    int32_t c = rig_ask(&rig, "GET", "/32000", NULL);
    int32_t d = rig_ask(&rig, "GET", "/32000", NULL);
    rig_pump(&rig);
    assert_true(last_data_of(&rig, c) < first_data_of(&rig, d));
    rig_stop(&rig);
}

static void test_h2_obeys_a_priority_update(void **state)
{
    static struct rig rig;

    rig_start(&rig, false);
    rig.hold = true;
    rig_pump(&rig);
    int32_t first = rig_ask(&rig, "GET", "/20000", NULL);
    int32_t second = rig_ask(&rig, "GET", "/20000", NULL);
    rig_pump(&rig);
    assert_int_equal(
        nghttp2_submit_priority_update(rig.client, 0, second, (const uint8_t *)"u=0", 3), 0);
    rig_pump(&rig);
    rig_answer(&rig, rig.held[0]);
    rig_answer(&rig, rig.held[1]);
    rig_pump(&rig);
    assert_true(last_data_of(&rig, second) < first_data_of(&rig, first));
    rig_stop(&rig);
}

static void test_h2_shuts_down_without_losing_a_request(void **state)
{
    static struct rig rig;

    rig_start(&rig, false);
    rig.hold = true;
    int32_t before = rig_ask(&rig, "GET", "/10", NULL);
    rig_pump(&rig);
    http_shutdown(rig.engine);
    http_shutdown(rig.engine);
    rig_drain(&rig); /* the client does not know yet */
    assert_int_equal(rig.goaways, 1);
    assert_int_equal(rig.goaway_last, INT32_MAX);
    int32_t crossing = rig_ask(&rig, "GET", "/20", NULL);
    rig_pump(&rig);
    assert_int_equal(rig.requests, 2);
    rig_frame(&rig, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, "draining", 8);
    rig_pump(&rig);
    assert_int_equal(rig.goaways, 2);
    assert_int_equal(rig.goaway, NGHTTP2_NO_ERROR);
    assert_int_equal(rig.goaway_last, crossing);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_ANSWER);
    rig_answer(&rig, rig.held[0]);
    rig_answer(&rig, rig.held[1]);
    rig_pump(&rig);
    assert_true(rig_at(&rig, before)->ended && rig_at(&rig, crossing)->ended);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_CLOSED);
    rig_stop(&rig);
}

static void test_h2_ends_after_an_answer_that_says_close(void **state)
{
    static struct rig rig;

    rig_start(&rig, false);
    rig.response.close = true;
    int32_t id = rig_ask(&rig, "GET", "/10", NULL);
    rig_pump(&rig);
    assert_true(rig_at(&rig, id)->ended);
    assert_int_equal(rig.goaways, 2);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_CLOSED);
    rig_stop(&rig);
}

static void test_h2_ends_after_the_last_request_allowed(void **state)
{
    static struct rig rig;

    rig_init(&rig);
    rig.limits.requests_per_connection = 3;
    rig_open(&rig, false);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rig.goaways, 0);
        rig_ask(&rig, "GET", "/10", NULL);
        rig_pump(&rig);
    }
    assert_int_equal(rig.goaways, 2);
    assert_int_equal(rig.goaway, NGHTTP2_NO_ERROR);
    assert_int_equal(rig.closes[HTTP_END_DONE], 3);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_CLOSED);
    rig_stop(&rig);
}

static void test_h2_cuts_a_client_that_ignores_its_last_request(void **state)
{
    static struct rig rig;

    rig_init(&rig);
    rig.limits.requests_per_connection = 3;
    rig.limits.h2_streams = 4;
    rig_open(&rig, true);
    for (int i = 0; i < 20; i++) {
        rig_get(&rig, 2 * i + 1);
        rig_drain(&rig);
    }
    assert_true(rig.requests <= 8);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_CLOSED);
    rig_stop(&rig);
}

static void test_h2_tells_what_it_waits_for(void **state)
{
    static struct rig rig;

    rig_init(&rig);
    rig_open(&rig, false);
    rig_drain(&rig);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_HEADER); /* the preface */
    rig_stop(&rig);

    rig_start(&rig, true);
    rig.hold = true;
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_IDLE);
    rig_headers(&rig, 1, ":method: POST\n:scheme: https\n:authority: a\n:path: /10\n", 0);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_HEADER);
    rig_frame(&rig, NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, 1, NULL, 0);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_BODY);
    rig_frame(&rig, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, "abc", 3);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_ANSWER);
    rig_answer(&rig, rig.held[0]);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_OUTPUT);
    rig_drain(&rig);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_IDLE);
    http_hangup(rig.engine);
    assert_int_equal(http_wait(rig.engine), HTTP_WAIT_CLOSED);
    rig_stop(&rig);
}

static void test_h2_hangs_up_every_exchange_once(void **state)
{
    static struct rig rig;

    rig_start(&rig, false);
    rig.hold = true;
    for (int i = 0; i < 10; i++)
        rig_ask(&rig, "GET", "/100000", NULL);
    rig_pump(&rig);
    for (int i = 0; i < 5; i++)
        rig_answer(&rig, rig.held[i]);
    rig_drain(&rig);
    http_hangup(rig.engine);
    assert_int_equal(rig.closes[HTTP_END_CLIENT] + rig.closes[HTTP_END_DONE], 10);
    http_hangup(rig.engine);
    rig_stop(&rig);
}

static void test_h2_works_byte_by_byte(void **state)
{
    static struct rig rig;
    const uint8_t *bytes;
    ssize_t count;

    rig_start(&rig, false);
    int32_t id = rig_post(&rig, "/10?trailer=1", "cookie: a=1\ncookie: b=2\n", 2000, true);
    rig_drain(&rig);
    for (int round = 0; round < 4; round++) {
        while ((count = nghttp2_session_mem_send(rig.client, &bytes)) > 0)
            for (ssize_t i = 0; i < count; i++)
                assert_int_equal(rig_feed(&rig, bytes + i, 1), 0);
        rig_drain(&rig);
    }
    assert_int_equal(rig.upload_bytes, 2000);
    assert_non_null(strstr(rig.seen, "cookie: a=1; b=2\n"));
    assert_int_equal(rig.closes[HTTP_END_DONE], 1);
    (void)id;
    rig_stop(&rig);
}

static void test_h2_sends_long_header_sections(void **state)
{
    static struct rig rig;
    static char big[20000];
    static struct http_field fields[60];

    rig_start(&rig, false);
    memset(big, '~', sizeof big); /* Huffman makes it no shorter */
    fields[0] = (struct http_field){SPAN("x-big"), {big, sizeof big}};
    for (int i = 1; i < 60; i++)
        fields[i] = (struct http_field){SPAN("x-n"), SPAN("v")};
    rig.response.fields = (struct http_fields){fields, 60, 60};
    int32_t id = rig_ask(&rig, "GET", "/5000", NULL);
    rig_pump(&rig);
    assert_true(rig_at(&rig, id)->ended);
    assert_int_equal(rig_at(&rig, id)->body_bytes, 5000);
    for (int i = 0; i < 4; i++) /* together past what nghttp2 sends */
        fields[i] = (struct http_field){SPAN("x-big"), {big, sizeof big}};
    id = rig_ask(&rig, "GET", "/5000", NULL);
    rig_pump(&rig);
    assert_int_equal(rig_at(&rig, id)->code, NGHTTP2_INTERNAL_ERROR);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_h2_answers_get_with_date_and_length),
        cmocka_unit_test(test_h2_serves_many_streams_at_once),
        cmocka_unit_test(test_h2_sends_large_bodies_within_the_window),
        cmocka_unit_test(test_h2_waits_for_a_closed_window),
        cmocka_unit_test(test_h2_sends_no_body_where_none_belongs),
        cmocka_unit_test(test_h2_hands_on_bodies_and_trailers),
        cmocka_unit_test(test_h2_sends_trailers),
        cmocka_unit_test(test_h2_says_continue_only_when_asked),
        cmocka_unit_test(test_h2_resumes_a_body_that_had_nothing),
        cmocka_unit_test(test_h2_resets_the_stream_of_a_broken_body),
        cmocka_unit_test(test_h2_closes_once_on_resets_of_either_side),
        cmocka_unit_test(test_h2_lets_the_owner_reset_inside_on_request),
        cmocka_unit_test(test_h2_lets_a_small_upload_end_after_its_answer),
        cmocka_unit_test(test_h2_stops_a_long_upload_once_its_answer_was_passed),
        cmocka_unit_test(test_h2_sends_by_the_priority_header),
        cmocka_unit_test(test_h2_takes_turns_among_incremental_answers),
        cmocka_unit_test(test_h2_obeys_a_priority_update),
        cmocka_unit_test(test_h2_shuts_down_without_losing_a_request),
        cmocka_unit_test(test_h2_ends_after_an_answer_that_says_close),
        cmocka_unit_test(test_h2_ends_after_the_last_request_allowed),
        cmocka_unit_test(test_h2_cuts_a_client_that_ignores_its_last_request),
        cmocka_unit_test(test_h2_tells_what_it_waits_for),
        cmocka_unit_test(test_h2_hangs_up_every_exchange_once),
        cmocka_unit_test(test_h2_works_byte_by_byte),
        cmocka_unit_test(test_h2_sends_long_header_sections),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
