/* A connection's way out: what its engine has is sealed and sent, and what the socket does not take
 * is kept. When to write, and when to end, is connection.c's. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "serve/transport/connection.h"

enum { PRODUCE_MIN = 32 * 1024 };

static void keep_pending(struct connection *c, const char *bytes, size_t len)
{
    c->pending = mem_alloc(len);
    memcpy(c->pending, bytes, len);
    c->pending_len = len;
    c->pending_at = 0;
}

/* @return bytes that the kernel took (0: it is full), or -errno */
static ssize_t send_bytes(struct connection *c, const char *bytes, size_t len)
{
    ssize_t sent;

    do
        sent = send(c->watch.fd, bytes, len, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno != EAGAIN)
        return -errno;
    if (sent < 0)
        sent = 0;
    if ((size_t)sent < len)
        c->writable = false;
    if (sent > 0) {
        c->pace.moved += (uint64_t)sent;
        c->progress = loop_now(c->server->loop);
    }
    return sent;
}

/* Sends what waits. @return 1 when nothing waits any more, 0 when the kernel is full, -errno */
int connection_flush(struct connection *c)
{
    if (!c->pending)
        return 1;
    if (!c->writable)
        return 0;
    ssize_t sent = send_bytes(c, c->pending + c->pending_at, c->pending_len - c->pending_at);
    if (sent < 0)
        return (int)sent;
    c->pending_at += (size_t)sent;
    if (c->pending_at < c->pending_len)
        return 0;
    free(take(c->pending));
    c->pending_len = c->pending_at = 0;
    return 1;
}

/* Sends from the shared buffer; what is not taken becomes the connection's own. A client that takes
 * all gets more sealed ahead next time, one that does not gets less. */
int connection_send(struct connection *c, const char *bytes, size_t len)
{
    ssize_t sent = c->writable ? send_bytes(c, bytes, len) : 0;

    if (sent < 0)
        return (int)sent;
    if ((size_t)sent == len) {
        if (len >= c->chunk && c->chunk < CHUNK_MAX)
            c->chunk *= 2;
        return 0;
    }
    if (c->chunk > CHUNK_MIN)
        c->chunk /= 2;
    keep_pending(c, bytes + sent, len - (size_t)sent);
    return 0;
}

/* Bytes to ask of the engine at a time: a client that takes little keeps little of our memory. */
static size_t produce_room(const struct connection *c)
{
    return c->chunk < PRODUCE_MIN ? PRODUCE_MIN : PLAIN_ROOM;
}

static int produce_plain(struct connection *c, struct tls_io *io)
{
    nsec_t now = loop_now(c->server->loop);

    while (io->out_len < c->chunk && !(io->out_len && connection_turn_is_over(c))) {
        ssize_t count = http_produce(c->engine, io->out + io->out_len, produce_room(c), now);
        if (count <= 0)
            return (int)count;
        io->out_len += (size_t)count;
    }
    return 0;
}

static int produce_sealed(struct connection *c, struct tls_io *io)
{
    struct server *server = c->server;
    nsec_t now = loop_now(server->loop);

    while (io->out_len < c->chunk && !(io->out_len && connection_turn_is_over(c))) {
        ssize_t count = http_produce(c->engine, server->plain, produce_room(c), now);
        if (count <= 0)
            return (int)count;
        int r = tls_write(c->tls, io, span_of(server->plain, (size_t)count));
        if (r < 0)
            return r;
    }
    return 0;
}

/* Once the engine is through and its output complete, our goodbye goes in the same packet. */
static void add_goodbye(struct connection *c, struct tls_io *io)
{
    bool through = c->tls && !c->said_goodbye && io->out_len > 0 && io->out_len < c->chunk &&
                   http_wait(c->engine) == HTTP_WAIT_CLOSED && !http_wants_input(c->engine);

    if (!through)
        return;
    tls_close(c->tls, io);
    c->said_goodbye = true;
}

/* Sends what the engine has, up to a chunk, together with what stands in io already.
 * @return bytes sent or kept, or a negative error: cut the connection */
ssize_t connection_write(struct connection *c, struct tls_io *io)
{
    int r = 0;

    if (c->engine && c->state == CONNECTION_OPEN) {
        r = c->tls ? produce_sealed(c, io) : produce_plain(c, io);
        if (r == 0)
            add_goodbye(c, io);
    }
    if (io->out_len > 0) {
        int sent = connection_send(c, io->out, io->out_len);
        if (sent < 0)
            return sent;
    }
    return r < 0 ? r : (ssize_t)io->out_len;
}
