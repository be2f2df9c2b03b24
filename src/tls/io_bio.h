/* A BIO over the memory that a caller lends for the time of a call, copying as little as it can. */
#pragma once

#include <openssl/ssl.h>

#include "base/macros.h"

struct tls_io;

/** Lets a connection read from and write to (*io), which is set before each call into libssl and
 *  outlives the connection as a variable. @return 0, or ERR_TLS */
must_check int io_bio_attach(SSL *ssl, struct tls_io **io);
