/* What the two load generators share: a non-blocking TLS client connection that sends one request
 * and reads its answer. Which connections there are and when they end is theirs. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct client {
    SSL *ssl;
    int fd;
    bool requested;
    size_t got;      /* bytes of the answer so far */
    size_t expected; /* bytes of the whole answer; 0 before its header is complete */
    char head[2048];
};

enum client_state { CLIENT_WAITS, CLIENT_ANSWERED, CLIENT_FAILED };

static inline SSL_CTX *client_context(const char *groups)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
    if (SSL_CTX_set1_groups_list(context, groups) != 1)
        exit(2);
    SSL_CTX_set_alpn_protos(context, (const unsigned char *)"\x08http/1.1", 9);
    return context;
}

static inline bool client_open(struct client *client, SSL_CTX *context, int epoll, int port,
                               SSL_SESSION *session)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    const int on = 1;

    memset(client, 0, sizeof *client);
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->fd < 0)
        return false;
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(client->fd, (struct sockaddr *)&address, sizeof address) < 0 &&
        errno != EINPROGRESS) {
        close(client->fd);
        return false;
    }
    client->ssl = SSL_new(context);
    SSL_set_fd(client->ssl, client->fd);
    SSL_set_tlsext_host_name(client->ssl, "localhost");
    SSL_set_connect_state(client->ssl);
    if (session) { /* a copy: OpenSSL's client spoils a TLS 1.3 session that it has used once */
        SSL_SESSION *copy = SSL_SESSION_dup(session);
        SSL_set_session(client->ssl, copy);
        SSL_SESSION_free(copy);
    }
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = client};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, client->fd, &event) == 0;
}

static inline void client_close(struct client *client)
{
    SSL_shutdown(client->ssl); /* else OpenSSL takes the session for a bad one */
    SSL_free(client->ssl);
    close(client->fd);
}

static inline enum client_state client_read_head(struct client *client)
{
    const char *end = strstr(client->head, "\r\n\r\n");

    if (!end)
        return client->got < sizeof client->head - 1 ? CLIENT_WAITS : CLIENT_FAILED;
    const char *length = strcasestr(client->head, "\r\ncontent-length:");
    if (!length || length > end || strncmp(client->head, "HTTP/1.1 200", 12) != 0)
        return CLIENT_FAILED;
    client->expected = (size_t)(end + 4 - client->head) +
                       strtoul(length + sizeof "\r\ncontent-length:" - 1, NULL, 10);
    return CLIENT_WAITS;
}

/* Goes on as far as the socket allows: handshake, request, answer. */
static inline enum client_state client_go_on(struct client *client, const char *request)
{
    char rest[16384];
    int n;

    if (!client->requested) {
        n = SSL_do_handshake(client->ssl);
        if (n == 1)
            n = SSL_write(client->ssl, request, (int)strlen(request));
        if (n <= 0) {
            int why = SSL_get_error(client->ssl, n);
            return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? CLIENT_WAITS
                                                                             : CLIENT_FAILED;
        }
        client->requested = true;
    }
    for (;;) {
        if (client->expected)
            n = SSL_read(client->ssl, rest, sizeof rest);
        else
            n = SSL_read(client->ssl, client->head + client->got,
                         (int)(sizeof client->head - 1 - client->got));
        if (n <= 0) {
            int why = SSL_get_error(client->ssl, n);
            return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? CLIENT_WAITS
                                                                             : CLIENT_FAILED;
        }
        client->got += (size_t)n;
        if (!client->expected && client_read_head(client) == CLIENT_FAILED)
            return CLIENT_FAILED;
        if (client->expected && client->got >= client->expected)
            return client->got == client->expected ? CLIENT_ANSWERED : CLIENT_FAILED;
    }
}

static inline void raise_descriptor_limit(void)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}
