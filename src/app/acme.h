/* Certificates by ACME: which sites need one, when an order is made, and what comes of it. The
 * order itself runs in a process of its own (acme_process.c). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "base/nsec.h"
#include "base/span.h"

struct guardian;
struct ipc_message;

/** What an acme process does. */
enum acme_job {
    ACME_JOB_ORDER,
    ACME_JOB_WINDOW, /**< asks when to renew */
    ACME_JOB_TRY,    /**< all that comes before an order */
    ACME_JOB_REVOKE, /**< revokes the certificate in use */
};

/** What the acme process is started for; its pointers live until it was forked. Its others[] have
 *  the socket to the keys process. */
struct acme_question {
    const char *directory; /**< URL */
    const char *ca_file;   /**< read before it gives up its rights; NULL: none */
    const char *email;     /**< NULL: none */
    const char *profile;   /**< NULL: none */
    const char *eab_kid;   /**< NULL: none */
    uint64_t eab_secret;   /**< ids in the keys process */
    uint64_t account_key;
    uint64_t certificate_key;
    const char *account_url; /**< NULL: none yet */
    const char *order_url;   /**< NULL: a new one */
    const char *replaces;    /**< id of the certificate in use; NULL: none */
    const char *const *names;
    size_t name_count;
    uint16_t check_port; /**< where names must lead here before an order; 0: no look */
    enum acme_job job;
    const char
        *chain_path; /**< ACME_JOB_REVOKE: of the certificate; read with the guardian's rights */
    int reason;      /**< ACME_JOB_REVOKE: code of RFC 5280 section 5.3.1 */
};

/** The guardian's part of all orders. */
struct acme_orders {
    struct list sites;  /**< those that have their certificates by ACME */
    struct list tokens; /**< published now */
    unsigned running;   /**< processes */
};

void acme_init(struct guardian *g);
/** After each deployment that is served: orders for sites that need a certificate begin, those of
 *  sites that are gone end. */
void acme_follow(struct guardian *g);
/** A worker has been started: it gets the tokens that are published. */
void acme_greet_worker(struct guardian *g, int socket);
/** The process of this pid ended. @return whether it was one of an order */
bool acme_on_exit(struct guardian *g, pid_t pid, int status);
/** Ends all orders; what is under way is gone on with after the next start. */
void acme_stop(struct guardian *g);
