/* TLS as a client. One kind of library only observes: it takes whatever certificate and version the
 * server has and says what they were, and nothing secret may be sent over it. The other kind is for
 * connections that carry data: it refuses old versions and, unless told otherwise, a server that
 * does not prove its name. */
#pragma once

#include "base/buffer.h"
#include "tls/session.h"

struct tls_client;
struct tls_client_library; /* what the clients of a process share */
struct tls_ticket;         /* what a server handed out for resumption */

enum tls_client_alpn { TLS_CLIENT_ANY, TLS_CLIENT_HTTP_1, TLS_CLIENT_HTTP_2 };

struct tls_client_options {
    const char *server_name; /**< ASCII host name; NULL sends none (for IP addresses) */
    const char *verify_name; /**< host name or IP address that the certificate has to be for; only
                                  of a verifying library, which needs one */
    int alpn;                /**< enum tls_client_alpn: "h2" and "http/1.1", or one alone */
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
/** For connections that carry data: TLS 1.2 and 1.3, and an end without close_notify is an error.
 *  @param roots  certificates to trust, PEM: authorities, or a server's own; NULL ptr verifies
 *  nothing
 *  @return 0; ERR_SYNTAX when there is no certificate in `roots`; ERR_TLS */
must_check int tls_client_library_create_strict(struct span roots,
                                                struct tls_client_library **ret_library);
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
/** Whether ALPN chose HTTP/2. After the handshake. */
enum tls_protocol tls_client_protocol(const struct tls_client *client);
/** Why the certificate was refused: "self-signed certificate", static text; NULL when it was not.
 */
const char *tls_client_refusal(const struct tls_client *client);
/** The alert that the server sent: 0..255; -1: none. */
int tls_client_alert(const struct tls_client *client);
/** Whether the server asked for a certificate, which it did not get. */
bool tls_client_was_asked(const struct tls_client *client);
/** What is known now. To be finished. */
void tls_client_describe(const struct tls_client *client, struct tls_client_facts *ret_facts);
void tls_client_facts_finish(struct tls_client_facts *facts);
/** The newest ticket, for tls_ticket_destroy(), or NULL. */
struct tls_ticket *tls_client_take_ticket(struct tls_client *client);
void tls_ticket_destroy(struct tls_ticket *ticket);
/** "handshake_failure" for 40; "an unknown alert". Source: RFC 8446 section 6 */
const char *tls_alert_text(int alert);
