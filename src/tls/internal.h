/* What the files of this module share and no other module sees: OpenSSL's own types. */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>

#include "tls/quic_keys.h"

struct record_suite;
struct schedule;
struct tls_context;

struct tls_session;
struct tls_quic;

/** What SSL_get_app_data() of every SSL here points to; first in each owner's struct. */
struct tls_owner {
    struct tls_context *context; /**< the one that it was created from */
    struct tls_quic *quic;       /**< NULL: TLS over TCP */
};

/** libssl's connection, or NULL once our own records took over: for tests. */
SSL *tls_session_ssl(struct tls_session *session);
bool tls_session_has_own_records(const struct tls_session *session);
/** The context a session was created from, whatever its certificate is now. */
struct tls_context *tls_session_context(const SSL *ssl);
/** A fresh SSL of the context, or NULL. In both cases the context lives until the caller gives it
 * back with tls_context_destroy(). */
SSL *tls_context_new_ssl(struct tls_context *context);
/** How to protect records of a TLS 1.3 suite, by its standard name; NULL for one that we don't
 * know. */
const struct record_suite *tls_context_suite(const struct tls_context *context, const char *name);
struct schedule *tls_context_schedule(const struct tls_context *context);
struct tls_library *tls_context_library(const struct tls_context *context);
struct schedule *tls_library_schedule(const struct tls_library *library);
/** A cipher that was fetched once, by the name that quic_keys.c has for it; NULL for any other. */
const EVP_CIPHER *tls_library_cipher(const struct tls_library *library, const char *name);

enum { TLS_QUIC_PARAMETERS = 0x39 /**< the extension (RFC 9001 section 8.2) */ };
/** Lets a context serve QUIC too. @return 0, or ERR_TLS */
must_check int tls_quic_configure(SSL_CTX *ssl);
/** An AEAD of the suite with this key. @return 0, or ERR_TLS */
must_check int tls_quic_record_cipher(struct tls_library *library, enum tls_quic_suite suite,
                                      const unsigned char *key, struct tls_quic_cipher **ret_aead);
