/* The application behind proxies that are compared: answers every request on kept connections with
 * the bytes of one file, and does as little else as it can. A body of a request is skipped.
 *
 * upstream FILE [close]: prints its port. With `close` each answer ends its connection. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_MAX = 16384, CONNECTIONS_MAX = 65536 };

struct connection {
    char head[HEAD_MAX];
    size_t len;
    size_t skip; /* of a request's body */
    size_t unsent;
};

static struct connection *connections[CONNECTIONS_MAX];
static char *answer;
static size_t answer_len;
static int closes;

static void make_answer(const char *path)
{
    FILE *file = fopen(path, "rb");

    if (!file || fseek(file, 0, SEEK_END) < 0)
        exit(1);
    size_t size = (size_t)ftell(file);
    rewind(file);
    answer = malloc(size + 256);
    int head = sprintf(
        answer, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n%sContent-Length: %zu\r\n\r\n",
        closes ? "Connection: close\r\n" : "", size);
    if (fread(answer + head, 1, size, file) != size)
        exit(1);
    answer_len = (size_t)head + size;
}

static void drop(int fd)
{
    free(connections[fd]);
    connections[fd] = NULL;
    close(fd);
}

/* @return 0 when all is sent, 1 when the socket is full, -1 on failure */
static int flush(int fd, struct connection *c)
{
    while (c->unsent) {
        ssize_t n = send(fd, answer + answer_len - c->unsent, c->unsent, MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN ? 1 : -1;
        c->unsent -= (size_t)n;
    }
    return 0;
}

static size_t body_length(const char *head)
{
    const char *field = strcasestr(head, "\ncontent-length:");

    return field ? (size_t)strtoull(field + 16, NULL, 10) : 0;
}

/* One round of a connection. @return whether it goes on */
static int serve(int fd, struct connection *c)
{
    static char skipped[65536];

    if (flush(fd, c))
        return 1;
    while (c->skip) {
        ssize_t n = recv(fd, skipped, c->skip < sizeof skipped ? c->skip : sizeof skipped, 0);
        if (n <= 0)
            return n < 0 && errno == EAGAIN;
        c->skip -= (size_t)n;
        if (c->skip == 0)
            c->unsent = answer_len;
    }
    if (c->unsent == 0) {
        ssize_t n = recv(fd, c->head + c->len, HEAD_MAX - 1 - c->len, 0);
        if (n <= 0)
            return n < 0 && errno == EAGAIN;
        c->len += (size_t)n;
        c->head[c->len] = '\0';
        char *end = strstr(c->head, "\r\n\r\n");
        if (!end)
            return c->len < HEAD_MAX - 1;
        size_t body = body_length(c->head), have = c->len - (size_t)(end + 4 - c->head);
        c->len = 0;
        c->skip = body > have ? body - have : 0;
        if (c->skip)
            return serve(fd, c);
        c->unsent = answer_len;
    }
    int r = flush(fd, c);
    return r == 0 ? !closes : r > 0;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    struct epoll_event event = {.events = EPOLLIN}, events[256];
    int listener = socket(AF_INET, SOCK_STREAM, 0), loop = epoll_create1(0), on = 1;

    if (argc < 2)
        return 2;
    closes = argc > 2;
    make_answer(argv[1]);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(listener, 4096) < 0 || getsockname(listener, (struct sockaddr *)&address, &len) < 0)
        return 1;
    printf("%u\n", ntohs(address.sin_port));
    fflush(stdout);
    event.data.fd = listener;
    epoll_ctl(loop, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(loop, events, 256, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) {
                if (!serve(fd, connections[fd]))
                    drop(fd);
                continue;
            }
            int peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
            if (peer < 0 || peer >= CONNECTIONS_MAX)
                continue;
            setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            connections[peer] = calloc(1, sizeof **connections);
            event.events = EPOLLIN | EPOLLOUT | EPOLLET;
            event.data.fd = peer;
            epoll_ctl(loop, EPOLL_CTL_ADD, peer, &event);
            event.events = EPOLLIN;
        }
    }
}
