/* HTTPS requests to an ACME server, by libcurl: one at a time, bounded in size and time. */
#pragma once

#include "base/buffer.h"
#include "base/nsec.h"

struct acme_transport;

struct acme_transport_config {
    struct span ca_pem;     /**< certificates to trust; empty: the system's. Copied */
    const char *user_agent; /**< "gardien/0.1.0" (RFC 8555 section 6.1) */
};

enum acme_method { ACME_GET, ACME_HEAD, ACME_POST };

struct acme_answer {
    int status;
    struct buffer body;
    char *nonce;        /**< Replay-Nonce, or NULL */
    char *location;     /**< NULL: none */
    char *alternate[4]; /**< Link rel="alternate", as sent */
    size_t alternate_count;
    nsec_t retry_after; /**< wall clock; 0: none. Both forms of the field are read */
    nsec_t date;        /**< the server's clock by its Date field; 0: none */
};

/** @return 0, or ERR_TLS when libcurl cannot be used */
must_check int acme_transport_create(const struct acme_transport_config *config,
                                     struct acme_transport **ret_transport);
/** NULL is fine. */
void acme_transport_destroy(struct acme_transport *transport);

/** One request. Redirects are not followed.
 *  @param body  for ACME_POST: a JWS (application/jose+json)
 *  @return 0 with an answer of any status, for acme_answer_finish(); or ERR_TIMEOUT, ERR_LIMIT
 *  (the answer is too long), ERR_TLS (certificate or handshake), ERR_CLOSED (no connection, name
 *  not found, cut off). The reason in words is at acme_transport_reason(). */
must_check int acme_transport_send(struct acme_transport *transport, enum acme_method method,
                                   const char *url, struct span body,
                                   struct acme_answer *ret_answer);
/** Why the last request failed; valid until the next. */
const char *acme_transport_reason(const struct acme_transport *transport);
/** An answer of zeroes is fine. */
void acme_answer_finish(struct acme_answer *answer);
