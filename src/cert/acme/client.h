/* Signed requests to an ACME server (RFC 8555 section 6): directory, nonces, account. What is
 * ordered is order.h's. The private keys stay in the keys process. */
#pragma once

#include "cert/acme/message.h"
#include "cert/acme/transport.h"

struct keys_remote;
struct acme_client;

struct acme_client_config {
    const char *directory;    /**< URL */
    struct span ca_pem;       /**< certificates to trust; empty: the system's */
    const char *user_agent;   /**< of each request */
    struct keys_remote *keys; /**< with the right to certify */
    uint64_t account_key;     /**< its id in the keys process: KEYS_FOR_ACCOUNT */
    uint64_t eab_secret;      /**< id of the KEYS_FOR_EAB secret; 0: none */
    const char *eab_kid;      /**< NULL: none */
};

/** What a failed request means for what comes next. */
struct acme_failure {
    int error;          /**< ERR_* : ERR_CLOSED, ERR_TIMEOUT, ERR_TLS: the server was not reached;
                             ERR_SYNTAX: its answer is not one of an ACME server; ERR_PROTOCOL: it
                             refused, and the rest says why */
    int status;         /**< HTTP; 0: none */
    char type[64];      /**< of the problem ("rateLimited"); "" when there is none */
    char text[512];     /**< for people; printable ASCII, no line ends */
    nsec_t retry_after; /**< wall clock: not before; 0: unsaid */
};

/** Fetches the directory. @return 0, or an error with a failure */
must_check int acme_client_create(const struct acme_client_config *config,
                                  struct acme_failure *failure, struct acme_client **ret_client);
/** NULL is fine. */
void acme_client_destroy(struct acme_client *client);
const struct acme_directory *acme_client_directory(const struct acme_client *client);
/** RFC 7638, of the account's key: what key authorizations end with. */
const char *acme_client_thumbprint(const struct acme_client *client);
/** The server's clock minus ours at the last answer; 0 when it did not say. */
nsec_t acme_client_skew(const struct acme_client *client);

/** Uses the account that the server knows for the key, or makes one with the terms agreed to.
 *  @param known_url  as it was before, or NULL: then the server is asked (onlyReturnExisting first)
 *  @param email      NULL: none
 *  @param ret_url    the account's URL, for free()
 *  @return 0, or an error with a failure */
must_check int acme_client_account(struct acme_client *client, const char *known_url,
                                   const char *email, struct acme_failure *failure, char **ret_url);

/** A signed request. A payload without bytes is POST-as-GET.
 *  Nonces that the server does not take are replaced, 199 times at most (RFC 8555 section 6.5).
 *  @return 0 with an answer of status 200 to 299, for acme_answer_finish(); else an error with a
 *  failure */
must_check int acme_client_post(struct acme_client *client, const char *url, struct span payload,
                                struct acme_failure *failure, struct acme_answer *ret_answer);
/** An unsigned GET, for renewal information. @return as above */
must_check int acme_client_get(struct acme_client *client, const char *url,
                               struct acme_failure *failure, struct acme_answer *ret_answer);

/** Revokes a certificate that the account ordered (RFC 8555 section 7.6). One that is revoked
 * already is a success.
 *  @param chain_pem  leaf first
 *  @param reason     code of RFC 5280 section 5.3.1
 *  @return 0, or an error with a failure */
must_check int acme_client_revoke(struct acme_client *client, struct span chain_pem, int reason,
                                  struct acme_failure *failure);

/** Writes a failure: text is cut and made printable. */
void acme_fail(struct acme_failure *failure, int error, const char *text, ...) printf_like(3, 4);
/** A problem document inside another document, such as an order's error. */
void acme_fail_problem(struct acme_failure *failure, const struct acme_problem *problem,
                       const char *what);
