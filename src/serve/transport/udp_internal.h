/* What udp.c, udp_packet.c and udp_connection.c share. */
#pragma once

#include "base/map.h"
#include "http/h3/h3.h"
#include "quic/quic.h"
#include "serve/request.h"
#include "serve/transport/udp.h"

enum {
    UDP_HALF_OPEN_FREE = 64,  /* handshakes under way before clients must show their address */
    UDP_HALF_OPEN_MAX = 1024, /* then new ones are dropped */
    UDP_CONNECTIONS_MAX = 16384,
    UDP_DATAGRAMS = 64,              /* calls of recvmsg() in a turn */
    UDP_CONNECTION_COST = 64 * 1024, /* bytes that a connection holds at least */
};

struct udp_listener {
    struct loop_watch watch;
    struct server *server;
    struct list link;
    struct list connections;
    struct map cids; /* to struct udp_connection */
    struct quic_endpoint *endpoint;
    uint64_t id;
    uint16_t port;
    bool named;
    bool ending;      /* no new connections */
    bool no_segments; /* the kernel or the interface can't split datagrams: one call for each */
};

struct udp_connection {
    struct request_source source;
    struct loop_timer timer;
    struct list link;
    struct list due; /* in server->udp_due, or alone */
    struct udp_listener *listener;
    struct quic_connection *quic;
    struct http_engine *engine; /* NULL until the handshake is done */
    struct http_load load;
    nsec_t idle_since; /* 0: not idle */
    nsec_t useless;    /* a bucket of packets that explain themselves by nothing */
    uint32_t credit;   /* packets that do */
    bool admitted;     /* protection counts it */
    bool counted_half_open;
    bool driving;
    bool dead;
};

/* udp_packet.c */

/** What a listening socket has to be told once. @return 0, or -errno */
must_check int udp_prepare(int fd);
/** @return 1, 0 when there is nothing, or -errno */
must_check int udp_receive(int fd, char *room, size_t cap, struct quic_batch *ret_packet);
/** Sends datagrams of `segment` bytes each but the last. What the socket does not take is lost, as
 *  datagrams are. */
void udp_send(struct udp_listener *listener, const struct quic_batch *packet);

/* udp_connection.c */

/** A connection begins. @return NULL when it cannot */
struct udp_connection *udp_connection_begin(struct udp_listener *listener,
                                            const struct quic_hello *hello,
                                            const struct quic_datagram *datagram);
void udp_connection_receive(struct udp_connection *c, const struct quic_datagram *datagram);
/** Sends what is due. May destroy it. */
void udp_connection_drive(struct udp_connection *c);
/** Says goodbye and destroys it. */
void udp_connection_cut(struct udp_connection *c, enum http_end end);
void udp_connection_destroy(struct udp_connection *c);
/** It has something to send, or to settle. */
void udp_connection_due(struct udp_connection *c);
/** Ends it in good order. */
void udp_connection_shutdown(struct udp_connection *c);
