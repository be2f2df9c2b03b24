/* UDP sockets of HTTP/3: whom a datagram is for, and when connections have their turn.
 *
 * on_datagrams → deliver → udp_connection_receive, or begin
 * on_round → udp_round → udp_connection_drive */
#include "serve/transport/udp.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "serve/access_log.h"
#include "serve/transport/connection.h"
#include "serve/transport/udp_internal.h"

#define ROUND_TIME (8 * NSEC_PER_MSEC)

/* ---- datagrams ---- */

static bool is_full(const struct server *server)
{
    size_t max = (size_t)server->sites->limits.connections_per_worker;

    return server->udp_count >= (max && max < UDP_CONNECTIONS_MAX ? max : UDP_CONNECTIONS_MAX);
}

/* The longest idle connection gives way. */
static void evict_idle(struct udp_listener *listener)
{
    struct udp_connection *oldest = NULL;

    list_for_each (c, spare, &listener->connections, struct udp_connection, link)
        if (c->idle_since && (!oldest || c->idle_since < oldest->idle_since))
            oldest = c;
    if (oldest)
        udp_connection_cut(oldest, HTTP_END_SERVER);
}

static void reply(struct udp_listener *listener, const struct quic_datagram *datagram,
                  const uint8_t *bytes, size_t len)
{
    udp_send(listener, &(struct quic_batch){.bytes = span_of((const char *)bytes, len),
                                            .segment = len,
                                            .local = *datagram->local,
                                            .peer = *datagram->peer});
}

static struct udp_connection *begin(struct udp_listener *listener,
                                    const struct quic_datagram *datagram)
{
    struct server *server = listener->server;
    uint8_t bytes[QUIC_REPLY_MAX];
    struct quic_hello hello;
    size_t len;

    bool retry = server->udp_half_open >= UDP_HALF_OPEN_FREE;
    enum quic_look look =
        quic_look(listener->endpoint, datagram, retry, loop_now(server->loop), &hello, bytes, &len);
    if (look == QUIC_REPLY)
        reply(listener, datagram, bytes, len);
    if (look != QUIC_BEGIN || listener->ending || server->draining || !server->tls)
        return NULL;
    if (is_full(server))
        evict_idle(listener);
    if (is_full(server) || server->udp_half_open >= UDP_HALF_OPEN_MAX) {
        server->counts.refused++;
        return NULL;
    }
    return udp_connection_begin(listener, &hello, datagram);
}

static void deliver(struct udp_listener *listener, const struct quic_datagram *datagram)
{
    struct quic_cid cid;

    if (quic_destination(datagram->bytes, &cid) < 0)
        return;
    struct udp_connection *c = map_get(&listener->cids, span_of((const char *)cid.bytes, cid.len));
    if (!c)
        c = begin(listener, datagram);
    if (c)
        udp_connection_receive(c, datagram);
}

static void on_datagrams(struct loop_watch *watch, unsigned events)
{
    struct udp_listener *listener = container_of(watch, struct udp_listener, watch);
    struct quic_batch packet;

    (void)events;
    for (int i = 0; i < UDP_DATAGRAMS; i++) {
        if (udp_receive(watch->fd, listener->server->in, IN_ROOM, &packet) <= 0)
            break;
        while (packet.bytes.len) {
            struct span one = packet.bytes;
            if (one.len > packet.segment)
                one.len = packet.segment;
            deliver(listener,
                    &(struct quic_datagram){one, &packet.local, &packet.peer, packet.ecn});
            packet.bytes = span_from(packet.bytes, one.len);
        }
    }
}

/* ---- listeners ---- */

static struct udp_listener *find(struct server *server, uint64_t id)
{
    list_for_each (listener, spare, &server->udp_listeners, struct udp_listener, link)
        if (listener->id == id)
            return listener;
    return NULL;
}

static void listener_destroy(struct udp_listener *listener)
{
    list_for_each (c, spare, &listener->connections, struct udp_connection, link)
        udp_connection_cut(c, HTTP_END_SERVER);
    list_remove(&listener->link);
    if (listener->watch.on_event) /* other processes have this socket too */
        loop_remove(listener->server->loop, &listener->watch);
    close(listener->watch.fd);
    quic_endpoint_destroy(listener->endpoint);
    map_finish(&listener->cids);
    free(listener);
}

static int watch(struct udp_listener *listener, uint8_t index)
{
    struct server *server = listener->server;

    int r = udp_prepare(listener->watch.fd);
    if (r >= 0)
        r = quic_endpoint_create(server->options.library, server->udp_secret, index,
                                 &listener->endpoint);
    if (r < 0)
        return r;
    listener->watch.on_event = on_datagrams;
    r = loop_add(server->loop, &listener->watch, LOOP_LEVEL);
    if (r < 0)
        listener->watch.on_event = NULL;
    return r;
}

int udp_listen(struct server *server, const struct server_listener *wanted)
{
    struct udp_listener *listener = find(server, wanted->id);

    if (listener) {
        close(wanted->fd);
        listener->named = true;
        listener->ending = false;
        return 0;
    }
    listener = mem_new(struct udp_listener);
    listener->watch.fd = wanted->fd;
    listener->server = server;
    listener->id = wanted->id;
    listener->port = wanted->port;
    listener->named = true;
    list_init(&listener->connections);
    map_init(&listener->cids, server->options.secret);
    list_append(&server->udp_listeners, &listener->link);
    int r = watch(listener, wanted->index);
    if (r < 0)
        listener_destroy(listener);
    return r;
}

void udp_begin_apply(struct server *server)
{
    list_for_each (listener, spare, &server->udp_listeners, struct udp_listener, link)
        listener->named = false;
}

static void end_listener(struct udp_listener *listener)
{
    listener->ending = true;
    list_for_each (c, spare, &listener->connections, struct udp_connection, link)
        udp_connection_shutdown(c);
}

static void destroy_ended(struct server *server)
{
    list_for_each (listener, spare, &server->udp_listeners, struct udp_listener, link)
        if (listener->ending && list_empty(&listener->connections))
            listener_destroy(listener);
}

void udp_end_apply(struct server *server)
{
    list_for_each (listener, spare, &server->udp_listeners, struct udp_listener, link) {
        if (!listener->named && !listener->ending)
            end_listener(listener);
        list_for_each (c, other, &listener->connections, struct udp_connection, link)
            if (c->engine)
                http_engine_set_limits(c->engine, &server->sites->http_limits);
    }
    destroy_ended(server);
}

void udp_drain(struct server *server)
{
    list_for_each (listener, spare, &server->udp_listeners, struct udp_listener, link)
        end_listener(listener);
    destroy_ended(server);
}

void udp_destroy(struct server *server)
{
    list_for_each (listener, spare, &server->udp_listeners, struct udp_listener, link)
        listener_destroy(listener);
}

/* ---- turns ---- */

void udp_round(struct server *server)
{
    nsec_t began;

    if (list_empty(&server->udp_due))
        return;
    began = nsec_coarse();
    for (size_t turns = server->udp_count; turns > 0 && !list_empty(&server->udp_due); turns--) {
        struct udp_connection *c = list_first(&server->udp_due, struct udp_connection, due);
        list_remove(&c->due);
        udp_connection_drive(c);
        if (nsec_coarse() - began >= ROUND_TIME)
            break;
    }
    destroy_ended(server);
    if (!list_empty(&server->udp_due))
        loop_hurry(server->loop);
}

bool udp_relieve(struct server *server, int64_t fair)
{
    struct udp_connection *heaviest = NULL;

    list_for_each (listener, spare, &server->udp_listeners, struct udp_listener, link)
        list_for_each (c, other, &listener->connections, struct udp_connection, link)
            if (!heaviest || c->load.memory > heaviest->load.memory)
                heaviest = c;
    if (!heaviest || heaviest->load.memory <= fair)
        return false;
    server->counts.refused++;
    udp_connection_cut(heaviest, HTTP_END_SERVER);
    return true;
}
