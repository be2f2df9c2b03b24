/* What the files of the keys process's half share: a held key, and what can be done with one.
 * keys_load.c reads and makes keys, keys_issue.c builds requests and certificates, keys_jws.c signs
 * for ACME, keys_holder.c holds the keys and answers. */
#pragma once

#include <openssl/evp.h>

#include "tls/keys.h"
#include "tls/keys_protocol.h"

enum { KEYS_ALGORITHMS = KEYS_ED25519 + 1, KEYS_DIGESTS = KEYS_SHA512 + 1 };

/** What a signature needs is fetched once: OpenSSL 3 spends more on that than on P-256 itself. */
struct held_key {
    enum keys_purpose purpose;
    EVP_PKEY *key;         /**< NULL with KEYS_FOR_EAB */
    unsigned char *secret; /**< KEYS_FOR_EAB */
    size_t secret_len;
    EVP_PKEY_CTX *signers[KEYS_ALGORITHMS][KEYS_DIGESTS]; /**< made when first used */
};

/** Wipes it. NULL is fine. */
void held_key_destroy(struct held_key *held);

/* ---- keys_load.c ---- */

/** See keys_holder_load(). */
must_check int held_key_load(int fd, enum keys_purpose purpose, struct held_key **ret_held);
/** Called every few milliseconds while a key is being made. */
struct keys_busy {
    void (*on_busy)(void *context);
    void *context;
};
/** See keys_holder_make(). */
must_check int held_key_make(int fd, enum keys_purpose purpose, enum keys_kind kind,
                             const struct keys_busy *busy, struct held_key **ret_held);

/* ---- keys_issue.c ---- */

/** @param names  each followed by "\n"
 *  @return bytes of DER written to `out`; ERR_SYNTAX for names that we don't certify; ERR_LIMIT;
 *  ERR_TLS */
must_check int keys_issue_request(EVP_PKEY *key, struct span names, bool common_name, char *out,
                                  size_t room);
must_check int keys_issue_challenge(EVP_PKEY *key, struct span name, struct span digest, char *out,
                                    size_t room);

/* ---- keys_jws.c ---- */

/** The public half as JWK text. @return bytes written, ERR_LIMIT, or ERR_TLS for a kind that we
 *  have no JWK of */
must_check int keys_jwk_write(EVP_PKEY *key, char *out, size_t room);
/** Checks header and payload and signs them.
 *  @return bytes of the signature; ERR_SYNTAX for what a key of this purpose does not sign;
 * ERR_LIMIT; ERR_TLS */
must_check int keys_jws_sign(const struct held_key *held, struct span header, struct span payload,
                             char *out, size_t room);
