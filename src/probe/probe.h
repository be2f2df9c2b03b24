/* One probe: a connection to one address, TLS over it, one GET, each timed. It notes what happened;
 * what that means is for its caller to judge. */
#pragma once

#include "os/dial.h"
#include "os/loop.h"
#include "probe/quic_probe.h"
#include "probe/resolver.h"

/* Of tls/; a program without TLS has none of them. */
struct tls_client_facts;
struct tls_client_library;
struct tls_ticket;

enum probe_stage { PROBE_TCP, PROBE_TLS, PROBE_HTTP };

/** How it ended. Of those but DONE, `stage` says how far it came. */
enum probe_end {
    PROBE_DONE,
    PROBE_NO_ROUTE, /**< this machine knows no way there */
    PROBE_REFUSED,  /**< `failure` says by whom */
    PROBE_TIMEOUT,  /**< silence */
    PROBE_CLOSED,   /**< the peer ended the connection in good order, before its answer */
    PROBE_RESET,    /**< the connection broke */
    PROBE_ALERT,    /**< TLS: the server said no */
    PROBE_PLAIN,    /**< TLS: plain HTTP came instead */
    PROBE_BANNER,   /**< TLS: a line of text came instead, see `banner` */
    PROBE_GARBAGE,  /**< bytes that fit no protocol asked for */
    PROBE_FLOOD,    /**< more bytes than an answer may have */
    PROBE_BROKEN,   /**< TLS: the library could not go on, see `detail` */
};

enum {
    PROBE_BANNER_MAX = 80,
    PROBE_VALUE_MAX = 2048, /**< bytes kept of a header field */
    PROBE_HANDSHAKE_MAX = 256 * 1024,
};

struct probe_request {
    struct loop *loop;
    struct tls_client_library *tls; /**< NULL: without TLS */
    struct socket_address address;
    const char *server_name; /**< for SNI; NULL sends none */
    const char *authority;   /**< for the Host field */
    const char *path;
    const char *cookie; /**< value of a Cookie field; NULL sends none */
    int last;           /**< enum probe_stage: where to stop */
    int alpn;           /**< enum tls_client_alpn */
    const struct tls_ticket *resume;
    unsigned mss;            /**< bytes of a segment at most; 0: as the interfaces have it */
    nsec_t connect_patience; /**< ns for TCP alone */
    nsec_t deadline;         /**< monotonic, for all */
};

struct probe {
    /* the result, once `done` */
    bool done;
    int end;   /**< enum probe_end */
    int stage; /**< enum probe_stage: the one that ended it */
    struct dial_failure failure;
    nsec_t tcp_took, tls_took, first_byte_took; /**< -1: not reached */
    struct dial_path path;
    struct tls_client_facts *tls; /**< what the handshake settled so far; NULL: there was none */
    struct tls_ticket *ticket;
    char *detail; /**< the TLS library's words; may be NULL */
    char banner[PROBE_BANNER_MAX];
    size_t received;                          /**< bytes of all */
    int status;                               /**< of HTTP; 0: none */
    int version;                              /**< enum http_version */
    char *location, *hsts, *alt_svc, *server; /**< fields as sent, or NULL */
    char *cookies;       /**< values of its Set-Cookie fields, a newline between them; or NULL */
    unsigned oddities;   /**< enum http_fetch_oddity, of HTTP/1 */
    bool lengths_differ; /**< two Content-Length fields contradict each other */
    /* private */
    struct probe_run *run;
    void (*on_done)(struct probe *probe, void *context);
    void *context;
};

/** Begins; strings of the request outlive the probe. on_done is called once, in the loop and never
 *  within this call; it must not finish the probe. */
void probe_start(struct probe *probe, const struct probe_request *request,
                 void (*on_done)(struct probe *probe, void *context), void *context);
/** Frees all; a probe under way is broken off. Zeroed memory is fine. */
void probe_finish(struct probe *probe);
/** Is nothing of it under way? It may never have begun. */
bool probe_is_over(const struct probe *probe);
/** Is it past TCP, but not through the TLS handshake? */
bool probe_is_in_handshake(const struct probe *probe);
