/* One HTTP/3 connection: QUIC and the HTTP/3 engine joined, with its deadlines and what it may
 * hold. */
#include <netinet/in.h>
#include <stdlib.h>

#include "base/mem.h"
#include "serve/access_log.h"
#include "serve/transport/udp_internal.h"

enum {
    TURN_BYTES = 64 * 1024,
    WINDOW_STREAMS = 4, /* the connection's window, in windows of a stream */
    CREDIT_FIRST = 256, /* packets */
    CREDIT_MAX = 1 << 16,
    PIECE_WORTH = 512, /* bytes of streams that a packet has at least, to explain itself */
};
#define USELESS_TIME (60 * NSEC_PER_SEC)
#define USELESS_STEP (USELESS_TIME / 6000) /* so many such packets a minute */
#define IDLE_MIN (30 * NSEC_PER_SEC)
#define KEEP_ALIVE (15 * NSEC_PER_SEC)

static void on_timer(struct loop_timer *timer, nsec_t now);

static nsec_t now_of(const struct udp_connection *c)
{
    return loop_now(c->listener->server->loop);
}

/* ---- the engine's wishes ---- */

static void extend(void *transport, int64_t id, uint64_t bytes, bool connection)
{
    struct udp_connection *c = transport;

    quic_extend(c->quic, id, bytes, connection);
}

static void shut(void *transport, int64_t id, uint64_t code, bool reads)
{
    struct udp_connection *c = transport;

    quic_shut_stream(c->quic, id, code, reads);
}

static void allow(void *transport)
{
    struct udp_connection *c = transport;

    quic_allow_stream(c->quic);
}

static const struct h3_transport engine_table = {.extend = extend, .shut = shut, .allow = allow};

static const struct http_events http_events = {
    .on_request = request_on_request,
    .on_body = request_on_body,
    .on_refusal = request_on_refusal,
    .on_request_end = request_on_end,
    .on_tunnel = request_on_tunnel,
    .on_close = request_on_close,
    .on_wake = request_on_wake,
};

static void wake(struct request_source *source)
{
    struct udp_connection *c = container_of(source, struct udp_connection, source);

    if (!c->driving)
        udp_connection_due(c);
}

void udp_connection_due(struct udp_connection *c)
{
    struct server *server = c->listener->server;

    if (!list_empty(&c->due))
        return;
    list_append(&server->udp_due, &c->due);
    loop_hurry(server->loop);
}

/* ---- what QUIC tells ---- */

static void on_cid(void *owner, const struct quic_cid *cid, bool added)
{
    struct udp_connection *c = owner;
    struct map *cids = &c->listener->cids;
    struct span key = {(const char *)cid->bytes, cid->len};

    if (added)
        map_set(cids, key, c);
    else if (map_get(cids, key) == c)
        map_remove(cids, key);
}

static void note_half_open(struct udp_connection *c, bool half_open)
{
    struct server *server = c->listener->server;

    if (c->counted_half_open == half_open)
        return;
    c->counted_half_open = half_open;
    server->udp_half_open += half_open ? 1 : -1;
}

static struct peer_address peer_of(const struct quic_address *from, uint16_t *ret_port)
{
    return server_peer_address(&from->storage, ret_port);
}

static bool admit(struct udp_connection *c)
{
    struct server *server = c->listener->server;

    if (c->admitted)
        return true;
    c->admitted =
        protect_accept(server->protect, &c->source.client, now_of(c)).kind == VERDICT_PASS;
    if (!c->admitted) {
        protect_release(server->protect, &c->source.client);
        server->counts.refused++;
    }
    return c->admitted;
}

static int start_engine(struct udp_connection *c)
{
    struct server *server = c->listener->server;
    struct http_engine_config config = {
        .events = &http_events,
        .owner = &c->source,
        .limits = &server->sites->http_limits,
        .pool = server->pool,
        .date = server->date,
        .secure = true,
    };
    int64_t ids[3];

    for (unsigned i = 0; i < ARRAY_SIZE(ids); i++)
        if (quic_open_stream(c->quic, &ids[i]) < 0) {
            quic_fail(c->quic, 0x103); /* H3_STREAM_CREATION_ERROR: it must allow three */
            return ERR_PROTOCOL;
        }
    c->engine = h3_server_create(&config, &engine_table, c);
    return h3_begin(c->engine, ids[0], ids[1], ids[2]);
}

static int on_open(void *owner)
{
    struct udp_connection *c = owner;
    struct client *client = &c->source.client;

    note_half_open(c, false);
    client->tls_version = "TLSv1.3";
    client->tls_cipher = quic_cipher(c->quic);
    client->tls_resumed = quic_resumed(c->quic);
    if (!admit(c)) {
        quic_fail_transport(c->quic, 0x2); /* CONNECTION_REFUSED */
        return ERR_LIMIT;
    }
    int r = start_engine(c);
    if (r >= 0 && c->listener->ending)
        http_shutdown(c->engine);
    return r;
}

/* The engine's error becomes the connection's. */
static int passed_on(struct udp_connection *c, int r)
{
    if (r < 0)
        quic_fail(c->quic, h3_code(c->engine));
    return r;
}

static void earn(struct udp_connection *c, uint64_t packets)
{
    if (packets > CREDIT_MAX - c->credit)
        packets = CREDIT_MAX - c->credit;
    c->credit += (uint32_t)packets;
}

static int on_stream(void *owner, int64_t id, struct span bytes, bool last)
{
    struct udp_connection *c = owner;

    if (!c->engine)
        return ERR_PROTOCOL;
    earn(c, 1 + bytes.len / PIECE_WORTH);
    return passed_on(c, h3_receive(c->engine, id, bytes, last, now_of(c)));
}

static int on_acknowledged(void *owner, int64_t id, uint64_t bytes)
{
    struct udp_connection *c = owner;

    return c->engine ? passed_on(c, h3_acknowledged(c->engine, id, bytes)) : 0;
}

static int on_closed(void *owner, int64_t id, uint64_t code)
{
    struct udp_connection *c = owner;

    return c->engine ? passed_on(c, h3_closed(c->engine, id, code, now_of(c))) : 0;
}

static int on_reset(void *owner, int64_t id, bool stops)
{
    struct udp_connection *c = owner;

    return c->engine ? passed_on(c, h3_client_reset(c->engine, id, stops, now_of(c))) : 0;
}

static int on_window(void *owner, int64_t id)
{
    struct udp_connection *c = owner;

    return c->engine ? passed_on(c, h3_unblock(c->engine, id)) : 0;
}

static ssize_t next(void *owner, int64_t *ret_id, bool *ret_last, struct iovec *pieces, size_t max)
{
    struct udp_connection *c = owner;

    *ret_id = -1;
    if (!c->engine)
        return 0;
    ssize_t count = h3_next(c->engine, ret_id, ret_last, pieces, max, now_of(c));
    return count < 0 ? passed_on(c, (int)count) : count;
}

static int on_written(void *owner, int64_t id, size_t bytes)
{
    struct udp_connection *c = owner;

    return passed_on(c, h3_written(c->engine, id, bytes));
}

static int on_blocked(void *owner, int64_t id, bool no_more)
{
    struct udp_connection *c = owner;

    return passed_on(c, h3_blocked(c->engine, id, no_more));
}

static void send_out(void *owner, const struct quic_batch *batch)
{
    struct udp_connection *c = owner;

    earn(c, 2 * (batch->bytes.len / batch->segment + 1));
    udp_send(c->listener, batch);
}

static const struct quic_events quic_events = {
    .on_cid = on_cid,
    .on_open = on_open,
    .on_stream = on_stream,
    .on_acknowledged = on_acknowledged,
    .on_closed = on_closed,
    .on_reset = on_reset,
    .on_window = on_window,
    .next = next,
    .on_written = on_written,
    .on_blocked = on_blocked,
    .send = send_out,
};

/* ---- birth and death ---- */

static struct quic_limits limits_of(const struct server *server)
{
    const struct limits_settings *limits = &server->sites->limits;
    uint64_t window = server->sites->http_limits.body_window;

    return (struct quic_limits){
        .stream_window = window,
        .window = window * WINDOW_STREAMS,
        .streams = server->sites->http_limits.h2_streams,
        .handshake_timeout = limits->handshake_timeout,
        .idle_timeout = limits->keep_alive > IDLE_MIN ? limits->keep_alive : IDLE_MIN,
    };
}

struct udp_connection *udp_connection_begin(struct udp_listener *listener,
                                            const struct quic_hello *hello,
                                            const struct quic_datagram *datagram)
{
    struct udp_connection *c = mem_new(struct udp_connection);
    struct server *server = listener->server;
    const struct quic_limits limits = limits_of(server);

    c->listener = listener;
    c->timer.on_timeout = on_timer;
    c->credit = CREDIT_FIRST;
    c->source = (struct request_source){
        .server = server, .client = {.local_port = listener->port, .secure = true}, .wake = wake};
    c->source.client.address = peer_of(datagram->peer, &c->source.client.port);
    list_init(&c->due);
    list_append(&listener->connections, &c->link);
    server->udp_count++;
    server->counts.accepted++;
    note_half_open(c, true);
    /* An address that anybody may have written counts for nobody before it is shown. */
    bool refused = hello->validated && !admit(c);
    const struct quic_beginning beginning = {.endpoint = listener->endpoint,
                                             .tls = server->tls,
                                             .hello = hello,
                                             .datagram = datagram,
                                             .limits = &limits,
                                             .events = &quic_events,
                                             .owner = c};
    if (refused || quic_accept(&beginning, now_of(c), &c->quic) < 0) {
        udp_connection_destroy(c);
        return NULL;
    }
    return c;
}

void udp_connection_destroy(struct udp_connection *c)
{
    struct server *server = c->listener->server;

    if (c->driving) {
        c->dead = true;
        return;
    }
    c->driving = true;
    if (c->engine)
        http_hangup(c->engine);
    quic_destroy(c->quic);
    http_engine_destroy(c->engine);
    loop_timer_cancel(server->loop, &c->timer);
    list_remove(&c->due);
    list_remove(&c->link);
    note_half_open(c, false);
    server->load.memory -= c->load.memory;
    server->load.descriptors -= c->load.descriptors;
    if (c->admitted)
        protect_release(server->protect, &c->source.client);
    free(c);
    server_udp_gone(server);
}

void udp_connection_cut(struct udp_connection *c, enum http_end end)
{
    if (c->engine)
        http_cut_off(c->engine, end);
    quic_close(c->quic, now_of(c));
    udp_connection_destroy(c);
}

void udp_connection_shutdown(struct udp_connection *c)
{
    if (!c->engine)
        return; /* told when it opens */
    http_shutdown(c->engine);
    udp_connection_due(c);
}

/* ---- turns ---- */

/* Packets that move no stream and answer nothing cost us as much as others. */
static bool is_flood(struct udp_connection *c)
{
    nsec_t now = now_of(c);

    if (c->credit) {
        c->credit--;
        return false;
    }
    if (c->useless < now)
        c->useless = now;
    c->useless += USELESS_STEP;
    return c->useless - now > USELESS_TIME;
}

static void end_by(struct udp_connection *c, int error)
{
    if (error != ERR_CLOSED)
        quic_close(c->quic, now_of(c));
    udp_connection_destroy(c);
}

void udp_connection_receive(struct udp_connection *c, const struct quic_datagram *datagram)
{
    c->driving = true;
    int r = quic_receive(c->quic, datagram, now_of(c));
    if (r >= 0 && is_flood(c)) {
        quic_fail(c->quic, H3_EXCESSIVE_LOAD);
        r = ERR_LIMIT;
    }
    c->driving = false;
    if (r < 0 || c->dead) {
        end_by(c, r < 0 ? r : ERR_LIMIT);
        return;
    }
    udp_connection_due(c);
}

static bool count_load(struct udp_connection *c)
{
    struct server *server = c->listener->server;
    struct http_load load = c->engine ? http_load(c->engine) : (struct http_load){0};
    int64_t max = server->sites->limits.connection_memory;

    bool fits = max == 0 || load.memory <= max;
    load.memory += UDP_CONNECTION_COST;
    server->load.memory += load.memory - c->load.memory;
    server->load.descriptors += load.descriptors - c->load.descriptors;
    c->load = load;
    return fits;
}

/* A client that has moved is another one to protection; not while requests count for the old. */
static bool follow_client(struct udp_connection *c)
{
    struct server *server = c->listener->server;
    struct client *client = &c->source.client;
    uint16_t port = 0;

    if (!c->engine || c->load.exchanges)
        return true;
    struct peer_address peer = peer_of(quic_peer(c->quic), &port);
    client->port = port;
    if (memcmp(&peer, &client->address, sizeof peer) == 0)
        return true;
    if (c->admitted)
        protect_release(server->protect, client);
    c->admitted = false;
    client->address = peer;
    return admit(c);
}

static nsec_t earlier(nsec_t a, nsec_t b)
{
    return a < b ? a : b;
}

static nsec_t idle_deadline(struct udp_connection *c, nsec_t now)
{
    nsec_t keep_alive = c->listener->server->sites->limits.keep_alive;

    if (http_wait(c->engine) != HTTP_WAIT_IDLE) {
        c->idle_since = 0;
        return NSEC_NEVER;
    }
    if (!c->idle_since)
        c->idle_since = now;
    return keep_alive ? c->idle_since + keep_alive : NSEC_NEVER;
}

static void set_timer(struct udp_connection *c)
{
    nsec_t now = now_of(c), next = quic_expiry(c->quic);

    if (c->engine) {
        next = earlier(next, idle_deadline(c, now));
        next = earlier(next, http_deadline(c->engine, now));
        quic_keep_alive(c->quic, c->load.exchanges ? KEEP_ALIVE : 0);
    }
    if (next == NSEC_NEVER)
        loop_timer_cancel(c->listener->server->loop, &c->timer);
    else
        loop_timer_set(c->listener->server->loop, &c->timer, next);
}

static int step(struct udp_connection *c)
{
    int r = quic_produce(c->quic, TURN_BYTES, now_of(c));

    if (c->engine)
        h3_settle(c->engine, now_of(c));
    return r;
}

void udp_connection_drive(struct udp_connection *c)
{
    c->driving = true;
    int r = step(c);
    c->driving = false;
    if (r < 0 || c->dead) {
        end_by(c, r < 0 ? r : ERR_LIMIT);
        return;
    }
    bool through = c->engine && http_wait(c->engine) == HTTP_WAIT_CLOSED && r == 0;
    if (through)
        quic_fail(c->quic, h3_code(c->engine));
    if (through || !count_load(c) || !follow_client(c)) {
        udp_connection_cut(c, HTTP_END_SERVER);
        return;
    }
    set_timer(c);
    if (r == 1)
        udp_connection_due(c);
}

static void on_timer(struct loop_timer *timer, nsec_t now)
{
    struct udp_connection *c = container_of(timer, struct udp_connection, timer);
    int r = 0;

    c->driving = true;
    if (quic_expiry(c->quic) <= now)
        r = quic_expire(c->quic, now);
    if (r >= 0 && c->engine && http_deadline(c->engine, now) <= now)
        http_sweep(c->engine, now);
    if (r >= 0 && c->engine && idle_deadline(c, now) <= now)
        http_shutdown(c->engine);
    c->driving = false;
    if (r < 0 || c->dead) {
        end_by(c, r < 0 ? r : ERR_LIMIT);
        return;
    }
    udp_connection_due(c);
}
