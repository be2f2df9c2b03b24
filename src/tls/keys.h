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

struct keys_holder *keys_holder_create(void);
/** Wipes every key. */
void keys_holder_destroy(struct keys_holder *holder);
/** Reads a PEM private key (PKCS#8, SEC1 or PKCS#1; not encrypted) from a descriptor that the
 *  guardian opened, and keeps it under `id`, replacing what was there. The file's bytes are wiped.
 *  @return 0; -errno; ERR_SYNTAX for no such key in it; ERR_TLS for a kind or size we do not serve
 *  (RSA 2048..8192, P-256, P-384, P-521, Ed25519) */
must_check int keys_holder_load(struct keys_holder *holder, uint64_t id, int fd);
void keys_holder_drop(struct keys_holder *holder, uint64_t id);
/** Answers one request message of the signing protocol (bounded; a malformed one gets an error
 *  answer). @return length of the answer written to `out` (at most KEYS_MESSAGE_MAX) */
must_check size_t keys_holder_answer(struct keys_holder *holder, struct span request, char *out);

enum { KEYS_MESSAGE_MAX = 8192 };

/* ---- in a worker: keys without their private half (keys_remote.c) ---- */

/** Makes the provider known to OpenSSL's default library context, and sets the socket (SEQPACKET,
 *  blocking with a receive timeout) on which signatures are asked for. Call once a process; later
 *  calls only exchange the socket. @return 0, or ERR_TLS */
must_check int keys_remote_setup(int socket_fd);
/** A key handle for the holder's key `id`, whose public half is that of the certificate `cert_pem`
 *  (first certificate). Works with SSL_CTX_use_PrivateKey, X509_sign and X509_REQ_sign.
 *  @return 0, or ERR_TLS */
must_check int keys_remote_key(uint64_t id, struct span cert_pem, EVP_PKEY **ret_key);
