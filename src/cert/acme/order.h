/* One certificate from an ACME server: order, challenges, finalization, download (RFC 8555 section
 * 7.4). It blocks and sleeps: for a process that lives for one order. What it needs of others it
 * asks through a table of functions, so that a crash at any step loses nothing. */
#pragma once

#include "cert/acme/client.h"

/** A challenge that the workers are to answer. */
struct acme_token {
    enum acme_challenge_type type;
    const char *name;          /**< the host name or IP address that is validated */
    const char *token;         /**< base64url */
    const char *authorization; /**< token "." thumbprint (section 8.1) */
};

/** Steps, for people who watch. */
enum acme_step {
    ACME_STEP_ACCOUNT,
    ACME_STEP_ORDER,
    ACME_STEP_CHALLENGE, /**< about a name */
    ACME_STEP_VALIDATED, /**< about a name */
    ACME_STEP_FINALIZE,
    ACME_STEP_DOWNLOAD,
};

struct acme_order_ops {
    /** Keeps the order's URL where a restart finds it. It must be durable before this returns.
     *  @return 0, or an error: then the order is given up */
    int (*save_order)(void *owner, const char *url);
    /** The order is of no more use. */
    void (*forget_order)(void *owner);
    /** Has a challenge answered everywhere before it returns. @return 0, or an error */
    int (*publish)(void *owner, const struct acme_token *token);
    void (*withdraw)(void *owner, const struct acme_token *token);
    /** Tells how far it is. @param name  of the identifier, or "" */
    void (*progress)(void *owner, enum acme_step step, const char *name);
    /** Sleeps. @return 0, or an error to give up */
    int (*pause)(void *owner, nsec_t time);
};

struct acme_order_request {
    struct acme_client *client; /**< with its account */
    struct keys_remote *keys;
    uint64_t certificate_key; /**< id in the keys process: KEYS_FOR_SERVER */
    const char *const *names; /**< A-labels in lower case, wildcards, IP addresses; 1 to
                                   ACME_NAMES_MAX, no name twice */
    size_t name_count;
    unsigned challenge_types; /**< bits 1 << enum acme_challenge_type that can be answered */
    const char *profile;      /**< of the directory; NULL: the server's choice */
    const char *replaces;     /**< certificate id of RFC 9773 section 4.1; NULL: none */
    const char *order_url;    /**< of an order to go on with; NULL: none */
    bool common_name;         /**< the first name is the subject's CN as well */
    const struct acme_order_ops *ops;
    void *owner;
    nsec_t deadline; /**< monotonic: then it is given up */
};

/** Gets a certificate. @return 0 with the chain as PEM text for free(), whose first certificate
 *  stands for all names (that it belongs to the key is the keys process's to say); or an error with
 *  a failure. ERR_TIMEOUT keeps the order, so that it can be gone on with. */
must_check int acme_order_run(const struct acme_order_request *request,
                              struct acme_failure *failure, char **ret_chain_pem);

/** The certificate id of RFC 9773 section 4.1: base64url(AKI) "." base64url(serial).
 *  @param chain_pem  leaf first
 *  @return for free(), or NULL for a certificate without authority key identifier */
char *acme_certificate_id(struct span chain_pem);
