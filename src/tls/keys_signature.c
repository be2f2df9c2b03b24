/* Signatures of the provider "gardien-keys", by the rules of OpenSSL's EVP_DigestSign: libssl has
 * what it signs whole, and so it goes to the keys process. There is no signing of a digest that was
 * made elsewhere, nor in pieces. */
#include "tls/keys_provider.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include "base/mem.h"

struct signature {
    struct keys_remote *remote;
    struct remote_key *key;
    enum keys_digest digest;
    int padding; /**< RSA_PKCS1_PADDING or RSA_PKCS1_PSS_PADDING; RSA keys only */
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
    free(signature);
}

static void *signature_dup(void *data)
{
    const struct signature *from = data;
    struct signature *copy = mem_new(struct signature);

    *copy = *from;
    if (copy->key)
        remote_key_share(copy->key);
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
    *ret_value = value < 0 || value > UINT16_MAX ? -100 : (int)value;
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

/** The salt is as long as the digest: what TLS asks for (RFC 8446 section 4.2.3), and the holder
 *  makes no other. */
static bool salt_is_as_digest(const struct signature *signature, const OSSL_PARAM *param)
{
    static const OSSL_ITEM names[] = {
        {(unsigned)RSA_PSS_SALTLEN_DIGEST, (char *)OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST},
        {0, NULL},
    };
    int salt;

    return is_rsa(signature) && get_choice(param, names, &salt) &&
           (salt == RSA_PSS_SALTLEN_DIGEST || salt == (int)keys_digest_size(signature->digest));
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
    if (param && !salt_is_as_digest(signature, param))
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

/** Who asks for the AlgorithmIdentifier wants to sign a certificate or a request: not this way. */
static int signature_get_params(void *data, OSSL_PARAM params[])
{
    const struct signature *signature = data;
    OSSL_PARAM *param = OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_DIGEST);
    const char *name = keys_digest_name(signature->digest);

    if (OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_ALGORITHM_ID))
        return 0;
    return !param || OSSL_PARAM_set_utf8_string(param, name ? name : "");
}

static const OSSL_PARAM *signature_gettable_params(void *data, void *provctx)
{
    static const OSSL_PARAM params[] = {
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

static int ask(struct signature *signature, struct span content, unsigned char *out, size_t *length,
               size_t room)
{
    struct keys_request request = {
        .algorithm = KEYS_ECDSA, .digest = signature->digest, .data = content};
    struct span answer;

    if (is_ed25519(signature))
        request.algorithm = KEYS_ED25519;
    else if (is_rsa(signature))
        request.algorithm =
            signature->padding == RSA_PKCS1_PSS_PADDING ? KEYS_RSA_PSS : KEYS_RSA_PKCS1;
    if (keys_remote_sign(signature->key, &request, &answer) < 0 || answer.len > room)
        return 0;
    memcpy(out, answer.ptr, answer.len);
    *length = answer.len;
    return 1;
}

/** @param data  NULL keeps the key of the last time */
static int digest_sign_init(void *data, const char *digest, void *key_data,
                            const OSSL_PARAM params[])
{
    struct signature *signature = data;
    struct remote_key *key = key_data;

    if (key && key != signature->key) {
        remote_key_release(signature->key);
        signature->key = remote_key_share(key);
    }
    if (!signature->key || !signature->key->public_half)
        return 0;
    signature->padding = RSA_PKCS1_PADDING;
    if (is_ed25519(signature)) {
        signature->digest = KEYS_DIGEST_NONE;
        return !(digest && *digest) && signature_set_params(signature, params);
    }
    if (digest && *digest && !set_digest(signature, digest))
        return 0;
    return signature_set_params(signature, params) && signature->digest != KEYS_DIGEST_NONE;
}

static int digest_sign(void *data, unsigned char *out, size_t *length, size_t room,
                       const unsigned char *bytes, size_t bytes_length)
{
    struct signature *signature = data;

    if (!signature->key)
        return 0;
    if (out)
        return ask(signature, span_of((const char *)bytes, bytes_length), out, length, room);
    *length = size_of_signature(signature);
    return *length != 0;
}

static const OSSL_DISPATCH functions[] = {
    {OSSL_FUNC_SIGNATURE_NEWCTX, (void (*)(void))signature_new},
    {OSSL_FUNC_SIGNATURE_FREECTX, (void (*)(void))signature_free},
    {OSSL_FUNC_SIGNATURE_DUPCTX, (void (*)(void))signature_dup},
    {OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, (void (*)(void))digest_sign_init},
    {OSSL_FUNC_SIGNATURE_DIGEST_SIGN, (void (*)(void))digest_sign},
    {OSSL_FUNC_SIGNATURE_GET_CTX_PARAMS, (void (*)(void))signature_get_params},
    {OSSL_FUNC_SIGNATURE_GETTABLE_CTX_PARAMS, (void (*)(void))signature_gettable_params},
    {OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, (void (*)(void))signature_set_params},
    {OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, (void (*)(void))signature_settable_params},
    {0, NULL},
};

#define PROPERTIES "provider=gardien-keys"

const OSSL_ALGORITHM keys_signature_algorithms[] = {
    {"RSA:rsaEncryption:1.2.840.113549.1.1.1", PROPERTIES, functions, NULL},
    {"ECDSA", PROPERTIES, functions, NULL},
    {"ED25519:1.3.101.112", PROPERTIES, functions, NULL},
    {NULL, NULL, NULL, NULL},
};
