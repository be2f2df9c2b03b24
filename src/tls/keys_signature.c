/* Signatures of the provider "gardien-keys", by the rules of OpenSSL's EVP_DigestSign and
 * EVP_PKEY_sign. The digest is computed here, by OpenSSL's own provider; the private operation is
 * asked for through keys_remote_sign(). */
#include "tls/keys_provider.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/mem.h"

enum {
    SALT_AS_DIGEST = RSA_PSS_SALTLEN_DIGEST,
    SALT_MAX = RSA_PSS_SALTLEN_MAX,
    ALGORITHM_ID_MAX = 64,
};

struct signature {
    struct keys_remote *remote;
    struct remote_key *key;
    EVP_MD_CTX *hash;
    enum keys_digest digest;
    int padding; /**< RSA_PKCS1_PADDING or RSA_PKCS1_PSS_PADDING; RSA keys only */
    int salt;    /**< bytes, or SALT_AS_DIGEST, SALT_MAX */
};

static void *signature_new(void *provctx, const char *properties)
{
    struct signature *signature = mem_new(struct signature);

    signature->remote = provctx;
    return signature;
}

static void signature_free(void *data)
{
    struct signature *signature = data;

    if (!signature)
        return;
    remote_key_release(signature->key);
    EVP_MD_CTX_free(signature->hash);
    free(signature);
}

static void *signature_dup(void *data)
{
    const struct signature *from = data;
    struct signature *copy = mem_new(struct signature);

    *copy = *from;
    copy->hash = NULL;
    if (copy->key)
        remote_key_share(copy->key);
    if (from->hash) {
        copy->hash = EVP_MD_CTX_new();
        if (!copy->hash || EVP_MD_CTX_copy_ex(copy->hash, from->hash) != 1) {
            signature_free(copy);
            return NULL;
        }
    }
    return copy;
}

/* ---- settings ---- */

static bool is_rsa(const struct signature *signature)
{
    return signature->key->type[0] == 'R';
}

static bool is_ed25519(const struct signature *signature)
{
    return strcmp(signature->key->type, "ED25519") == 0;
}

static bool set_digest(struct signature *signature, const char *name)
{
    for (unsigned i = KEYS_SHA256; i <= KEYS_SHA512; i++) {
        if (EVP_MD_is_a(signature->remote->digests[i], name)) {
            signature->digest = i;
            return true;
        }
    }
    ERR_raise_data(ERR_LIB_USER, ERR_R_UNSUPPORTED, "digest %s", name);
    return false;
}

/** OpenSSL sends names or numbers, whichever the caller had. */
static bool get_choice(const OSSL_PARAM *param, const OSSL_ITEM *names, int *ret_value)
{
    if (param->data_type != OSSL_PARAM_UTF8_STRING)
        return OSSL_PARAM_get_int(param, ret_value) == 1;
    for (; names->ptr; names++) {
        if (strcasecmp(names->ptr, param->data) == 0) {
            *ret_value = (int)names->id;
            return true;
        }
    }
    char *end;
    long value = strtol(param->data, &end, 10);
    *ret_value = value < 0 || value > UINT16_MAX ? -1 : (int)value;
    return end != (char *)param->data && *end == '\0';
}

static bool set_padding(struct signature *signature, const OSSL_PARAM *param)
{
    static const OSSL_ITEM names[] = {
        {RSA_PKCS1_PADDING, (char *)OSSL_PKEY_RSA_PAD_MODE_PKCSV15},
        {RSA_PKCS1_PSS_PADDING, (char *)OSSL_PKEY_RSA_PAD_MODE_PSS},
        {0, NULL},
    };
    int padding;

    if (!is_rsa(signature) || !get_choice(param, names, &padding) ||
        (padding != RSA_PKCS1_PADDING && padding != RSA_PKCS1_PSS_PADDING))
        return false;
    signature->padding = padding;
    return true;
}

static bool set_salt(struct signature *signature, const OSSL_PARAM *param)
{
    static const OSSL_ITEM names[] = {
        {(unsigned)SALT_AS_DIGEST, (char *)OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST},
        {(unsigned)SALT_MAX, (char *)OSSL_PKEY_RSA_PSS_SALT_LEN_MAX},
        {(unsigned)SALT_MAX, (char *)OSSL_PKEY_RSA_PSS_SALT_LEN_AUTO},
        {0, NULL},
    };
    int salt;

    if (!is_rsa(signature) || !get_choice(param, names, &salt))
        return false;
    if (salt == RSA_PSS_SALTLEN_AUTO)
        salt = SALT_MAX;
    if ((salt < 0 && salt != SALT_AS_DIGEST && salt != SALT_MAX) || salt > UINT16_MAX)
        return false;
    signature->salt = salt;
    return true;
}

/** MGF1 uses the message's digest always: the only combination that TLS and X.509 ask for. */
static bool is_own_digest(const struct signature *signature, const OSSL_PARAM *param)
{
    return param->data_type == OSSL_PARAM_UTF8_STRING && signature->digest != KEYS_DIGEST_NONE &&
           EVP_MD_is_a(signature->remote->digests[signature->digest], param->data);
}

static int signature_set_params(void *data, const OSSL_PARAM params[])
{
    struct signature *signature = data;
    const OSSL_PARAM *param;

    if (!params)
        return 1;
    if (!signature->key)
        return 0;
    param = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_DIGEST);
    if (param && (param->data_type != OSSL_PARAM_UTF8_STRING || is_ed25519(signature) ||
                  !set_digest(signature, param->data)))
        return 0;
    param = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
    if (param && !set_padding(signature, param))
        return 0;
    param = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PSS_SALTLEN);
    if (param && !set_salt(signature, param))
        return 0;
    param = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_MGF1_DIGEST);
    return !param || is_own_digest(signature, param);
}

static const OSSL_PARAM *signature_settable_params(void *data, void *provctx)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, NULL, 0),
        OSSL_PARAM_END,
    };
    return params;
}

/** The AlgorithmIdentifier that X509_sign writes beside the signature: RFC 4055 section 5 (NULL
 *  parameters), RFC 5758 section 3.2 and RFC 8410 section 3 (none). None for PSS. */
static bool put_algorithm_id(const struct signature *signature, OSSL_PARAM *param)
{
    unsigned char der[ALGORITHM_ID_MAX], *end = der;
    const EVP_MD *md = signature->remote->digests[signature->digest];
    int nid = NID_ED25519;

    if (signature->padding == RSA_PKCS1_PSS_PADDING)
        return false;
    if (!is_ed25519(signature) &&
        (!md || OBJ_find_sigid_by_algs(&nid, EVP_MD_get_type(md),
                                       is_rsa(signature) ? EVP_PKEY_RSA : EVP_PKEY_EC) != 1))
        return false;
    X509_ALGOR *id = X509_ALGOR_new();
    bool ok = id && X509_ALGOR_set0(id, OBJ_nid2obj(nid),
                                    is_rsa(signature) ? V_ASN1_NULL : V_ASN1_UNDEF, NULL) == 1;
    int length = ok ? i2d_X509_ALGOR(id, NULL) : 0;
    ok = length > 0 && length <= ALGORITHM_ID_MAX && i2d_X509_ALGOR(id, &end) == length &&
         OSSL_PARAM_set_octet_string(param, der, (size_t)length) == 1;
    X509_ALGOR_free(id);
    return ok;
}

static int signature_get_params(void *data, OSSL_PARAM params[])
{
    struct signature *signature = data;
    OSSL_PARAM *param = OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_ALGORITHM_ID);

    if (!signature->key || (param && !put_algorithm_id(signature, param)))
        return 0;
    param = OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_DIGEST);
    if (!param)
        return 1;
    const char *name = keys_digest_name(signature->digest);
    return OSSL_PARAM_set_utf8_string(param, name ? name : "");
}

static const OSSL_PARAM *signature_gettable_params(void *data, void *provctx)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_octet_string(OSSL_SIGNATURE_PARAM_ALGORITHM_ID, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, NULL, 0),
        OSSL_PARAM_END,
    };
    return params;
}

/* ---- signing ---- */

/** Bytes of the longest signature, which is a size OpenSSL asks for before it allocates. */
static size_t size_of_signature(const struct signature *signature)
{
    int size = EVP_PKEY_get_size(signature->key->public_half);

    return size < 0 ? 0 : (size_t)size;
}

static int salt_bytes(const struct signature *signature)
{
    int digest = (int)keys_digest_size(signature->digest);
    int encoded = (EVP_PKEY_get_bits(signature->key->public_half) - 1 + 7) / 8;

    if (signature->salt == SALT_AS_DIGEST)
        return digest;
    return signature->salt == SALT_MAX ? encoded - digest - 2 : signature->salt;
}

static int ask(struct signature *signature, struct span data, unsigned char *out, size_t *length,
               size_t room)
{
    unsigned char answer[KEYS_SIGNATURE_MAX];
    struct keys_request request = {
        .algorithm = KEYS_ECDSA, .digest = signature->digest, .data = data};

    if (is_ed25519(signature)) {
        request.algorithm = KEYS_ED25519;
    } else if (is_rsa(signature)) {
        bool pss = signature->padding == RSA_PKCS1_PSS_PADDING;
        int salt = pss ? salt_bytes(signature) : 0;
        if (salt < 0)
            return 0;
        request.algorithm = pss ? KEYS_RSA_PSS : KEYS_RSA_PKCS1;
        request.salt = (uint16_t)salt;
    }
    int n = keys_remote_sign(signature->key, &request, answer);
    if (n < 0 || (size_t)n > room)
        return 0;
    memcpy(out, answer, (size_t)n);
    *length = (size_t)n;
    return 1;
}

/** @param data  NULL keeps the key of the last time */
static int begin(struct signature *signature, void *data, const OSSL_PARAM params[])
{
    struct remote_key *key = data;

    if (key && key != signature->key) {
        remote_key_release(signature->key);
        signature->key = remote_key_share(key);
    }
    if (!signature->key || !signature->key->public_half)
        return 0;
    signature->padding = RSA_PKCS1_PADDING;
    signature->salt = SALT_AS_DIGEST;
    return signature_set_params(signature, params);
}

static int sign_init(void *data, void *key, const OSSL_PARAM params[])
{
    struct signature *signature = data;

    signature->digest = KEYS_DIGEST_NONE;
    return begin(signature, key, params);
}

/** Signs a digest made elsewhere; without its name, the one of that length is meant. */
static int sign(void *data, unsigned char *out, size_t *length, size_t room,
                const unsigned char *digest, size_t digest_length)
{
    struct signature *signature = data;

    if (!signature->key || is_ed25519(signature))
        return 0;
    if (!out) {
        *length = size_of_signature(signature);
        return *length != 0;
    }
    for (unsigned i = KEYS_SHA256; signature->digest == KEYS_DIGEST_NONE && i <= KEYS_SHA512; i++)
        if (keys_digest_size(i) == digest_length)
            signature->digest = i;
    if (digest_length == 0 || digest_length != keys_digest_size(signature->digest))
        return 0;
    return ask(signature, span_of((const char *)digest, digest_length), out, length, room);
}

static int digest_sign_init(void *data, const char *digest, void *key, const OSSL_PARAM params[])
{
    struct signature *signature = data;

    if (!begin(signature, key, NULL))
        return 0;
    if (is_ed25519(signature)) {
        if (digest && *digest)
            return 0;
        signature->digest = KEYS_DIGEST_NONE;
        return signature_set_params(signature, params);
    }
    if (digest && *digest && !set_digest(signature, digest))
        return 0;
    if (!signature_set_params(signature, params) || signature->digest == KEYS_DIGEST_NONE)
        return 0;
    if (!signature->hash && !(signature->hash = EVP_MD_CTX_new()))
        return 0;
    return EVP_DigestInit_ex2(signature->hash, signature->remote->digests[signature->digest], NULL);
}

static int digest_sign_update(void *data, const unsigned char *bytes, size_t length)
{
    struct signature *signature = data;

    return signature->hash && EVP_DigestUpdate(signature->hash, bytes, length);
}

static int digest_sign_final(void *data, unsigned char *out, size_t *length, size_t room)
{
    struct signature *signature = data;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size;

    if (!out) {
        *length = size_of_signature(signature);
        return *length != 0;
    }
    if (!signature->hash || EVP_DigestFinal_ex(signature->hash, digest, &size) != 1)
        return 0;
    return ask(signature, span_of((const char *)digest, size), out, length, room);
}

static int digest_sign(void *data, unsigned char *out, size_t *length, size_t room,
                       const unsigned char *bytes, size_t bytes_length)
{
    struct signature *signature = data;

    if (out && is_ed25519(signature))
        return ask(signature, span_of((const char *)bytes, bytes_length), out, length, room);
    if (out && !digest_sign_update(signature, bytes, bytes_length))
        return 0;
    return digest_sign_final(signature, out, length, room);
}

#define COMMON_FUNCTIONS                                                                           \
    {OSSL_FUNC_SIGNATURE_NEWCTX, (void (*)(void))signature_new},                                   \
        {OSSL_FUNC_SIGNATURE_FREECTX, (void (*)(void))signature_free},                             \
        {OSSL_FUNC_SIGNATURE_DUPCTX, (void (*)(void))signature_dup},                               \
        {OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, (void (*)(void))digest_sign_init},                  \
        {OSSL_FUNC_SIGNATURE_DIGEST_SIGN, (void (*)(void))digest_sign},                            \
        {OSSL_FUNC_SIGNATURE_GET_CTX_PARAMS, (void (*)(void))signature_get_params},                \
        {OSSL_FUNC_SIGNATURE_GETTABLE_CTX_PARAMS, (void (*)(void))signature_gettable_params},      \
        {OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, (void (*)(void))signature_set_params},                \
    {                                                                                              \
        OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, (void (*)(void))signature_settable_params         \
    }

static const OSSL_DISPATCH digest_functions[] = {
    COMMON_FUNCTIONS,
    {OSSL_FUNC_SIGNATURE_SIGN_INIT, (void (*)(void))sign_init},
    {OSSL_FUNC_SIGNATURE_SIGN, (void (*)(void))sign},
    {OSSL_FUNC_SIGNATURE_DIGEST_SIGN_UPDATE, (void (*)(void))digest_sign_update},
    {OSSL_FUNC_SIGNATURE_DIGEST_SIGN_FINAL, (void (*)(void))digest_sign_final},
    {0, NULL},
};

/** Ed25519 signs whole messages only (RFC 8032 section 5.1.6 reads them twice). */
static const OSSL_DISPATCH message_functions[] = {
    COMMON_FUNCTIONS,
    {0, NULL},
};

#define PROPERTIES "provider=gardien-keys"

const OSSL_ALGORITHM keys_signature_algorithms[] = {
    {"RSA:rsaEncryption:1.2.840.113549.1.1.1", PROPERTIES, digest_functions, NULL},
    {"ECDSA", PROPERTIES, digest_functions, NULL},
    {"ED25519:1.3.101.112", PROPERTIES, message_functions, NULL},
    {NULL, NULL, NULL, NULL},
};
