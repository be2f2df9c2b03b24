/* What the files of the provider "gardien-keys" share: keys_remote.c asks the keys process,
 * keys_keymgmt.c is the keys, keys_signature.c the signatures, keys_certify.c asks for the rest. */
#pragma once

#include <stdatomic.h>

#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/evp.h>

#include "tls/keys.h"
#include "tls/keys_protocol.h"

/** Import parameter that makes a key the handle of a holder's key. */
#define REMOTE_KEY_ID "gardien-key-id"

struct keys_remote {
    OSSL_LIB_CTX *library; /**< the provider's own; nothing else lives in it */
    OSSL_PROVIDER *provider;
    OSSL_PROVIDER *encoders; /**< "base": writes the public half into certificates */
    EVP_MD *digests[KEYS_SHA512 + 1];
    int socket;
    uint32_t sequence; /**< of the last request */
    char *message;     /**< KEYS_MESSAGE_MAX bytes: the request, then its answer */
};

/** Key data behind an EVP_PKEY: the public half is a key of OpenSSL's own, to which questions
 *  about it are passed on. */
struct remote_key {
    struct keys_remote *remote;
    const char *type;      /**< "RSA", "EC", "ED25519" */
    EVP_PKEY *public_half; /**< NULL before import */
    uint64_t id;
    bool signs; /**< `id` is set: the holder has the private half */
    atomic_uint references;
};

struct remote_key *remote_key_share(struct remote_key *key);
void remote_key_release(void *key);

/** One question and its answer. Fills in request->sequence.
 *  @param ret_data  the answer's data, valid until the next question
 *  @return 0, or ERR_TLS with an OpenSSL error raised */
must_check int keys_remote_ask(struct keys_remote *remote, struct keys_request *request,
                               struct span *ret_data);
/** The signature of request->data with the key; fills in op and id. The same otherwise. */
must_check int keys_remote_sign(const struct remote_key *key, struct keys_request *request,
                                struct span *ret_signature);

extern const OSSL_ALGORITHM keys_keymgmt_algorithms[];
extern const OSSL_ALGORITHM keys_signature_algorithms[];
