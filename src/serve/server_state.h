/* What a worker's server, its connections and the request pipeline share; nobody outside this
 * module sees it. */
#pragma once

#include "base/list.h"
#include "http/engine.h"
#include "http/http.h"
#include "http/pool.h"
#include "http/server.h"
#include "protect/protect.h"
#include "serve/challenge.h"
#include "serve/server.h"
#include "serve/sites.h"
#include "tls/tls.h"

struct sockaddr_storage;

struct listener {
    struct loop_watch watch;
    struct server *server;
    struct list link;
    uint64_t id;
    bool secure;
    bool proxy_protocol;
    bool named; /* by the snapshot that is being applied */
    uint16_t port;
};

/* The answer to the last question whose site a host is. */
struct site_memo {
    const struct sites *sites; /* NULL: none; compared, never followed */
    const struct site *site;
    bool exact;
    size_t len;
    char host[64];
};

struct server {
    struct server_options options;
    struct site_memo memo;
    struct loop *loop;
    struct sites *sites;
    struct tls_context *tls; /* sessions begin here; the site's certificate follows from the name */
    struct access_log *access_log;
    struct challenges challenges; /* of certificate authorities, answered now */
    struct http_pool *pool;
    struct protect *protect;
    struct waf_policy *waf;
    struct protect_notes notes; /* of its policies */
    struct malware malware;
    struct rates rates;
    struct bans bans;
    uint64_t bans_seen; /* generation of the bans by which connections were looked through last */
    struct requests_at_once at_once;
    struct list listeners;
    struct list connections;
    struct list idle;  /* those between requests, the longest idle first */
    struct list ready; /* those that used up their turn */
    struct list feeds; /* requests of whose held body more is due to the handler */
    struct list udp_listeners;
    struct list udp_due;    /* HTTP/3 connections with something to send */
    size_t udp_count;       /* HTTP/3 connections */
    unsigned udp_half_open; /* of them: the client's address is not shown yet */
    unsigned char udp_secret[SERVER_QUIC_SECRET];
    size_t connection_count;
    unsigned compressing;  /* answers that the compression filter has under way */
    struct http_load load; /* what all connections hold */
    size_t connection_max; /* by descriptors */
    struct server_counts counts;
    struct loop_timer accept_again;
    struct loop_timer second; /* keeps `date` current */
    bool accepting;
    bool draining;
    void (*on_drained)(void *context);
    void *drained_context;
    nsec_t complained; /* when server_may_complain() was last true */
    nsec_t wall;       /* wall-clock time, read once a second */
    nsec_t wall_read;  /* when, in monotonic time */
    char date[32];
    char *in;
    char *plain;
    char *out;
};

/** Wall-clock time of this round. */
nsec_t server_wall(const struct server *server);
/** Whether a warning that may come often is due: at most one in ten seconds. */
bool server_may_complain(struct server *server);
/** A connection is no more. */
void server_connection_gone(struct server *server);
/** An HTTP/3 connection is no more. */
void server_udp_gone(struct server *server);
/** The address in the form that protection counts. */
struct peer_address server_peer_address(const struct sockaddr_storage *address, uint16_t *ret_port);
