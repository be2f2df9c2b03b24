/* A connection's way in: PROXY header, handshake, decryption, and the engine; what nobody can take
 * yet is held. When to read is connection.c's.
 *
 * connection_read → fill_input → take_bytes (read_proxy_header → continue_handshake → receive_*) */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "serve/transport/connection.h"
#include "serve/transport/proxy_protocol.h"

enum { LINGER_BYTES = 256 * 1024, PROXY_HEADER_MAX = 536 };

bool connection_is_h2(const struct connection *c)
{
    return c->tls && tls_session_protocol(c->tls) == TLS_HTTP_2;
}

/* A request, and the end of the turn when the connection has had its time: what such a request
 * costs is not known before. */
static void on_request(void *owner, struct http_exchange *x)
{
    struct connection *c = container_of(owner, struct connection, source);

    if (c->turn_requests++ == 1)
        (void)connection_turn_is_over(c); /* begins to measure */
    request_on_request(&c->source, x);
    if (c->turn_requests > 1 && connection_turn_is_over(c)) {
        c->turn_requests = TURN_REQUESTS;
        http_turn_end(c->engine);
    }
}

static const struct http_events events = {
    .on_request = on_request,
    .on_body = request_on_body,
    .on_refusal = request_on_refusal,
    .on_request_end = request_on_end,
    .on_tunnel = request_on_tunnel,
    .on_close = request_on_close,
    .on_wake = request_on_wake,
};

static int start_engine(struct connection *c)
{
    struct server *server = c->server;
    struct client *client = &c->source.client;
    struct http_engine_config config = {
        .events = &events,
        .owner = &c->source,
        .limits = &server->sites->http_limits,
        .pool = server->pool,
        .date = server->date,
        .secure = c->source.client.secure,
    };

    if (c->tls) {
        client->tls_version = tls_session_version(c->tls);
        client->tls_cipher = tls_session_cipher(c->tls);
        client->tls_resumed = tls_session_resumed(c->tls);
    }
    c->engine = connection_is_h2(c) ? h2_server_create(&config) : h1_server_create(&config);
    http_turn_begin(c->engine, TURN_REQUESTS);
    c->state = CONNECTION_OPEN;
    c->pace.began = loop_now(server->loop);
    if (server->draining && connection_is_h2(c)) /* HTTP/1 is told with its first answer */
        http_shutdown(c->engine);
    return 0;
}

static int start_tls(struct connection *c)
{
    if (!c->server->tls)
        return ERR_TLS;
    return tls_session_create(c->server->tls, &c->tls);
}

/* @return 0, or a negative error */
static int continue_handshake(struct connection *c, struct tls_io *io)
{
    struct client *client = &c->source.client;
    char text[128];

    if (io->in.len == 0) /* a PROXY header came alone */
        return 0;
    /* Plain HTTP on a port for HTTPS: answered with a redirect instead of a TLS alert that no
     * browser explains. No TLS record begins with a letter. */
    if (client->secure && !c->tls && io->in.ptr[0] >= 'A' && io->in.ptr[0] <= 'Z') {
        client->secure = false;
        c->source.misdirected = true;
    }
    if (!client->secure)
        return start_engine(c);
    int r = c->tls ? 0 : start_tls(c);
    if (r >= 0)
        r = tls_handshake(c->tls, io);
    if (r == 1)
        return start_engine(c);
    if (r < 0)
        log_event(c->server->options.log, LOG_DEBUG, "handshake failed", "reason=%s",
                  log_quoted(text, sizeof text, span_str(tls_last_error())));
    return r;
}

/* Reads the PROXY header in front of everything else. @return 1 when it is complete, 0 when more is
 * needed, ERR_* to refuse the connection */
static int read_proxy_header(struct connection *c, struct tls_io *io)
{
    struct proxy_header header;

    ssize_t used = proxy_protocol_parse(io->in, &header);
    if (used < 0)
        return (int)used;
    if (used == 0)
        return io->in.len > PROXY_HEADER_MAX ? ERR_SYNTAX : 0;
    io->in = span_from(io->in, (size_t)used);
    if (!header.local) {
        c->source.client.address = header.peer;
        c->source.client.port = header.peer_port;
        c->source.client.named = true;
        if (!connection_admit(c)) {
            c->server->counts.refused++;
            return ERR_LIMIT;
        }
    }
    c->state = CONNECTION_HANDSHAKE;
    return 1;
}

static int receive_plain(struct connection *c, struct tls_io *io)
{
    struct span bytes = io->in;

    if (!http_wants_input(c->engine))
        return 0;
    io->in.len = 0;
    return http_receive(c->engine, bytes, loop_now(c->server->loop));
}

static int receive_sealed(struct connection *c, struct tls_io *io)
{
    struct server *server = c->server;

    while (http_wants_input(c->engine)) {
        ssize_t count = tls_read(c->tls, io, server->plain, PLAIN_ROOM);
        if (count == ERR_CLOSED) { /* nothing behind it counts (RFC 8446 section 6.1) */
            c->input_closed = true;
            io->in.len = 0;
            return 0;
        }
        if (count <= 0)
            return (int)count;
        int r =
            http_receive(c->engine, span_of(server->plain, (size_t)count), loop_now(server->loop));
        if (r < 0)
            return r;
    }
    return 0;
}

/* Passes bytes upward as far as the connection's state allows. */
static int take_bytes(struct connection *c, struct tls_io *io)
{
    int r = 1;

    if (c->state == CONNECTION_PROXY_HEADER) {
        r = read_proxy_header(c, io);
        if (r <= 0)
            return r;
    }
    if (c->state == CONNECTION_HANDSHAKE) {
        r = continue_handshake(c, io);
        if (r < 0)
            return r;
    }
    if (c->state != CONNECTION_OPEN)
        return 0;
    return c->tls ? receive_sealed(c, io) : receive_plain(c, io);
}

static void hold_rest(struct connection *c, struct span rest)
{
    if (rest.len == 0)
        return;
    c->held = mem_alloc(rest.len);
    memcpy(c->held, rest.ptr, rest.len);
    c->held_len = rest.len;
}

/* Fills the shared buffer with what was held and what the socket has.
 * @return bytes that the socket gave, or -errno */
static ssize_t fill_input(struct connection *c, size_t *ret_filled)
{
    struct server *server = c->server;
    size_t have = c->held_len;
    ssize_t count = 0;

    if (have) {
        memcpy(server->in, c->held, have);
        free(take(c->held));
        c->held_len = 0;
    }
    if (c->readable && !c->input_closed && have < IN_ROOM) {
        do
            count = recv(c->watch.fd, server->in + have, IN_ROOM - have, 0);
        while (count < 0 && errno == EINTR);
        if (count < 0 && errno != EAGAIN)
            return -errno;
        if (count == 0)
            c->input_closed = true;
        if (count <= 0 || ((size_t)count < IN_ROOM - have && !c->peer_closing))
            c->readable = false;
    }
    if (count < 0)
        count = 0;
    *ret_filled = have + (size_t)count;
    return count;
}

bool connection_wants_input(const struct connection *c)
{
    bool fresh = c->readable && !c->input_closed;

    if (c->state == CONNECTION_CLOSING || (!fresh && !c->held_len))
        return false;
    return c->state != CONNECTION_OPEN || http_wants_input(c->engine);
}

/* @return fresh bytes, or a negative error; what there is to say to the peer stands in io */
ssize_t connection_read(struct connection *c, struct tls_io *io)
{
    size_t filled = 0;
    ssize_t count = fill_input(c, &filled);

    if (count < 0 || filled == 0)
        return count;
    if (c->state == CONNECTION_LINGER)
        return (c->pace.moved += (uint64_t)count) > LINGER_BYTES ? ERR_LIMIT : count;
    if (c->waiting == HTTP_WAIT_BODY || c->waiting == HTTP_WAIT_HEADER) {
        c->pace.moved += (uint64_t)count;
        c->progress = loop_now(c->server->loop);
    }
    io->in = span_of(c->server->in, filled);
    int r = take_bytes(c, io);
    if (c->server->draining && c->engine && c->source.requests > 0)
        http_shutdown(c->engine); /* its answer is its last */
    hold_rest(c, io->in);
    return r < 0 ? r : count;
}
