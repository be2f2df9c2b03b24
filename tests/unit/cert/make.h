/* Certificates to order for the tests of this module, and a folder of their own to keep them in. */
#pragma once

#include <openssl/x509v3.h>
#include <stdbool.h>

#include "base/diag.h"
#include "base/nsec.h"
#include "cert/issue.h"

#define DAYS(n) ((n) * (nsec_t)24 * 3600 * NSEC_PER_SEC)
#define NOW ((nsec_t)1800000000 * NSEC_PER_SEC) /* 2027-01-15 08:00 UTC */

struct order {
    const char *name;         /**< common name of the subject */
    const char *alternatives; /**< as OpenSSL writes them: "DNS:a,IP:::1"; NULL: none */
    const char *more;         /**< "tlsfeature=status_request|…"; NULL: none */
    const char *key;    /**< "P-256", "P-384", "Ed25519", "RSA1024", "RSA2048", "PSS2048" (RSA-PSS),
                           "explicit" (P-256 with explicit parameters) */
    const char *digest; /**< NULL: SHA256 */
    nsec_t not_before;  /**< 0: a day ago */
    nsec_t not_after;   /**< 0: in 60 days */
    const struct issued *issuer; /**< NULL: itself */
    bool ca;
};

struct issued make_cert(const struct order *order);

/** A fresh folder under /tmp. @return a string for folder_remove() */
char *folder_make(void);
void folder_remove(char *folder);
/** "FOLDER/NAME", kept until the next call but three. */
const char *path_in(const char *folder, const char *name);
void write_text(const char *path, const char *text, unsigned mode);
char *read_text(const char *path);
/** Several certificates in one PEM file. */
void write_certs(const char *path, const struct issued *const *certs, int count);
void write_key(const char *path, const struct issued *cert, unsigned mode);
/** Is there a finding whose sentence or hint has the text? */
bool diags_have(const struct diags *diags, const char *text);
