/* The key schedule of TLS 1.3 (RFC 8446 section 7.1) as an OpenSSL provider: what libssl derives in
 * a handshake it derives here, without the fetching and allocating that OpenSSL 3's own derivation
 * does each time. On the way the two application traffic secrets are noted for the session's
 * records. */
#pragma once

#include <openssl/evp.h>
#include <openssl/types.h>
#include <stdbool.h>

#include "base/macros.h"
#include "base/span.h"

enum { SECRET_MAX = 48 }; /* SHA-384 */

/** The application traffic secrets of one session, noted as they are derived. */
struct traffic_secrets {
    unsigned char client[SECRET_MAX];
    unsigned char server[SECRET_MAX];
    unsigned len; /**< of each: 32 or 48 */
    bool has_client;
    bool has_server;
};

enum schedule_secret {
    SCHEDULE_CLIENT_HANDSHAKE,
    SCHEDULE_SERVER_HANDSHAKE,
    SCHEDULE_CLIENT_TRAFFIC,
    SCHEDULE_SERVER_TRAFFIC,
};

/** A hash function that was fetched once, with the context in which it runs: to allocate one would
 *  cost as much as the hash. */
struct schedule_digest {
    EVP_MD *md;
    EVP_MD_CTX *context;
};

struct schedule {
    OSSL_LIB_CTX *library; /**< in which this schedule is the one that libssl finds */
    OSSL_PROVIDER *provider;
    OSSL_PROVIDER *defaults; /**< OpenSSL's own provider, for all the rest */
    struct schedule_digest sha256;
    struct schedule_digest sha384;
    struct traffic_secrets *noting; /**< of the session whose handshake runs; NULL: nobody's */
    /** Hears of each secret as it is derived, in a handshake of QUIC; NULL: nobody does. */
    void (*on_secret)(void *context, enum schedule_secret kind, struct span secret);
    void *secret_context;
};

/** @return 0, or ERR_TLS */
must_check int schedule_create(struct schedule **ret_schedule);
/** After everything made with its library is gone. NULL is fine. */
void schedule_destroy(struct schedule *schedule);

/** HKDF-Extract (RFC 5869 section 2.2): one hash of output. @return 0, or ERR_TLS */
must_check int schedule_extract(const struct schedule_digest *digest, struct span salt,
                                struct span key, unsigned char *out);
/** HKDF-Expand-Label (RFC 8446 section 7.1) of at most one hash of output.
 *  @param label  without "tls13 "
 *  @return 0, or ERR_TLS */
must_check int schedule_expand(const struct schedule_digest *digest, struct span secret,
                               struct span label, struct span context, unsigned char *out,
                               size_t len);
