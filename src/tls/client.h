/* TLS as a client that only looks: it takes whatever certificate and version the server has and
 * says what they were. Nothing secret may be sent over it: who answers is not verified here. */
#pragma once

#include "base/buffer.h"
#include "tls/session.h"

struct tls_client;
struct tls_client_library; /* what the clients of a process share */
struct tls_ticket;         /* what a server handed out for resumption */

enum tls_client_alpn { TLS_CLIENT_ANY, TLS_CLIENT_HTTP_1 };

struct tls_client_options {
    const char *server_name; /**< ASCII host name; NULL sends none (for IP addresses) */
    int alpn;                /**< enum tls_client_alpn: "h2" and "http/1.1", or the latter alone */
    const struct tls_ticket *resume; /**< may be NULL */
};

enum {
    TLS_CLIENT_CHAIN_MAX = 128 * 1024, /**< bytes of a chain as PEM */
    TLS_OCSP_RESPONSE_MAX = 16 * 1024,
};

/** What the handshake settled, or how far it came. */
struct tls_client_facts {
    const char *version; /**< "TLSv1.3"; "-" before it is known; static text */
    const char *cipher;  /**< the standard's name; "-" */
    char group[32];      /**< key exchange: "x25519"; "" when unknown or none */
    char alpn[32];       /**< "h2"; "" when the server chose none */
    bool resumed;
    bool stapled;         /**< an OCSP response came */
    bool asked;           /**< the server asked for a certificate of ours; it got none */
    int alert;            /**< that the server sent: 0..255; -1: none */
    struct buffer chain;  /**< certificates as sent, PEM; empty when none came, or too many */
    struct buffer staple; /**< the OCSP response, DER */
};

/** @return 0, or ERR_TLS */
must_check int tls_client_library_create(struct tls_client_library **ret_library);
/** After all clients and tickets. NULL is fine. */
void tls_client_library_destroy(struct tls_client_library *library);

/** @return 0, or ERR_TLS */
must_check int tls_client_create(struct tls_client_library *library,
                                 const struct tls_client_options *options,
                                 struct tls_client **ret_client);
void tls_client_destroy(struct tls_client *client);
/** As tls_handshake(), tls_read() and tls_write() of a server's session. */
must_check int tls_client_handshake(struct tls_client *client, struct tls_io *io);
must_check ssize_t tls_client_read(struct tls_client *client, struct tls_io *io, char *out,
                                   size_t cap);
must_check int tls_client_write(struct tls_client *client, struct tls_io *io, struct span plain);
/** What is known now. To be finished. */
void tls_client_describe(const struct tls_client *client, struct tls_client_facts *ret_facts);
void tls_client_facts_finish(struct tls_client_facts *facts);
/** The newest ticket, for tls_ticket_destroy(), or NULL. */
struct tls_ticket *tls_client_take_ticket(struct tls_client *client);
void tls_ticket_destroy(struct tls_ticket *ticket);
/** "handshake_failure" for 40; "an unknown alert". Source: RFC 8446 section 6 */
const char *tls_alert_text(int alert);
