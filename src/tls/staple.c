/* Stapling (RFC 6066 section 8, RFC 8446 section 4.4.2.1): a client that asks for its certificate's
 * status gets the OCSP response that is at hand. Where responses come from and whether they are
 * good news is decided above. */
#include "tls/staple.h"

#include <openssl/crypto.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "base/mem.h"

struct staple {
    nsec_t until;
    size_t len;
    char response[];
};

void staples_init(struct staples *staples, const EVP_MD *sha256)
{
    static const uint64_t no_secret[2] = {0}; /* the keys are of our own certificates */

    map_init(&staples->by_fingerprint, no_secret);
    staples->sha256 = sha256;
}

void staples_clear(struct staples *staples)
{
    size_t cursor = 0;
    struct span key;
    void *staple;

    while (map_next(&staples->by_fingerprint, &cursor, &key, &staple)) {
        map_remove(&staples->by_fingerprint, key);
        free(staple);
    }
}

void staples_finish(struct staples *staples)
{
    staples_clear(staples);
    map_finish(&staples->by_fingerprint);
}

void staples_set(struct staples *staples, const unsigned char fingerprint[TLS_FINGERPRINT_SIZE],
                 struct span response, nsec_t until)
{
    struct span key = span_of((const char *)fingerprint, TLS_FINGERPRINT_SIZE);

    if (response.len == 0 || response.len > TLS_OCSP_MAX) {
        free(map_remove(&staples->by_fingerprint, key));
        return;
    }
    struct staple *staple = mem_alloc(sizeof *staple + response.len);
    staple->until = until;
    staple->len = response.len;
    memcpy(staple->response, response.ptr, response.len);
    free(map_set(&staples->by_fingerprint, key, staple));
}

/* The response for the certificate that this handshake goes on with: a site has several. */
static const struct staple *find(const struct staples *staples, const SSL *ssl)
{
    unsigned char fingerprint[EVP_MAX_MD_SIZE];
    X509 *certificate = SSL_get_certificate(ssl);
    unsigned len = 0;

    if (!certificate || X509_digest(certificate, staples->sha256, fingerprint, &len) != 1)
        return NULL;
    return map_get(&staples->by_fingerprint, span_of((const char *)fingerprint, len));
}

int staples_on_status(SSL *ssl, void *context)
{
    const struct staples *staples = context;

    if (staples->by_fingerprint.used == 0 || !staples->wall_clock)
        return SSL_TLSEXT_ERR_NOACK;
    const struct staple *staple = find(staples, ssl);
    /* Some browsers take an expired one for an attack, and none for nothing. */
    if (!staple || staples->wall_clock() >= staple->until)
        return SSL_TLSEXT_ERR_NOACK;
    void *copy = OPENSSL_memdup(staple->response, staple->len);
    if (!copy || SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)staple->len) != 1) {
        OPENSSL_free(copy);
        return SSL_TLSEXT_ERR_NOACK;
    }
    return SSL_TLSEXT_ERR_OK;
}
