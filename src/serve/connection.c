/* One connection: socket, TLS and HTTP engine joined, with back pressure and deadlines. It knows
 * neither sites nor files; answer.c decides what a request gets.
 *
 * on_ready → connection_drive → read_input → (PROXY header → handshake → decrypt → http_receive)
 *                             → write_output → (http_produce → seal → send)
 *                             → settle (deadline, idle list, end) */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "serve/access_log.h"
#include "serve/internal.h"

#define LINGER_TIME (2 * NSEC_PER_SEC)
enum { LINGER_BYTES = 256 * 1024, PROXY_HEADER_MAX = 536, PRODUCE_MIN = 32 * 1024 };

static void on_ready(struct loop_watch *watch, unsigned events);
static void on_deadline(struct loop_timer *timer, nsec_t now);

/* ---- birth and death ---- */

/* Counts the connection for its address. @return false when the address has enough already */
static bool count_peer(struct connection *c)
{
    struct server *server = c->server;

    c->counted = peers_enter(server->options.peers, server->options.worker, c->peer,
                             (uint32_t)server->sites->limits.connections_per_address);
    return c->counted;
}

/* Whether an accepted connection may go on. A proxy that is trusted counts for nobody: the client
 * whom it names will. */
static bool admit(struct connection *c)
{
    char address[46];

    if (c->state != CONNECTION_PROXY_HEADER)
        return count_peer(c);
    bool trusted = proxy_trust_allows(c->server->sites->proxy_trust, c->peer);
    if (!trusted && server_may_complain(c->server)) {
        peer_address_text(c->peer, address);
        log_event(c->server->options.log, LOG_WARNING, "connection refused",
                  "reason=\"not a trusted proxy\" address=%s port=%u", address, c->local_port);
    }
    return trusted;
}

void connection_accept(struct server *server, const struct listener *listener, int fd,
                       struct peer_address peer, uint16_t peer_port)
{
    struct connection *c = mem_new(struct connection);
    nsec_t now = loop_now(server->loop);

    c->watch = (struct loop_watch){fd, on_ready};
    c->timer.on_timeout = on_deadline;
    c->server = server;
    c->peer = peer;
    c->peer_port = peer_port;
    c->local_port = listener->port;
    c->secure = listener->secure;
    c->chunk = 4 * CHUNK_MIN;
    c->state = listener->proxy_protocol ? CONNECTION_PROXY_HEADER : CONNECTION_HANDSHAKE;
    c->pace.began = c->progress = now;
    c->writable = true;
    list_append(&server->connections, &c->link);
    list_init(&c->queue);
    server->connection_count++;
    server->counts.accepted++;
    if (!admit(c)) {
        server->counts.refused++;
        connection_destroy(c);
        return;
    }
    int r = loop_add(server->loop, &c->watch, LOOP_EDGE);
    if (r < 0) {
        log_event(server->options.log, LOG_WARNING, "connection refused", "reason=\"%s\"",
                  error_text(r));
        connection_destroy(c);
        return;
    }
    c->deadline = limits_deadline(&c->pace, server->sites->limits.handshake_timeout, 0, 0);
    if (c->deadline != NSEC_NEVER)
        loop_timer_set(server->loop, &c->timer, c->deadline);
}

void connection_destroy(struct connection *c)
{
    struct server *server = c->server;

    if (c->driving) { /* an upcall from the engine asks for it: connection_drive() will do it */
        c->dead = true;
        return;
    }
    c->driving = true;
    http_engine_destroy(c->engine);
    tls_session_destroy(c->tls);
    loop_timer_cancel(server->loop, &c->timer);
    list_remove(&c->queue);
    list_remove(&c->link);
    loop_forget(server->loop, &c->watch);
    close(c->watch.fd);
    if (c->counted)
        peers_leave(server->options.peers, server->options.worker, c->peer);
    free(c->pending);
    free(c->held);
    free(c);
    server_connection_gone(server);
}

static void begin_linger(struct connection *c)
{
    shutdown(c->watch.fd, SHUT_WR);
    c->state = CONNECTION_LINGER;
    c->pace = (struct limits_pace){.began = loop_now(c->server->loop)};
    c->deadline = c->pace.began + LINGER_TIME;
    loop_timer_set(c->server->loop, &c->timer, c->deadline);
}

/* ---- output ---- */

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
static int flush_pending(struct connection *c)
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
static int send_or_keep(struct connection *c, const char *bytes, size_t len)
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

    while (io->out_len < c->chunk) {
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

    while (io->out_len < c->chunk) {
        ssize_t count = http_produce(c->engine, server->plain, produce_room(c), now);
        if (count <= 0)
            return (int)count;
        int r = tls_write(c->tls, io, span_of(server->plain, (size_t)count));
        if (r < 0)
            return r;
    }
    return 0;
}

/* Sends what the engine has, up to a chunk, together with what stands in io already.
 * @return bytes sent or kept, or a negative error: cut the connection */
static ssize_t write_output(struct connection *c, struct tls_io *io)
{
    int r = 0;

    if (c->engine && c->state == CONNECTION_OPEN)
        r = c->tls ? produce_sealed(c, io) : produce_plain(c, io);
    if (io->out_len > 0) {
        int sent = send_or_keep(c, io->out, io->out_len);
        if (sent < 0)
            return sent;
    }
    return r < 0 ? r : (ssize_t)io->out_len;
}

/* ---- input ---- */

static bool is_h2(const struct connection *c)
{
    return c->tls && tls_session_protocol(c->tls) == TLS_HTTP_2;
}

static int start_engine(struct connection *c)
{
    struct server *server = c->server;
    struct http_engine_config config = {
        .events = &answer_events,
        .owner = c,
        .limits = &server->sites->http_limits,
        .pool = server->pool,
        .date = server->date,
        .secure = c->secure,
    };

    c->engine = is_h2(c) ? h2_server_create(&config) : h1_server_create(&config);
    c->state = CONNECTION_OPEN;
    c->pace.began = loop_now(server->loop);
    if (server->draining && is_h2(c)) /* HTTP/1 is told with its first answer */
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
    char text[128];

    if (io->in.len == 0) /* a PROXY header came alone */
        return 0;
    /* Plain HTTP on a port for HTTPS: answered with a redirect instead of a TLS alert that no
     * browser explains. No TLS record begins with a letter. */
    if (c->secure && !c->tls && io->in.ptr[0] >= 'A' && io->in.ptr[0] <= 'Z') {
        c->secure = false;
        c->misdirected = true;
    }
    if (!c->secure)
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
        c->peer = header.peer;
        c->peer_port = header.peer_port;
        if (!count_peer(c)) {
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

static bool wants_input(const struct connection *c)
{
    bool fresh = c->readable && !c->input_closed;

    if (c->state == CONNECTION_CLOSING || (!fresh && !c->held_len))
        return false;
    return c->state != CONNECTION_OPEN || http_wants_input(c->engine);
}

/* @return fresh bytes, or a negative error; what there is to say to the peer stands in io */
static ssize_t read_input(struct connection *c, struct tls_io *io)
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
    hold_rest(c, io->in);
    return r < 0 ? r : count;
}

/* ---- the end of a turn ---- */

static nsec_t earlier(nsec_t a, nsec_t b)
{
    return a < b ? a : b;
}

/* Whether nothing but one last step of the client is waited for. */
static bool leaves(const struct connection *c)
{
    return c->ending || c->server->draining;
}

static nsec_t deadline_of(const struct connection *c)
{
    const struct limits_settings *limits = &c->server->sites->limits;
    nsec_t stalled;

    switch ((enum http_wait)c->waiting) {
    case HTTP_WAIT_IDLE:
        if (leaves(c)) /* a client that never answers our goodbye, or never asks at all */
            return c->pace.began + LINGER_TIME;
        return limits_deadline(&c->pace, limits->keep_alive, 0, 0);
    case HTTP_WAIT_HEADER:
        return limits_deadline(&c->pace, limits->header_timeout, limits->header_rate,
                               limits->header_timeout_max);
    case HTTP_WAIT_BODY:
        stalled = limits->body_timeout ? c->progress + limits->body_timeout : NSEC_NEVER;
        return earlier(stalled,
                       limits_deadline(&c->pace, limits->body_timeout, limits->body_rate, 0));
    case HTTP_WAIT_OUTPUT:
    case HTTP_WAIT_WINDOW:
    case HTTP_WAIT_CLOSED:
        stalled = limits->response_timeout ? c->progress + limits->response_timeout : NSEC_NEVER;
        return earlier(
            stalled, limits_deadline(&c->pace, limits->response_timeout, limits->response_rate, 0));
    case HTTP_WAIT_ANSWER:
        break;
    }
    return NSEC_NEVER;
}

/* Sets the deadline for what is waited for now. A timer that fires too early looks again, so that a
 * busy connection need not move its timer with every request. */
static void set_deadline(struct connection *c, enum http_wait waiting)
{
    struct server *server = c->server;
    nsec_t now = loop_now(server->loop);

    if (c->waiting != waiting || c->requests != c->requests_seen) {
        c->waiting = waiting;
        c->requests_seen = c->requests;
        c->pace = (struct limits_pace){.began = now};
        c->progress = now;
    }
    c->deadline = deadline_of(c);
    if (c->deadline == NSEC_NEVER)
        return;
    if (!c->timer.link.next || list_empty(&c->timer.link) || c->deadline < c->timer.at)
        loop_timer_set(server->loop, &c->timer, c->deadline);
}

static void queue_in(struct connection *c, struct list *queue)
{
    list_remove(&c->queue);
    if (queue)
        list_append(queue, &c->queue);
}

/* In the next round, which begins at once. */
static void go_on_soon(struct connection *c)
{
    queue_in(c, &c->server->ready);
    loop_hurry(c->server->loop);
}

/* The engine is through: says goodbye, and waits for the peer only if it may still be sending. */
static void finish(struct connection *c)
{
    struct tls_io io = {.out = c->server->out, .out_cap = OUT_ROOM};

    if (c->tls && !c->said_goodbye) {
        tls_close(c->tls, &io);
        if (io.out_len > 0 && send_or_keep(c, io.out, io.out_len) < 0) {
            connection_destroy(c);
            return;
        }
    }
    c->said_goodbye = true;
    c->state = CONNECTION_CLOSING;
    if (c->pending) {
        set_deadline(c, HTTP_WAIT_CLOSED);
        return;
    }
    if (!c->input_closed && (c->held_len || c->readable || c->unread)) {
        free(take(c->held));
        c->held_len = 0;
        begin_linger(c);
        c->readable = true;
        go_on_soon(c); /* what came meanwhile is read without a further event */
        return;
    }
    connection_destroy(c);
}

/* What the deadline is for. Half a TLS record is the beginning of a request. */
static enum http_wait waiting_for(const struct connection *c)
{
    enum http_wait waiting = c->pending ? HTTP_WAIT_OUTPUT : http_wait(c->engine);

    return waiting == HTTP_WAIT_IDLE && c->held_len ? HTTP_WAIT_HEADER : waiting;
}

/* Looks at what the connection waits for now. It may end here. */
static void settle(struct connection *c)
{
    if (c->state == CONNECTION_LINGER)
        return;
    if (c->state != CONNECTION_OPEN) { /* the deadline of the handshake stands */
        if (c->state == CONNECTION_CLOSING && c->pending)
            set_deadline(c, HTTP_WAIT_CLOSED);
        else if (c->state == CONNECTION_CLOSING)
            finish(c);
        return;
    }
    enum http_wait waiting = http_wait(c->engine);
    bool over = waiting == HTTP_WAIT_CLOSED;
    if (c->input_closed)
        over = waiting != HTTP_WAIT_OUTPUT && waiting != HTTP_WAIT_ANSWER;
    if (over && !c->pending) {
        finish(c);
        return;
    }
    waiting = waiting_for(c);
    set_deadline(c, waiting);
    queue_in(c, waiting == HTTP_WAIT_IDLE ? &c->server->idle : NULL);
}

/* One step of input and output. @return bytes moved, 0 when all waits for the peer, negative to end
 */
static ssize_t step(struct connection *c)
{
    struct tls_io io = {.out = c->server->out, .out_cap = OUT_ROOM};
    ssize_t moved = 0;

    int flushed = flush_pending(c);
    if (flushed <= 0)
        return flushed;
    if (wants_input(c)) {
        moved = read_input(c, &io);
        if (c->dead)
            return ERR_CLOSED;
    }
    if (moved < 0 && c->state != CONNECTION_OPEN) { /* an alert may stand in io */
        if (io.out_len > 0)
            (void)send_or_keep(c, io.out, io.out_len); /* it ends either way */
        return moved;
    }
    ssize_t written = write_output(c, &io);
    if (written < 0)
        return written;
    if (moved < 0) { /* what the engine had to say about it is on its way */
        c->state = CONNECTION_CLOSING;
        c->unread = true;
        return 0;
    }
    return moved + written;
}

void connection_drive(struct connection *c)
{
    ssize_t moved, total = 0;

    c->driving = true;
    do {
        moved = step(c);
        total += moved;
    } while (moved > 0 && !c->dead && total < TURN_BYTES);
    c->driving = false;
    if (moved < 0 || c->dead || (c->state == CONNECTION_LINGER && c->input_closed)) {
        connection_destroy(c);
        return;
    }
    if (moved > 0) {
        if (c->state == CONNECTION_OPEN)
            set_deadline(c, waiting_for(c));
        go_on_soon(c);
        return;
    }
    if (c->input_closed && c->state < CONNECTION_OPEN) {
        connection_destroy(c);
        return;
    }
    settle(c);
}

static void on_ready(struct loop_watch *watch, unsigned events)
{
    struct connection *c = container_of(watch, struct connection, watch);

    if (events & LOOP_READABLE)
        c->readable = true;
    if (events & LOOP_WRITABLE)
        c->writable = true;
    if (events & LOOP_HANGUP)
        c->peer_closing = true;
    connection_drive(c);
}

static void on_deadline(struct loop_timer *timer, nsec_t now)
{
    struct connection *c = container_of(timer, struct connection, timer);

    if (now < c->deadline) {
        if (c->deadline != NSEC_NEVER)
            loop_timer_set(c->server->loop, timer, c->deadline);
        return;
    }
    if (c->state == CONNECTION_OPEN && c->waiting == HTTP_WAIT_IDLE && !c->ending) {
        connection_shutdown(c);
        return;
    }
    if (c->engine)
        answer_cut_off(c->engine);
    connection_destroy(c);
}

void connection_shutdown(struct connection *c)
{
    c->ending = true;
    c->pace.began = loop_now(c->server->loop);
    if (c->engine)
        http_shutdown(c->engine);
    connection_drive(c);
}

void connection_drain(struct connection *c)
{
    if (c->engine && (c->requests > 0 || c->waiting != HTTP_WAIT_IDLE || is_h2(c))) {
        connection_shutdown(c);
        return;
    }
    /* Its first request may be under way: answered, if it comes soon. */
    nsec_t soon = loop_now(c->server->loop) + LINGER_TIME;
    if (c->state == CONNECTION_LINGER || c->state == CONNECTION_CLOSING || c->deadline < soon)
        return;
    c->pace.began = loop_now(c->server->loop);
    c->deadline = soon;
    loop_timer_set(c->server->loop, &c->timer, soon);
}
