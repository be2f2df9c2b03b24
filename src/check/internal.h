/* A check under way, between the code that starts probes and the judges of what they saw. */
#pragma once

#include "check/check.h"
#include "check/cookies.h"
#include "probe/probe.h"

enum {
    HOPS_MAX = 5,        /**< redirects followed */
    SMALL_SEGMENT = 536, /**< bytes that every path of IPv4 carries (RFC 9293 section 3.7.1) */
};

struct revocation; /* revocation.h */

/** One address and all that is tried there. */
struct endpoint {
    struct socket_address address;
    struct probe main;  /**< TCP, TLS, HTTP */
    struct probe old;   /**< HTTP/1.1, where HTTP/2 was agreed on and failed */
    struct probe plain; /**< plain HTTP on the same port, where TLS failed */
    struct probe small; /**< TLS in small segments, where it stalled */
    struct probe port80;
    struct quic_probe quic;
    bool rescued, has_port80, has_quic;
    unsigned mss; /**< of `small`, in bytes */
};

/** One redirect that was followed. */
struct hop {
    struct target target;
    bool https;
    struct names names;
    bool has_names;
    struct probe probe;
    const char *server_name; /**< NULL for addresses */
    char *authority;
    char *cookie;        /**< that was sent; NULL: none */
    const char *refused; /**< why it was not followed, as a sentence's end; NULL */
    bool elsewhere;      /**< it was not followed because this check is for one host */
};

struct check {
    const struct check_options *options;
    struct loop *loop;
    struct loop_timer tick;
    struct tls_client_library *tls;
    nsec_t begun, deadline;
    struct names names;
    struct endpoint *endpoints;
    size_t endpoint_count;
    const struct endpoint *first; /**< the one that answered first; NULL */
    struct probe again;           /**< its second connection, which should resume */
    bool has_again;
    struct revocation *revocation; /**< NULL: nobody was asked */
    char *revocation_chain;        /**< the chain that it is about, PEM: the first that was seen */
    struct hop hops[HOPS_MAX + 1];
    size_t hop_count;
    bool hops_over;
    struct cookie_jar cookies; /**< that answers on the way set */
    char *authority, *authority80;
    const char *server_name; /**< NULL for addresses */
    bool on_443;
};

/* ---- probes: probes.c; endpoint.c; follow.c ---- */

/** Runs all probes to their end. @return 0, or -errno */
must_check int probes_run(struct check *check);
void probes_finish(struct check *check);
/** A part of all the time that there is, in percent. */
nsec_t probes_share(const struct check *check, int percent);
/** A probe of an endpoint as far as it goes. */
struct probe_request probes_request(struct check *check, const struct endpoint *endpoint);
/** What probes of endpoints end with. */
void probes_on_done(struct probe *probe, void *context);
/** Begins to follow where the first answer points to; done at once when it points nowhere. */
void follow_start(struct check *check, const struct probe *answer);
bool follow_done(const struct check *check);
void follow_finish(struct check *check);
/** The part of a Location field as a target, against where it was said.
 *  @return 0; ERR_NOT_FOUND for other schemes; ERR_SYNTAX */
must_check int follow_parse(const char *location, const struct target *from, bool from_https,
                            struct target *ret_target, bool *ret_https);

/* ---- judges ---- */

#define JUDGE_HINT_CLIENT_CERTIFICATE                                                              \
    "the server asks visitors for certificates of their own, which browsers rarely have: switch "  \
    "client certificates off, or make them optional"

/** The probe of an endpoint whose HTTP answer counts: main, or the one over HTTP/1.1. */
const struct probe *endpoint_answer(const struct endpoint *endpoint);
/** Did it answer over HTTPS? */
bool endpoint_is_open(const struct endpoint *endpoint);
/** The first endpoint that is open, in the order of the addresses, or NULL. */
const struct endpoint *check_open_endpoint(const struct check *check);
/** "example.com" while all endpoints behave alike, else the address too; for free(). */
char *endpoint_subject(const struct check *check, const struct endpoint *endpoint);

/** The first address of each family stands for all. */
void judge_route(const struct check *check, struct check_result *result);
void judge_tcp(const struct check *check, struct check_result *result);
void judge_tls(const struct check *check, struct check_result *result);
void judge_certificate(const struct check *check, const struct endpoint *endpoint,
                       struct check_result *result);
/** What is wrong with the certificate of a redirect's target; nothing when it was judged already.
 */
void judge_hop_certificate(const struct check *check, const struct hop *hop,
                           struct check_result *result);
void judge_http(const struct check *check, struct check_result *result);
void judge_versions(const struct check *check, struct check_result *result);
void judge_http3(const struct check *check, struct check_result *result);
/** Writes verdict, hint, open and what metrics are left. */
void judge_all(const struct check *check, struct check_result *result);
