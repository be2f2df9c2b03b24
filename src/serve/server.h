/* The server of one worker: its listeners, its connections, and the snapshot they serve. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "base/span.h"
#include "os/loop.h"

struct proxy;
struct server;
struct sites;
struct ban_report;
struct protect_shared;
struct access_log;
struct tls_context;
struct tls_library;

struct server_options {
    struct loop *loop;
    unsigned worker; /**< this worker's row in `shared` */
    const struct protect_shared
        *shared; /**< counts and rates of all workers; outlives the server */
    const struct log *log;
    struct proxy *proxy;         /**< what forwards requests; outlives the server */
    struct tls_library *library; /**< of HTTP/3; outlives the server */
    uint64_t secret[2];          /**< random, for request ids */
    /** A connected socket to an upstream is wanted; server_scan_connected() follows. @return 0, or
     *  -errno */
    int (*on_connect)(void *context, uint64_t number, uint64_t address);
    /** Somebody deserves a ban; NULL: nobody decides about that. */
    void (*on_report)(void *context, const struct ban_report *report);
    void *context;
};

struct server_listener {
    uint64_t id; /**< one that is known already keeps its socket; `fd` is closed then */
    int fd;      /**< non-blocking, listening; the server owns it */
    bool secure;
    bool proxy_protocol;
    uint16_t port;
    bool datagrams; /**< a UDP socket, for HTTP/3 */
    uint8_t index;  /**< of that socket in its group: connection IDs begin with it */
};

struct server_counts {
    uint64_t connections; /**< open now */
    uint64_t accepted;    /**< since the start */
    uint64_t refused;     /**< for a limit */
    uint64_t requests;
};

enum { SERVER_QUIC_SECRET = 32 };

/** @return 0, or -errno */
must_check int server_create(const struct server_options *options, struct server **ret_server);
/** Cuts every connection. NULL is fine. */
void server_destroy(struct server *server);
/** Serves a new snapshot from the next request on; takes over the caller's reference. Listeners
 * that are not named any more are closed. Connections live on.
 *  @return 0, or -errno when a listener can't be watched (the others are) */
must_check int server_apply(struct server *server, struct sites *sites,
                            const struct server_listener *listeners, size_t count);
/** The context in which sessions begin (it needs no certificate: the site's is chosen by name);
 * taken over. NULL while there are no certificates: HTTPS listeners then refuse. */
void server_set_tls(struct server *server, struct tls_context *context);
/** What the tokens and stateless resets of HTTP/3 are made with: SERVER_QUIC_SECRET bytes, the same
 * in all workers. Before the first UDP listener. */
void server_set_quic_secret(struct server *server, const unsigned char *secret);
/** Where answers are logged from now on; NULL for nowhere. The caller keeps it alive. */
void server_set_access_log(struct server *server, struct access_log *log);
/** A challenge of a certificate authority (RFC 8555 section 8.3) is answered with `text` from now
 * on; with empty text no more. @return 0, or ERR_LIMIT */
must_check int server_set_challenge(struct server *server, struct span token, struct span text);
/** Stops accepting and ends every connection in good order. `on_drained` follows, at once when
 * there is none. */
void server_drain(struct server *server, void (*on_drained)(void *context), void *context);
/** A socket that on_connect() asked for. @param fd  taken over; -1 with the -errno */
void server_scan_connected(struct server *server, uint64_t number, int fd, int error);
void server_counts(const struct server *server, struct server_counts *ret_counts);
