/* Private keys held elsewhere. The keys process holds them and signs; a worker's OpenSSL sees keys
 * that carry only their public half and ask for each signature over a socket. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/macros.h"
#include "base/span.h"

typedef struct evp_pkey_st EVP_PKEY;

/* ---- in the keys process: holding and signing (keys_holder.c) ---- */

struct keys_holder;

/** Most bytes of one message of the signing protocol, either way. */
enum { KEYS_MESSAGE_MAX = 8192 };

struct keys_holder *keys_holder_create(void);
/** Wipes every key. NULL is fine. */
void keys_holder_destroy(struct keys_holder *holder);
/** Reads a PEM private key (PKCS#8, SEC1 or PKCS#1; not encrypted) from a descriptor that the
 *  guardian opened, and keeps it under `id`, replacing what was there. It is read from its start
 *  whatever its position, and stays the caller's. The file's bytes are wiped from memory.
 *  @param fd  a regular file or a memfd, of at most 64 KiB
 *  @return 0; -errno; ERR_LIMIT for a longer file; ERR_SYNTAX for no such key in it; ERR_TLS for a
 *  kind or size we do not serve (RSA 2048..8192, P-256, P-384, P-521, Ed25519) */
must_check int keys_holder_load(struct keys_holder *holder, uint64_t id, int fd);
/** Whether key `id` is the private half of the first certificate in `cert_pem`.
 *  @return 0; ERR_NOT_FOUND for no such key; ERR_SYNTAX for no certificate; ERR_TLS when they do
 * not belong together */
must_check int keys_holder_check(struct keys_holder *holder, uint64_t id, struct span cert_pem);
/** Wipes one key; an unknown `id` is fine. */
void keys_holder_drop(struct keys_holder *holder, uint64_t id);
/** Answers one request message of the signing protocol (bounded; a malformed one gets an error
 *  answer). Whoever may send one may use every key of this holder.
 *  @param out  room for KEYS_MESSAGE_MAX bytes
 *  @return length of the answer written to `out` (1..KEYS_MESSAGE_MAX) */
must_check size_t keys_holder_answer(struct keys_holder *holder, struct span request, char *out);

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
 *  (first certificate). Works with SSL_CTX_use_PrivateKey, X509_sign and X509_REQ_sign; asks the
 *  holder nothing yet. A signature that the holder refuses or does not answer in time is an OpenSSL
 *  error, which fails the one handshake.
 *  @param ret_key  freed by EVP_PKEY_free()
 *  @return 0, or ERR_TLS */
must_check int keys_remote_key(struct keys_remote *remote, uint64_t id, struct span cert_pem,
                               EVP_PKEY **ret_key);
/** Asks whether the keys process is alive and answers. @return 0, or ERR_TLS */
must_check int keys_remote_ping(struct keys_remote *remote);
