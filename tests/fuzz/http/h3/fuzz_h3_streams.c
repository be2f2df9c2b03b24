/* A client's bytes on many streams, its resets and acknowledgements, in the order that the input
 * chooses; as QUIC would give them: nothing comes on a stream after its end. The first byte chooses
 * how the owner answers. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "http/h3/h3.h"
#include "http/http.h"
#include "http/pool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STREAMS = 24, REQUESTS = 16, TURNS = 200 };

struct stream {
    uint64_t written, acknowledged;
    bool begun, ended, closed;
};

struct peer {
    struct http_engine *engine;
    struct stream streams[STREAMS];
    struct http_exchange *held;
    nsec_t now;
    uint8_t mood;
    unsigned open, bodies;
};

struct body {
    struct http_body body;
    struct peer *peer;
    size_t left;
};

static ssize_t body_read(struct http_body *body, char *out, size_t cap)
{
    struct body *b = container_of(body, struct body, body);
    size_t count = b->left < cap ? b->left : cap;

    if (b->peer->mood & 1 && b->left % 3 == 1)
        return b->peer->mood & 2 ? -EIO : -EAGAIN;
    memset(out, 'x', count);
    b->left -= count;
    return (ssize_t)count;
}

static void body_close(struct http_body *body)
{
    struct body *b = container_of(body, struct body, body);

    b->peer->bodies--;
    free(b);
}

static void answer(struct peer *peer, struct http_exchange *x)
{
    struct http_response response = {.status = 200, .content_length = peer->mood & 4 ? 40000 : -1};
    struct body *b = mem_new(struct body);

    *b = (struct body){{.read = body_read, .close = body_close}, peer, 40000};
    peer->bodies++;
    http_respond(x, &response, &b->body);
}

static void on_request(void *owner, struct http_exchange *x)
{
    struct peer *peer = owner;

    peer->open++;
    if (peer->mood & 8)
        http_stream_body(x);
    if (peer->mood & 16 && !peer->held)
        peer->held = x;
    else if (x->request.refusal)
        http_respond(x, &(struct http_response){.status = 400, .content_length = 0}, NULL);
    else
        answer(peer, x);
}

static void on_body(void *owner, struct http_exchange *x, struct span bytes)
{
    (void)owner;
    http_consume(x, bytes.len / 2);
}

static void on_close(void *owner, struct http_exchange *x, enum http_end end)
{
    struct peer *peer = owner;

    (void)end;
    if (peer->held == x)
        peer->held = NULL;
    peer->open--;
}

static const struct http_events events = {
    .on_request = on_request, .on_body = on_body, .on_close = on_close};

static void extend(void *transport, int64_t id, uint64_t bytes, bool connection)
{
    (void)transport;
    (void)id;
    (void)bytes;
    (void)connection;
}

static void shut(void *transport, int64_t id, uint64_t code, bool reads)
{
    (void)transport;
    (void)id;
    (void)code;
    (void)reads;
}

static void allow(void *transport)
{
    (void)transport;
}

static const struct h3_transport table = {extend, shut, allow};

/* The first are requests, the others the client's own; ours are not among them. */
static int64_t id_of(unsigned at)
{
    return at < REQUESTS ? 4 * (int64_t)at : 2 + 4 * (int64_t)(at - REQUESTS);
}

static int send(struct peer *peer)
{
    struct iovec pieces[16];
    bool last;
    int64_t id;
    int r = 0;

    for (unsigned i = 0; i < TURNS && r >= 0; i++) {
        ssize_t count = h3_next(peer->engine, &id, &last, pieces, 16, peer->now);
        size_t bytes = 0;
        if (count < 0)
            return (int)count;
        if (id < 0)
            return 0;
        for (ssize_t p = 0; p < count; p++)
            bytes += pieces[p].iov_len;
        if (peer->mood & 32 && i % 7 == 6)
            return h3_blocked(peer->engine, id, false);
        if ((id & 3) == 0 && id / 4 < REQUESTS)
            peer->streams[id / 4].written += bytes;
        r = h3_written(peer->engine, id, bytes);
    }
    return r;
}

static int acknowledge(struct peer *peer, unsigned at)
{
    struct stream *stream = &peer->streams[at];
    uint64_t bytes = stream->written - stream->acknowledged;

    if (at >= REQUESTS || stream->closed || bytes == 0)
        return 0;
    bytes = peer->mood & 64 ? (bytes + 1) / 2 : bytes;
    stream->acknowledged += bytes;
    return h3_acknowledged(peer->engine, id_of(at), bytes);
}

static int receive(struct peer *peer, unsigned at, struct span bytes, bool last)
{
    struct stream *stream = &peer->streams[at];

    if (stream->ended || stream->closed)
        return 0;
    stream->begun = true;
    stream->ended = last;
    char *piece = malloc(bytes.len + 1); /* exact but for a byte, so that a read past it is seen */
    memcpy(piece + 1, bytes.ptr, bytes.len);
    int r = h3_receive(peer->engine, id_of(at), span_of(piece + 1, bytes.len), last, peer->now);
    free(piece);
    return r;
}

static int end(struct peer *peer, unsigned at, bool closes, bool stops)
{
    struct stream *stream = &peer->streams[at];

    if (!stream->begun || stream->closed)
        return 0;
    if (!closes) {
        stream->ended |= !stops;
        return h3_client_reset(peer->engine, id_of(at), stops, peer->now);
    }
    stream->closed = true;
    return h3_closed(peer->engine, id_of(at), UINT64_MAX, peer->now);
}

static int step(struct peer *peer, const uint8_t **data, size_t *size)
{
    uint8_t what = (*data)[0], at = (*data)[1] % STREAMS;
    size_t len = (*data)[2];

    *data += 3;
    *size -= 3;
    switch (what & 7) {
    case 0:
        return end(peer, at, what & 8, what & 16);
    case 1:
        return send(peer);
    case 2:
        return acknowledge(peer, at);
    case 3:
        peer->now += (nsec_t)len * NSEC_PER_SEC;
        http_sweep(peer->engine, peer->now);
        if (peer->held)
            answer(peer, take(peer->held));
        return http_wait(peer->engine) == HTTP_WAIT_CLOSED ? -1 : 0;
    case 4:
        http_shutdown(peer->engine);
        return 0;
    default:
        break;
    }
    if (len > *size)
        len = *size;
    struct span bytes = span_of((const char *)*data, len);
    *data += len;
    *size -= len;
    return receive(peer, at, bytes, what & 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct http_limits limits = {.header_bytes = 4096,
                                              .header_count = 20,
                                              .uri_bytes = 200,
                                              .body_bytes = 1000,
                                              .body_window = 65536,
                                              .header = {.timeout = 10 * NSEC_PER_SEC},
                                              .body = {.timeout = 10 * NSEC_PER_SEC},
                                              .answer = {.timeout = 10 * NSEC_PER_SEC},
                                              .h2_streams = 100,
                                              .h2_resets_per_minute = 1000};
    struct peer peer = {.now = NSEC_PER_SEC};
    int r = 0;

    if (size < 1)
        return 0;
    peer.mood = *data++;
    size--;
    struct http_pool *pool = http_pool_create(64 << 10);
    const struct http_engine_config config = {
        .events = &events, .owner = &peer, .limits = &limits, .pool = pool, .secure = true};
    peer.engine = h3_server_create(&config, &table, &peer);
    if (h3_begin(peer.engine, 3, 7, 11) < 0)
        abort();
    while (r >= 0 && size > 3) {
        r = step(&peer, &data, &size);
        h3_settle(peer.engine, peer.now);
        (void)http_deadline(peer.engine, peer.now);
    }
    http_engine_destroy(peer.engine);
    http_pool_destroy(pool);
    if (peer.open || peer.bodies)
        abort();
    return 0;
}
