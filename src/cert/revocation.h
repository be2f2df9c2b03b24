/* Whether an authority took a certificate back, asked of itself: of its OCSP responder, or else of
 * the list of revoked certificates (CRL) that the certificate names. */
#pragma once

#include "base/error.h"
#include "base/nsec.h"
#include "cert/ocsp.h"

enum {
    CERT_CRL_MAX = 16 * 1024 * 1024, /**< bytes of a list */
    CERT_CRL_SECONDS = 10, /**< most that getting one takes, but for looking up the name */
};

enum cert_revocation_source { CERT_REVOCATION_OCSP, CERT_REVOCATION_CRL };

struct cert_revocation {
    int status; /**< enum cert_ocsp_status */
    int source; /**< enum cert_revocation_source: who says so */
};

/** Asks, over plain HTTP, and waits: for a short-lived process. The addresses stand in the
 * certificate: ask only for chains that are trusted.
 *  @param chain_pem  leaf first, its issuer among the rest
 *  @param now        wall clock
 *  @param ret_why    on failure: what happened, as a sentence's end; a constant
 *  @return 0; ERR_NOT_FOUND when the certificate names neither responder nor list, or its issuer is
 *  not in the chain; else an error of cert_ocsp_fetch(), cert_ocsp_read(), cert_crl_read() */
must_check int cert_revocation_ask(struct span chain_pem, nsec_t now,
                                   struct cert_revocation *ret_revocation, const char **ret_why);
/** What a list says of the first certificate of a chain: a list of that certificate's issuer,
 * signed by it, for certificates of servers, of this time, and, where a list says of which part of
 * all it is, the part that the certificate names.
 *  @param ret_why  on failure: what is wrong with it, as a sentence's end; a constant
 *  @return 0, or ERR_SYNTAX, ERR_LIMIT, ERR_PROTOCOL (a wrong signature), ERR_NOT_FOUND (of other
 *  certificates), ERR_TIMEOUT (not of this time). Source: RFC 5280 sections 5 and 6.3 */
must_check int cert_crl_read(struct span chain_pem, struct span der, nsec_t now, int *ret_status,
                             const char **ret_why);
