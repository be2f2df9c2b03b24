/* One connection to an upstream server: its socket and the client engine joined. Reading stops
 * while the engine wants no input, so a slow client slows its server. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "serve/proxy/upstream.h"
#include "tls/tls.h"

enum { TURN_BYTES = 256 * 1024, SEAL_BYTES = 32 * 1024, PENDING_MAX = 256 * 1024 };

void upstream_connection_speak(struct upstream_connection *c)
{
    static const struct http_client_limits limits = {.header_bytes = 64 * 1024,
                                                     .header_count = 256};

    c->client = h1_client_create(&limits);
}

void upstream_connection_due(struct upstream_connection *c)
{
    struct proxy *proxy = c->upstream->proxy;

    if (list_empty(&c->due))
        list_append(&proxy->due, &c->due);
}

static void on_ready(struct loop_watch *watch, unsigned events)
{
    struct upstream_connection *c = container_of(watch, struct upstream_connection, watch);

    if (events & (LOOP_READABLE | LOOP_HANGUP))
        c->readable = true;
    if (events & LOOP_WRITABLE)
        c->writable = true;
    if (events & LOOP_HANGUP)
        c->peer_closing = true;
    if (c->user || c->readable || !c->client)
        upstream_connection_due(c);
}

struct upstream_connection *upstream_connection_create(struct upstream *upstream, int fd)
{
    struct upstream_connection *c = mem_new(struct upstream_connection);

    c->watch = (struct loop_watch){.fd = fd, .on_event = on_ready};
    c->upstream = upstream;
    c->writable = true;
    list_init(&c->link);
    list_init(&c->due);
    if (loop_add(upstream->proxy->options.loop, &c->watch, LOOP_EDGE) < 0) {
        close(fd);
        free(c);
        return NULL;
    }
    list_append(&upstream->connections, &c->all);
    if (!upstream->tls) {
        upstream_connection_speak(c);
    } else if (connection_tls_begin(c) < 0) {
        upstream_connection_destroy(c);
        return NULL;
    }
    return c;
}

void upstream_connection_destroy(struct upstream_connection *c)
{
    struct upstream *upstream = c->upstream;

    http_client_destroy(c->client);
    connection_tls_finish(c);
    if (!list_empty(&c->link))
        upstream->idle_count--;
    list_remove(&c->all);
    list_remove(&c->link);
    list_remove(&c->due);
    loop_forget(upstream->proxy->options.loop, &c->watch);
    close(c->watch.fd);
    free(c->pending);
    free(c);
}

/* ---- bytes out ---- */

/** @return bytes that the socket took, 0 when it is full; a failed write is noted, not returned: an
 *  answer may have come before it, which is read first */
static size_t send_bytes(struct upstream_connection *c, const char *bytes, size_t len)
{
    ssize_t sent;

    do
        sent = send(c->watch.fd, bytes, len, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno != EAGAIN) {
        c->deaf = true;
        c->readable = true;
        return 0;
    }
    if (sent < 0)
        sent = 0;
    if ((size_t)sent < len)
        c->writable = false;
    c->sent |= sent > 0;
    return (size_t)sent;
}

static size_t flush(struct upstream_connection *c)
{
    size_t sent = send_bytes(c, c->pending + c->pending_at, c->pending_len - c->pending_at);

    c->pending_at += sent;
    if (c->pending_at == c->pending_len) {
        free(take(c->pending));
        c->pending_len = c->pending_at = 0;
    }
    return sent;
}

size_t upstream_connection_send(struct upstream_connection *c, const char *bytes, size_t len)
{
    size_t sent = c->pending || c->deaf || len == 0 ? 0 : send_bytes(c, bytes, len);
    size_t rest = len - sent;

    if (rest == 0 || c->deaf)
        return sent;
    if (c->pending_len + rest >
        PENDING_MAX) { /* a server that asks for key updates and reads nothing */
        c->deaf = true;
        c->readable = true;
        return sent;
    }
    if (c->pending_at) { /* room for what follows */
        c->pending_len -= c->pending_at;
        memmove(c->pending, c->pending + c->pending_at, c->pending_len);
        c->pending_at = 0;
    }
    c->pending = mem_resize(c->pending, c->pending_len + rest, 1);
    memcpy(c->pending + c->pending_len, bytes + sent, rest);
    c->pending_len += rest;
    return sent;
}

/** @return bytes that went out, or a negative error of the engine */
static ssize_t move_out(struct upstream_connection *c)
{
    char *out = c->upstream->proxy->scratch;

    if (c->deaf || !c->writable)
        return 0;
    if (c->pending)
        return (ssize_t)flush(c);
    ssize_t len = http_client_produce(c->client, out, c->tls ? SEAL_BYTES : UPSTREAM_SCRATCH);
    if (len <= 0)
        return len;
    if (c->tls)
        return connection_tls_send(c, span_of(out, (size_t)len));
    return (ssize_t)upstream_connection_send(c, out, (size_t)len);
}

/* ---- bytes in ---- */

ssize_t upstream_connection_recv(struct upstream_connection *c, char *in, size_t cap)
{
    ssize_t len;

    if (!c->readable)
        return 0;
    do
        len = recv(c->watch.fd, in, cap, 0);
    while (len < 0 && errno == EINTR);
    if (len < 0 && errno == EAGAIN) {
        c->readable = false;
        return c->deaf ? ERR_CLOSED : 0;
    }
    if (len <= 0)
        return len == 0 ? ERR_CLOSED : -errno;
    if ((size_t)len < cap && !c->peer_closing && !c->deaf)
        c->readable = false;
    return len;
}

/** With TLS one read takes less by what libssl may hold of a record, so that the engine gets no
 * more at once than without.
 *  @return bytes that came, 0: none now; a negative error: the connection has ended */
static ssize_t move_in(struct upstream_connection *c)
{
    char *in = c->upstream->proxy->scratch;

    if (!http_client_wants_input(c->client))
        return 0;
    ssize_t len = upstream_connection_recv(
        c, in, c->tls ? UPSTREAM_SCRATCH - TLS_READ_MIN : UPSTREAM_SCRATCH);
    if (len < 0) { /* TLS ends with close_notify; a bare end may have been forged */
        http_client_eof(c->client, len == ERR_CLOSED && !c->tls && !c->deaf);
        return len;
    }
    if (len == 0)
        return 0;
    struct span bytes = span_of(in, (size_t)len);
    int r = c->tls ? connection_tls_receive(c, bytes) : http_client_receive(c->client, bytes);
    return r < 0 ? r : len;
}

/** @return bytes that moved, or a negative error: the connection has ended */
static ssize_t move(struct upstream_connection *c)
{
    ssize_t out, in, total = 0;

    do {
        out = move_out(c);
        if (out < 0)
            return out;
        in = move_in(c);
        if (in < 0)
            return in;
        total += out + in;
    } while (out + in > 0 && total < TURN_BYTES);
    if (out + in > 0)
        upstream_connection_due(c);
    return total;
}

static void drive(struct upstream_connection *c)
{
    ssize_t moved = move(c);

    if (moved > 0 && c->user)
        c->user->on_progress(c->user);
    if (moved < 0 || http_client_is_over(c->client))
        upstream_connection_destroy(c);
    else if (!c->user && list_empty(&c->link))
        upstream_release(c->upstream, c);
}

void upstream_connection_drive(struct upstream_connection *c)
{
    struct upstream *upstream = upstream_ref(c->upstream); /* what moves may end its last user */

    if (c->client) {
        drive(c);
    } else {
        if (c->pending && c->writable)
            flush(c);
        connection_tls_handshake(c);
    }
    upstream_unref(upstream);
}
