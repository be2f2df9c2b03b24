/* ngtcp2's packets protected by the ciphers of tls. */
#include <string.h>

#include "base/error.h"
#include "quic/internal.h"

enum { SECRET_INITIAL = 32 };

const ngtcp2_crypto_aead quic_initial_aead = {.max_overhead = TLS_QUIC_TAG};

static struct span span_from_bytes(const uint8_t *bytes, size_t len)
{
    return span_of((const char *)bytes, len);
}

/* ---- callbacks ---- */

int quic_seal_packet(uint8_t *dest, const ngtcp2_crypto_aead *aead,
                     const ngtcp2_crypto_aead_ctx *context, const uint8_t *plain, size_t len,
                     const uint8_t *nonce, size_t nonce_len, const uint8_t *extra, size_t extra_len)
{
    (void)aead;
    if (nonce_len != TLS_QUIC_IV ||
        tls_quic_seal(context->native_handle, span_from_bytes(plain, len), nonce,
                      span_from_bytes(extra, extra_len), dest) < 0)
        return NGTCP2_ERR_CALLBACK_FAILURE;
    return 0;
}

static int open_packet(uint8_t *dest, const ngtcp2_crypto_aead *aead,
                       const ngtcp2_crypto_aead_ctx *context, const uint8_t *sealed, size_t len,
                       const uint8_t *nonce, size_t nonce_len, const uint8_t *extra,
                       size_t extra_len)
{
    (void)aead;
    if (nonce_len != TLS_QUIC_IV ||
        tls_quic_open(context->native_handle, span_from_bytes(sealed, len), nonce,
                      span_from_bytes(extra, extra_len), dest) < 0)
        return NGTCP2_ERR_DECRYPT;
    return 0;
}

static int mask_header(uint8_t *dest, const ngtcp2_crypto_cipher *cipher,
                       const ngtcp2_crypto_cipher_ctx *context, const uint8_t *sample)
{
    (void)cipher;
    return tls_quic_mask(context->native_handle, sample, dest) < 0 ? NGTCP2_ERR_CALLBACK_FAILURE
                                                                   : 0;
}

static void delete_aead(ngtcp2_conn *quic, ngtcp2_crypto_aead_ctx *context, void *user)
{
    (void)quic;
    (void)user;
    tls_quic_cipher_destroy(context->native_handle);
}

static void delete_cipher(ngtcp2_conn *quic, ngtcp2_crypto_cipher_ctx *context, void *user)
{
    (void)quic;
    (void)user;
    tls_quic_cipher_destroy(context->native_handle);
}

static int on_client_initial(ngtcp2_conn *quic, const ngtcp2_cid *dcid, void *user)
{
    (void)quic;
    return quic_install_initial(user, dcid) < 0 ? NGTCP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_version(ngtcp2_conn *quic, uint32_t version, const ngtcp2_cid *dcid, void *user)
{
    (void)quic;
    (void)version;
    (void)dcid;
    (void)user;
    return NGTCP2_ERR_CALLBACK_FAILURE; /* there is one version */
}

static int on_update_key(ngtcp2_conn *quic, uint8_t *rx_secret, uint8_t *tx_secret,
                         ngtcp2_crypto_aead_ctx *rx, uint8_t *rx_iv, ngtcp2_crypto_aead_ctx *tx,
                         uint8_t *tx_iv, const uint8_t *rx_now, const uint8_t *tx_now, size_t len,
                         void *user)
{
    struct quic_connection *c = user;
    struct tls_quic_keys keys;

    (void)quic;
    if (tls_quic_keys_update(c->endpoint->library, c->suite, span_from_bytes(rx_now, len),
                             rx_secret, &keys) < 0)
        return NGTCP2_ERR_CALLBACK_FAILURE;
    rx->native_handle = keys.aead;
    memcpy(rx_iv, keys.iv, TLS_QUIC_IV);
    if (tls_quic_keys_update(c->endpoint->library, c->suite, span_from_bytes(tx_now, len),
                             tx_secret, &keys) < 0) {
        tls_quic_cipher_destroy(rx->native_handle);
        return NGTCP2_ERR_CALLBACK_FAILURE;
    }
    tx->native_handle = keys.aead;
    memcpy(tx_iv, keys.iv, TLS_QUIC_IV);
    return 0;
}

void quic_crypto_callbacks(ngtcp2_callbacks *callbacks)
{
    callbacks->recv_client_initial = on_client_initial;
    callbacks->encrypt = quic_seal_packet;
    callbacks->decrypt = open_packet;
    callbacks->hp_mask = mask_header;
    callbacks->update_key = on_update_key;
    callbacks->delete_crypto_aead_ctx = delete_aead;
    callbacks->delete_crypto_cipher_ctx = delete_cipher;
    callbacks->version_negotiation = on_version;
}

/* ---- keys ---- */

static ngtcp2_crypto_ctx context_of(enum tls_quic_suite suite)
{
    ngtcp2_crypto_ctx context = {.aead = quic_initial_aead,
                                 .max_encryption = 1ULL << 23, /* RFC 9001 section 6.6 */
                                 .max_decryption_failure = 1ULL << 52};

    if (suite == TLS_QUIC_CHACHA20) {
        context.max_encryption = UINT64_MAX;
        context.max_decryption_failure = 1ULL << 36;
    }
    return context;
}

static void drop_keys(struct tls_quic_keys *keys)
{
    tls_quic_cipher_destroy(keys->aead);
    tls_quic_cipher_destroy(keys->header);
}

int quic_install_initial(struct quic_connection *c, const ngtcp2_cid *dcid)
{
    unsigned char client[SECRET_INITIAL], server[SECRET_INITIAL];
    struct tls_library *library = c->endpoint->library;
    struct tls_quic_keys rx = {0}, tx = {0};
    ngtcp2_crypto_ctx context = context_of(TLS_QUIC_AES_128);

    int r = tls_quic_initial_secrets(library, span_from_bytes(dcid->data, dcid->datalen), client,
                                     server);
    if (r >= 0)
        r = tls_quic_keys_make(library, TLS_QUIC_AES_128, span_from_bytes(client, sizeof client),
                               &rx);
    if (r >= 0)
        r = tls_quic_keys_make(library, TLS_QUIC_AES_128, span_from_bytes(server, sizeof server),
                               &tx);
    if (r >= 0) {
        ngtcp2_conn_set_initial_crypto_ctx(c->quic, &context);
        r = ngtcp2_conn_install_initial_key(c->quic, &(ngtcp2_crypto_aead_ctx){rx.aead}, rx.iv,
                                            &(ngtcp2_crypto_cipher_ctx){rx.header},
                                            &(ngtcp2_crypto_aead_ctx){tx.aead}, tx.iv,
                                            &(ngtcp2_crypto_cipher_ctx){tx.header}, TLS_QUIC_IV);
    }
    if (r != 0) {
        drop_keys(&rx);
        drop_keys(&tx);
        return ERR_TLS;
    }
    return 0;
}

static int install(struct quic_connection *c, enum tls_quic_level level, bool writes,
                   struct span secret, const struct tls_quic_keys *keys)
{
    const ngtcp2_crypto_aead_ctx aead = {keys->aead};
    const ngtcp2_crypto_cipher_ctx header = {keys->header};
    const uint8_t *bytes = (const uint8_t *)secret.ptr;

    if (level == TLS_QUIC_HANDSHAKE)
        return writes ? ngtcp2_conn_install_tx_handshake_key(c->quic, &aead, keys->iv, TLS_QUIC_IV,
                                                             &header)
                      : ngtcp2_conn_install_rx_handshake_key(c->quic, &aead, keys->iv, TLS_QUIC_IV,
                                                             &header);
    return writes ? ngtcp2_conn_install_tx_key(c->quic, bytes, secret.len, &aead, keys->iv,
                                               TLS_QUIC_IV, &header)
                  : ngtcp2_conn_install_rx_key(c->quic, bytes, secret.len, &aead, keys->iv,
                                               TLS_QUIC_IV, &header);
}

int quic_install_keys(struct quic_connection *c, enum tls_quic_level level, bool writes,
                      struct span secret)
{
    ngtcp2_crypto_ctx context;
    struct tls_quic_keys keys;

    c->suite = tls_quic_suite(c->tls);
    context = context_of(c->suite);
    if (level == TLS_QUIC_HANDSHAKE)
        ngtcp2_conn_set_crypto_ctx(c->quic, &context);
    int r = tls_quic_keys_make(c->endpoint->library, c->suite, secret, &keys);
    if (r < 0)
        return r;
    r = install(c, level, writes, secret, &keys);
    if (r != 0)
        drop_keys(&keys);
    return r == 0 ? 0 : ERR_TLS;
}
