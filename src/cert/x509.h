/* Between OpenSSL's objects and this module: PEM text to certificates and back, scoped release.
 * Only files of this folder include it. */
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/error.h"
#include "cert/info.h"

static inline void release_x509(X509 **x509)
{
    X509_free(*x509);
}

static inline void release_key(EVP_PKEY **key)
{
    EVP_PKEY_free(*key); /* OpenSSL wipes private numbers as it frees them */
}

static inline void release_bio(BIO **bio)
{
    BIO_free(*bio);
}

/** Reads at most CERT_CHAIN_MAX certificates from PEM text (only certificate blocks are decoded) or
 *  one from DER. @return how many (>= 1), each for X509_free(); ERR_SYNTAX; ERR_LIMIT */
must_check int x509_parse(struct span bytes, X509 *ret_certs[CERT_CHAIN_MAX]);
void x509_free_all(X509 *certs[], int count);
/** Is there PEM armour at all? */
bool x509_is_pem(struct span bytes);
/** @return the text for free(), NUL-terminated */
char *x509_to_pem(X509 *const certs[], int count);
/** @return all bytes of a memory BIO as a string for free() */
char *x509_bio_text(BIO *bio);
/** An ASN.1 time as wall clock, held to the range of nsec_t. */
nsec_t x509_time(const ASN1_TIME *time);
/** Did `issuer` sign `subject`, by name, extensions and signature? */
bool x509_signed_by(X509 *subject, X509 *issuer);
/** Everything worth knowing of one certificate, for x509_info_finish(). */
void x509_describe(X509 *cert, struct cert_info *ret_info);
void x509_info_finish(struct cert_info *info);
