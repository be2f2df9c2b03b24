/* What the files of this module share and no other module sees: OpenSSL's own types. */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>

struct record_suite;
struct schedule;
struct tls_context;

struct tls_session;

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
