/* One connection over TCP, with or without TLS: its socket, its engine, its deadlines. */
#pragma once

#include "serve/request.h"
#include "serve/server_state.h"

enum {
    IN_ROOM = 64 * 1024,    /* ciphertext of one recv() */
    PLAIN_ROOM = 64 * 1024, /* plaintext: decrypted, or produced and about to be sealed */
    OUT_ROOM = 512 * 1024,  /* ciphertext of one send(), with room for a handshake flight */
    CHUNK_MIN = 16 * 1024,  /* bytes sealed ahead for a client that takes little */
    CHUNK_MAX = 256 * 1024,
    /* What one connection may do before others have their turn: */
    TURN_BYTES = 256 * 1024, /* sent or received */
    TURN_REQUESTS = 64,
};
#define TURN_TIME (8 * NSEC_PER_MSEC) /* in ticks of the coarse clock */

struct connection {
    struct request_source
        source; /* the client, and what came; linger at the end if it is `unread` */
    struct loop_watch watch;
    struct loop_timer timer;
    struct list link;
    struct list queue; /* in server->idle or server->ready, or in none */
    struct server *server;
    struct tls_session *tls;    /* NULL over plain HTTP */
    struct http_engine *engine; /* NULL until the handshake is done */
    char *pending;              /* bytes for the peer that its socket did not take yet */
    size_t pending_len;
    size_t pending_at;
    char *held; /* bytes from the peer that nobody could take yet */
    size_t held_len;
    nsec_t deadline;
    nsec_t turn_began;     /* by the coarse clock; 0: not read in this turn */
    struct http_load load; /* what it holds, as counted in server->load */
    nsec_t progress;       /* when bytes last moved in the direction waited for */
    struct limits_pace pace;
    uint32_t requests_seen; /* when the deadline was last begun anew */
    uint32_t turn_requests; /* of this turn */
    uint32_t chunk;         /* bytes sealed ahead, by how much the client takes */
    uint8_t state;          /* enum connection_state */
    uint8_t waiting;        /* enum http_wait for which the deadline was set */
    bool readable;
    bool writable;
    bool peer_closing; /* the kernel said so: read until the end shows */
    bool input_closed;
    bool driving; /* inside connection_drive(): do not destroy */
    bool ending;  /* its engine was told to end: the next deadline is the last */
    bool said_goodbye;
    bool dead;
};

enum connection_state {
    CONNECTION_PROXY_HEADER,
    CONNECTION_HANDSHAKE,
    CONNECTION_OPEN,
    CONNECTION_CLOSING, /* what is pending goes out, then it ends */
    CONNECTION_LINGER,  /* the peer is read until it leaves, so that it sees our last words */
};

/** Takes over an accepted socket. */
void connection_accept(struct server *server, const struct listener *listener, int fd,
                       struct peer_address peer, uint16_t peer_port);
/** Does all that can be done without waiting. May destroy the connection. */
void connection_drive(struct connection *c);
/** Ends it at once. */
void connection_destroy(struct connection *c);
/** Ends it at once, with a reset: what the kernel still has for it is thrown away. For a client
 * that has let a deadline pass, or that gives way to others. */
void connection_cut(struct connection *c, enum http_end end);
/** Whether it has had its time. The first call of a turn only begins to measure: a turn of one step
 *  reads no clock. */
bool connection_turn_is_over(struct connection *c);
/** Ends it in good order: after the answers under way. */
void connection_shutdown(struct connection *c);
/** The same, but a client that has just come may still ask once. */
void connection_drain(struct connection *c);

/** Notes what a connection holds now. @return false when that is too much for one */
must_check bool server_count_load(struct server *server, struct connection *c);
/** It is about to be no more. */
void server_forget_load(struct server *server, const struct connection *c);
/** Makes room when descriptors or memory run short: the heaviest client gives way. Not to be called
 *  while a connection is driven. */
void server_relieve(struct server *server);

/* input.c and output.c, for connection.c. `io` is the worker's scratch memory. */

/** Whether reading makes sense now. */
bool connection_wants_input(const struct connection *c);
/** @return fresh bytes, or a negative error; what there is to say to the peer stands in io */
ssize_t connection_read(struct connection *c, struct tls_io *io);
bool connection_is_h2(const struct connection *c);
/** Asks protection whether the client may connect. */
must_check bool connection_admit(struct connection *c);
/** Sends what waits. @return 1 when nothing waits any more, 0 when the kernel is full, -errno */
int connection_flush(struct connection *c);
/** Sends bytes, or keeps what is not taken. @return 0, or -errno */
int connection_send(struct connection *c, const char *bytes, size_t len);
/** Sends what the engine has, up to a chunk, together with what stands in io already.
 *  @return bytes sent or kept, or a negative error: cut the connection */
ssize_t connection_write(struct connection *c, struct tls_io *io);
