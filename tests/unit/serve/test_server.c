/* A server on loopback: redirects, names, keep-alive, PROXY headers, counts, snapshots and the end.
 */
#include "server_rig.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static char *text_of(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));

static char *text_of(const char *format, ...)
{
    static char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return text;
}

/* Asks over a fresh connection. @return the head */
static const char *ask(struct rig *rig, enum rig_listener listener, const char *host,
                       const char *target)
{
    struct caller client = listener == RIG_HTTPS ? client_https(rig) : client_open(rig, listener);
    size_t len;

    client_send(&client, text_of("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, host));
    const char *head = client_answer(&client, &len);
    client_close(&client);
    return head;
}

static void assert_begins(const char *text, const char *wanted)
{
    if (strncmp(text, wanted, strlen(wanted)) != 0)
        fail_msg("%s does not begin with %s", text, wanted);
}

static void assert_contains(const char *text, const char *wanted)
{
    if (!strstr(text, wanted))
        fail_msg("%s does not contain %s", text, wanted);
}

/* ---- where requests go ---- */

static void test_server_redirects_plain_http_with_path_and_query(void **state)
{
    (void)state;
    struct rig rig;

    rig_init(&rig);
    rig_start(&rig);
    const char *head = ask(&rig, RIG_HTTP, "localhost", "/a%20b/c?d=e&f");
    assert_begins(head, "HTTP/1.1 308 ");
    assert_contains(
        head, text_of("location: https://localhost:%u/a%%20b/c?d=e&f\r\n", rig.ports[RIG_HTTPS]));
    head = ask(&rig, RIG_HTTP, "x.wild.test:80", "/");
    assert_contains(head, text_of("location: https://x.wild.test:%u/\r\n", rig.ports[RIG_HTTPS]));
    head = ask(&rig, RIG_HTTP, "unknown.test", "//evil.test/");
    assert_contains(
        head, text_of("location: https://localhost:%u//evil.test/\r\n", rig.ports[RIG_HTTPS]));
    assert_begins(ask(&rig, RIG_HTTP, "localhost", "/.well-known/acme-challenge/x"),
                  "HTTP/1.1 404 ");
    rig_stop(&rig);
}

static void test_server_strict_knows_only_its_names(void **state)
{
    (void)state;
    struct rig rig;

    rig_init(&rig);
    rig.strict = true;
    rig_start(&rig);
    assert_begins(ask(&rig, RIG_HTTP, "unknown.test", "/"), "HTTP/1.1 404 ");
    assert_begins(ask(&rig, RIG_HTTPS, "unknown.test", "/small"), "HTTP/1.1 421 ");
    assert_begins(ask(&rig, RIG_HTTPS, "localhost", "/small"), "HTTP/1.1 200 ");
    rig_stop(&rig);
}

static void test_server_redirects_an_alias_to_the_main_name(void **state)
{
    (void)state;
    struct rig rig;

    rig_init(&rig);
    rig_start(&rig);
    const char *head = ask(&rig, RIG_HTTPS, "www.localhost:10443", "/small?x");
    assert_begins(head, "HTTP/1.1 308 ");
    assert_contains(head, "location: https://localhost:10443/small?x\r\n"); /* mapped to ours */
    assert_contains(ask(&rig, RIG_HTTPS, "www.localhost", "/small?x"),
                    "location: https://localhost/small?x\r\n");
    assert_begins(ask(&rig, RIG_HTTPS, "127.0.0.1", "/small"), "HTTP/1.1 200 ");
    rig_stop(&rig);
}

static void test_server_redirects_plain_http_on_its_tls_port(void **state)
{
    (void)state;
    struct rig rig;
    size_t len;

    rig_init(&rig);
    rig_start(&rig);
    struct caller client = client_open(&rig, RIG_HTTPS);
    client_send(&client, "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const char *head = client_answer(&client, &len);
    assert_begins(head, "HTTP/1.1 308 ");
    assert_contains(head, text_of("location: https://localhost:%u/x\r\n", rig.ports[RIG_HTTPS]));
    client_close(&client);
    client = client_open(&rig, RIG_PROXY); /* the same behind a PROXY header that comes alone */
    client_send(&client, "PROXY TCP4 192.0.2.7 192.0.2.8 1234 443\r\n");
    usleep(30000);
    client_send(&client, "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n");
    head = client_answer(&client, &len);
    assert_contains(head, text_of("location: https://localhost:%u/x\r\n", rig.ports[RIG_PROXY]));
    client_close(&client);
    rig_stop(&rig);
}

/* ---- connections ---- */

static void test_server_keeps_a_connection_for_many_requests(void **state)
{
    (void)state;
    struct rig rig;
    size_t len;

    rig_init(&rig);
    rig_start(&rig);
    struct caller client = client_https(&rig);
    for (int i = 0; i < 50; i++) {
        client_send(&client, "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_begins(client_answer(&client, &len), "HTTP/1.1 200 ");
        assert_int_equal(len, 100);
    }
    client_send(&client, "GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client_answer(&client, &len);
    assert_int_equal(len, BIG_SIZE);
    client_close(&client);
    assert_int_equal(rig_counts(&rig).accepted, 1);
    assert_int_equal(rig_counts(&rig).requests, 51);
    rig_stop(&rig);
}

static void test_server_answers_all_that_came_before_the_end(void **state)
{
    (void)state;
    enum { REQUESTS = 3000 };
    static const char request[] = "GET /small HTTP/1.1\r\nHost: www.localhost\r\n\r\n";
    struct rig rig;
    size_t len;

    rig_init(&rig);
    rig_start(&rig);
    struct caller client = client_open(&rig, RIG_HTTP);
    char *all = calloc(REQUESTS, sizeof request);
    for (int i = 0; i < REQUESTS; i++)
        memcpy(all + (size_t)i * (sizeof request - 1), request, sizeof request - 1);
    client_send(&client, all);
    shutdown(client.fd, SHUT_WR);
    for (int i = 0; i < REQUESTS; i++)
        assert_begins(client_answer(&client, &len), "HTTP/1.1 308 ");
    assert_int_equal(client_rest(&client, &len), 0);
    assert_int_equal(len, 0);
    free(all);
    client_close(&client);
    rig_stop(&rig);
}

static void test_server_lets_a_refused_upload_see_its_answer(void **state)
{
    (void)state;
    struct rig rig;
    size_t len;
    char *body = calloc(1, 100001);

    rig_init(&rig);
    rig_start(&rig);
    memset(body, 'x', 100000);
    for (int tls = 0; tls < 2; tls++) {
        struct caller client = tls ? client_https(&rig) : client_open(&rig, RIG_HTTP);
        client_send(&client,
                    "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n");
        usleep(50000); /* the answer is out, and the server is through with the connection */
        client_send(&client, body);
        usleep(50000);
        client_send(&client, body);
        assert_begins(client_answer(&client, &len), "HTTP/1.1 413 ");
        assert_int_equal(client_rest(&client, &len), 0);
        client_close(&client);
    }
    free(body);
    rig_stop(&rig);
}

static void test_server_counts_connections_of_an_address(void **state)
{
    (void)state;
    struct rig rig;
    size_t len;

    rig_init(&rig);
    rig.limits.connections_per_address = 2;
    rig_start(&rig);
    struct caller one = client_https(&rig), two = client_https(&rig);
    struct caller three = client_open(&rig, RIG_HTTPS);
    assert_true(client_wait_for_end(&three) < 1000);
    client_close(&three);
    assert_int_equal(rig_counts(&rig).refused, 1);
    client_close(&one);
    while (rig_counts(&rig).connections > 1)
        usleep(1000);
    three = client_https(&rig);
    client_send(&three, "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client_answer(&three, &len);
    assert_int_equal(len, 100);
    client_close(&two);
    client_close(&three);
    rig_stop(&rig);
}

static void test_server_full_gives_up_only_the_longest_idle(void **state)
{
    (void)state;
    struct rig rig;
    struct caller clients[4];
    size_t len;

    rig_init(&rig);
    rig.limits.connections_per_worker = 3;
    rig_start(&rig);
    for (int i = 0; i < 4; i++) {
        clients[i] = client_https(&rig);
        client_send(&clients[i], "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n");
        client_answer(&clients[i], &len);
    }
    assert_true(client_wait_for_end(&clients[0]) < 1000);
    for (int i = 1; i < 4; i++) {
        client_send(&clients[i], "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n");
        client_answer(&clients[i], &len);
        assert_int_equal(len, 100);
    }
    for (int i = 0; i < 4; i++)
        client_close(&clients[i]);
    rig_stop(&rig);
}

/* Out of descriptors: an idle connection gives way, the newcomer waits, and nothing needs a push.
 */
static void test_server_recovers_from_running_out_of_descriptors(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
    struct rlimit usual, none;
    struct rig rig;
    size_t len;

    rig_init(&rig);
    rig_start(&rig);
    struct caller idle = client_https(&rig);
    client_send(&idle, "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client_answer(&idle, &len);
    struct caller client = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    address.sin_port = htons(rig.ports[RIG_HTTPS]);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
    none = (struct rlimit){3, usual.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(connect(client.fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_true(client_wait_for_end(&idle) < 1000);
    assert_int_equal(rig_counts(&rig).accepted, 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
    client_tls(&rig, &client, NULL);
    client_send(&client, "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client_answer(&client, &len);
    assert_int_equal(len, 100);
    client_close(&idle);
    client_close(&client);
    rig_stop(&rig);
}

/* ---- PROXY headers ---- */

static void test_server_believes_a_trusted_proxy(void **state)
{
    (void)state;
    struct rig rig;
    size_t len;

    rig_init(&rig);
    rig.limits.connections_per_address = 1; /* of the client, not of the proxy */
    rig_start(&rig);
    struct caller idle = client_open(&rig, RIG_PROXY);
    struct caller client = client_open(&rig, RIG_PROXY);
    client_send(&client, "PROXY TCP6 2001:db8::7 20");
    usleep(20000);
    client_send(&client, "01:db8::1 4321 443\r\n");
    client_tls(&rig, &client, NULL);
    client_send(&client, "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client_answer(&client, &len);
    assert_int_equal(len, 100);
    assert_contains(rig_log_line(&rig), "\"client\":\"2001:db8::7\",\"client_port\":4321");
    struct caller twin = client_open(&rig, RIG_PROXY);
    client_send(&twin, "PROXY TCP6 2001:db8::8 2001:db8::1 4322 443\r\n"); /* the same /64 */
    assert_true(client_wait_for_end(&twin) < 1000);
    client_close(&twin);
    client_close(&client);
    client_close(&idle);
    rig_stop(&rig);
}

static void test_server_refuses_a_proxy_that_nobody_trusts(void **state)
{
    (void)state;
    struct rig rig;

    rig_init(&rig);
    rig.trusted = "192.0.2.0/24";
    rig_start(&rig);
    struct caller client = client_open(&rig, RIG_PROXY);
    assert_true(client_wait_for_end(&client) < 1000); /* nothing needs to be said first */
    client_close(&client);
    rig_stop(&rig);
}

/* ---- snapshots and the end ---- */

static void test_server_swaps_snapshots_under_an_answer(void **state)
{
    (void)state;
    struct rig rig;
    size_t len;

    rig_init(&rig);
    rig_start(&rig);
    struct caller client = client_https(&rig), idle = client_https(&rig);
    client_send(&client, "GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n");
    usleep(50000); /* it stands with its buffers full */
    for (int i = 0; i < 20; i++)
        rig_do(&rig, rig_swap);
    assert_int_equal(rig.snapshots_freed, 19); /* the answer keeps its own */
    client_answer(&client, &len);
    assert_int_equal(len, BIG_SIZE);
    client_send(&client, "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client_answer(&client, &len);
    assert_int_equal(len, 100);
    assert_int_equal(rig.snapshots_freed, 20);
    client_send(&idle, "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client_answer(&idle, &len);
    client_close(&idle);
    client_close(&client);
    rig_stop(&rig);
    assert_int_equal(rig.snapshots_freed, 21);
}

static void test_server_drains(void **state)
{
    (void)state;
    struct rig rig;
    size_t len;

    rig_init(&rig);
    rig_start(&rig);
    struct caller busy = client_https(&rig), idle = client_https(&rig), fresh = client_https(&rig);
    struct caller newest = client_open(&rig, RIG_HTTPS);
    client_send(&idle, "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client_answer(&idle, &len);
    client_send(&busy, "GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n");
    usleep(50000);
    rig_do(&rig, rig_drain);
    assert_int_equal(client_rest(&idle, &len), 0); /* ends cleanly, at once */
    client_tls(&rig, &newest, NULL);
    client_send(&newest, "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_contains(client_answer(&newest, &len), "connection: close\r\n");
    client_send(&fresh, "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_contains(client_answer(&fresh, &len), "connection: close\r\n");
    assert_int_equal(len, 100);
    assert_false(rig.drained);
    client_answer(&busy, &len);
    assert_int_equal(len, BIG_SIZE);
    assert_int_equal(client_rest(&busy, &len), 0);
    client_close(&busy);
    client_close(&idle);
    client_close(&fresh);
    client_close(&newest);
    while (rig_counts(&rig).connections > 0)
        usleep(1000);
    assert_true(rig.drained);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_redirects_plain_http_with_path_and_query),
        cmocka_unit_test(test_server_strict_knows_only_its_names),
        cmocka_unit_test(test_server_redirects_an_alias_to_the_main_name),
        cmocka_unit_test(test_server_redirects_plain_http_on_its_tls_port),
        cmocka_unit_test(test_server_keeps_a_connection_for_many_requests),
        cmocka_unit_test(test_server_answers_all_that_came_before_the_end),
        cmocka_unit_test(test_server_lets_a_refused_upload_see_its_answer),
        cmocka_unit_test(test_server_counts_connections_of_an_address),
        cmocka_unit_test(test_server_full_gives_up_only_the_longest_idle),
        cmocka_unit_test(test_server_recovers_from_running_out_of_descriptors),
        cmocka_unit_test(test_server_believes_a_trusted_proxy),
        cmocka_unit_test(test_server_refuses_a_proxy_that_nobody_trusts),
        cmocka_unit_test(test_server_swaps_snapshots_under_an_answer),
        cmocka_unit_test(test_server_drains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
