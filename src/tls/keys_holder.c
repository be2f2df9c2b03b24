/* Holds private keys, each for its purpose, and answers what may be asked of them. */
#include "tls/keys.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/error.h"
#include "base/map.h"
#include "base/mem.h"
#include "tls/keys_form.h"
#include "tls/keys_held.h"

_Static_assert((int)KEYS_MESSAGE_MAX == (int)KEYS_REQUEST_HEADER + (int)KEYS_DATA_MAX, "bounds");
_Static_assert((int)KEYS_ANSWER_HEADER + (int)KEYS_ANSWER_MAX <= (int)KEYS_MESSAGE_MAX, "bounds");

struct keys_holder {
    struct map keys; /* of struct held_key, by the 8 bytes of the id */
    EVP_MD *digests[KEYS_DIGESTS];
    EVP_MD_CTX *hash;
    struct keys_busy busy;
};

void held_key_destroy(struct held_key *held)
{
    if (!held)
        return;
    for (int a = 0; a < KEYS_ALGORITHMS; a++)
        for (int d = 0; d < KEYS_DIGESTS; d++)
            EVP_PKEY_CTX_free(held->signers[a][d]);
    EVP_PKEY_free(held->key); /* OpenSSL clears private numbers as it frees them */
    OPENSSL_clear_free(held->secret, held->secret_len);
    free(held);
}

static struct span id_span(const uint64_t *id)
{
    return span_of((const char *)id, sizeof *id);
}

struct keys_holder *keys_holder_create(void)
{
    struct keys_holder *holder = mem_new(struct keys_holder);
    uint64_t secret[2] = {0}; /* ids come from the guardian, so a weak secret would do no harm */

    if (RAND_bytes((unsigned char *)secret, sizeof secret) != 1)
        ERR_clear_error();
    map_init(&holder->keys, secret);
    json_object_seed((size_t)secret[0] | 1); /* jansson would open /dev/urandom, in a sandbox */
    holder->hash = EVP_MD_CTX_new();
    for (unsigned i = KEYS_SHA256; i < KEYS_DIGESTS; i++)
        holder->digests[i] = EVP_MD_fetch(NULL, keys_digest_name(i), NULL);
    return holder;
}

void keys_holder_destroy(struct keys_holder *holder)
{
    size_t cursor = 0;
    struct span id;
    void *held;

    if (!holder)
        return;
    while (map_next(&holder->keys, &cursor, &id, &held))
        held_key_destroy(held);
    map_finish(&holder->keys);
    EVP_MD_CTX_free(holder->hash);
    for (unsigned i = KEYS_SHA256; i < KEYS_DIGESTS; i++)
        EVP_MD_free(holder->digests[i]);
    free(holder);
}

void keys_holder_drop(struct keys_holder *holder, uint64_t id)
{
    held_key_destroy(map_remove(&holder->keys, id_span(&id)));
}

void keys_holder_set_busy(struct keys_holder *holder, void (*on_busy)(void *context), void *context)
{
    holder->busy = (struct keys_busy){on_busy, context};
}

static void keep(struct keys_holder *holder, uint64_t id, struct held_key *held)
{
    held_key_destroy(map_set(&holder->keys, id_span(&id), held));
}

int keys_holder_load(struct keys_holder *holder, uint64_t id, enum keys_purpose purpose, int fd)
{
    struct held_key *held;
    int r = held_key_load(fd, purpose, &held);

    if (r >= 0)
        keep(holder, id, held);
    return r;
}

int keys_holder_make(struct keys_holder *holder, uint64_t id, enum keys_purpose purpose,
                     enum keys_kind kind, int fd)
{
    struct held_key *held;
    int r = held_key_make(fd, purpose, kind, &holder->busy, &held);

    if (r >= 0)
        keep(holder, id, held);
    return r;
}

int keys_holder_check(struct keys_holder *holder, uint64_t id, struct span cert_pem)
{
    struct held_key *held = map_get(&holder->keys, id_span(&id));

    if (!held || !held->key)
        return ERR_NOT_FOUND;
    BIO *bio = BIO_new_mem_buf(cert_pem.ptr, (int)cert_pem.len);
    X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, (void *)"") : NULL;
    int r = !cert ? ERR_SYNTAX : X509_check_private_key(cert, held->key) == 1 ? 0 : ERR_TLS;

    X509_free(cert);
    BIO_free(bio);
    ERR_clear_error();
    return r;
}

/* ---- signatures of handshakes ---- */

static bool purpose_signs(enum keys_purpose purpose, enum keys_form form)
{
    switch (form) {
    case KEYS_FORM_TLS13_SERVER:
    case KEYS_FORM_TLS12_SERVER:
        return purpose == KEYS_FOR_SERVER || purpose == KEYS_FOR_CHALLENGE;
    case KEYS_FORM_TLS13_CLIENT:
    case KEYS_FORM_TLS12_CLIENT:
        return purpose == KEYS_FOR_CLIENT;
    case KEYS_FORM_NONE:
        break;
    }
    return false;
}

/* In TLS 1.3 the curve decides the digest (RFC 8446 section 4.2.3). */
static bool digest_of_curve(const EVP_PKEY *key, enum keys_digest digest)
{
    int bits = EVP_PKEY_get_bits(key);

    return digest == (bits == 256 ? KEYS_SHA256 : bits == 384 ? KEYS_SHA384 : KEYS_SHA512);
}

/* Whether the key makes such signatures in this version of TLS. A PSS salt as long as the digest
 * fits into every RSA key that we hold (RFC 8017 section 9.1.1). */
static bool key_signs(const EVP_PKEY *key, const struct keys_request *request, bool tls13)
{
    switch (request->algorithm) {
    case KEYS_ECDSA:
        return EVP_PKEY_is_a(key, "EC") && (!tls13 || digest_of_curve(key, request->digest));
    case KEYS_RSA_PKCS1:
        return EVP_PKEY_is_a(key, "RSA") && !tls13;
    case KEYS_RSA_PSS:
        return EVP_PKEY_is_a(key, "RSA");
    case KEYS_ED25519:
        return EVP_PKEY_is_a(key, "ED25519");
    }
    return false;
}

static bool set_up(EVP_PKEY_CTX *signer, const struct keys_request *request, const EVP_MD *digest)
{
    bool pss = request->algorithm == KEYS_RSA_PSS;

    if (EVP_PKEY_sign_init(signer) != 1)
        return false;
    if (request->algorithm == KEYS_RSA_PKCS1 &&
        EVP_PKEY_CTX_set_rsa_padding(signer, RSA_PKCS1_PADDING) != 1)
        return false;
    if (pss && EVP_PKEY_CTX_set_rsa_padding(signer, RSA_PKCS1_PSS_PADDING) != 1)
        return false;
    return digest && EVP_PKEY_CTX_set_signature_md(signer, digest) == 1 &&
           (!pss || EVP_PKEY_CTX_set_rsa_pss_saltlen(signer, RSA_PSS_SALTLEN_DIGEST) == 1);
}

/** The ready-made context of a key for this kind of request, or NULL. */
static EVP_PKEY_CTX *signer_of(struct held_key *held, const struct keys_request *request,
                               const EVP_MD *digest)
{
    EVP_PKEY_CTX **slot = &held->signers[request->algorithm][request->digest];

    if (!*slot) {
        EVP_PKEY_CTX *signer = EVP_PKEY_CTX_new_from_pkey(NULL, held->key, NULL);
        if (!signer || !set_up(signer, request, digest)) {
            EVP_PKEY_CTX_free(signer);
            return NULL;
        }
        *slot = signer;
    }
    return *slot;
}

static bool sign_digest(const struct keys_holder *holder, struct held_key *held,
                        const struct keys_request *request, char *out, size_t *length)
{
    const EVP_MD *md = holder->digests[request->digest];
    EVP_PKEY_CTX *signer = signer_of(held, request, md);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size;

    return signer && EVP_DigestInit_ex2(holder->hash, md, NULL) == 1 &&
           EVP_DigestUpdate(holder->hash, request->data.ptr, request->data.len) == 1 &&
           EVP_DigestFinal_ex(holder->hash, digest, &size) == 1 &&
           EVP_PKEY_sign(signer, (unsigned char *)out, length, digest, size) == 1;
}

static bool sign_message(const struct held_key *held, const struct keys_request *request, char *out,
                         size_t *length)
{
    EVP_MD_CTX *signer = EVP_MD_CTX_new();
    bool ok = signer && EVP_DigestSignInit(signer, NULL, NULL, NULL, held->key) == 1 &&
              EVP_DigestSign(signer, (unsigned char *)out, length,
                             (const unsigned char *)request->data.ptr, request->data.len) == 1;

    EVP_MD_CTX_free(signer);
    return ok;
}

static int sign_handshake(const struct keys_holder *holder, struct held_key *held,
                          const struct keys_request *request, char *out)
{
    enum keys_form form = keys_form_of(request->data);
    bool tls13 = form == KEYS_FORM_TLS13_SERVER || form == KEYS_FORM_TLS13_CLIENT;
    size_t length = KEYS_SIGNATURE_MAX;

    if (!purpose_signs(held->purpose, form) || !key_signs(held->key, request, tls13))
        return ERR_SYNTAX;
    bool ok = request->algorithm == KEYS_ED25519 ? sign_message(held, request, out, &length)
                                                 : sign_digest(holder, held, request, out, &length);
    return ok ? (int)length : ERR_TLS;
}

/* ---- answers ---- */

static int sign_jws(const struct held_key *held, struct span data, char *out)
{
    struct span header, payload;
    int r = keys_jws_split(data, &header, &payload);

    return r < 0 ? r : keys_jws_sign(held, header, payload, out, KEYS_ANSWER_MAX);
}

/* What the operation needs: the asker's right, and the key's purpose where there is just one. */
static const struct {
    unsigned right;
    enum keys_purpose purpose; /* 0: looked at later */
} needs[] = {
    [KEYS_OP_HANDSHAKE] = {KEYS_MAY_SHAKE_HANDS, 0},
    [KEYS_OP_CSR] = {KEYS_MAY_CERTIFY, KEYS_FOR_SERVER},
    [KEYS_OP_JWK] = {KEYS_MAY_CERTIFY, KEYS_FOR_ACCOUNT},
    [KEYS_OP_JWS] = {KEYS_MAY_CERTIFY, 0},
    [KEYS_OP_CHALLENGE] = {KEYS_MAY_CERTIFY, KEYS_FOR_CHALLENGE},
};

/** @return bytes of the answer's data, or ERR_SYNTAX for what is refused, or another error */
static int perform(const struct keys_holder *holder, struct held_key *held,
                   const struct keys_request *request, char *out)
{
    struct span data = request->data;

    if (needs[request->op].purpose && needs[request->op].purpose != held->purpose)
        return ERR_SYNTAX;
    switch (request->op) {
    case KEYS_OP_HANDSHAKE:
        return sign_handshake(holder, held, request, out);
    case KEYS_OP_CSR:
        return keys_issue_request(held->key, data, request->flag, out, KEYS_ANSWER_MAX);
    case KEYS_OP_JWK:
        return keys_jwk_write(held->key, out, KEYS_ANSWER_MAX);
    case KEYS_OP_JWS:
        return sign_jws(held, data, out);
    case KEYS_OP_CHALLENGE:
        return keys_issue_challenge(held->key, span_from(data, 32), span_of(data.ptr, 32), out,
                                    KEYS_ANSWER_MAX);
    case KEYS_OP_PING:
        break;
    }
    return ERR_SYNTAX;
}

static enum keys_status answer(struct keys_holder *holder, unsigned rights,
                               const struct keys_request *request, char *out, size_t *ret_length)
{
    if (request->op == KEYS_OP_PING)
        return KEYS_OK;
    if (!(needs[request->op].right & rights))
        return KEYS_REFUSED;
    struct held_key *held = map_get(&holder->keys, id_span(&request->id));
    if (!held)
        return KEYS_NO_KEY;
    int r = perform(holder, held, request, out);
    ERR_clear_error();
    if (r <= 0)
        return r == ERR_SYNTAX ? KEYS_REFUSED : KEYS_FAILED;
    *ret_length = (size_t)r;
    return KEYS_OK;
}

size_t keys_holder_answer(struct keys_holder *holder, unsigned rights, struct span request_bytes,
                          char *out)
{
    struct keys_request request;
    struct keys_answer reply = {.status = KEYS_MALFORMED};
    char *data = out + KEYS_ANSWER_HEADER;
    size_t length = 0;

    if (keys_request_read(request_bytes, &request) == 0)
        reply.status = answer(holder, rights, &request, data, &length);
    reply.sequence = request.sequence;
    reply.data = span_of(data, length);
    return keys_answer_write(&reply, out);
}
