/* Is a pair of certificate and key files fit to serve a site? Every finding comes with its hint. */
#pragma once

#include "base/diag.h"
#include "base/error.h"
#include "base/nsec.h"

struct cert_pair {
    const char *chain_path;   /**< PEM, leaf first */
    const char *key_path;     /**< PEM, not encrypted; may be the same file */
    const char *const *names; /**< of the site, ASCII form */
    size_t name_count;
    bool staples; /**< the settings say that OCSP answers are stapled */
    nsec_t now;   /**< wall clock */
};

/** Looks at both files and adds all that is wrong to diags, in whole sentences that name the file.
 *  Errors keep a site from being served; warnings (dates, names, order, a missing issuer, a key
 *  that all may read) are what browsers will refuse. The private key is in memory only while it
 *  is compared and is wiped after; still, call it in a short-lived process.
 *  @return 0 (there may be warnings), or ERR_SETTINGS */
must_check int cert_pair_check(const struct cert_pair *pair, struct diags *diags);
