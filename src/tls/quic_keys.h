/* Packet protection of QUIC version 1 (RFC 9001 section 5): AEADs and header protection for the
 * three cipher suites of TLS 1.3. What a packet looks like is quic's. */
#pragma once

#include <stdint.h>

#include "base/macros.h"
#include "base/span.h"

struct tls_library;

/** A cipher with its key: an AEAD, or what masks headers. */
struct tls_quic_cipher;

enum tls_quic_suite {
    TLS_QUIC_AES_128,
    TLS_QUIC_AES_256,
    TLS_QUIC_CHACHA20,
    TLS_QUIC_SUITES,
};

enum {
    TLS_QUIC_SECRET_MAX = 48,
    TLS_QUIC_IV = 12,
    TLS_QUIC_TAG = 16,
    TLS_QUIC_SAMPLE = 16,
    TLS_QUIC_MASK = 5,
};

/** What protects the packets of one direction and level. */
struct tls_quic_keys {
    struct tls_quic_cipher *aead;
    struct tls_quic_cipher *header;
    unsigned char iv[TLS_QUIC_IV];
};

/** From a traffic secret (section 5.1). @return 0, or ERR_TLS with nothing made */
must_check int tls_quic_keys_make(struct tls_library *library, enum tls_quic_suite suite,
                                  struct span secret, struct tls_quic_keys *ret_keys);
/** The secret after a key update (section 6.1), as long as the one before, and its AEAD and iv; the
 *  header's cipher stays (`ret_keys->header` is NULL). @return 0, or ERR_TLS */
must_check int tls_quic_keys_update(struct tls_library *library, enum tls_quic_suite suite,
                                    struct span secret, unsigned char *ret_secret,
                                    struct tls_quic_keys *ret_keys);
/** The client's and the server's Initial secret (section 5.2), 32 bytes each.
 *  @param dcid  of the client's first packet. @return 0, or ERR_TLS */
must_check int tls_quic_initial_secrets(struct tls_library *library, struct span dcid,
                                        unsigned char *ret_client, unsigned char *ret_server);
/** An AEAD of AES-128-GCM with this key of 16 bytes, for tokens and Retry. @return 0, or ERR_TLS */
must_check int tls_quic_aead_make(struct tls_library *library, const unsigned char *key,
                                  struct tls_quic_cipher **ret_aead);
/** A key of `len` bytes (at most 32) from a secret, by HKDF-Expand-Label over SHA-256.
 *  @param label  the label and its context
 *  @return 0, or ERR_TLS */
must_check int tls_quic_derive(struct tls_library *library, struct span secret,
                               const struct span label[2], unsigned char *out, size_t len);
/** NULL is fine. */
void tls_quic_cipher_destroy(struct tls_quic_cipher *cipher);

/** Seals to `out`, which gets plain.len + TLS_QUIC_TAG bytes and may be plain.ptr.
 *  @param nonce  TLS_QUIC_IV bytes. @return 0, or ERR_TLS */
must_check int tls_quic_seal(struct tls_quic_cipher *aead, struct span plain,
                             const unsigned char *nonce, struct span extra, unsigned char *out);
/** Opens to `out`, which gets sealed.len - TLS_QUIC_TAG bytes. @return 0, or ERR_TLS */
must_check int tls_quic_open(struct tls_quic_cipher *aead, struct span sealed,
                             const unsigned char *nonce, struct span extra, unsigned char *out);
/** TLS_QUIC_MASK bytes from TLS_QUIC_SAMPLE bytes (section 5.4). @return 0, or ERR_TLS */
must_check int tls_quic_mask(struct tls_quic_cipher *header, const unsigned char *sample,
                             unsigned char *out);
