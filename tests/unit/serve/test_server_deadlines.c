/* Clients that are slow, silent, gone or endless: what each may cost, and for how long. */
#include "server_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

#define MS NSEC_PER_MSEC
#define GET_BIG "GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n"

static void assert_between(int value, int least, int most)
{
    if (value < least || value > most)
        fail_msg("%d is not between %d and %d", value, least, most);
}

static void test_server_ends_a_silent_handshake(void **state)
{
    (void)state;
    struct rig rig;

    rig_init(&rig);
    rig.limits.handshake_timeout = 200 * MS;
    rig_start(&rig);
    for (int i = 0; i < RIG_LISTENERS; i += RIG_PROXY) { /* TLS, and a PROXY header before it */
        struct caller client = client_open(&rig, (enum rig_listener)i);
        client_send(&client, i == RIG_PROXY ? "PROXY TCP" : "\x16\x03\x01");
        assert_between(client_wait_for_end(&client), 150, 1500);
        client_close(&client);
    }
    rig_stop(&rig);
}

static void test_server_ends_an_idle_connection_in_good_order(void **state)
{
    (void)state;
    struct rig rig;
    size_t len;

    rig_init(&rig);
    rig.limits.keep_alive = 600 * MS;
    rig_start(&rig);
    struct caller client = client_https(&rig);
    for (int i = 0; i < 3; i++) { /* what comes in time is served, and the time begins anew */
        usleep(350000);
        client_send(&client, "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n");
        client_answer(&client, &len);
    }
    nsec_t began = nsec_monotonic();
    assert_int_equal(client_rest(&client, &len), 0); /* close_notify came */
    assert_between((int)((nsec_monotonic() - began) / MS), 500, 3000);
    client_close(&client);
    rig_stop(&rig);
}

/* Slowloris: bytes that come now and then prolong nothing. */
static void test_server_ends_a_header_that_comes_too_slowly(void **state)
{
    (void)state;
    struct rig rig;
    char byte;

    rig_init(&rig);
    rig.limits.header_timeout = 300 * MS;
    rig_start(&rig);
    struct caller client = client_https(&rig);
    nsec_t began = nsec_monotonic();
    client_send(&client, "GET / HTTP/1.1\r\n");
    for (int i = 0; i < 150; i++) {
        if (SSL_write(client.ssl, "x", 1) != 1)
            break;
        usleep(20000);
        if (recv(client.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
            break;
    }
    assert_between((int)((nsec_monotonic() - began) / MS), 250, 2500);
    client_close(&client);
    rig_stop(&rig);
}

/* Half a TLS record is the beginning of a request, not an idle connection. */
static void test_server_ends_a_record_that_never_gets_whole(void **state)
{
    (void)state;
    struct rig rig;

    rig_init(&rig);
    rig.limits.header_timeout = 200 * MS;
    rig_start(&rig);
    struct caller client = client_https(&rig);
    assert_int_equal(send(client.fd, "\x17\x03\x03\x10", 4, MSG_NOSIGNAL), 4);
    assert_between(client_wait_for_end(&client), 150, 1500);
    client_close(&client);
    rig_stop(&rig);
}

static void test_server_ends_an_answer_that_nobody_reads(void **state)
{
    (void)state;
    struct rig rig;

    rig_init(&rig);
    rig.limits.response_timeout = 300 * MS;
    rig.limits.response_rate = 1 << 30;
    rig_start(&rig);
    struct caller client = client_https(&rig);
    client_send(&client, GET_BIG);
    const char *line = rig_log_line(&rig);
    assert_non_null(strstr(line, "\"cut_off_by\":\"server\""));
    assert_non_null(strstr(line, "\"reason\":\"too slow\""));
    assert_int_equal(rig_counts(&rig).connections, 0);
    client_close(&client);
    rig_stop(&rig);
}

/* A client that takes a little now and then, far below the rate. */
static void test_server_ends_an_answer_that_is_read_too_slowly(void **state)
{
    (void)state;
    struct rig rig;
    char bytes[4096];
    int room = 4096;

    rig_init(&rig);
    rig.limits.response_timeout = 400 * MS;
    rig.limits.response_rate = 1 << 30;
    rig_start(&rig);
    struct caller client = client_open(&rig, RIG_HTTPS);
    setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    client_tls(&rig, &client, NULL);
    client_send(&client, GET_BIG);
    for (int i = 0; i < 100 && rig_counts(&rig).connections; i++) {
        (void)client_read(&client, bytes, sizeof bytes);
        usleep(20000);
    }
    assert_int_equal(rig_counts(&rig).connections, 0);
    client_close(&client);
    rig_stop(&rig);
}

/* However long it takes: only what is waited for now has a deadline, not what was before. */
static void test_server_lets_a_fast_client_read_for_long(void **state)
{
    (void)state;
    struct rig rig;
    size_t len;

    rig_init(&rig);
    rig.limits.handshake_timeout = 100 * MS;
    rig.limits.keep_alive = 50 * MS;
    rig.limits.header_timeout = 50 * MS;
    rig.limits.response_timeout = 1000 * MS;
    rig_start(&rig);
    struct caller client = client_https(&rig);
    char *requests = calloc(8, sizeof GET_BIG);
    for (int i = 0; i < 8; i++)
        strcat(requests, GET_BIG);
    client_send(&client, requests);
    for (int i = 0; i < 8; i++) {
        client_answer(&client, &len);
        assert_int_equal(len, BIG_SIZE);
    }
    free(requests);
    client_close(&client);
    rig_stop(&rig);
}

/* Idle, but for PINGs, and never acknowledging the one that comes with our GOAWAY. */
static void test_server_ends_an_idle_http2_client_that_says_no_goodbye(void **state)
{
    (void)state;
    static const char hello[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    static const char ping[] = "\0\0\x8\6\0\0\0\0\0ping1234";
    struct rig rig;
    char byte;

    rig_init(&rig);
    rig.limits.keep_alive = 300 * MS;
    rig_start(&rig);
    struct caller client = client_open(&rig, RIG_HTTPS);
    client_tls(&rig, &client, "\x2h2");
    nsec_t began = nsec_monotonic();
    assert_int_equal(SSL_write(client.ssl, hello, sizeof hello - 1), sizeof hello - 1);
    for (int i = 0; i < 50 && rig_counts(&rig).connections; i++) {
        (void)SSL_write(client.ssl, ping, sizeof ping - 1);
        usleep(100000);
    }
    assert_between((int)((nsec_monotonic() - began) / MS), 1000, 4000);
    (void)recv(client.fd, &byte, 1, MSG_DONTWAIT);
    client_close(&client);
    rig_stop(&rig);
}

/* Many clients that stop in the middle of an answer keep little memory each. */
static size_t heap_bytes(void)
{
    char line[256];
    size_t kib = 0;
    FILE *file = fopen("/proc/self/status", "r");

    while (fgets(line, sizeof line, file))
        if (strncmp(line, "RssAnon:", 8) == 0)
            kib = strtoul(line + 8, NULL, 10);
    fclose(file);
    return kib << 10;
}

static void test_server_keeps_little_for_clients_that_stop_reading(void **state)
{
    (void)state;
    enum { CLIENTS = 64 };
    struct caller clients[CLIENTS];
    struct rig rig;
    int room = 4096;

    rig_init(&rig);
    rig_start(&rig);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = client_open(&rig, RIG_HTTPS);
        setsockopt(clients[i].fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
        client_tls(&rig, &clients[i], NULL);
    }
    size_t before = heap_bytes();
    for (int i = 0; i < CLIENTS; i++)
        client_send(&clients[i], GET_BIG);
    usleep(300000);
    assert_int_equal(rig_counts(&rig).requests, CLIENTS);
    assert_true(heap_bytes() < before + (size_t)CLIENTS * (512 << 10));
    for (int i = 0; i < CLIENTS; i++)
        client_close(&clients[i]);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_ends_a_silent_handshake),
        cmocka_unit_test(test_server_ends_an_idle_connection_in_good_order),
        cmocka_unit_test(test_server_ends_a_header_that_comes_too_slowly),
        cmocka_unit_test(test_server_ends_a_record_that_never_gets_whole),
        cmocka_unit_test(test_server_ends_an_answer_that_nobody_reads),
        cmocka_unit_test(test_server_ends_an_answer_that_is_read_too_slowly),
        cmocka_unit_test(test_server_lets_a_fast_client_read_for_long),
        cmocka_unit_test(test_server_ends_an_idle_http2_client_that_says_no_goodbye),
        cmocka_unit_test(test_server_keeps_little_for_clients_that_stop_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
