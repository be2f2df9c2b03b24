/* Idle connections: idle PORT PATH COUNT GROUPS. Opens them, makes one request on each, prints a
 * line of JSON and holds them until its standard input ends. Weighing the server is bench/run's. */
#include "client.h"

enum { AT_ONCE = 32 };

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    const int port = (int)strtol(argv[1], NULL, 10);
    const long count = strtol(argv[3], NULL, 10);
    struct client *clients = calloc((size_t)count, sizeof *clients);
    long started = 0, done = 0, failed = 0;
    char request[1024];
    struct epoll_event events[64];
    char byte;

    raise_descriptor_limit();
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    SSL_CTX *context = client_context(argv[4]);
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", argv[2]);
    while (done + failed < count) {
        while (started < count && started - done - failed < AT_ONCE)
            failed += !client_open(&clients[started++], context, epoll, port, NULL);
        int n = epoll_wait(epoll, events, 64, 10000);
        if (n <= 0)
            break;
        for (int i = 0; i < n; i++) {
            struct client *client = events[i].data.ptr;
            enum client_state state =
                client->expected && client->got == client->expected
                    ? CLIENT_WAITS /* answered before: a ticket or the end, not our business */
                    : client_go_on(client, request);
            done += state == CLIENT_ANSWERED;
            failed += state == CLIENT_FAILED;
        }
    }
    printf("{\"done\": %ld, \"failed\": %ld}\n", done, count - done);
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    return done != count;
}
