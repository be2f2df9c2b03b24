/* The HTTP/1.1 client: what is written, and what answers in any pieces lead to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "base/buffer.h"
#include "base/error.h"
#include "http/client/client.h"

static const struct http_client_limits limits = {.header_bytes = 65536, .header_count = 100};

/** A call, its body's source, and a log of what happened. */
struct rig {
    struct http_client *client;
    struct http_call call;
    struct http_fields fields;
    struct arena arena;
    struct http_body body;
    struct span source; /* what the body gives; ptr NULL: -EAGAIN, len 0 with ptr: its end */
    bool broken;        /* the body's next read fails */
    struct buffer log;
    struct buffer data;
    bool cancels; /* inside on_answer */
    bool consumes;
};

static struct rig *rig_of(struct http_call *call)
{
    return container_of(call, struct rig, call);
}

static void say(struct rig *rig, const char *word, int number)
{
    assert_int_equal(buffer_printf(&rig->log, "%s%s%d", rig->log.len ? " " : "", word, number), 0);
}

static void on_inform(struct http_call *call, int status, const struct http_fields *fields)
{
    say(rig_of(call), "i", status);
    if (fields->count)
        say(rig_of(call), "fields=", (int)fields->count);
}

static void on_answer(struct http_call *call)
{
    say(rig_of(call), "", call->answer.status);
    if (rig_of(call)->cancels)
        http_call_cancel(call);
}

static void on_body(struct http_call *call, struct span bytes)
{
    assert_int_equal(buffer_add(&rig_of(call)->data, bytes), 0);
    if (rig_of(call)->consumes)
        http_call_consume(call, bytes.len);
}

static void on_end(struct http_call *call, int error)
{
    struct rig *rig = rig_of(call);

    if (rig->data.len)
        assert_int_equal(buffer_printf(&rig->log, " [%.*s]", SPAN_ARGS(buffer_span(&rig->data))),
                         0);
    if (call->answer.trailers.count)
        say(rig, "trailers=", (int)call->answer.trailers.count);
    say(rig, "end=", error);
}

static ssize_t read_body(struct http_body *body, char *out, size_t cap)
{
    struct rig *rig = container_of(body, struct rig, body);
    size_t part = rig->source.len < cap ? rig->source.len : cap;

    if (rig->broken)
        return ERR_CLOSED;
    if (!rig->source.ptr)
        return -EAGAIN;
    memcpy(out, rig->source.ptr, part);
    rig->source = span_from(rig->source, part);
    return (ssize_t)part;
}

static const struct http_call_events events = {on_inform, on_answer, on_body, on_end};

static void rig_init(struct rig *rig, const char *method)
{
    *rig = (struct rig){.consumes = true};
    arena_init(&rig->arena, NULL, 0, 512 * 1024);
    rig->log = buffer_make(1 << 16);
    rig->data = buffer_make(1 << 20);
    rig->body.read = read_body;
    rig->call = (struct http_call){
        .events = &events,
        .method = span_str(method),
        .target = SPAN("/a?b"),
        .authority = SPAN("a.example"),
        .fields = &rig->fields,
        .content_length = -1,
        .arena = &rig->arena,
        .window = 1000,
    };
    rig->client = h1_client_create(&limits);
}

static void rig_finish(struct rig *rig)
{
    http_client_destroy(rig->client);
    buffer_finish(&rig->log);
    buffer_finish(&rig->data);
    arena_reset(&rig->arena, NULL, 0);
}

static const char *rig_log(struct rig *rig)
{
    assert_int_equal(buffer_append(&rig->log, "", 1), 0);
    return rig->log.data;
}

static const char *produced(struct rig *rig)
{
    static char out[65537];

    ssize_t len = http_client_produce(rig->client, out, sizeof out - 1);
    assert_true(len >= 0);
    out[len] = '\0';
    return out;
}

/** Gives the bytes in pieces of `step`. */
static void receive(struct rig *rig, struct span bytes, size_t step)
{
    for (size_t at = 0; at < bytes.len; at += step) {
        size_t len = bytes.len - at < step ? bytes.len - at : step;
        if (http_client_receive(rig->client, span_of(bytes.ptr + at, len)) < 0) {
            assert_true(http_client_is_over(rig->client));
            return;
        }
    }
}

enum close { OPEN, FIN, RST };

struct row {
    const char *method;
    const char *answer;
    enum close close;
    const char *outcome;
    bool reusable;
};

#define OK_5 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

static const struct row rows[] = {
    {"GET", OK_5, OPEN, "200 [hello] end=0", true},
    {"GET", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", OPEN, "200 end=0", true},
    {"GET", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", OPEN, "200 end=0", true},
    {"GET", "HTTP/1.1 200 OK\r\nConnection: x, close\r\nContent-Length: 1\r\n\r\na", OPEN,
     "200 [a] end=0", false},
    {"GET", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", OPEN, "200 [a] end=0", false},
    {"GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na", OPEN,
     "200 [a] end=0", true},
    /* no length: the end of the connection is the end, but a reset is not */
    {"GET", "HTTP/1.0 200 OK\r\n\r\nhello", FIN, "200 [hello] end=0", false},
    {"GET", "HTTP/1.1 200 OK\r\n\r\nhello", FIN, "200 [hello] end=0", false},
    {"GET", "HTTP/1.1 200 OK\r\n\r\nhello", RST, "200 [hello] end=-1004", false},
    /* bodies that are none */
    {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", OPEN, "200 end=0", true},
    {"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", OPEN, "200 end=0", true},
    {"HEAD", "HTTP/1.1 200 OK\r\n\r\n", OPEN, "200 end=0", true},
    {"GET", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", OPEN, "204 end=0", true},
    {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", OPEN, "304 end=0", true},
    /* bytes that belong to nothing end the connection */
    {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello", OPEN, "304 end=0",
     false},
    {"HEAD", OK_5, OPEN, "200 end=0", false},
    {"GET", OK_5 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nworld", OPEN, "200 [hello] end=0",
     false},
    /* informational answers */
    {"GET", "HTTP/1.1 100 Continue\r\n\r\n" OK_5, OPEN, "200 [hello] end=0", true},
    {"GET",
     "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
     "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\nLink: b\r\n\r\n"
     "HTTP/1.1 199 Whatever\r\n\r\n" OK_5,
     OPEN, "i103 fields=1 i102 i103 fields=2 i199 200 [hello] end=0", true},
    {"GET", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", OPEN, "end=-1004",
     false},
    /* chunks */
    {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", OPEN,
     "200 [hello] end=0", true},
    {"GET",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: CHUNKED\r\n\r\n5;a=b\r\nhello\r\n1\r\n!\r\n000\r\n"
     "X: 1\r\n\r\n",
     OPEN, "200 [hello!] trailers=1 end=0", true},
    {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", FIN,
     "200 [hello] end=-1004", false},
    {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nx", OPEN,
     "200 [hello] end=0", false},
    {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\n", OPEN,
     "200 end=-1002", false},
    {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX", OPEN,
     "200 [hello] end=-1002", false},
    {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello", OPEN,
     "200 end=-1002", false},
    {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello", OPEN,
     "200 end=-1002", false},
    {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello", OPEN,
     "200 end=-1002", false},
    {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;\n0\r\n\r\n", OPEN,
     "200 end=-1002", false},
    {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n", OPEN,
     "200 end=-1002", false},
    {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n bad: 1\r\n\r\n", OPEN,
     "200 end=-1002", false},
    /* what two parties could read in two ways */
    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", OPEN,
     "end=-1004", false},
    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", OPEN, "end=-1004", false},
    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello", OPEN, "end=-1004", false},
    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nhello", OPEN, "end=-1004", false},
    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", OPEN, "end=-1004",
     false},
    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     OPEN, "end=-1004", false},
    {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", OPEN,
     "end=-1004", false},
    {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", OPEN,
     "end=-1004", false},
    {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
     OPEN, "end=-1004", false},
    {"GET", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", OPEN, "end=-1004",
     false},
    /* no such HTTP */
    {"GET", "SSH-2.0-OpenSSH\r\n", OPEN, "end=-1002", false},
    {"GET", "HTTP/2 200\r\n\r\n", OPEN, "end=-1002", false},
    {"GET", "HTTP/1.1 20 OK\r\n\r\n", OPEN, "end=-1002", false},
    {"GET", "HTTP/1.1 099 OK\r\n\r\n", OPEN, "end=-1002", false},
    {"GET", "HTTP/1.1 600 OK\r\n\r\n", OPEN, "end=-1002", false},
    {"GET", "HTTP/1.1  200 OK\r\n\r\n", OPEN, "end=-1002", false},
    {"GET", "HTTP/1.1 2000 OK\r\n\r\n", OPEN, "end=-1002", false},
    {"GET", "HTTP/1.1 200 OK\n\n", OPEN, "end=-1002", false},
    {"GET", "HTTP/1.1 200 O\001K\r\n\r\n", OPEN, "end=-1002", false},
    {"GET", "HTTP/1.1 200 OK\r\nX : 1\r\n\r\n", OPEN, "end=-1002", false},
    {"GET", "HTTP/1.1 200 OK\r\nX: 1\r\n folded\r\n\r\n", OPEN, "end=-1002", false},
    {"GET", "HTTP/1.1 200 OK\r\nX: 1\nY: 2\r\n\r\n", OPEN, "end=-1002", false},
    {"GET", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", OPEN, "end=-1002", false},
    {"GET", "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n", OPEN, "end=-1002", false},
    {"GET", "\r\nHTTP/1.1 200 OK\r\n\r\n", OPEN, "end=-1002", false},
    /* the connection ends early */
    {"GET", "", FIN, "end=-1003", false},
    {"GET", "", RST, "end=-1003", false},
    {"GET", "HTTP/1.1 200 OK\r\nX: 1", FIN, "end=-1004", false},
    {"GET", "HTTP/1.1 103 Early Hints\r\n\r\n", FIN, "i103 end=-1004", false},
    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", FIN, "200 [hello] end=-1004",
     false},
};

static void test_answers_are_read_in_any_pieces(void **state)
{
    static const size_t steps[] = {1, 2, 3, 7, 20, 4096};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows) * ARRAY_SIZE(steps); i++) {
        const struct row *row = &rows[i / ARRAY_SIZE(steps)];
        struct rig rig;
        rig_init(&rig, row->method);
        http_client_call(rig.client, &rig.call);
        assert_true(produced(&rig)[0]);
        receive(&rig, span_str(row->answer), steps[i % ARRAY_SIZE(steps)]);
        if (row->close != OPEN)
            http_client_eof(rig.client, row->close == FIN);
        if (strcmp(rig_log(&rig), row->outcome) != 0 ||
            http_client_is_free(rig.client) != row->reusable)
            fail_msg("%s step %zu: %s, %s, not %s", row->answer, steps[i % ARRAY_SIZE(steps)],
                     rig.log.data, http_client_is_free(rig.client) ? "free" : "over", row->outcome);
        assert_int_equal(http_client_is_over(rig.client), !row->reusable);
        rig_finish(&rig);
    }
}

static void test_requests_are_rebuilt(void **state)
{
    static const struct {
        const char *method;
        const char *body;
        int64_t length;
        const char *upgrade;
        const char *written;
    } requests[] = {
        {"GET", NULL, -1, "", "GET /a?b HTTP/1.1\r\nhost: a.example\r\nx: 1\r\n\r\n"},
        {"DELETE", NULL, -1, "", "DELETE /a?b HTTP/1.1\r\nhost: a.example\r\nx: 1\r\n\r\n"},
        {"POST", NULL, -1, "",
         "POST /a?b HTTP/1.1\r\nhost: a.example\r\ncontent-length: 0\r\nx: 1\r\n\r\n"},
        {"DELETE", "hello", 5, "",
         "DELETE /a?b HTTP/1.1\r\nhost: a.example\r\ncontent-length: 5\r\nx: 1\r\n\r\nhello"},
        {"DELETE", "hello", -1, "",
         "DELETE /a?b HTTP/1.1\r\nhost: a.example\r\ntransfer-encoding: chunked\r\nx: 1\r\n\r\n"
         "5\r\nhello\r\n0\r\n\r\n"},
        {"GET", NULL, -1, "websocket",
         "GET /a?b HTTP/1.1\r\nhost: a.example\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
         "x: 1\r\n\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        struct rig rig;
        rig_init(&rig, requests[i].method);
        static const char *const own[] = {
            "host", "connection", "content-length", "transfer-encoding", "upgrade", "keep-alive"};
        for (size_t n = 0; n < ARRAY_SIZE(own); n++)
            assert_int_equal(http_add(&rig.arena, &rig.fields, span_str(own[n]), SPAN("evil")), 0);
        assert_int_equal(http_add(&rig.arena, &rig.fields, SPAN("x"), SPAN("1")), 0);
        rig.call.body = requests[i].body ? &rig.body : NULL;
        rig.source = requests[i].body ? span_str(requests[i].body) : (struct span){0};
        rig.call.content_length = requests[i].length;
        rig.call.upgrade = span_str(requests[i].upgrade);
        http_client_call(rig.client, &rig.call);
        assert_string_equal(produced(&rig), requests[i].written);
        assert_true(rig.call.request_sent);
        assert_string_equal(produced(&rig), "");
        rig_finish(&rig);
    }
}

static void test_a_connection_is_used_again(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, "GET");
    for (int i = 0; i < 3; i++) {
        assert_true(http_client_is_free(rig.client));
        http_client_call(rig.client, &rig.call);
        assert_false(http_client_is_free(rig.client));
        assert_true(produced(&rig)[0]);
        receive(&rig, SPAN(OK_5), 4096);
        rig.call.answer = (struct http_answer){0};
        buffer_finish(&rig.data);
    }
    assert_string_equal(rig_log(&rig), "200 [hello] end=0 200 [hello] end=0 200 [hello] end=0");
    rig_finish(&rig);
}

static void test_a_byte_on_an_idle_connection_ends_it(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, "GET");
    assert_int_equal(http_client_receive(rig.client, SPAN("H")), ERR_PROTOCOL);
    assert_true(http_client_is_over(rig.client));
    assert_false(http_client_is_free(rig.client));
    rig_finish(&rig);
}

static void test_an_answer_before_the_request_is_sent_ends_the_connection(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, "POST");
    rig.call.body = &rig.body;
    rig.call.content_length = 1000000;
    http_client_call(rig.client, &rig.call);
    assert_true(produced(&rig)[0]);
    receive(&rig, SPAN("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"), 4096);
    assert_string_equal(rig_log(&rig), "413 [no] end=0");
    assert_true(http_client_is_over(rig.client));
    rig_finish(&rig);
}

static void test_a_starved_body_is_resumed(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, "POST");
    rig.call.body = &rig.body;
    http_client_call(rig.client, &rig.call);
    assert_true(strstr(produced(&rig), "chunked\r\n\r\n"));
    rig.source = SPAN("abc");
    assert_string_equal(produced(&rig), "");
    http_call_resume(&rig.call);
    assert_string_equal(produced(&rig), "3\r\nabc\r\n0\r\n\r\n");
    rig_finish(&rig);
}

static void test_a_body_that_breaks_off_breaks_the_request(void **state)
{
    static const struct {
        bool broken;
        int64_t length;
    } cases[] = {{true, -1}, {true, 10}, {false, 10} /* shorter than promised */};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct rig rig;
        char out[65536];
        rig_init(&rig, "POST");
        rig.call.body = &rig.body;
        rig.call.content_length = cases[i].length;
        rig.source = SPAN("abc");
        rig.broken = cases[i].broken;
        http_client_call(rig.client, &rig.call);
        assert_int_equal(http_client_produce(rig.client, out, sizeof out), ERR_CLOSED);
        assert_string_equal(rig_log(&rig), "end=-1003");
        assert_true(http_client_is_over(rig.client));
        rig_finish(&rig);
    }
}

static void test_a_body_nobody_consumes_stops_input(void **state)
{
    static char body[3000];
    struct rig rig;

    (void)state;
    rig_init(&rig, "GET");
    rig.consumes = false;
    memset(body, 'a', sizeof body);
    http_client_call(rig.client, &rig.call);
    assert_true(produced(&rig)[0]);
    receive(&rig, SPAN("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"), 4096);
    assert_true(http_client_wants_input(rig.client));
    receive(&rig, span_of(body, 999), 4096);
    assert_true(http_client_wants_input(rig.client));
    receive(&rig, span_of(body, 1), 4096);
    assert_false(http_client_wants_input(rig.client));
    http_call_consume(&rig.call, 1);
    assert_true(http_client_wants_input(rig.client));
    http_call_cancel(&rig.call);
    assert_true(http_client_is_over(rig.client));
    assert_string_equal(rig_log(&rig), "200");
    rig_finish(&rig);
}

static void test_a_call_may_be_cancelled_inside_an_event(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, "GET");
    rig.cancels = true;
    http_client_call(rig.client, &rig.call);
    assert_true(produced(&rig)[0]);
    receive(&rig, SPAN(OK_5), 4096);
    assert_string_equal(rig_log(&rig), "200");
    assert_true(http_client_is_over(rig.client));
    rig_finish(&rig);
}

static void test_a_matching_101_begins_a_tunnel(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, "GET");
    rig.call.upgrade = SPAN("websocket");
    rig.call.body = NULL;
    http_client_call(rig.client, &rig.call);
    assert_true(produced(&rig)[0]);
    rig.call.body = &rig.body;
    receive(&rig, SPAN("HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\n\r\nraw"), 5);
    rig.source = SPAN("other way");
    assert_string_equal(produced(&rig), "other way");
    receive(&rig, SPAN(" bytes"), 4096);
    http_client_eof(rig.client, true);
    assert_string_equal(rig_log(&rig), "101 [raw bytes] end=0");
    assert_true(http_client_is_over(rig.client));
    rig_finish(&rig);
}

static void test_a_refused_upgrade_is_an_ordinary_answer(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, "GET");
    rig.call.upgrade = SPAN("websocket");
    http_client_call(rig.client, &rig.call);
    assert_true(produced(&rig)[0]);
    receive(&rig, SPAN("HTTP/1.1 101 x\r\nUpgrade: h2c\r\n\r\nraw"), 4096);
    assert_string_equal(rig_log(&rig), "end=-1004");
    rig_finish(&rig);
}

/** Answer heads of so many bytes. @return on_end's error */
static int head_of(size_t size)
{
    static char line[1000];
    struct rig rig;

    rig_init(&rig, "GET");
    http_client_call(rig.client, &rig.call);
    assert_true(produced(&rig)[0]);
    receive(&rig, SPAN("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"), 4096);
    memset(line, 'a', sizeof line);
    memcpy(line, "x: ", 3);
    for (size_t left = size; left > 0 && rig.call.client;) {
        size_t len = left < sizeof line ? left : sizeof line;
        memset(line + 3, 'a', len - 3);
        memcpy(line + len - 2, "\r\n", 2);
        receive(&rig, span_of(line, len), 4096);
        left -= len;
    }
    if (rig.call.client)
        receive(&rig, SPAN("\r\n"), 4096);
    const char *log = rig_log(&rig);
    int error = strstr(log, "end=0") ? 0 : atoi(strstr(log, "end=") + 4);
    rig_finish(&rig);
    return error;
}

static void test_heads_are_bounded(void **state)
{
    (void)state;
    assert_int_equal(head_of(63 * 1000), 0);
    assert_int_equal(head_of(66 * 1000), ERR_LIMIT);
}

static void test_endless_interim_answers_are_bounded(void **state)
{
    struct rig rig;
    int rounds = 0;

    (void)state;
    rig_init(&rig, "GET");
    http_client_call(rig.client, &rig.call);
    assert_true(produced(&rig)[0]);
    while (rig.call.client && rounds++ < 100000) {
        buffer_finish(&rig.log);
        receive(&rig, SPAN("HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n"), 4096);
    }
    assert_string_equal(rig_log(&rig), "end=-1001");
    rig_finish(&rig);
}

static void test_a_head_larger_than_the_room_goes_out_in_pieces(void **state)
{
    static char value[100000];
    struct rig rig;
    char out[16384];
    size_t total = 0;
    ssize_t len;

    (void)state;
    rig_init(&rig, "GET");
    memset(value, 'a', sizeof value);
    assert_int_equal(http_add(&rig.arena, &rig.fields, SPAN("x"), span_of(value, sizeof value)), 0);
    http_client_call(rig.client, &rig.call);
    while ((len = http_client_produce(rig.client, out, sizeof out)) > 0)
        total += (size_t)len;
    assert_int_equal(len, 0);
    assert_int_equal(total,
                     strlen("GET /a?b HTTP/1.1\r\nhost: a.example\r\nx: \r\n\r\n") + sizeof value);
    assert_true(rig.call.request_sent);
    rig_finish(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_are_read_in_any_pieces),
        cmocka_unit_test(test_requests_are_rebuilt),
        cmocka_unit_test(test_a_connection_is_used_again),
        cmocka_unit_test(test_a_byte_on_an_idle_connection_ends_it),
        cmocka_unit_test(test_an_answer_before_the_request_is_sent_ends_the_connection),
        cmocka_unit_test(test_a_starved_body_is_resumed),
        cmocka_unit_test(test_a_body_that_breaks_off_breaks_the_request),
        cmocka_unit_test(test_a_body_nobody_consumes_stops_input),
        cmocka_unit_test(test_a_call_may_be_cancelled_inside_an_event),
        cmocka_unit_test(test_a_matching_101_begins_a_tunnel),
        cmocka_unit_test(test_a_refused_upgrade_is_an_ordinary_answer),
        cmocka_unit_test(test_heads_are_bounded),
        cmocka_unit_test(test_endless_interim_answers_are_bounded),
        cmocka_unit_test(test_a_head_larger_than_the_room_goes_out_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
