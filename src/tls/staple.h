/* OCSP responses by the certificate that they are about, for all contexts of a process. */
#pragma once

#include <openssl/ssl.h>

#include "base/map.h"
#include "tls/context.h"

struct staples {
    struct map by_fingerprint; /* of struct staple */
    nsec_t (*wall_clock)(void);
    const EVP_MD *sha256;
};

void staples_init(struct staples *staples, const EVP_MD *sha256);
void staples_finish(struct staples *staples);
void staples_clear(struct staples *staples);
/** An empty response forgets the certificate's. */
void staples_set(struct staples *staples, const unsigned char fingerprint[TLS_FINGERPRINT_SIZE],
                 struct span response, nsec_t until);
/** OpenSSL's callback; `staples` is its argument. */
int staples_on_status(SSL *ssl, void *staples);
