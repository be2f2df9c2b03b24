/* Makes certificates: a local CA's own, and a server's signed by it. ECDSA P-256 with SHA-256. */
#pragma once

#include <openssl/types.h>

#include "base/macros.h"
#include "base/nsec.h"

/** A certificate with its private key. */
struct issued {
    X509 *cert;
    EVP_PKEY *key;
};

/** Frees both (private numbers are wiped). Zeroes are fine. */
void issued_finish(struct issued *issued);
/** A CA good for ten years that may sign servers' certificates only directly.
 *  @param owner  "user@host", cut to what a common name can hold
 *  @return 0, or ERR_TLS */
must_check int issue_ca(const char *owner, nsec_t now, struct issued *ret_ca);
/** A server's certificate for names as name_normal() has them: 90 days, or to the CA's end.
 *  @return 0, or ERR_TLS */
must_check int issue_leaf(const struct issued *ca, char *const *names, size_t count, nsec_t now,
                          struct issued *ret_leaf);
/** A host name in lower case without its last dot, a wildcard, or an IP address as inet_ntop() has
 *  it. @return a string for free(), or NULL when it is none of these. Source: RFC 1123 2.1 */
char *name_normal(const char *name);
