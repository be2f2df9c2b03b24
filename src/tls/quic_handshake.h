/* The TLS handshake of a QUIC connection (RFC 9001 section 4), on the server's side: CRYPTO bytes
 * in, CRYPTO bytes, secrets and alerts out. libssl 3.0 knows records only, so received bytes are
 * made records of, and what libssl says is taken before it becomes some. */
#pragma once

#include <sys/types.h>

#include "tls/quic_keys.h"

struct tls_context;
struct tls_quic;

enum tls_quic_level { TLS_QUIC_INITIAL, TLS_QUIC_HANDSHAKE, TLS_QUIC_APPLICATION };

/** What the handshake tells its owner, from inside tls_quic_receive(). Functions that return int
 *  return 0, or a negative number that ends the handshake. */
struct tls_quic_events {
    /** Keys of a level, for writing or for reading. */
    int (*on_secret)(void *owner, enum tls_quic_level level, bool writes, struct span secret);
    /** CRYPTO bytes to send at a level. */
    int (*on_data)(void *owner, enum tls_quic_level level, struct span bytes);
    /** The client's transport parameters; after them ours are asked for. */
    int (*on_parameters)(void *owner, struct span bytes);
    /** Writes ours. @return bytes, or negative */
    ssize_t (*parameters)(void *owner, unsigned char *out, size_t cap);
};

/** @return 0, or ERR_TLS */
must_check int tls_quic_create(struct tls_context *context, const struct tls_quic_events *events,
                               void *owner, struct tls_quic **ret_quic);
/** NULL is fine. Not from inside an event. */
void tls_quic_destroy(struct tls_quic *quic);
/** Takes CRYPTO bytes in their order. Session tickets have been written when it is complete, and
 *  nothing may be received after it: destroy it then.
 *  @return 1 when the handshake is complete, 0 when more is needed, ERR_TLS */
must_check int tls_quic_receive(struct tls_quic *quic, enum tls_quic_level level,
                                struct span bytes);
/** The alert to end the connection with after ERR_TLS; internal_error where libssl named none. */
unsigned char tls_quic_alert(const struct tls_quic *quic);
/** The suite, known when the first secret is given. */
enum tls_quic_suite tls_quic_suite(const struct tls_quic *quic);
/** For logs; static text. */
const char *tls_quic_cipher_name(const struct tls_quic *quic);
bool tls_quic_resumed(const struct tls_quic *quic);
