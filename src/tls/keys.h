/* Private keys held elsewhere. The keys process holds them, each for one purpose, and signs what
 * that purpose allows (ADR 20); a worker's OpenSSL sees keys that carry only their public half and
 * ask for each signature over a socket; the acme process asks for requests, JWS and its own
 * certificates. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/macros.h"
#include "base/span.h"

typedef struct evp_pkey_st EVP_PKEY;
struct buffer;

/** What a key is for; given when it is loaded or made, and never changed. */
enum keys_purpose {
    KEYS_FOR_SERVER = 1, /**< a site's certificate: TLS handshakes as the server; CSRs */
    KEYS_FOR_CLIENT,     /**< mutual TLS to upstreams: TLS handshakes as the client */
    KEYS_FOR_ACCOUNT,    /**< an ACME account: JWS (RFC 8555 section 6.2) */
    KEYS_FOR_EAB,        /**< an HMAC secret: the JWS of external account binding (section 7.3.4) */
    KEYS_FOR_CHALLENGE,  /**< tls-alpn-01 (RFC 8737): its certificate, handshakes that show it */
};

/** What the holder of a socket may ask for; bits. */
enum keys_rights {
    KEYS_MAY_SHAKE_HANDS = 1, /**< workers: signatures of TLS handshakes */
    KEYS_MAY_CERTIFY = 2,     /**< the acme process: CSRs, JWS, challenge certificates, JWKs */
};

/** Kinds of keys that can be made. */
enum keys_kind {
    KEYS_KIND_P256 = 1,
    KEYS_KIND_P384,
    KEYS_KIND_RSA2048,
    KEYS_KIND_RSA3072,
    KEYS_KIND_RSA4096,
};

/* ---- in the keys process: holding and signing (keys_holder.c, keys_load.c) ---- */

struct keys_holder;

/** Most bytes of one message of the signing protocol, either way: a TLS 1.2 client signs all
 *  messages of its handshake, the server's chain among them. */
enum { KEYS_MESSAGE_MAX = 65536 };

struct keys_holder *keys_holder_create(void);
/** Wipes every key. NULL is fine. */
void keys_holder_destroy(struct keys_holder *holder);
/** Reads a PEM private key (PKCS#8, SEC1 or PKCS#1; not encrypted) from a descriptor that the
 *  guardian opened, and keeps it under `id`, replacing what was there. For KEYS_FOR_EAB the file is
 *  the secret in base64, either alphabet, padded or not, white space at its ends. It is read from
 *  its start whatever its position, and stays the caller's. Its bytes are wiped from memory.
 *  @param fd  a regular file or a memfd, of at most 64 KiB
 *  @return 0; -errno; ERR_LIMIT for a longer file; ERR_SYNTAX for no such key in it; ERR_TLS for a
 *  kind or size we do not serve (RSA 2048..8192, P-256, P-384, P-521, Ed25519) */
must_check int keys_holder_load(struct keys_holder *holder, uint64_t id, enum keys_purpose purpose,
                                int fd);
/** Makes a key, writes it to `fd` as PKCS#8 PEM, syncs that, and keeps it under `id`. The private
 *  half is nowhere else: whoever holds the store (the guardian) opens the file with O_CREAT |
 * O_EXCL and mode 0600, hands over the descriptor, and gives the file its name afterwards. A large
 * RSA key takes seconds, in which `on_busy` of keys_holder_set_busy() is called.
 *  @param fd  an empty regular file, or -1 for a key that is kept in memory alone
 *  @return 0; -errno; ERR_TLS for a kind or purpose of which none is made (KEYS_FOR_EAB); on
 *  failure nothing is kept, and the file is empty again */
must_check int keys_holder_make(struct keys_holder *holder, uint64_t id, enum keys_purpose purpose,
                                enum keys_kind kind, int fd);
/** Called every few milliseconds while a key is being made; may call everything but
 *  keys_holder_make() and keys_holder_destroy(). */
void keys_holder_set_busy(struct keys_holder *holder, void (*on_busy)(void *context),
                          void *context);
/** Whether key `id` is the private half of the first certificate in `cert_pem`.
 *  @return 0; ERR_NOT_FOUND for no such key; ERR_SYNTAX for no certificate; ERR_TLS when they do
 * not belong together */
must_check int keys_holder_check(struct keys_holder *holder, uint64_t id, struct span cert_pem);
/** Wipes one key; an unknown `id` is fine. */
void keys_holder_drop(struct keys_holder *holder, uint64_t id);
/** Answers one request message of the signing protocol (bounded; a malformed one gets an error
 *  answer).
 *  @param rights  bits of enum keys_rights that the asker has
 *  @param out     room for KEYS_MESSAGE_MAX bytes
 *  @return length of the answer written to `out` (1..KEYS_MESSAGE_MAX) */
must_check size_t keys_holder_answer(struct keys_holder *holder, unsigned rights,
                                     struct span request, char *out);

/* ---- in a worker: keys without their private half (keys_remote.c) ---- */

/** The way to one keys process: an OpenSSL provider in a library context of its own, so that
 *  nothing but the keys made here ever meets it. Not for use by two threads at once. */
struct keys_remote;

/** @param socket  SEQPACKET to the keys process, blocking, with a receive timeout (SO_RCVTIMEO)
 *                 that bounds how long a signature may take; stays the caller's
 *  @return 0, or ERR_TLS */
must_check int keys_remote_create(int socket, struct keys_remote **ret_remote);
/** Keys made with it must have been freed, contexts and sessions that use them too. NULL is fine.
 */
void keys_remote_destroy(struct keys_remote *remote);
/** From now on asks over this socket: the keys process was replaced. Keys stay valid. */
void keys_remote_set_socket(struct keys_remote *remote, int socket);
/** A key handle for the holder's key `id`, whose public half is that of the certificate `cert_pem`
 *  (first certificate). For SSL_CTX_use_PrivateKey(), of a server with a KEYS_FOR_SERVER or
 *  KEYS_FOR_CHALLENGE key, of a client with a KEYS_FOR_CLIENT one; it signs nothing but handshakes.
 *  Asks the holder nothing yet. A signature that the holder refuses or does not answer in time is
 * an OpenSSL error, which fails the one handshake.
 *  @param ret_key  freed by EVP_PKEY_free()
 *  @return 0, or ERR_TLS */
must_check int keys_remote_key(struct keys_remote *remote, uint64_t id, struct span cert_pem,
                               EVP_PKEY **ret_key);
/** Asks whether the keys process is alive and answers. @return 0, or ERR_TLS */
must_check int keys_remote_ping(struct keys_remote *remote);

/* ---- in the acme process: what needs KEYS_MAY_CERTIFY (keys_certify.c) ----
 *
 * Each waits for the answer as long as the socket's receive timeout says. They return 0; ERR_LIMIT
 * for text that is too long for a message or for `out`; or ERR_TLS, with the reason for
 * tls_last_error(): no such key, or a request that a key of its purpose does not sign. */

/** A certificate signing request (RFC 2986), DER, of a KEYS_FOR_SERVER key, with an empty subject
 *  and the names as subjectAltName.
 *  @param names  1 to 100 host names (A-labels, lower case, "*." in front is fine) or IP addresses,
 *                each followed by "\n"
 *  @param common_name  the first name is the subject's CN too, for CAs that want one; at most 64
 *                      characters, not an IP address */
must_check int keys_remote_csr(struct keys_remote *remote, uint64_t id, struct span names,
                               bool common_name, struct buffer *out);
/** The public half of a KEYS_FOR_ACCOUNT key as JWK, members in the order and form that RFC 7638
 *  hashes. */
must_check int keys_remote_jwk(struct keys_remote *remote, uint64_t id, struct buffer *out);
/** A JWS in flattened JSON form (RFC 7515 section 7.2.2):
 * {"protected":…,"payload":…,"signature":…}.
 *  @param header   the protected header as JSON text. Of a KEYS_FOR_ACCOUNT key: alg (ES256, ES384
 *                  or RS256, EdDSA, as the key is: keys_jwk_alg()), url (https), nonce, and kid or
 *                  jwk (the key's own). Without a nonce it is the inner JWS of a key rollover
 *                  (RFC 8555 section 7.3.5): jwk, and a payload of account and oldKey. Of a
 *                  KEYS_FOR_EAB secret: alg HS256, kid, url.
 *  @param payload  JSON text of an object, or empty (POST-as-GET); a JWK with KEYS_FOR_EAB */
must_check int keys_remote_jws(struct keys_remote *remote, uint64_t id, struct span header,
                               struct span payload, struct buffer *out);
/** A self-signed certificate for tls-alpn-01 (RFC 8737 section 3), PEM, of a KEYS_FOR_CHALLENGE
 *  key; valid for a week around now.
 *  @param name    a host name or an IP address
 *  @param digest  SHA-256 of the key authorization, 32 bytes */
must_check int keys_remote_challenge(struct keys_remote *remote, uint64_t id, struct span name,
                                     struct span digest, struct buffer *out);

/** The JWS algorithm that belongs to a key, from its JWK: "ES256"; NULL for none. Static. */
const char *keys_jwk_alg(struct span jwk);
enum { KEYS_THUMBPRINT_MAX = 44 }; /**< with its NUL */
/** RFC 7638: base64url of the JWK's SHA-256. @return 0, or ERR_TLS */
must_check int keys_jwk_thumbprint(struct span jwk, char out[KEYS_THUMBPRINT_MAX]);
