/* The asynchronous half of the request pipeline over HTTP/1.1 and HTTP/2: answers that come later,
 * bodies that go on slowly or are held, slow readers, clients that leave, reloads. */
#include "server_rig.h"

#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "serve/server_state.h"
#include "slow_handlers.h"

enum { UPLOAD = 300 * 1024, WINDOW = 64 * 1024, RECEIVED_AT_ONCE = 64 * 1024 };

/* ---- a client of HTTP/2 ---- */

struct h2_stream {
    int status;
    size_t received;
    bool right; /* every byte is that of the upload */
    bool closed;
    size_t to_send, sent;
    const char *text; /* what is sent instead of the pattern */
};

struct h2_client {
    struct caller caller;
    nghttp2_session *session;
    struct h2_stream streams[8];
};

static char pattern(size_t offset)
{
    return (char)('a' + offset % 23);
}

static ssize_t on_send(nghttp2_session *session, const uint8_t *bytes, size_t len, int flags,
                       void *user)
{
    struct h2_client *client = user;

    (void)session, (void)flags;
    int n = SSL_write(client->caller.ssl, bytes, (int)len);
    return n > 0 ? n : NGHTTP2_ERR_WOULDBLOCK;
}

static struct h2_stream *stream_of(struct h2_client *client, int32_t id)
{
    return &client->streams[id / 2 % 8];
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *user)
{
    (void)session, (void)flags, (void)value_len;
    if (name_len == 7 && memcmp(name, ":status", 7) == 0)
        stream_of(user, frame->hd.stream_id)->status = atoi((const char *)value);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
                   size_t len, void *user)
{
    struct h2_stream *stream = stream_of(user, id);

    (void)session, (void)flags;
    for (size_t i = 0; i < len && !stream->text; i++)
        stream->right &= (char)bytes[i] == pattern(stream->received + i);
    stream->received += len;
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    (void)session, (void)code;
    stream_of(user, id)->closed = true;
    return 0;
}

static ssize_t read_upload(nghttp2_session *session, int32_t id, uint8_t *out, size_t cap,
                           uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct h2_stream *stream = stream_of(user, id);
    size_t left = stream->to_send - stream->sent, count = left < cap ? left : cap;

    (void)session, (void)source;
    for (size_t i = 0; i < count; i++)
        out[i] =
            (uint8_t)(stream->text ? stream->text[stream->sent + i] : pattern(stream->sent + i));
    stream->sent += count;
    if (stream->sent == stream->to_send)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)count;
}

static void h2_open(struct rig *rig, struct h2_client *client)
{
    nghttp2_session_callbacks *callbacks;

    memset(client, 0, sizeof *client);
    client->caller = client_open(rig, RIG_HTTPS);
    client_tls(rig, &client->caller, "\x02h2");
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_client_new(&client->session, callbacks, client);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, NULL, 0);
}

static void h2_close(struct h2_client *client)
{
    nghttp2_session_del(client->session);
    client_close(&client->caller);
}

static struct h2_stream *h2_ask(struct h2_client *client, const char *path, size_t upload,
                                const char *text)
{
#define PAIR(name, value)                                                                          \
    {(uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), strlen(name), strlen(value), 0}
    nghttp2_nv fields[] = {PAIR(":method", upload ? "POST" : "GET"), PAIR(":scheme", "https"),
                           PAIR(":authority", "localhost"), PAIR(":path", path)};
    nghttp2_data_provider provider = {.read_callback = read_upload};

    int32_t id =
        nghttp2_submit_request(client->session, NULL, fields, 4, upload ? &provider : NULL, NULL);
    assert_true(id > 0);
    struct h2_stream *stream = stream_of(client, id);
    *stream = (struct h2_stream){.right = true, .to_send = upload, .text = text};
    return stream;
}

/* Sends and receives until a stream is over. */
static void h2_run(struct h2_client *client, const struct h2_stream *stream)
{
    uint8_t bytes[16384];

    while (!stream->closed) {
        assert_int_equal(nghttp2_session_send(client->session), 0);
        if (stream->closed)
            break;
        ssize_t n = client_read(&client->caller, (char *)bytes, sizeof bytes);
        assert_true(n > 0);
        assert_int_equal(nghttp2_session_mem_recv(client->session, bytes, (size_t)n), n);
    }
}

/* ---- the server ---- */

static void add_routes(struct site *site)
{
    static const struct {
        const char *path;
        const struct handler *handler;
    } routes[] = {
        {"/later", &later_handler}, {"/echo", &echo_handler}, {"/inspected", &echo_handler}};

    for (size_t i = 0; i < ARRAY_SIZE(routes); i++)
        site_add_route(site, span_str(routes[i].path))->handler = routes[i].handler;
    site->headers.items = mem_new(struct header_rule);
    site->headers.items[0] = (struct header_rule){span_str(mem_string(SPAN("x-rule"))),
                                                  span_str(mem_string(SPAN("yes"))), HEADER_SET};
    site->headers.count = site->headers.plain_count = 1;
}

static void begin(struct rig *rig)
{
    rig_init(rig);
    rig->add_routes = add_routes;
    rig->limits.h2_window = WINDOW;
    memset(&slow_counts, 0, sizeof slow_counts);
    rig_start(rig);
}

static void add_policy(struct rig *rig)
{
    assert_int_equal(protect_add_policy(rig->server->protect, &waiting_policy, rig->loop), 0);
}

static void end(struct rig *rig)
{
    rig_stop(rig);
    assert_int_equal(slow_counts.starts, slow_counts.closes);
}

static void wait_for(const unsigned *counter, unsigned count)
{
    for (int i = 0; i < 1000 && __atomic_load_n(counter, __ATOMIC_SEQ_CST) < count; i++)
        usleep(5000);
    assert_int_equal(*counter, count);
}

/* ---- HTTP/1.1 ---- */

static void send_upload(struct caller *client, const char *path, size_t len)
{
    char head[256], *bytes = mem_alloc(len + 1);

    snprintf(head, sizeof head,
             "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n", path, len);
    client_send(client, head);
    for (size_t i = 0; i < len; i++)
        bytes[i] = pattern(i);
    bytes[len] = '\0';
    client_send(client, bytes);
    free(bytes);
}

/* Reads a chunked answer to its end. @return bytes of its body, each of which is right */
static size_t read_echo(struct caller *client, int *ret_status)
{
    struct buffer all = buffer_make(16 << 20);
    size_t len = 0;
    char bytes[16384];

    while (all.len < 5 || memcmp(all.data + all.len - 5, "0\r\n\r\n", 5) != 0) {
        ssize_t n = client_read(client, bytes, sizeof bytes);
        assert_true(n > 0);
        assert_int_equal(buffer_append(&all, bytes, (size_t)n), 0);
    }
    *ret_status = atoi(all.data + 9);
    ptrdiff_t head = span_find_span(buffer_span(&all), SPAN("\r\n\r\n"));
    for (char *at = all.data + head + 4;;) {
        char *line;
        size_t size = strtoul(at, &line, 16);
        at = line + 2;
        for (size_t i = 0; i < size; i++)
            assert_int_equal(at[i], pattern(len + i));
        len += size;
        at += size + 2;
        if (size == 0)
            break;
    }
    buffer_finish(&all);
    return len;
}

static void test_pipeline_h1_answers_from_a_timer(void **state)
{
    struct rig rig;
    size_t len;

    (void)state;
    begin(&rig);
    struct caller client = client_https(&rig);
    for (int i = 0; i < 3; i++) { /* pipelined too */
        client_send(&client, "GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n"
                             "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_non_null(strstr(client_answer(&client, &len), "x-rule: yes"));
        assert_int_equal(len, 5);
        client_answer(&client, &len);
        assert_int_equal(len, 100);
    }
    client_close(&client);
    end(&rig);
}

static void test_pipeline_h1_echoes_slowly(void **state)
{
    struct rig rig;
    int status;

    (void)state;
    begin(&rig);
    struct caller client = client_https(&rig);
    send_upload(&client, "/echo", UPLOAD);
    assert_int_equal(read_echo(&client, &status), UPLOAD);
    assert_int_equal(status, 200);
    assert_true(slow_counts.max_in <= WINDOW + RECEIVED_AT_ONCE);
    client_close(&client);
    end(&rig);
}

static void test_pipeline_h1_a_client_that_leaves_ends_its_request(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig);
    for (int i = 0; i < 4; i++) {
        struct caller client = client_https(&rig);
        if (i % 2)
            client_send(&client, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
                                 "1000\r\n\r\nabc");
        else
            client_send(&client, "GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n");
        wait_for(&slow_counts.starts, (unsigned)i + 1);
        const struct linger reset = {1, 0};
        setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        client_close(&client);
    }
    wait_for(&slow_counts.closes, 4);
    end(&rig);
}

static void test_pipeline_h1_a_broken_body_gets_a_page_with_header_rules(void **state)
{
    struct rig rig;
    size_t len;

    (void)state;
    begin(&rig);
    rig_do(&rig, add_policy);
    struct caller client = client_https(&rig);
    client_send(&client, "POST /later HTTP/1.1\r\nHost: localhost\r\n"
                         "Transfer-Encoding: chunked\r\n\r\nzz\r\n");
    const char *head = client_answer(&client, &len);
    assert_true(strncmp(head, "HTTP/1.1 400 ", 13) == 0);
    assert_non_null(strstr(head, "x-rule: yes"));
    assert_true(len > 100);
    client_close(&client);
    end(&rig);
}

static void test_pipeline_h1_reload_in_the_middle(void **state)
{
    struct rig rig;
    size_t len;

    (void)state;
    begin(&rig);
    struct caller client = client_https(&rig);
    client_send(&client, "GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_for(&slow_counts.starts, 1);
    rig_do(&rig, rig_swap);
    assert_int_equal(rig.snapshots_freed, 0);
    client_answer(&client, &len);
    assert_int_equal(len, 5);
    client_send(&client, "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client_answer(&client, &len);
    assert_int_equal(rig.snapshots_freed, 1);
    client_close(&client);
    end(&rig);
}

static void test_pipeline_h1_drain_waits_for_a_late_answer(void **state)
{
    struct rig rig;
    size_t len;

    (void)state;
    begin(&rig);
    struct caller client = client_https(&rig);
    client_send(&client, "GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_for(&slow_counts.starts, 1);
    rig_do(&rig, rig_drain);
    assert_non_null(strstr(client_answer(&client, &len), "connection: close"));
    assert_int_equal(len, 5);
    client_close(&client);
    end(&rig);
}

/* ---- HTTP/2 ---- */

static void test_pipeline_h2_answers_from_a_timer(void **state)
{
    struct h2_client client;
    struct rig rig;

    (void)state;
    begin(&rig);
    h2_open(&rig, &client);
    struct h2_stream *later = h2_ask(&client, "/later", 0, "x");
    struct h2_stream *small = h2_ask(&client, "/small", 0, "x");
    h2_run(&client, small);
    assert_false(later->closed); /* the one that waits holds up nobody */
    h2_run(&client, later);
    assert_int_equal(later->status, 200);
    assert_int_equal(later->received, 5);
    h2_close(&client);
    end(&rig);
}

static void test_pipeline_h2_echoes_slowly(void **state)
{
    struct h2_client client;
    struct rig rig;

    (void)state;
    begin(&rig);
    h2_open(&rig, &client);
    struct h2_stream *one = h2_ask(&client, "/echo", UPLOAD, NULL);
    struct h2_stream *other = h2_ask(&client, "/echo/2", UPLOAD / 2, NULL);
    h2_run(&client, one);
    h2_run(&client, other);
    assert_int_equal(one->received, UPLOAD);
    assert_int_equal(other->received, UPLOAD / 2);
    assert_true(one->right && other->right);
    assert_true(slow_counts.max_in <= WINDOW);
    h2_close(&client);
    end(&rig);
}

static void test_pipeline_h2_a_handler_that_stops_stops_its_client_alone(void **state)
{
    struct h2_client client;
    struct rig rig;

    (void)state;
    begin(&rig);
    slow_counts.stopped = true;
    h2_open(&rig, &client);
    struct h2_stream *echo = h2_ask(&client, "/echo", UPLOAD, NULL);
    struct h2_stream *small = h2_ask(&client, "/small", 0, "x");
    h2_run(&client, small);
    usleep(100000);
    assert_true(echo->sent <= WINDOW); /* no more than it has a window for */
    assert_true(slow_counts.max_in <= WINDOW);
    slow_counts.stopped = false;
    h2_run(&client, echo);
    assert_int_equal(echo->received, UPLOAD);
    assert_true(echo->right);
    h2_close(&client);
    end(&rig);
}

static void test_pipeline_h2_reset_streams_end_their_requests(void **state)
{
    struct h2_client client;
    struct rig rig;

    (void)state;
    begin(&rig);
    h2_open(&rig, &client);
    h2_ask(&client, "/echo", UPLOAD, NULL);
    h2_ask(&client, "/later", 0, "x");
    assert_int_equal(nghttp2_session_send(client.session), 0);
    wait_for(&slow_counts.starts, 2);
    nghttp2_submit_rst_stream(client.session, NGHTTP2_FLAG_NONE, 1, NGHTTP2_CANCEL);
    nghttp2_submit_rst_stream(client.session, NGHTTP2_FLAG_NONE, 3, NGHTTP2_CANCEL);
    struct h2_stream *small = h2_ask(&client, "/small", 0, "x");
    h2_run(&client, small);
    wait_for(&slow_counts.closes, 2);
    h2_close(&client);
    end(&rig);
}

/* ---- bodies that are held ---- */

static void test_pipeline_held_bodies_go_on_once_let_go(void **state)
{
    struct h2_client client;
    struct rig rig;
    int status;

    (void)state;
    begin(&rig);
    rig_do(&rig, add_policy);
    struct caller h1 = client_https(&rig);
    send_upload(&h1, "/inspected", 50000);
    assert_int_equal(read_echo(&h1, &status), 50000);
    client_close(&h1);
    h2_open(&rig, &client);
    struct h2_stream *stream = h2_ask(&client, "/inspected", 100000, NULL);
    h2_run(&client, stream);
    assert_int_equal(stream->received, 100000);
    assert_true(stream->right);
    h2_close(&client);
    end(&rig);
}

static void test_pipeline_more_than_may_be_held_streams(void **state)
{
    struct h2_client client;
    struct rig rig;
    int status;

    (void)state;
    begin(&rig);
    rig_do(&rig, add_policy);
    struct caller h1 = client_https(&rig);
    send_upload(&h1, "/inspected", UPLOAD);
    assert_int_equal(read_echo(&h1, &status), UPLOAD);
    client_close(&h1);
    h2_open(&rig, &client);
    struct h2_stream *stream = h2_ask(&client, "/inspected", UPLOAD, NULL);
    h2_run(&client, stream);
    assert_int_equal(stream->received, UPLOAD);
    assert_true(stream->right);
    h2_close(&client);
    end(&rig);
}

static void test_pipeline_a_refused_body_reaches_nobody(void **state)
{
    struct h2_client client;
    struct rig rig;

    (void)state;
    begin(&rig);
    rig_do(&rig, add_policy);
    h2_open(&rig, &client);
    h2_run(&client, h2_ask(&client, "/inspected", 9, "some evil"));
    assert_int_equal(slow_counts.max_in, 0);
    h2_close(&client);
    assert_non_null(strstr(rig_log_line(&rig), "evil body"));
    end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pipeline_h1_answers_from_a_timer),
        cmocka_unit_test(test_pipeline_h1_echoes_slowly),
        cmocka_unit_test(test_pipeline_h1_a_client_that_leaves_ends_its_request),
        cmocka_unit_test(test_pipeline_h1_a_broken_body_gets_a_page_with_header_rules),
        cmocka_unit_test(test_pipeline_h1_reload_in_the_middle),
        cmocka_unit_test(test_pipeline_h1_drain_waits_for_a_late_answer),
        cmocka_unit_test(test_pipeline_h2_answers_from_a_timer),
        cmocka_unit_test(test_pipeline_h2_echoes_slowly),
        cmocka_unit_test(test_pipeline_h2_a_handler_that_stops_stops_its_client_alone),
        cmocka_unit_test(test_pipeline_h2_reset_streams_end_their_requests),
        cmocka_unit_test(test_pipeline_held_bodies_go_on_once_let_go),
        cmocka_unit_test(test_pipeline_more_than_may_be_held_streams),
        cmocka_unit_test(test_pipeline_a_refused_body_reaches_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
