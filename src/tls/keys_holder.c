/* Holds private keys and signs with them, in the keys process. Reading messages off sockets and
 * deciding who may send them is the process's main loop's. */
#include "tls/keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/error.h"
#include "base/map.h"
#include "base/mem.h"
#include "tls/keys_protocol.h"

enum {
    KEY_FILE_MAX = 65536,
    RSA_BITS_MIN = 2048,
    RSA_BITS_MAX = 8192,
    ALGORITHMS = KEYS_ED25519 + 1,
    DIGESTS = KEYS_SHA512 + 1,
};

_Static_assert((int)KEYS_MESSAGE_MAX == (int)KEYS_REQUEST_HEADER + (int)KEYS_DATA_MAX, "bounds");

/** What a signature needs is fetched once: OpenSSL 3 spends more on that than on P-256 itself. */
struct held_key {
    EVP_PKEY *key;
    EVP_PKEY_CTX *signers[ALGORITHMS][DIGESTS]; /**< made when first used */
    uint16_t pss_salt[DIGESTS];                 /**< what signers[KEYS_RSA_PSS] is set to */
};

struct keys_holder {
    struct map keys; /* of struct held_key, by the 8 bytes of the id */
};

static void held_key_destroy(struct held_key *held)
{
    if (!held)
        return;
    for (int a = 0; a < ALGORITHMS; a++)
        for (int d = 0; d < DIGESTS; d++)
            EVP_PKEY_CTX_free(held->signers[a][d]);
    EVP_PKEY_free(held->key); /* OpenSSL clears private numbers as it frees them */
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
    free(holder);
}

void keys_holder_drop(struct keys_holder *holder, uint64_t id)
{
    held_key_destroy(map_remove(&holder->keys, id_span(&id)));
}

/* ---- loading ---- */

/** Reads the whole file. @return its length, -errno, or ERR_LIMIT */
static ssize_t read_file(int fd, char *out, size_t room)
{
    size_t length = 0;

    for (;;) {
        ssize_t n = pread(fd, out + length, room - length, (off_t)length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return (ssize_t)length;
        length += (size_t)n;
        if (length == room)
            return ERR_LIMIT;
    }
}

/** Instead of OpenSSL's, which would ask at a terminal. */
static int no_password(char *out, int room, int writing, void *context)
{
    return -1;
}

static bool is_served(const EVP_PKEY *key)
{
    char group[32];

    if (EVP_PKEY_is_a(key, "ED25519"))
        return true;
    if (EVP_PKEY_is_a(key, "RSA")) {
        int bits = EVP_PKEY_get_bits(key);
        return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX;
    }
    if (!EVP_PKEY_is_a(key, "EC") || EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1)
        return false;
    return strcmp(group, "prime256v1") == 0 || strcmp(group, "secp384r1") == 0 ||
           strcmp(group, "secp521r1") == 0;
}

static int parse_key(struct span pem, EVP_PKEY **ret_key)
{
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;

    BIO_free(bio);
    ERR_clear_error();
    if (!key)
        return ERR_SYNTAX;
    if (!is_served(key)) {
        EVP_PKEY_free(key);
        return ERR_TLS;
    }
    *ret_key = key;
    return 0;
}

int keys_holder_load(struct keys_holder *holder, uint64_t id, int fd)
{
    char *text = mem_alloc(KEY_FILE_MAX + 1);
    EVP_PKEY *key = NULL;
    ssize_t length = read_file(fd, text, KEY_FILE_MAX + 1);
    int r = length < 0 ? (int)length : parse_key(span_of(text, (size_t)length), &key);

    OPENSSL_cleanse(text, KEY_FILE_MAX + 1);
    free(text);
    if (r < 0)
        return r;
    struct held_key *held = mem_new(struct held_key);
    held->key = key;
    held_key_destroy(map_set(&holder->keys, id_span(&id), held));
    return 0;
}

int keys_holder_check(struct keys_holder *holder, uint64_t id, struct span cert_pem)
{
    struct held_key *held = map_get(&holder->keys, id_span(&id));

    if (!held)
        return ERR_NOT_FOUND;
    BIO *bio = BIO_new_mem_buf(cert_pem.ptr, (int)cert_pem.len);
    X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;
    int r = !cert ? ERR_SYNTAX : X509_check_private_key(cert, held->key) == 1 ? 0 : ERR_TLS;

    X509_free(cert);
    BIO_free(bio);
    ERR_clear_error();
    return r;
}

/* ---- signing ---- */

static bool does(const EVP_PKEY *key, enum keys_algorithm algorithm)
{
    switch (algorithm) {
    case KEYS_ECDSA:
        return EVP_PKEY_is_a(key, "EC");
    case KEYS_RSA_PKCS1:
    case KEYS_RSA_PSS:
        return EVP_PKEY_is_a(key, "RSA");
    case KEYS_ED25519:
        return EVP_PKEY_is_a(key, "ED25519");
    }
    return false;
}

static bool set_up(EVP_PKEY_CTX *signer, const struct keys_request *request)
{
    const EVP_MD *md = EVP_get_digestbyname(keys_digest_name(request->digest));

    if (EVP_PKEY_sign_init(signer) != 1)
        return false;
    if (request->algorithm == KEYS_RSA_PKCS1 &&
        EVP_PKEY_CTX_set_rsa_padding(signer, RSA_PKCS1_PADDING) != 1)
        return false;
    if (request->algorithm == KEYS_RSA_PSS &&
        EVP_PKEY_CTX_set_rsa_padding(signer, RSA_PKCS1_PSS_PADDING) != 1)
        return false;
    return md && EVP_PKEY_CTX_set_signature_md(signer, md) == 1;
}

/** The ready-made context of a key for this kind of request, or NULL. */
static EVP_PKEY_CTX *signer_of(struct held_key *held, const struct keys_request *request)
{
    EVP_PKEY_CTX **slot = &held->signers[request->algorithm][request->digest];

    if (!*slot) {
        EVP_PKEY_CTX *signer = EVP_PKEY_CTX_new_from_pkey(NULL, held->key, NULL);
        if (!signer || !set_up(signer, request)) {
            EVP_PKEY_CTX_free(signer);
            return NULL;
        }
        *slot = signer;
        held->pss_salt[request->digest] = UINT16_MAX;
    }
    if (request->algorithm == KEYS_RSA_PSS && held->pss_salt[request->digest] != request->salt) {
        if (EVP_PKEY_CTX_set_rsa_pss_saltlen(*slot, request->salt) != 1)
            return NULL;
        held->pss_salt[request->digest] = request->salt;
    }
    return *slot;
}

static bool sign_digest(struct held_key *held, const struct keys_request *request, char *out,
                        size_t *length)
{
    EVP_PKEY_CTX *signer = signer_of(held, request);

    return signer &&
           EVP_PKEY_sign(signer, (unsigned char *)out, length,
                         (const unsigned char *)request->data.ptr, request->data.len) == 1;
}

static bool sign_message(struct held_key *held, const struct keys_request *request, char *out,
                         size_t *length)
{
    EVP_MD_CTX *signer = EVP_MD_CTX_new();
    bool ok = signer && EVP_DigestSignInit(signer, NULL, NULL, NULL, held->key) == 1 &&
              EVP_DigestSign(signer, (unsigned char *)out, length,
                             (const unsigned char *)request->data.ptr, request->data.len) == 1;

    EVP_MD_CTX_free(signer);
    return ok;
}

/** Whether the salt fits beside the digest in the encoded message (RFC 8017 section 9.1.1). */
static bool salt_fits(const EVP_PKEY *key, const struct keys_request *request)
{
    size_t encoded = ((size_t)EVP_PKEY_get_bits(key) - 1 + 7) / 8;

    return request->algorithm != KEYS_RSA_PSS || request->data.len + request->salt + 2 <= encoded;
}

static enum keys_status sign(struct keys_holder *holder, const struct keys_request *request,
                             char *out, size_t *ret_length)
{
    struct held_key *held = map_get(&holder->keys, id_span(&request->id));
    size_t length = KEYS_SIGNATURE_MAX;

    if (!held)
        return KEYS_NO_KEY;
    if (!does(held->key, request->algorithm) || !salt_fits(held->key, request))
        return KEYS_REFUSED;
    bool ok = request->algorithm == KEYS_ED25519 ? sign_message(held, request, out, &length)
                                                 : sign_digest(held, request, out, &length);
    if (!ok) {
        ERR_clear_error();
        return KEYS_FAILED;
    }
    *ret_length = length;
    return KEYS_OK;
}

size_t keys_holder_answer(struct keys_holder *holder, struct span request_bytes, char *out)
{
    struct keys_request request;
    struct keys_answer answer = {.status = KEYS_MALFORMED};
    char *signature = out + KEYS_ANSWER_HEADER;
    size_t length = 0;

    if (keys_request_read(request_bytes, &request) == 0)
        answer.status =
            request.op == KEYS_OP_SIGN ? sign(holder, &request, signature, &length) : KEYS_OK;
    answer.sequence = request.sequence;
    answer.data = span_of(signature, length);
    return keys_answer_write(&answer, out);
}
