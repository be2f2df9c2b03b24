/* The JSON documents of an ACME server (RFC 8555 section 7.1, RFC 9773 section 4.2), read strictly
 * and within bounds. Sending and fetching them is client.h's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/nsec.h"
#include "base/span.h"

enum {
    ACME_BODY_MAX = 1 << 20,  /**< bytes of one answer of a server */
    ACME_URL_MAX = 2048,      /**< of each URL in it */
    ACME_TOKEN_MAX = 128,     /**< of a challenge; at least 22 (section 8: 128 bits) */
    ACME_NAMES_MAX = 100,     /**< identifiers of one order */
    ACME_PROFILES_MAX = 16,   /**< certificate profiles of one directory */
    ACME_CHALLENGES_MAX = 16, /**< challenges of one authorization */
};

/** What a server offers (section 7.1.1). URLs are https. */
struct acme_directory {
    char *new_nonce;
    char *new_account;
    char *new_order;
    char *revoke_cert;  /**< NULL: not offered */
    char *key_change;   /**< NULL: not offered */
    char *renewal_info; /**< RFC 9773; NULL: not offered */
    char *terms;        /**< URL of the terms of service; NULL: none */
    bool needs_eab;     /**< accounts need an external account binding */
    char **profiles;    /**< names of certificate profiles */
    size_t profile_count;
    char **caa; /**< host names for CAA records */
    size_t caa_count;
};

/** The states of orders, authorizations and challenges (section 7.1.6). */
enum acme_status {
    ACME_UNKNOWN, /**< a word that the RFC does not have */
    ACME_PENDING,
    ACME_READY,
    ACME_PROCESSING,
    ACME_VALID,
    ACME_INVALID,
    ACME_DEACTIVATED,
    ACME_EXPIRED,
    ACME_REVOKED,
};

/** An error document (section 6.7, RFC 7807). Texts are the server's: escape them in print. */
struct acme_problem {
    char *type;       /**< without "urn:ietf:params:acme:error:"; "" when absent */
    char *detail;     /**< "" when absent */
    char *identifier; /**< of the first subproblem that names one; NULL */
};

struct acme_order {
    enum acme_status status;
    char *finalize;
    char *certificate; /**< NULL until the order is valid */
    char **authorizations;
    size_t authorization_count;
    struct acme_problem error; /**< type is NULL when there is none */
};

enum acme_challenge_type { ACME_OTHER, ACME_HTTP_01, ACME_DNS_01, ACME_TLS_ALPN_01 };

struct acme_challenge {
    enum acme_challenge_type type;
    enum acme_status status;
    char *url;
    char *token; /**< base64url, ACME_TOKEN_MAX at most; "" for types that have none */
    struct acme_problem error;
};

struct acme_authorization {
    enum acme_status status;
    char *name; /**< the identifier: a host name without "*." or an IP address */
    bool wildcard;
    struct acme_challenge challenges[ACME_CHALLENGES_MAX];
    size_t challenge_count;
};

/** When a certificate should be renewed, as its server says (RFC 9773 section 4.2). Wall clock. */
struct acme_renewal_info {
    nsec_t start;
    nsec_t end;
    char *explanation_url; /**< NULL: none */
};

/** Each reads one document.
 *  @return 0; ERR_SYNTAX for what is no JSON object of that kind; ERR_LIMIT past the bounds above.
 *  What was written is freed by the matching finish function; nothing is written on failure */
must_check int acme_directory_read(struct span text, struct acme_directory *ret_directory);
must_check int acme_order_read(struct span text, struct acme_order *ret_order);
must_check int acme_authorization_read(struct span text, struct acme_authorization *ret_auth);
must_check int acme_renewal_info_read(struct span text, struct acme_renewal_info *ret_info);
/** Reads an error document; text that is none gives a problem with an empty type. */
void acme_problem_read(struct span text, struct acme_problem *ret_problem);

/** Structs of zeroes are fine. */
void acme_directory_finish(struct acme_directory *directory);
void acme_order_finish(struct acme_order *order);
void acme_authorization_finish(struct acme_authorization *authorization);
void acme_renewal_info_finish(struct acme_renewal_info *info);
void acme_problem_finish(struct acme_problem *problem);

/** A time of RFC 3339, as JSON documents of ACME have it, as wall clock.
 *  @return 0, or ERR_SYNTAX */
must_check int acme_time_read(struct span text, nsec_t *ret_time);
