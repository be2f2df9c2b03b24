/* The short-lived process that reads settings, looks at certificates with their keys, and makes
 * those of the local CA: all that the guardian must not do itself. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "app/ocsp.h"
#include "app/process_launch.h"
#include "app/settings.h"
#include "app/upstream_roots.h"
#include "base/nsec.h"

struct prepared_certificate {
    char *chain_pem;
    char *key_path; /**< NULL: of the local CA, under the site's main name */
    char *text;     /**< for people: "ECDSA P-256, local CA, until …" */
    struct ocsp_answer ocsp;
};

/** A site's certificate by ACME. */
struct prepared_acme {
    bool wanted;       /**< the site has its certificate from there */
    nsec_t not_before; /**< wall clock, of the one in use; 0: none yet */
    nsec_t not_after;
    char *id; /**< for renewal information (RFC 9773); NULL: none */
};

struct prepared_site {
    struct prepared_certificate *certificates;
    size_t count;
    struct prepared_acme acme;
};

struct prepared {
    struct settings *settings;
    char *text;  /**< the settings, flattened */
    char *state; /**< the state folder, which exists */
    char *waf;   /**< as in struct snapshot; NULL: none */
    struct upstream_roots roots;
    struct prepared_site *sites;
    size_t site_count;
    nsec_t valid_from; /**< wall clock: before it a certificate of the local CA is due too */
    nsec_t renew_at;   /**< wall clock: when a certificate of the local CA is due; NSEC_NEVER */
    bool ca_made;      /**< the local CA is new: nobody trusts it yet */
    bool ca_unknown;   /**< it serves a site, and this machine's store does not have it */
    struct diags diags;
};

struct prepare_job {
    pid_t pid;     /**< 0: none runs */
    int result_fd; /**< memfd that the process writes to */
};

/** Starts it. @return 0, or -errno */
must_check int prepare_start(const struct process_host *host, const struct settings_source *source,
                             struct prepare_job *ret_job);
/** Takes the result once the process has ended. `ret_prepared` is written in every case and has a
 *  diag when the work failed.
 *  @param status  as waitpid() gave it
 *  @return 0, or ERR_SETTINGS */
must_check int prepare_finish(struct prepare_job *job, int status, struct prepared *ret_prepared);
void prepared_finish(struct prepared *prepared);

/** Reads settings and looks at the certificate files that they name, and finds all that is wrong,
 *  without making or changing anything. Private keys pass through memory: for a process that ends
 *  soon. @return 0 (maybe with warnings), or ERR_SETTINGS */
must_check int prepare_check(const struct settings_source *source, struct diags *diags);
