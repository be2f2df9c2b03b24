/* A connection's TLS handshake, between tls and ngtcp2. */
#include "base/error.h"
#include "quic/internal.h"

static ngtcp2_encryption_level level_of(enum tls_quic_level level)
{
    return level == TLS_QUIC_INITIAL     ? NGTCP2_ENCRYPTION_LEVEL_INITIAL
           : level == TLS_QUIC_HANDSHAKE ? NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE
                                         : NGTCP2_ENCRYPTION_LEVEL_1RTT;
}

static int on_secret(void *owner, enum tls_quic_level level, bool writes, struct span secret)
{
    return quic_install_keys(owner, level, writes, secret);
}

static int on_data(void *owner, enum tls_quic_level level, struct span bytes)
{
    struct quic_connection *c = owner;

    return ngtcp2_conn_submit_crypto_data(c->quic, level_of(level), (const uint8_t *)bytes.ptr,
                                          bytes.len);
}

static int on_parameters(void *owner, struct span bytes)
{
    struct quic_connection *c = owner;

    int r = ngtcp2_conn_decode_and_set_remote_transport_params(c->quic, (const uint8_t *)bytes.ptr,
                                                               bytes.len);
    if (r != 0)
        ngtcp2_conn_set_tls_error(c->quic, r); /* the first error counts: not TLS's alert for it */
    return r;
}

static ssize_t parameters(void *owner, unsigned char *out, size_t cap)
{
    struct quic_connection *c = owner;

    return ngtcp2_conn_encode_local_transport_params(c->quic, out, cap);
}

const struct tls_quic_events quic_handshake_events = {
    .on_secret = on_secret,
    .on_data = on_data,
    .on_parameters = on_parameters,
    .parameters = parameters,
};

static enum tls_quic_level level_from(ngtcp2_encryption_level level)
{
    return level == NGTCP2_ENCRYPTION_LEVEL_INITIAL     ? TLS_QUIC_INITIAL
           : level == NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE ? TLS_QUIC_HANDSHAKE
                                                        : TLS_QUIC_APPLICATION;
}

int quic_on_crypto(ngtcp2_conn *quic, ngtcp2_encryption_level level, uint64_t offset,
                   const uint8_t *bytes, size_t len, void *user)
{
    struct quic_connection *c = user;

    (void)offset;
    if (!c->tls) { /* no message of a client is allowed after the handshake (RFC 9001 section 6) */
        ngtcp2_conn_set_tls_alert(quic, 10);
        return NGTCP2_ERR_CRYPTO;
    }
    int r = tls_quic_receive(c->tls, level_from(level), span_of((const char *)bytes, len));
    if (r < 0) {
        int refused = ngtcp2_conn_get_tls_error(quic);
        if (refused)
            return refused;
        ngtcp2_conn_set_tls_alert(quic, tls_quic_alert(c->tls));
        return NGTCP2_ERR_CRYPTO;
    }
    if (r == 1) {
        c->cipher = tls_quic_cipher_name(c->tls);
        c->resumed = tls_quic_resumed(c->tls);
        tls_quic_destroy(take(c->tls)); /* it holds half of a connection's memory */
        ngtcp2_conn_tls_handshake_completed(quic);
    }
    return 0;
}
