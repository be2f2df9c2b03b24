/* Load of new connections: handshakes PORT PATH COUNT CONCURRENCY GROUPS full|resume. Each
 * connection makes a TLS 1.3 handshake, full or resumed, one request, and ends. Prints what
 * happened as JSON; measuring the server is bench/run's. */
#include "client.h"

struct run {
    SSL_CTX *context;
    SSL_SESSION *session; /* of the one full handshake that the others resume, or NULL */
    char request[1024];
    int port;
    int epoll;
    bool resume;
    long to_start;
    long under_way;
    long done;
    long failed;
    long resumed;
    char cipher[64];
    char group[64];
};

static struct run run;

static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    if (!run.resume || run.session)
        return 0;
    run.session = session;
    return 1;
}

static void start_one(struct client *client)
{
    while (run.to_start > 0) {
        run.to_start--;
        if (client_open(client, run.context, run.epoll, run.port, run.session)) {
            run.under_way++;
            return;
        }
        run.failed++;
    }
}

static void note_answered(struct client *client)
{
    run.done++;
    run.resumed += SSL_session_reused(client->ssl);
    if (!run.cipher[0]) {
        int nid = SSL_get_negotiated_group(client->ssl);
        snprintf(run.cipher, sizeof run.cipher, "%s", SSL_get_cipher(client->ssl));
        snprintf(run.group, sizeof run.group, "%s",
                 nid > 0 && OBJ_nid2sn(nid) ? OBJ_nid2sn(nid) : "");
    }
}

static void on_event(struct client *client)
{
    enum client_state state = client_go_on(client, run.request);

    if (state == CLIENT_WAITS)
        return;
    if (state == CLIENT_ANSWERED)
        note_answered(client);
    else
        run.failed++;
    run.under_way--;
    client_close(client);
    start_one(client);
}

static void drive(struct client *clients, long concurrency)
{
    struct epoll_event events[64];

    for (long i = 0; i < concurrency; i++)
        start_one(&clients[i]);
    while (run.under_way > 0) {
        int n = epoll_wait(run.epoll, events, 64, 10000);
        if (n <= 0) {
            run.failed += run.under_way;
            return;
        }
        for (int i = 0; i < n; i++)
            on_event(events[i].data.ptr);
    }
}

int main(int argc, char **argv)
{
    if (argc != 7)
        return 2;
    const long count = strtol(argv[3], NULL, 10), concurrency = strtol(argv[4], NULL, 10);
    struct client *clients = calloc((size_t)concurrency, sizeof *clients);

    if (!clients || concurrency < 1)
        return 2;
    raise_descriptor_limit();
    run.port = (int)strtol(argv[1], NULL, 10);
    run.resume = strcmp(argv[6], "resume") == 0;
    run.epoll = epoll_create1(EPOLL_CLOEXEC);
    run.context = client_context(argv[5]);
    SSL_CTX_set_session_cache_mode(run.context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(run.context, on_new_session);
    snprintf(run.request, sizeof run.request,
             "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", argv[2]);
    if (run.resume) { /* one connection, not counted, for the first ticket */
        run.to_start = 1;
        drive(clients, 1);
        run.done = run.resumed = 0;
    }
    run.to_start = count;
    drive(clients, concurrency);
    printf("{\"done\": %ld, \"failed\": %ld, \"resumed\": %ld, \"cipher\": \"%s\", \"group\": "
           "\"%s\"}\n",
           run.done, run.failed, run.resumed, run.cipher, run.group);
    return run.failed != 0;
}
