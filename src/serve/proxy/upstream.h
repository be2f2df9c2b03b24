/* Upstream servers and their connections, as one worker holds them. */
#pragma once

#include "base/list.h"
#include "http/client/client.h"
#include "serve/proxy/proxy.h"
#include "serve/proxy/retry.h"
#include "serve/proxy/upstream_tls.h"

struct proxy {
    struct proxy_options options;
    struct list upstreams; /* of struct upstream */
    struct list due;       /* connections to move bytes of in this round */
    struct list trusts;    /* of struct upstream_tls */
    char *scratch;         /* UPSTREAM_SCRATCH bytes */
    char *sealed;          /* TLS_OUT_MIN bytes of TLS records; NULL without TLS */
    char *opened;          /* TLS_READ_MIN bytes of plaintext; NULL without TLS */
    uint64_t random;
    uint64_t next_number;
};

enum { UPSTREAM_SCRATCH = 64 * 1024 };

/** A request that waits for a connection, or has one. Embedded in who made it. */
struct upstream_user {
    struct list waiting; /* in upstream->waiting */
    struct upstream_connection *connection;
    bool careful; /**< its request can't be sent again: a kept connection is looked at first */
    /** A connection is there: connection->client is free. */
    void (*on_connection)(struct upstream_user *user, struct upstream_connection *connection);
    /** There will be none.
     *  @param error   -errno, or ERR_TLS
     *  @param reason  what went wrong, valid inside; NULL: the error says it */
    void (*on_no_connection)(struct upstream_user *user, int error, const char *reason);
    /** Bytes moved over its connection, towards the server or from it. */
    void (*on_progress)(struct upstream_user *user);
};

/** One server of a group. It outlives snapshots that name it both. */
struct upstream {
    struct balance_server balance;
    struct list link;
    struct proxy *proxy;
    unsigned references;
    char *group;               /* the name of its group */
    char *name;                /* its address in the one form */
    char *authority;           /* for Host where the client named none */
    struct upstream_tls *tls;  /* NULL: plain */
    char *tls_name;            /* that its certificate has to be for */
    struct tls_ticket *ticket; /* for the next handshake; NULL: none */
    nsec_t handshake_time;     /* how long one may take */
    unsigned handshakes;       /* of `asked`, those that are connected and shake hands */
    uint64_t number;           /* for the connector's answers */
    struct list connections;   /* all of them, by `all` */
    struct list idle;          /* those without user, last used first */
    unsigned idle_count;
    struct list waiting; /* of struct upstream_user, first come first */
    unsigned waiting_count;
    unsigned asked; /* connections that the connector owes */
    unsigned idle_max;
    nsec_t keep;
    struct loop_timer sweep; /* closes connections that were kept long enough */
    nsec_t logged;           /* when the last failure was logged */
    unsigned unlogged;       /* failures since then */
};

struct upstream_group {
    unsigned references;
    struct proxy *proxy;
    struct balance_server **servers; /* of struct upstream */
    size_t count;
    enum balance_kind balance;
    struct health_settings health;
    struct proxy_timeouts timeouts;
    struct retry_budget budget;
    unsigned tries;
    unsigned waiting_max;
};

struct upstream_connection {
    struct loop_watch watch;
    struct list all;  /* in upstream->connections */
    struct list link; /* in upstream->idle, or in none */
    struct list due;  /* in proxy->due, or in none */
    struct upstream *upstream;
    struct http_client *client;  /* NULL until the handshake is over */
    struct upstream_user *user;  /* NULL: idle */
    struct upstream_tls *shared; /* of `tls`; NULL: plain */
    struct tls_client *tls;
    struct loop_timer deadline; /* of the handshake */
    char *pending;              /* bytes that the socket did not take yet */
    size_t pending_len;
    size_t pending_at;
    nsec_t idle_since;
    unsigned requests; /* that began on it */
    bool readable;
    bool writable;
    bool peer_closing; /* read until the end shows */
    bool deaf;         /* a write failed: it is read to its end, and closed */
    bool sent;         /* bytes of this request went out */
};

static inline struct upstream *upstream_of(struct balance_server *server)
{
    return container_of(server, struct upstream, balance);
}

/** Gives the user a connection, now or later; or it must wait too long a queue.
 *  @param fresh  not one that was used before
 *  @return 0: on_connection() or on_no_connection() follows, maybe inside; ERR_LIMIT; -errno */
must_check int upstream_connect(struct upstream *upstream, struct upstream_user *user, bool fresh,
                                unsigned waiting_max);
/** The user gives up: its place in the queue, or its connection with what is under way. */
void upstream_leave(struct upstream *upstream, struct upstream_user *user);
/** The connector's answer for this server. */
void upstream_connected(struct upstream *upstream, int fd, int error);
/** A handshake is over. @param c  NULL: it failed, for `error` and `reason` as on_no_connection()
 */
void upstream_handshake_over(struct upstream *upstream, struct upstream_connection *c, int error,
                             const char *reason);
/** Asks anew for what is owed. */
void upstream_ask_again(struct upstream *upstream);
struct upstream *upstream_ref(struct upstream *upstream);
void upstream_unref(struct upstream *upstream);

/* connection.c */

/** Creates its engine: it can be given to a user from now on. */
void upstream_connection_speak(struct upstream_connection *c);
/** Writes to the socket, and keeps what it does not take until it does.
 *  @return bytes that went out now */
size_t upstream_connection_send(struct upstream_connection *c, const char *bytes, size_t len);
/** @return bytes; 0: none now; ERR_CLOSED: the end, or -errno */
ssize_t upstream_connection_recv(struct upstream_connection *c, char *in, size_t cap);

/** Takes over a connected socket. NULL when it can't be watched; it is closed then. */
struct upstream_connection *upstream_connection_create(struct upstream *upstream, int fd);
void upstream_connection_destroy(struct upstream_connection *c);
/** Something may move: it does at the end of this round. */
void upstream_connection_due(struct upstream_connection *c);
/** Moves bytes; may destroy the connection or give it to somebody else. */
void upstream_connection_drive(struct upstream_connection *c);
/** For connection.c: nobody uses it any more, and it may be used again. */
void upstream_release(struct upstream *upstream, struct upstream_connection *c);
