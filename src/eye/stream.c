/* The sessions lend no memory, so the stream does: one piece for what is sealed each way. */
#include "eye/stream.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/mem.h"
#include "os/dial.h"

enum {
    IN_MAX = 64 * 1024,
    OUT_MAX = TLS_OUT_MIN + 32 * 1024,
    PIECE = 16 * 1024, /* plain bytes sealed at a time */
};

void eye_stream_init(struct eye_stream *stream, int fd, struct tls_session *server,
                     struct tls_client *client)
{
    *stream = (struct eye_stream){.fd = fd,
                                  .server = server,
                                  .client = client,
                                  .sealed = buffer_make(IN_MAX),
                                  .plain = buffer_make(0),
                                  .out = mem_alloc(OUT_MAX)};
}

void eye_stream_finish(struct eye_stream *stream)
{
    tls_session_destroy(take(stream->server));
    tls_client_destroy(take(stream->client));
    buffer_finish(&stream->sealed);
    buffer_finish(&stream->plain);
    free(take(stream->out));
}

static int await(const struct eye_stream *stream, short events)
{
    struct pollfd wait = {.fd = stream->fd, .events = events};
    nsec_t left = stream->deadline - nsec_monotonic();

    if (left <= 0)
        return ERR_TIMEOUT;
    int n = poll(&wait, 1, (int)(left / NSEC_PER_MSEC) + 1);
    return n < 0 && errno != EINTR ? -errno : 0;
}

static int send_all(const struct eye_stream *stream, const char *bytes, size_t len)
{
    int r = 0;

    while (r == 0 && len > 0) {
        ssize_t sent = dial_send(stream->fd, bytes, len);
        if (sent > 0) {
            bytes += sent;
            len -= (size_t)sent;
        } else {
            r = sent == -EAGAIN ? await(stream, POLLOUT) : sent < 0 ? (int)sent : ERR_CLOSED;
        }
    }
    return r;
}

/* Waits for more sealed bytes. */
static int receive(struct eye_stream *stream)
{
    char bytes[16 * 1024];
    ssize_t got = dial_receive(stream->fd, bytes, sizeof bytes);

    if (got > 0)
        return buffer_append(&stream->sealed, bytes, (size_t)got);
    if (got == 0)
        return ERR_CLOSED;
    return got == -EAGAIN ? await(stream, POLLIN) : (int)got;
}

static struct tls_io lend(const struct eye_stream *stream)
{
    return (struct tls_io){
        .in = buffer_span(&stream->sealed), .out = stream->out, .out_cap = OUT_MAX};
}

/* Takes back what was lent, and sends what came of it. */
static int settle(struct eye_stream *stream, const struct tls_io *io)
{
    buffer_consume(&stream->sealed, stream->sealed.len - io->in.len);
    return send_all(stream, stream->out, io->out_len);
}

int eye_stream_handshake(struct eye_stream *stream)
{
    for (;;) {
        struct tls_io io = lend(stream);
        int r = stream->server ? tls_handshake(stream->server, &io)
                               : tls_client_handshake(stream->client, &io);
        int sent = settle(stream, &io);
        if (r != 0 || sent < 0)
            return r < 0 ? r : sent;
        r = receive(stream);
        if (r < 0)
            return r;
    }
}

int eye_stream_write(struct eye_stream *stream, struct span bytes)
{
    int r = 0;

    while (r == 0 && bytes.len > 0) {
        struct span piece = span_of(bytes.ptr, bytes.len < PIECE ? bytes.len : PIECE);
        struct tls_io io = lend(stream);
        r = stream->server ? tls_write(stream->server, &io, piece)
                           : tls_client_write(stream->client, &io, piece);
        int sent = settle(stream, &io);
        r = r < 0 ? r : sent;
        bytes = span_from(bytes, piece.len);
    }
    return r;
}

/* @return bytes opened, 0 when more must come, or an error */
static ssize_t open_some(struct eye_stream *stream, char *out, size_t room)
{
    struct tls_io io = lend(stream);
    ssize_t got = stream->server ? tls_read(stream->server, &io, out, room)
                                 : tls_client_read(stream->client, &io, out, room);
    int sent = settle(stream, &io);

    return got < 0 ? got : sent < 0 ? sent : got;
}

int eye_stream_read_line(struct eye_stream *stream, size_t max, struct buffer *ret_line)
{
    char bytes[TLS_READ_MIN];

    stream->plain.ceiling = max + sizeof bytes;
    for (;;) {
        ptrdiff_t end = span_find(buffer_span(&stream->plain), '\n');
        if (end > (ptrdiff_t)max || (end < 0 && stream->plain.len > max))
            return ERR_LIMIT;
        if (end >= 0) {
            *ret_line = buffer_make(max);
            int r = buffer_append(ret_line, stream->plain.data, (size_t)end);
            buffer_consume(&stream->plain, (size_t)end + 1);
            return r;
        }
        ssize_t got = open_some(stream, bytes, sizeof bytes);
        int r = got < 0    ? (int)got
                : got == 0 ? receive(stream)
                           : buffer_append(&stream->plain, bytes, (size_t)got);
        if (r < 0)
            return r;
    }
}

void eye_stream_close(struct eye_stream *stream)
{
    struct tls_io io = lend(stream);

    if (!stream->server)
        return;
    tls_close(stream->server, &io);
    if (settle(stream, &io) < 0)
        return; /* the asker has gone first */
}
