/* One connection: socket, TLS and HTTP engine joined, with back pressure and deadlines. It knows
 * neither sites nor files; answer.c decides what a request gets.
 *
 * on_ready → connection_drive → connection_read (input.c)
 *                             → connection_write (output.c)
 *                             → settle (deadline, idle list, end) */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "serve/access_log.h"
#include "serve/transport/connection.h"

#define LINGER_TIME (2 * NSEC_PER_SEC)

static void on_ready(struct loop_watch *watch, unsigned events);
static void wake(struct request_source *source);
static void on_deadline(struct loop_timer *timer, nsec_t now);

/* ---- birth and death ---- */

bool connection_admit(struct connection *c)
{
    struct verdict verdict =
        protect_accept(c->server->protect, &c->source.client, loop_now(c->server->loop));

    return verdict.kind == VERDICT_PASS;
}

/* Whether a connection that begins with a PROXY header may go on. The proxy itself is not counted:
 * the client that it names will be. */
static bool admit_proxy(struct connection *c)
{
    char address[46];

    bool trusted = proxy_trust_allows(c->server->sites->proxy_trust, c->source.client.address);
    if (!trusted && server_may_complain(c->server)) {
        peer_address_text(c->source.client.address, address);
        log_event(c->server->options.log, LOG_WARNING, "connection refused",
                  "reason=\"not a trusted proxy\" address=%s port=%u", address,
                  c->source.client.local_port);
    }
    return trusted;
}

void connection_accept(struct server *server, const struct listener *listener, int fd,
                       struct peer_address peer, uint16_t peer_port)
{
    struct connection *c = mem_new(struct connection);
    nsec_t now = loop_now(server->loop);

    c->watch = (struct loop_watch){.fd = fd, .on_event = on_ready};
    c->timer.on_timeout = on_deadline;
    c->server = server;
    c->source = (struct request_source){
        .server = server,
        .client = {.address = peer,
                   .port = peer_port,
                   .local_port = listener->port,
                   .secure = listener->secure},
        .wake = wake,
    };
    c->chunk = 4 * CHUNK_MIN;
    c->state = listener->proxy_protocol ? CONNECTION_PROXY_HEADER : CONNECTION_HANDSHAKE;
    c->pace.began = c->progress = now;
    c->writable = true;
    list_append(&server->connections, &c->link);
    list_init(&c->queue);
    server->connection_count++;
    server->counts.accepted++;
    if (c->state == CONNECTION_PROXY_HEADER ? !admit_proxy(c) : !connection_admit(c)) {
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
    server_forget_load(server, c);
    protect_release(server->protect, &c->source.client);
    free(c->pending);
    free(c->held);
    free(c);
    server_connection_gone(server);
}

void connection_cut(struct connection *c, enum http_end end)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};

    if (c->engine)
        http_cut_off(c->engine, end);
    (void)setsockopt(c->watch.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    connection_destroy(c);
}

static void begin_linger(struct connection *c)
{
    shutdown(c->watch.fd, SHUT_WR);
    c->state = CONNECTION_LINGER;
    c->pace = (struct limits_pace){.began = loop_now(c->server->loop)};
    c->deadline = c->pace.began + LINGER_TIME;
    loop_timer_set(c->server->loop, &c->timer, c->deadline);
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
    case HTTP_WAIT_OUTPUT:
    case HTTP_WAIT_CLOSED:
        stalled = limits->response_timeout ? c->progress + limits->response_timeout : NSEC_NEVER;
        return earlier(
            stalled, limits_deadline(&c->pace, limits->response_timeout, limits->response_rate, 0));
    case HTTP_WAIT_HEADER:
        if (!c->held_len)
            break;
        return limits_deadline(&c->pace, limits->header_timeout, limits->header_rate,
                               limits->header_timeout_max);
    case HTTP_WAIT_BODY:
    case HTTP_WAIT_WINDOW:
    case HTTP_WAIT_ANSWER: /* exchanges have deadlines of their own */
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

    if (c->waiting != waiting || c->source.requests != c->requests_seen) {
        c->waiting = waiting;
        c->requests_seen = c->source.requests;
        c->pace = (struct limits_pace){.began = now};
        c->progress = now;
    }
    c->deadline = deadline_of(c);
    if (c->engine)
        c->deadline = earlier(c->deadline, http_deadline(c->engine, now));
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

/* A late answer: the connection goes on in the next round, unless it is being driven now. */
static void wake(struct request_source *source)
{
    struct connection *c = container_of(source, struct connection, source);

    if (!c->driving)
        go_on_soon(c);
}

/* The engine is through: says goodbye, and waits for the peer only if it may still be sending. */
static void finish(struct connection *c)
{
    struct tls_io io = {.out = c->server->out, .out_cap = OUT_ROOM};

    if (c->tls && !c->said_goodbye) {
        tls_close(c->tls, &io);
        if (io.out_len > 0 && connection_send(c, io.out, io.out_len) < 0) {
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
    if (!c->input_closed && (c->held_len || c->readable || c->source.unread)) {
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

    int flushed = connection_flush(c);
    if (flushed <= 0)
        return flushed;
    if (connection_wants_input(c)) {
        moved = connection_read(c, &io);
        if (c->dead)
            return ERR_CLOSED;
    }
    if (moved < 0 && c->state != CONNECTION_OPEN) { /* an alert may stand in io */
        if (io.out_len > 0)
            (void)connection_send(c, io.out, io.out_len); /* it ends either way */
        return moved;
    }
    ssize_t written = connection_write(c, &io);
    if (written < 0)
        return written;
    if (moved < 0) { /* what the engine had to say about it is on its way */
        c->state = CONNECTION_CLOSING;
        c->source.unread = true;
        return 0;
    }
    return moved + written;
}

bool connection_turn_is_over(struct connection *c)
{
    nsec_t now = nsec_coarse();

    if (!c->turn_began)
        c->turn_began = now;
    return now - c->turn_began >= TURN_TIME;
}

static void begin_turn(struct connection *c)
{
    c->turn_began = 0;
    c->turn_requests = 0;
    if (c->engine)
        http_turn_begin(c->engine, TURN_REQUESTS);
}

/* Whether the turn has ended before the work was done. */
static bool work_is_left(const struct connection *c)
{
    return c->state == CONNECTION_OPEN && !c->pending &&
           (http_turn_over(c->engine) ||
            (c->turn_requests >= TURN_REQUESTS && (c->readable || c->held_len)));
}

/* One connection's unfinished requests hold more than one may have. */
static void refuse_load(struct connection *c)
{
    char address[46];

    if (server_may_complain(c->server)) {
        peer_address_text(c->source.client.address, address);
        log_event(c->server->options.log, LOG_WARNING, "connection cut off",
                  "reason=\"its unfinished requests hold %lld bytes\" address=%s",
                  (long long)c->load.memory, address);
    }
    c->server->counts.refused++;
    connection_cut(c, HTTP_END_SERVER);
}

void connection_drive(struct connection *c)
{
    ssize_t moved, total = 0;

    begin_turn(c);
    c->driving = true;
    do {
        moved = step(c);
        total += moved;
    } while (moved > 0 && !c->dead && total < TURN_BYTES && !connection_turn_is_over(c));
    c->driving = false;
    if (moved < 0 || c->dead || (c->state == CONNECTION_LINGER && c->input_closed)) {
        connection_destroy(c);
        return;
    }
    if (!server_count_load(c->server, c)) {
        refuse_load(c);
        return;
    }
    if (moved > 0 || work_is_left(c)) {
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

    if (now < c->deadline) { /* it was put off meanwhile */
        if (c->deadline != NSEC_NEVER)
            loop_timer_set(c->server->loop, timer, c->deadline);
        return;
    }
    if (c->state == CONNECTION_OPEN && http_deadline(c->engine, now) <= now) {
        http_sweep(c->engine, now);
        c->waiting = HTTP_WAIT_ANSWER; /* what is waited for now begins anew */
        connection_drive(c);
        return;
    }
    if (c->state == CONNECTION_OPEN && c->waiting == HTTP_WAIT_IDLE && !c->ending) {
        connection_shutdown(c);
        return;
    }
    connection_cut(c, HTTP_END_TIMEOUT);
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
    if (c->engine &&
        (c->source.requests > 0 || c->waiting != HTTP_WAIT_IDLE || connection_is_h2(c))) {
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
