/* A TLS client between two pieces of memory, and a forger of records that no library would send. */
#pragma once

#include <openssl/ssl.h>

#include "tls/record.h"
#include "tls/tls.h"

struct peer {
    SSL_CTX *context;
    SSL *ssl;
    BIO *in;  /* what the server sent */
    BIO *out; /* what the client wants to send */
    unsigned char client_secret[SECRET_MAX];
    size_t secret_len;
    SSL_SESSION *session; /* the newest ticket */
};

/** A client that offers what `configure` makes of its SSL_CTX. */
void peer_init(struct peer *peer, void (*configure)(SSL_CTX *context));
/** Begins a new connection, resuming `session` when there is one and `resume` says so. */
void peer_connect(struct peer *peer, const char *name, bool resume);
void peer_finish(struct peer *peer);

/** A self-signed certificate with its key. kind: "EC", "RSA". */
void make_certificate(const char *kind, const char *name, EVP_PKEY **ret_key, char **ret_pem);

/** Reads what the server sent and sets *ret_alert to the description of a fatal alert in it. */
void peer_read_alert(struct peer *peer, int *ret_alert);
/** Runs the handshake to its end. @return 1, or the server's error */
int run_handshake(struct peer *peer, struct tls_session *server);
/** Gives the server what the client wants to send. @return what tls_read() says */
ssize_t server_read(struct peer *peer, struct tls_session *server, char *out, size_t cap);

/** The client's side of the record layer, to seal whatever a test wants. */
struct forger {
    EVP_CIPHER_CTX *cipher;
    unsigned char iv[12];
    uint64_t sequence;
};
void forger_init(struct forger *forger, const struct schedule *schedule, struct span secret);
void forger_finish(struct forger *forger);
/** Seals `inner` (content, type, padding) under AES-128-GCM. @return length of the record */
size_t forger_seal(struct forger *forger, struct span inner, unsigned char *out);
