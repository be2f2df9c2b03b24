/* Upstream servers and their connections, as one worker holds them. */
#pragma once

#include "base/list.h"
#include "http/client/client.h"
#include "serve/proxy/proxy.h"
#include "serve/proxy/retry.h"

struct proxy {
    struct proxy_options options;
    struct list upstreams; /* of struct upstream */
    struct list due;       /* connections to move bytes of in this round */
    char *scratch;         /* UPSTREAM_SCRATCH bytes */
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
    /** There will be none. @param error  -errno */
    void (*on_no_connection)(struct upstream_user *user, int error);
    /** Bytes moved over its connection, towards the server or from it. */
    void (*on_progress)(struct upstream_user *user);
};

/** One server of a group. It outlives snapshots that name it both. */
struct upstream {
    struct balance_server balance;
    struct list link;
    struct proxy *proxy;
    unsigned references;
    char *group;             /* the name of its group */
    char *name;              /* its address in the one form */
    uint64_t number;         /* for the connector's answers */
    struct list connections; /* all of them, by `all` */
    struct list idle;        /* those without user, last used first */
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
    struct http_client *client;
    struct upstream_user *user; /* NULL: idle */
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
/** Asks anew for what is owed. */
void upstream_ask_again(struct upstream *upstream);
struct upstream *upstream_ref(struct upstream *upstream);
void upstream_unref(struct upstream *upstream);

/* connection.c */

/** Takes over a connected socket. NULL when it can't be watched; it is closed then. */
struct upstream_connection *upstream_connection_create(struct upstream *upstream, int fd);
void upstream_connection_destroy(struct upstream_connection *c);
/** Something may move: it does at the end of this round. */
void upstream_connection_due(struct upstream_connection *c);
/** Moves bytes; may destroy the connection or give it to somebody else. */
void upstream_connection_drive(struct upstream_connection *c);
/** For connection.c: nobody uses it any more, and it may be used again. */
void upstream_release(struct upstream *upstream, struct upstream_connection *c);
