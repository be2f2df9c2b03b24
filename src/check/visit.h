/* One visit: a connection to one address, TLS over it, one GET, each timed. It notes what happened;
 * what that means is said by the judges of this folder. */
#pragma once

#include "os/dial.h"
#include "os/loop.h"

/* Of tls/; a program without TLS has none of them. */
struct tls_client_facts;
struct tls_client_library;
struct tls_ticket;

enum visit_stage { VISIT_TCP, VISIT_TLS, VISIT_HTTP };

/** How it ended. Of those but DONE, `stage` says how far it came. */
enum visit_end {
    VISIT_DONE,
    VISIT_NO_ROUTE, /**< this machine knows no way there */
    VISIT_REFUSED,  /**< `failure` says by whom */
    VISIT_TIMEOUT,  /**< silence */
    VISIT_CLOSED,   /**< the peer ended the connection in good order, before its answer */
    VISIT_RESET,    /**< the connection broke */
    VISIT_ALERT,    /**< TLS: the server said no */
    VISIT_PLAIN,    /**< TLS: plain HTTP came instead */
    VISIT_BANNER,   /**< TLS: a line of text came instead, see `banner` */
    VISIT_GARBAGE,  /**< bytes that fit no protocol asked for */
    VISIT_FLOOD,    /**< more bytes than an answer may have */
    VISIT_BROKEN,   /**< TLS: the library could not go on, see `detail` */
};

enum {
    VISIT_BANNER_MAX = 80,
    VISIT_VALUE_MAX = 2048, /**< bytes kept of a header field */
    VISIT_HANDSHAKE_MAX = 256 * 1024,
};

struct visit_request {
    struct loop *loop;
    struct tls_client_library *tls; /**< NULL: without TLS */
    struct socket_address address;
    const char *server_name; /**< for SNI; NULL sends none */
    const char *authority;   /**< for the Host field */
    const char *path;
    int last; /**< enum visit_stage: where to stop */
    int alpn; /**< enum tls_client_alpn */
    const struct tls_ticket *resume;
    unsigned mss;            /**< bytes of a segment at most; 0: as the interfaces have it */
    nsec_t connect_patience; /**< ns for TCP alone */
    nsec_t deadline;         /**< monotonic, for all */
};

struct visit {
    /* the result, once `done` */
    bool done;
    int end;   /**< enum visit_end */
    int stage; /**< enum visit_stage: the one that ended it */
    struct dial_failure failure;
    nsec_t tcp_took, tls_took, first_byte_took; /**< -1: not reached */
    struct dial_path path;
    struct tls_client_facts *tls; /**< what the handshake settled so far; NULL: there was none */
    struct tls_ticket *ticket;
    char *detail; /**< the TLS library's words; may be NULL */
    char banner[VISIT_BANNER_MAX];
    size_t received;                          /**< bytes of all */
    int status;                               /**< of HTTP; 0: none */
    int version;                              /**< enum http_version */
    char *location, *hsts, *alt_svc, *server; /**< fields as sent, or NULL */
    /* private */
    struct visit_run *run;
    void (*on_done)(struct visit *visit, void *context);
    void *context;
};

/** Begins; strings of the request outlive the visit. on_done is called once, in the loop and never
 *  within this call; it must not finish the visit. */
void visit_start(struct visit *visit, const struct visit_request *request,
                 void (*on_done)(struct visit *visit, void *context), void *context);
/** Frees all; a visit under way is broken off. Zeroed memory is fine. */
void visit_finish(struct visit *visit);
/** Is nothing of it under way? It may never have begun. */
bool visit_is_over(const struct visit *visit);
/** Is it past TCP, but not through the TLS handshake? */
bool visit_is_in_handshake(const struct visit *visit);
