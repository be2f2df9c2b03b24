/* What the files of this room share and no other room sees: OpenSSL's own types. */
#pragma once

#include <openssl/ssl.h>

struct tls_context;

/** The context a session was created from, whatever its certificate is now. */
struct tls_context *tls_session_context(const SSL *ssl);
/** A fresh SSL of the context, or NULL. In both cases the context lives until the caller gives it
 * back with tls_context_destroy(). */
SSL *tls_context_new_ssl(struct tls_context *context);
