/* A check under way, between who starts the looks and who judges what they saw. */
#pragma once

#include "check/check.h"
#include "check/quic_probe.h"
#include "check/visit.h"

enum {
    HOPS_MAX = 5,        /**< redirects followed */
    SMALL_SEGMENT = 536, /**< bytes that every path of IPv4 carries (RFC 9293 section 3.7.1) */
};

struct revocation; /* revocation.h */

/** One address and all that is tried there. */
struct door {
    struct socket_address address;
    struct visit main;  /**< TCP, TLS, HTTP */
    struct visit old;   /**< HTTP/1.1, where HTTP/2 was agreed on and failed */
    struct visit plain; /**< plain HTTP on the same port, where TLS failed */
    struct visit small; /**< TLS in small segments, where it stalled */
    struct visit port80;
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
    struct visit visit;
    const char *server_name; /**< NULL for addresses */
    char *authority;
    const char *refused; /**< why it was not followed, as a sentence's end; NULL */
    bool elsewhere;      /**< it was not followed because this look is for one host */
};

struct check {
    const struct check_options *options;
    struct loop *loop;
    struct loop_timer tick;
    struct tls_client_library *tls;
    nsec_t begun, deadline;
    struct names names;
    struct door *doors;
    size_t door_count;
    const struct door *first; /**< the one that answered first; NULL */
    struct visit again;       /**< its second connection, which should resume */
    bool has_again;
    struct revocation *revocation; /**< NULL: nobody was asked */
    char *revocation_chain;        /**< the chain that it is about, PEM: the first that was seen */
    struct hop hops[HOPS_MAX + 1];
    size_t hop_count;
    bool hops_over;
    char *authority, *authority80;
    const char *server_name; /**< NULL for addresses */
    bool on_443;
};

/* ---- looks: looks.c; doors.c; follow.c ---- */

/** Runs all looks to their end. @return 0, or -errno */
must_check int looks_run(struct check *check);
void looks_finish(struct check *check);
/** A part of all the time that there is, in percent. */
nsec_t looks_share(const struct check *check, int percent);
/** A visit of a door as far as it goes. */
struct visit_request looks_request(struct check *check, const struct door *door);
/** What visits of doors end with. */
void looks_on_visit(struct visit *visit, void *context);
/** Begins to follow where the first answer points to; done at once when it points nowhere. */
void follow_start(struct check *check, const struct visit *answer);
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

/** The visit of a door whose HTTP answer counts: main, or the one over HTTP/1.1. */
const struct visit *door_answer(const struct door *door);
/** Did it answer over HTTPS? */
bool door_is_open(const struct door *door);
/** The first door that is open, in the order of the addresses, or NULL. */
const struct door *check_open_door(const struct check *check);
/** "example.com" while all doors behave alike, else the address too; for free(). */
char *door_subject(const struct check *check, const struct door *door);

/** The first address of each family stands for all. */
void judge_route(const struct check *check, struct check_result *result);
void judge_tcp(const struct check *check, struct check_result *result);
void judge_tls(const struct check *check, struct check_result *result);
void judge_certificate(const struct check *check, const struct door *door,
                       struct check_result *result);
void judge_http(const struct check *check, struct check_result *result);
void judge_versions(const struct check *check, struct check_result *result);
void judge_http3(const struct check *check, struct check_result *result);
/** Writes verdict, hint, open and what metrics are left. */
void judge_all(const struct check *check, struct check_result *result);
