/* Settings of the reverse proxy: groups of upstream servers, and the `proxy` of a site or route. */
#pragma once

#include "config/config.h"
#include "serve/proxy/balance.h"
#include "serve/proxy/deadline.h"

/** How TLS is spoken to servers that are written with https://. */
struct upstream_tls_settings {
    bool verify;
    char *ca_file; /**< NULL: the authorities that the system trusts */
    char *name;    /**< that the certificate has to be for; NULL: the server's host */
};

/** One of `upstreams`. */
struct upstream_settings {
    char *name; /**< its key */
    struct config_strings servers;
    struct config_pairs weights; /**< server as written, to its weight */
    int balance;                 /**< enum balance_kind */
    struct health_settings health;
    struct proxy_timeouts timeouts;
    struct upstream_tls_settings tls;
    nsec_t keep;     /**< how long an unused connection is kept */
    int64_t idle;    /**< unused connections kept in each worker, of each server */
    int64_t tries;   /**< how often a request is sent at most */
    int64_t waiting; /**< requests that may wait for a connection in each worker */
};

/** The `proxy` of a site or route. */
struct proxy_settings {
    char *to;          /**< the name of a group, or an address */
    char *path;        /**< for the server, in place of the route's; NULL: as it is */
    int64_t buffer;    /**< bytes of an answer that are held for a slow client */
    int64_t body_size; /**< largest request body; 0: as `limits` says */
};

extern const struct config_row upstream_rows[];
extern const struct config_row proxy_rows[];

/** For schema rows of `to`: a group's name or an address. */
const char *proxy_target_check(const char *text);
/** Whether the text is to be the name of a group rather than an address. */
bool proxy_target_is_name(const char *text);
/** The weight of a server: 1 unless the settings say otherwise.
 *  @return 0..256, or -1 for what is no weight */
int upstream_weight(const struct upstream_settings *settings, const char *server);
