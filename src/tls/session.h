/* One TLS connection on the server's side, without a socket: bytes in, bytes out, through memory
 * that the caller lends for the time of a call. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/span.h"

struct tls_context;
struct tls_session;

/** The memory of one call; one a worker, lent to whichever session runs. */
struct tls_io {
    struct span in; /**< ciphertext from the peer; what was used is cut off the front */
    char *out;      /**< where ciphertext for the peer goes */
    size_t out_len;
    size_t out_cap; /**< at least TLS_OUT_MIN more than out_len before each call */
};

enum {
    TLS_OUT_MIN = 64 * 1024, /**< room for a handshake flight with a long chain */
    TLS_READ_MIN = 16384 + 256,
    TLS_RECORD_DATA_MIN = 512, /**< plaintext bytes of a record, for a client that wants it so */
    TLS_RECORD_OVERHEAD = 96,  /**< most that a record adds, any cipher */
};

/** Ciphertext bytes that `plain` bytes may become. */
static inline size_t tls_sealed_size(size_t plain)
{
    return plain + (plain / TLS_RECORD_DATA_MIN + 1) * TLS_RECORD_OVERHEAD;
}

/** @return 0, or ERR_TLS */
must_check int tls_session_create(struct tls_context *context, struct tls_session **ret_session);
void tls_session_destroy(struct tls_session *session);

/** Goes on with the handshake. @return 1 when it is complete, 0 when more input is needed, ERR_TLS
 *  when it failed (an alert may stand in io->out) */
must_check int tls_handshake(struct tls_session *session, struct tls_io *io);
/** Decrypts. Call until it returns 0 or less.
 *  @param cap  at least TLS_READ_MIN
 *  @return bytes > 0; 0 when more input is needed; ERR_CLOSED after close_notify; ERR_TLS */
must_check ssize_t tls_read(struct tls_session *session, struct tls_io *io, char *out, size_t cap);
/** Encrypts all of `plain` to io->out, which must have tls_sealed_size() bytes of room.
 *  @return 0, or ERR_TLS */
must_check int tls_write(struct tls_session *session, struct tls_io *io, struct span plain);
/** Appends close_notify. */
void tls_close(struct tls_session *session, struct tls_io *io);

enum tls_protocol { TLS_HTTP_1, TLS_HTTP_2 };
/** What ALPN settled on; HTTP/1.1 without ALPN. */
enum tls_protocol tls_session_protocol(const struct tls_session *session);
/** "TLSv1.3" and the suite's standard name, for logs; static text. */
const char *tls_session_version(const struct tls_session *session);
const char *tls_session_cipher(const struct tls_session *session);
bool tls_session_resumed(const struct tls_session *session);
