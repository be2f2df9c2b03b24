/* The key that an eye and its askers share, and the proofs that one knows it. A proof covers the
 * certificate of the connection, so that nobody in between can pass it on. */
#pragma once

#include <openssl/types.h>
#include <stdbool.h>

#include "base/diag.h"
#include "base/span.h"
#include "cert/cert.h"

enum {
    EYE_KEY_MIN = 32, /**< characters: fewer could be guessed from one conversation */
    EYE_KEY_MAX = 256,
    EYE_NONCE = 32,
    EYE_PROOF = 32,
};

struct eye_key {
    char text[EYE_KEY_MAX + 1];
    size_t len;
};

/** Takes a key as text, blanks around it off.
 *  @return 0, or ERR_SYNTAX when it is too short, too long or not printable ASCII */
must_check int eye_key_take(struct span text, struct eye_key *ret_key);
/** Reads a key file, which only its owner may read. @return 0; ERR_SYNTAX; -errno; all but 0 with a
 *  diag */
must_check int eye_key_read(const char *path, struct diags *diags, struct eye_key *ret_key);
/** Makes a new key file, 0600, in a folder that is made when it is missing (0700).
 *  @return 0; -EEXIST when there is one; -errno */
must_check int eye_key_make(const char *folder, const char *path);
void eye_key_wipe(struct eye_key *key);

/** What both ends of one conversation know. */
struct eye_binding {
    unsigned char certificate[CERT_FINGERPRINT_SIZE]; /**< of the eye, as this end sees it */
    unsigned char asker[EYE_NONCE];
    unsigned char eye[EYE_NONCE];
};

enum eye_side { EYE_SIDE_ASKER, EYE_SIDE_EYE };

/** HMAC-SHA-256 over the side and the binding. */
void eye_prove(const struct eye_key *key, const struct eye_binding *binding, enum eye_side side,
               unsigned char out[EYE_PROOF]);
/** Takes the same time for every wrong proof. */
bool eye_proof_holds(const struct eye_key *key, const struct eye_binding *binding,
                     enum eye_side side, const unsigned char proof[EYE_PROOF]);

/** A certificate that lives as long as the process: ECDSA P-256, signed by itself.
 *  @param now  wall clock
 *  @return 0 with a key for EVP_PKEY_free() and PEM text for free(), or ERR_TLS */
must_check int eye_certificate_make(nsec_t now, EVP_PKEY **ret_key, char **ret_pem);
/** @return 0, or ERR_SYNTAX for text without a certificate */
must_check int eye_certificate_fingerprint(struct span pem,
                                           unsigned char out[CERT_FINGERPRINT_SIZE]);
