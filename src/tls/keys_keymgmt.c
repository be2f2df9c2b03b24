/* Keys of the provider "gardien-keys": a public half that OpenSSL's own provider answers for, and
 * the id under which the keys process holds the rest. No private number is ever here, so there is
 * none to export. */
#include "tls/keys_provider.h"

#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include "base/mem.h"

struct remote_key *remote_key_share(struct remote_key *key)
{
    atomic_fetch_add(&key->references, 1);
    return key;
}

void remote_key_release(void *data)
{
    struct remote_key *key = data;

    if (!key || atomic_fetch_sub(&key->references, 1) != 1)
        return;
    EVP_PKEY_free(key->public_half);
    free(key);
}

static void *key_new(void *provctx, const char *type)
{
    struct remote_key *key = mem_new(struct remote_key);

    key->remote = provctx;
    key->type = type;
    atomic_init(&key->references, 1);
    return key;
}

static void *key_new_rsa(void *provctx)
{
    return key_new(provctx, "RSA");
}

static void *key_new_ec(void *provctx)
{
    return key_new(provctx, "EC");
}

static void *key_new_ed25519(void *provctx)
{
    return key_new(provctx, "ED25519");
}

/** Claims the private half that the holder has: libssl asks before it takes a key. */
static int key_has(const void *data, int selection)
{
    const struct remote_key *key = data;

    if (!key || !key->public_half)
        return 0;
    return !(selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) || key->signs;
}

static int key_match(const void *data1, const void *data2, int selection)
{
    const struct remote_key *key1 = data1, *key2 = data2;

    if (!key1->public_half || !key2->public_half)
        return 0;
    if (selection & OSSL_KEYMGMT_SELECT_KEYPAIR)
        return EVP_PKEY_eq(key1->public_half, key2->public_half) == 1;
    return EVP_PKEY_parameters_eq(key1->public_half, key2->public_half) == 1;
}

static int key_get_params(void *data, OSSL_PARAM params[])
{
    struct remote_key *key = data;

    return key->public_half && EVP_PKEY_get_params(key->public_half, params);
}

static const OSSL_PARAM *key_gettable_params(void *provctx)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_MANDATORY_DIGEST, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_EC_FIELD_TYPE, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
        OSSL_PARAM_END,
    };
    return params;
}

static int key_import(void *data, int selection, const OSSL_PARAM params[])
{
    struct remote_key *key = data;
    const OSSL_PARAM *id = OSSL_PARAM_locate_const(params, REMOTE_KEY_ID);
    EVP_PKEY_CTX *context;
    bool ok;

    if (!(selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY))
        return 0;
    if (id && OSSL_PARAM_get_uint64(id, &key->id) != 1)
        return 0;
    EVP_PKEY_free(take(key->public_half));
    context = EVP_PKEY_CTX_new_from_name(NULL, key->type, NULL);
    ok = context && EVP_PKEY_fromdata_init(context) == 1 &&
         EVP_PKEY_fromdata(context, &key->public_half, EVP_PKEY_PUBLIC_KEY, (OSSL_PARAM *)params) ==
             1;
    EVP_PKEY_CTX_free(context);
    key->signs = ok && id;
    return ok;
}

/** Whoever wants the private half gets nothing at all. OpenSSL asks for it before every signature,
 *  to see whether its own provider could make it, and then turns to ours. */
static int key_export(void *data, int selection, OSSL_CALLBACK *on_params, void *context)
{
    struct remote_key *key = data;

    if (!key->public_half || (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY))
        return 0;
    return EVP_PKEY_export(key->public_half, selection, on_params, context);
}

static const OSSL_PARAM rsa_types[] = {
    OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
    OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
    OSSL_PARAM_uint64(REMOTE_KEY_ID, NULL),
    OSSL_PARAM_END,
};

static const OSSL_PARAM ec_types[] = {
    OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
    OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
    OSSL_PARAM_uint64(REMOTE_KEY_ID, NULL),
    OSSL_PARAM_END,
};

static const OSSL_PARAM ed25519_types[] = {
    OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
    OSSL_PARAM_uint64(REMOTE_KEY_ID, NULL),
    OSSL_PARAM_END,
};

static const OSSL_PARAM *key_types_rsa(int selection)
{
    return rsa_types;
}

static const OSSL_PARAM *key_types_ec(int selection)
{
    return ec_types;
}

static const OSSL_PARAM *key_types_ed25519(int selection)
{
    return ed25519_types;
}

/** OpenSSL's own names, which it looks up in its own provider first and cheaply. */
static const char *key_operation_rsa(int operation)
{
    return operation == OSSL_OP_SIGNATURE ? "RSA" : NULL;
}

static const char *key_operation_ec(int operation)
{
    return operation == OSSL_OP_SIGNATURE ? "ECDSA" : NULL;
}

static const char *key_operation_ed25519(int operation)
{
    return operation == OSSL_OP_SIGNATURE ? "ED25519" : NULL;
}

#define KEYMGMT(kind)                                                                              \
    static const OSSL_DISPATCH kind##_functions[] = {                                              \
        {OSSL_FUNC_KEYMGMT_NEW, (void (*)(void))key_new_##kind},                                   \
        {OSSL_FUNC_KEYMGMT_FREE, (void (*)(void))remote_key_release},                              \
        {OSSL_FUNC_KEYMGMT_HAS, (void (*)(void))key_has},                                          \
        {OSSL_FUNC_KEYMGMT_MATCH, (void (*)(void))key_match},                                      \
        {OSSL_FUNC_KEYMGMT_GET_PARAMS, (void (*)(void))key_get_params},                            \
        {OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, (void (*)(void))key_gettable_params},                  \
        {OSSL_FUNC_KEYMGMT_IMPORT, (void (*)(void))key_import},                                    \
        {OSSL_FUNC_KEYMGMT_IMPORT_TYPES, (void (*)(void))key_types_##kind},                        \
        {OSSL_FUNC_KEYMGMT_EXPORT, (void (*)(void))key_export},                                    \
        {OSSL_FUNC_KEYMGMT_EXPORT_TYPES, (void (*)(void))key_types_##kind},                        \
        {OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, (void (*)(void))key_operation_##kind},            \
        {0, NULL},                                                                                 \
    }

KEYMGMT(rsa);
KEYMGMT(ec);
KEYMGMT(ed25519);

#define PROPERTIES "provider=gardien-keys"

/** libssl recognises a key's kind by these names. */
const OSSL_ALGORITHM keys_keymgmt_algorithms[] = {
    {"RSA:rsaEncryption:1.2.840.113549.1.1.1", PROPERTIES, rsa_functions, NULL},
    {"EC:id-ecPublicKey:1.2.840.10045.2.1", PROPERTIES, ec_functions, NULL},
    {"ED25519:1.3.101.112", PROPERTIES, ed25519_functions, NULL},
    {NULL, NULL, NULL, NULL},
};
