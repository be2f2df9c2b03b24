/* For the tests of keys held elsewhere: fresh keys with certificates, and a holder that answers on
 * a thread of its own. */
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "tls/keys.h"

/** "RSA2048", "P-256", "P-384", "P-521", "ED25519", "ED448", "RSA1024", "secp256k1". */
EVP_PKEY *make_key(const char *kind);
/** A self-signed certificate of the key. */
X509 *make_certificate(EVP_PKEY *key);
/** Text in memory that free() releases. */
char *certificate_pem(X509 *certificate);
/** A memfd with the bytes, positioned at its end. */
int make_file(const void *bytes, size_t length);
/** A memfd with the PEM of the key. */
int make_key_file(EVP_PKEY *key);
/** What TLS 1.3 signs as "server" or "client", with a hash of that many bytes; what a TLS 1.2
 * server signs, with a key of X25519; what a TLS 1.2 client signs. In memory of the caller. */
enum { CONTENT_MAX = 1024 };
struct span tls13_content(const char *end, size_t hash, char out[CONTENT_MAX]);
struct span tls12_server_content(char out[CONTENT_MAX]);
struct span tls12_client_content(char out[CONTENT_MAX]);

/** A socket on which a thread answers for the holder, until the socket is closed. */
struct answering {
    struct keys_holder *holder;
    unsigned rights; /**< of whoever asks: all */
    int socket;      /**< the worker's end */
    int holder_socket;
    unsigned long thread;
};

void answering_start(struct answering *answering, struct keys_holder *holder);
/** Closes the holder's end and waits for the thread; the worker's end stays open. */
void answering_stop(struct answering *answering);
