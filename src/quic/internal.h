/* What the files of this module share. Nothing outside it includes this. */
#pragma once

#include <ngtcp2/ngtcp2.h>

#include "quic/quic.h"
#include "tls/tls.h"

struct quic_endpoint {
    struct tls_library *library;
    struct tls_quic_cipher *tokens; /* seals tokens */
    struct tls_quic_cipher *retry;  /* whose tag a Retry packet has */
    uint8_t secret[QUIC_SECRET_SIZE];
    uint8_t index;
};

struct quic_connection {
    ngtcp2_conn *quic;
    struct quic_endpoint *endpoint;
    struct tls_quic *tls; /* NULL once the handshake is complete */
    const struct quic_events *events;
    void *owner;
    enum tls_quic_suite suite;
    const char *cipher;
    struct quic_cid first; /* that the client's first packets are for */
    struct quic_address peer;
    struct quic_address local;
    ngtcp2_ccerr error;
    bool failed; /* `error` is set */
    bool resumed;
    bool open;
    bool no_more; /* of ours may be sent: it is draining or closed */
};

/* crypto.c */
extern const ngtcp2_crypto_aead quic_initial_aead;
/** Fills the callbacks that need keys and nothing else. */
void quic_crypto_callbacks(ngtcp2_callbacks *callbacks);
/** @return 0, or negative */
must_check int quic_install_initial(struct quic_connection *c, const ngtcp2_cid *dcid);
must_check int quic_install_keys(struct quic_connection *c, enum tls_quic_level level, bool writes,
                                 struct span secret);
int quic_seal_packet(uint8_t *dest, const ngtcp2_crypto_aead *aead,
                     const ngtcp2_crypto_aead_ctx *context, const uint8_t *plain, size_t len,
                     const uint8_t *nonce, size_t nonce_len, const uint8_t *extra,
                     size_t extra_len);

/* handshake.c */
extern const struct tls_quic_events quic_handshake_events;
int quic_on_crypto(ngtcp2_conn *quic, ngtcp2_encryption_level level, uint64_t offset,
                   const uint8_t *bytes, size_t len, void *user);

/* token.c */

/** What a token vouches for. */
struct quic_token {
    struct quic_cid original; /* for Retry; empty in a NEW_TOKEN */
    nsec_t made;              /* wall clock */
    bool retry;
};

/** A token for this address. @return its length, at most QUIC_TOKEN_MAX, or ERR_TLS */
must_check ssize_t quic_token_make(struct quic_endpoint *endpoint, const struct quic_token *token,
                                   const struct quic_address *peer, const struct quic_cid *scid,
                                   uint8_t *out);
/** @param scid  that came with it in a Retry; not looked at for others
 *  @return 0, or ERR_TLS for one that is not ours, of another address, or too old */
must_check int quic_token_open(struct quic_endpoint *endpoint, struct span bytes,
                               const struct quic_address *peer, const struct quic_cid *scid,
                               struct quic_token *ret_token);
/** The stateless reset token of a connection ID. @return 0, or ERR_TLS */
must_check int quic_reset_token(const struct quic_endpoint *endpoint, const uint8_t *cid,
                                size_t len, uint8_t *out);
/** A fresh connection ID of ours. */
void quic_cid_make(const struct quic_endpoint *endpoint, uint8_t *out, size_t len);

/* close.c */

/** What an error of ngtcp2 means to the owner, noted for quic_close(). @return as quic_receive() */
must_check int quic_note_error(struct quic_connection *c, int error);

static inline ngtcp2_tstamp quic_time(nsec_t now)
{
    return (ngtcp2_tstamp)now;
}
