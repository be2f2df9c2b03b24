/* The way to the keys process: an OpenSSL provider in a library context of its own, and the one
 * blocking question and answer that each signature costs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/x509.h>

#include "base/error.h"
#include "base/mem.h"
#include "tls/keys_provider.h"

#define PROVIDER_NAME "gardien-keys"

/** Answers to requests that timed out before are skipped, at most so many at a time. */
enum { STALE_ANSWERS_MAX = 1024 };

/* ---- asking ---- */

/** Notes why, for whoever reads OpenSSL's error queue. */
static int refuse(const char *reason)
{
    ERR_raise_data(ERR_LIB_USER, ERR_R_OPERATION_FAIL, "keys process: %s", reason);
    return ERR_TLS;
}

static const char *status_text(enum keys_status status)
{
    switch (status) {
    case KEYS_OK:
        return "wrong length of answer";
    case KEYS_MALFORMED:
        return "request not understood";
    case KEYS_NO_KEY:
        return "no such key";
    case KEYS_REFUSED:
        return "a key of this kind and purpose does not sign this";
    case KEYS_FAILED:
        break;
    }
    return "signing failed";
}

/** The holder is quick and a worker has one question open at a time: a full socket means that it
 *  is stuck, so sending never waits. */
static int ask(int socket, const char *message, size_t length)
{
    ssize_t n;

    do
        n = send(socket, message, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)length ? 0 : refuse("not reachable");
}

/** Waits for the answer with the number of the last question. */
static int await(struct keys_remote *remote, struct keys_answer *ret_answer)
{
    for (int i = 0; i < STALE_ANSWERS_MAX; i++) {
        ssize_t n;
        do
            n = recv(remote->socket, remote->message, KEYS_MESSAGE_MAX, 0);
        while (n < 0 && errno == EINTR);
        if (n < 0)
            return refuse(errno == EAGAIN ? "no answer in time" : "not reachable");
        if (n == 0)
            return refuse("gone");
        if (keys_answer_read(span_of(remote->message, (size_t)n), ret_answer) < 0)
            return refuse("malformed answer");
        if (ret_answer->sequence == remote->sequence)
            return 0;
    }
    return refuse("too many late answers");
}

int keys_remote_ask(struct keys_remote *remote, struct keys_request *request, struct span *ret_data)
{
    struct keys_answer answer;

    if (request->data.len > KEYS_DATA_MAX)
        return refuse("message too long to sign");
    request->sequence = ++remote->sequence;
    int r = ask(remote->socket, remote->message, keys_request_write(request, remote->message));
    if (r >= 0)
        r = await(remote, &answer);
    if (r < 0)
        return r;
    if (answer.status != KEYS_OK || (answer.data.len == 0) != (request->op == KEYS_OP_PING))
        return refuse(status_text(answer.status));
    *ret_data = answer.data;
    return 0;
}

int keys_remote_sign(const struct remote_key *key, struct keys_request *request,
                     struct span *ret_signature)
{
    if (!key->signs)
        return refuse("this key has only a public half");
    request->op = KEYS_OP_HANDSHAKE;
    request->id = key->id;
    return keys_remote_ask(key->remote, request, ret_signature);
}

int keys_remote_ping(struct keys_remote *remote)
{
    struct keys_request request = {.op = KEYS_OP_PING};
    struct span nothing;

    return keys_remote_ask(remote, &request, &nothing);
}

/* ---- the provider ---- */

static const OSSL_ALGORITHM *query_operation(void *provctx, int operation, int *no_cache)
{
    *no_cache = 0;
    switch (operation) {
    case OSSL_OP_KEYMGMT:
        return keys_keymgmt_algorithms;
    case OSSL_OP_SIGNATURE:
        return keys_signature_algorithms;
    }
    return NULL;
}

static void teardown(void *provctx)
{
    struct keys_remote *remote = provctx;

    for (size_t i = 0; i < ARRAY_SIZE(remote->digests); i++)
        EVP_MD_free(remote->digests[i]);
    free(remote->message);
    free(remote);
}

static const OSSL_DISPATCH provider_functions[] = {
    {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query_operation},
    {OSSL_FUNC_PROVIDER_TEARDOWN, (void (*)(void))teardown},
    {0, NULL},
};

/** The provider's state is the struct keys_remote; the digests of the default context are there to
 *  recognise names by. */
static int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
                         const OSSL_DISPATCH **out, void **provctx)
{
    struct keys_remote *remote = mem_new(struct keys_remote);

    remote->socket = -1;
    remote->message = mem_alloc(KEYS_MESSAGE_MAX);
    for (unsigned i = KEYS_SHA256; i < ARRAY_SIZE(remote->digests); i++) {
        remote->digests[i] = EVP_MD_fetch(NULL, keys_digest_name(i), NULL);
        if (!remote->digests[i]) {
            teardown(remote);
            return 0;
        }
    }
    *out = provider_functions;
    *provctx = remote;
    return 1;
}

int keys_remote_create(int socket, struct keys_remote **ret_remote)
{
    OSSL_LIB_CTX *library = OSSL_LIB_CTX_new();
    OSSL_PROVIDER *encoders = library ? OSSL_PROVIDER_load(library, "base") : NULL;

    if (encoders && OSSL_PROVIDER_add_builtin(library, PROVIDER_NAME, provider_init) == 1) {
        OSSL_PROVIDER *provider = OSSL_PROVIDER_load(library, PROVIDER_NAME);
        if (provider) {
            struct keys_remote *remote = OSSL_PROVIDER_get0_provider_ctx(provider);
            remote->library = library;
            remote->provider = provider;
            remote->encoders = encoders;
            remote->socket = socket;
            *ret_remote = remote;
            return 0;
        }
    }
    if (encoders)
        OSSL_PROVIDER_unload(encoders);
    OSSL_LIB_CTX_free(library);
    return ERR_TLS;
}

void keys_remote_destroy(struct keys_remote *remote)
{
    if (!remote)
        return;
    OSSL_LIB_CTX *library = remote->library;
    OSSL_PROVIDER_unload(remote->encoders);
    OSSL_PROVIDER_unload(remote->provider);
    OSSL_LIB_CTX_free(library); /* calls teardown() */
}

void keys_remote_set_socket(struct keys_remote *remote, int socket)
{
    remote->socket = socket;
}

/* ---- handles ---- */

static const char *key_type(const EVP_PKEY *key)
{
    static const char *const types[] = {"RSA", "EC", "ED25519"};

    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (EVP_PKEY_is_a(key, types[i]))
            return types[i];
    return NULL;
}

/** Makes the key data through import, the one way that OpenSSL offers to outsiders. */
static EVP_PKEY *import(struct keys_remote *remote, uint64_t id, EVP_PKEY *public_half)
{
    const char *type = key_type(public_half);
    EVP_PKEY_CTX *context = NULL;
    OSSL_PARAM *public_params = NULL, *params = NULL;
    OSSL_PARAM own[] = {OSSL_PARAM_uint64(REMOTE_KEY_ID, &id), OSSL_PARAM_END};
    EVP_PKEY *key = NULL;

    if (!type || EVP_PKEY_todata(public_half, EVP_PKEY_PUBLIC_KEY, &public_params) != 1)
        return NULL;
    params = OSSL_PARAM_merge(public_params, own);
    context = EVP_PKEY_CTX_new_from_name(remote->library, type, NULL);
    if (!params || !context || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    OSSL_PARAM_free(public_params);
    return key;
}

static int no_password(char *out, int room, int writing, void *context)
{
    return -1;
}

int keys_remote_key(struct keys_remote *remote, uint64_t id, struct span cert_pem,
                    EVP_PKEY **ret_key)
{
    BIO *bio = BIO_new_mem_buf(cert_pem.ptr, (int)cert_pem.len);
    X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;
    EVP_PKEY *public_half = cert ? X509_get0_pubkey(cert) : NULL;
    EVP_PKEY *key = public_half ? import(remote, id, public_half) : NULL;

    X509_free(cert);
    BIO_free(bio);
    if (!key)
        return ERR_TLS;
    *ret_key = key;
    return 0;
}
