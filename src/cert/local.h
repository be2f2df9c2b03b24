/* The local CA: made on first use, and certificates from it for a site's names, kept in the state
 * folder and renewed in time. Private keys pass through memory here: call it in a short-lived
 * process, never in one that serves.
 *
 *   STATE/local-ca/ca.pem, ca.key        the CA; ca.key is 0600
 *   STATE/local-ca/retired.pem           CAs that came before, for `cert untrust`
 *   STATE/local/MAIN-NAME/chain.pem, key.pem
 *
 * Folders are 0700. Files are replaced by rename after fsync; a pair that does not fit together
 * (a crash in between) or cannot be read as what it should be is made anew, with a warning. */
#pragma once

#include <stdbool.h>

#include "base/diag.h"
#include "base/error.h"
#include "base/nsec.h"
#include "base/span.h"

enum cert_local_outcome { CERT_LOCAL_KEPT, CERT_LOCAL_MADE, CERT_LOCAL_RENEWED };

struct cert_local_request {
    int state_fd;             /**< the state folder: ours and writable by us alone */
    const char *state_path;   /**< its path, for messages */
    const char *const *names; /**< the site's host names (ASCII form), wildcards, IP addresses; the
                                   first is the main one and names the folder */
    size_t name_count;
    const char *owner; /**< "user@host" in a new CA's name; NULL: of this process */
    nsec_t now;        /**< wall clock */
    bool clock_right;  /**< it is known to be: a CA that begins later is remade then */
};

struct cert_local {
    enum cert_local_outcome ca;   /**< RENEWED: another CA than before, to be trusted anew */
    enum cert_local_outcome leaf; /**< of cert_local_ensure() only */
    char *why;                    /**< reason for a leaf that was renewed ("its names changed"), or
                                       NULL */
    nsec_t valid_from;            /**< before it (the clock was put back) call again too */
    nsec_t not_after;             /**< of the leaf (of the CA, after cert_local_ca_ensure()) */
    nsec_t renew_at;              /**< when to call again */
};

/** Makes or renews what is needed so that `names` can be served: ECDSA P-256, 90 days, renewed when
 *  a third of that remains, when the names changed or the CA did. Backdated by an hour against
 *  skewed clocks. Waits up to ten seconds for another gardien that does the same.
 *  @return 0 (warnings may say what was made anew), or an error with a diag: ERR_SYNTAX for names
 *  we cannot certify, ERR_TIMEOUT for the lock, ERR_TLS, -errno */
must_check int cert_local_ensure(const struct cert_local_request *request, struct diags *diags,
                                 struct cert_local *ret_local);
/** The same for the CA alone (names are not looked at): for `gardien cert trust` before any site.
 */
must_check int cert_local_ca_ensure(const struct cert_local_request *request, struct diags *diags,
                                    struct cert_local *ret_local);
void cert_local_finish(struct cert_local *local);

enum cert_local_file { CERT_LOCAL_CHAIN, CERT_LOCAL_KEY };

/** Opens a file that cert_local_ensure() made, for reading. @return a descriptor, or -errno */
must_check int cert_local_open(int state_fd, const char *main_name, enum cert_local_file file);
/** Its path beneath the state folder, e.g. "local/_.example.com/key.pem". @return for free() */
char *cert_local_path(const char *main_name, enum cert_local_file file);
/** The CA's certificate, then those that came before it, as PEM text: what cert/trust.h takes.
 *  @return 0 with a string for free(); ERR_NOT_FOUND when no CA was made; ERR_LIMIT; -errno */
must_check int cert_local_ca_read(int state_fd, char **ret_pem);
