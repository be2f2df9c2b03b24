/* What TLS has a private key sign, recognised by its bytes. Anything else is refused by the holder:
 * a worker that was taken over gets handshakes signed as long as it lives, and nothing more. */
#pragma once

#include "base/span.h"

enum keys_form {
    KEYS_FORM_NONE,
    KEYS_FORM_TLS13_SERVER, /**< CertificateVerify of a server (RFC 8446 section 4.4.3) */
    KEYS_FORM_TLS13_CLIENT, /**< the same of a client */
    KEYS_FORM_TLS12_SERVER, /**< ServerKeyExchange (RFC 8422 section 5.4): both randoms and the
                                 server's ephemeral public key on a named curve */
    KEYS_FORM_TLS12_CLIENT, /**< CertificateVerify (RFC 5246 section 7.4.8): every message of the
                                 handshake so far */
};

/** The form of which the content is, from its first to its last byte; of none that TLS makes it is
 *  in doubt. */
enum keys_form keys_form_of(struct span content);
