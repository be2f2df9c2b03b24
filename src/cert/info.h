/* What a certificate file says: names, dates, key, issuer, and whether a chain is whole. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/error.h"
#include "base/nsec.h"
#include "base/span.h"

enum {
    CERT_FILE_MAX = 512 * 1024, /**< bytes of a certificate file */
    CERT_CHAIN_MAX = 32,        /**< certificates in a file */
    CERT_NAMES_MAX = 1000,      /**< names kept of one certificate */
    CERT_FINGERPRINT_SIZE = 32, /**< SHA-256 */
};

/** An id-RSASSA-PSS key (RFC 4055 section 1.2) is CERT_KEY_RSA_PSS: no browser takes one. */
enum cert_key_kind {
    CERT_KEY_OTHER,
    CERT_KEY_RSA,
    CERT_KEY_EC,
    CERT_KEY_ED25519,
    CERT_KEY_ED448,
    CERT_KEY_RSA_PSS,
    CERT_KEY_EC_EXPLICIT, /**< its curve is written out (RFC 5480 section 2.1.1 forbids that) */
};

/** One certificate. Strings are owned, UTF-8, with ASCII control characters escaped. */
struct cert_info {
    char *subject; /**< as RFC 2253 writes it; "" when empty */
    char *issuer;
    char **names; /**< subject alternative names in order: DNS names in lower case, IP addresses as
                       inet_ntop() writes them; a DNS name that looks like an address has "DNS:" in
                       front; at most CERT_NAMES_MAX */
    size_t name_count;
    bool names_from_common_name; /**< no alternative name: the one name is the subject's CN, which
                                      browsers ignore (RFC 9525 section 2) */
    nsec_t not_before; /**< wall clock, since 1970 UTC; ends of the range when beyond it */
    nsec_t not_after;
    char *serial; /**< hexadecimal, lower case */
    enum cert_key_kind key_kind;
    int key_bits;        /**< 0 when unknown */
    char *key_text;      /**< "ECDSA P-256", "RSA 2048", "Ed25519" */
    char *signature;     /**< "ecdsa-with-SHA256" */
    bool signature_weak; /**< made with MD5 or SHA-1 and not by the certificate itself */
    unsigned char fingerprint[CERT_FINGERPRINT_SIZE]; /**< SHA-256 of the DER form */
    bool self_signed;
    bool ca;
    bool must_staple;    /**< TLS feature status_request (RFC 7633) */
    char *responder_url; /**< OCSP; NULL when none */
    char *issuer_url;    /**< where the issuer's certificate can be had; NULL when unsaid */
};

/** The certificates of one file, in the file's order. */
struct cert_chain {
    struct cert_info *items; /**< the first is served as the leaf */
    size_t count;
    bool ordered;  /**< each is signed by the next */
    bool complete; /**< ends at a self-signed certificate. A public CA's chain leaves its root out:
                        then the last one's `issuer` is what a client must know */
    char *pem;     /**< the certificates alone, re-encoded: what a worker may be given even when
                        the file holds a private key as well */
};

/** Reads certificates from PEM text (other blocks are passed over) or one from DER.
 *  @return 0; ERR_SYNTAX when there is no readable certificate; ERR_LIMIT past the bounds above */
must_check int cert_chain_parse(struct span bytes, struct cert_chain *ret_chain);
/** Reads a file. What is wrong with it is added to diags, with the hint.
 *  @return 0, ERR_SYNTAX, ERR_LIMIT or -errno; each but 0 has a diag */
must_check int cert_chain_load(const char *path, struct diags *diags, struct cert_chain *ret_chain);
/** A chain of zeroes is fine. */
void cert_chain_finish(struct cert_chain *chain);

/** Does the certificate stand for this host name (ASCII form, one dot may end it), IP address or
 *  wildcard site name ("*.example.com", which only the same wildcard covers)? The common name does
 *  not count. Source: RFC 9525 section 6; a wildcard is the whole leftmost label, stands for one
 *  label, and needs two labels to its right, as browsers and OpenSSL have it. */
bool cert_matches(const struct cert_info *info, struct span name);
/** The instant at which a third of the lifetime remains: time to renew. */
nsec_t cert_renew_at(const struct cert_info *info);

enum { CERT_FINGERPRINT_TEXT = CERT_FINGERPRINT_SIZE * 3, CERT_DATE_TEXT = 24 };

/** "AB:CD:…" with its NUL; yields `out`. */
const char *cert_fingerprint_text(const struct cert_info *info, char out[CERT_FINGERPRINT_TEXT]);
/** "2026-08-25 14:03 UTC" with its NUL; yields `out`. */
const char *cert_date_text(nsec_t at, char out[CERT_DATE_TEXT]);
