/* What the sessions of a server share: versions, cipher suites, certificates by name, ticket keys.
 */
#pragma once

#include <stdbool.h>

#include "base/nsec.h"
#include "base/span.h"
#include "config/config.h"

typedef struct evp_pkey_st EVP_PKEY;

enum tls_profile { TLS_PROFILE_INTERMEDIATE, TLS_PROFILE_MODERN };

struct tls_settings {
    int profile;     /**< enum tls_profile: Mozilla's names */
    bool strict_sni; /**< an unknown name gets unrecognized_name instead of the default site */
    int64_t ticket_rotation; /**< nsec between new ticket keys */
    bool ocsp_stapling;      /**< ask responders that certificates name; the guardian does */
};

extern const struct config_row tls_rows[];

struct tls_context; /* one for each set of certificates: a site's */
struct tls_library; /* what all contexts of a process share, old and new: ciphers, ticket keys */

/** A certificate with its private key, which is a handle from keys_remote_key() or a key in memory.
 */
struct tls_certificate {
    struct span chain_pem; /**< leaf first */
    EVP_PKEY *key;
};

enum { TLS_TICKET_KEY_SIZE = 80 };

/** @return 0, or ERR_TLS */
must_check int tls_library_create(struct tls_library **ret_library);
/** Wipes the ticket keys. Contexts made with it, and their sessions, must be gone. NULL is fine. */
void tls_library_destroy(struct tls_library *library);
/** Replaces the ticket keys, the newest first: it seals, all of them open. At most 3.
 *  Each: 16 bytes name, 32 bytes AES-256 key, 32 bytes HMAC key. */
void tls_library_set_tickets(struct tls_library *library,
                             const unsigned char (*keys)[TLS_TICKET_KEY_SIZE], size_t count);

enum {
    TLS_FINGERPRINT_SIZE = 32, /**< SHA-256 of a certificate's DER form */
    TLS_OCSP_MAX = 16 * 1024,  /**< what fits into a flight beside a long chain: TLS_OUT_MIN */
};

/** The clock that ends responses; without one, nothing is stapled. */
void tls_library_set_clock(struct tls_library *library, nsec_t (*wall_clock)(void));
/** Sets the OCSP response to staple from now on whenever a handshake of any context goes on with
 *  this certificate and the client asks for its status; an empty or too long one forgets it. It
 *  is not looked at, and not shown any more from `until` (wall clock) on. */
void tls_library_set_ocsp(struct tls_library *library,
                          const unsigned char fingerprint[TLS_FINGERPRINT_SIZE],
                          struct span response, nsec_t until);
/** Forgets every response. */
void tls_library_clear_ocsp(struct tls_library *library);

/** Drops the reference to the key. */
void tls_certificate_finish(struct tls_certificate *certificate);

/** Which context serves a name. @param name  lower case, or empty when the client sent none
 *  @return NULL to refuse with unrecognized_name */
typedef struct tls_context *tls_choose(void *owner, struct span name);

/** A context with certificates of different key kinds, or none for a context that only chooses.
 *  @return 0, or ERR_TLS (tls_last_error() says why) */
must_check int tls_context_create(const struct tls_settings *settings, struct tls_library *library,
                                  const struct tls_certificate *certificates, size_t count,
                                  struct tls_context **ret_context);
/** One more owner, who gives it back by tls_context_destroy(). @return `context` */
struct tls_context *tls_context_ref(struct tls_context *context);
/** Sessions and other owners that use it live on. NULL is fine. */
void tls_context_destroy(struct tls_context *context);
/** Sets who chooses by name; on the context that sessions are created from. */
void tls_context_set_choose(struct tls_context *context, tls_choose *choose, void *owner);

/** What OpenSSL last complained about in this process, as text in a static buffer; the queue is
 *  emptied. */
const char *tls_last_error(void);
