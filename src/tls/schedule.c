/* HKDF over digests that were fetched once, and the provider that libssl calls. */
#include "tls/schedule.h"

#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/sha.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"

#define PROVIDER_NAME "gardien-schedule"

enum { INFO_MAX = 2 + 1 + 255 + 1 + 255 };

/* ---- HMAC and HKDF ---- */

static int hash_padded(const struct schedule_digest *digest, struct span block,
                       const struct span parts[2], unsigned char *out)
{
    EVP_MD_CTX *context = digest->context;
    bool fine = EVP_DigestInit_ex2(context, digest->md, NULL) == 1 &&
                EVP_DigestUpdate(context, block.ptr, block.len) == 1;
    for (int i = 0; i < 2; i++)
        fine = fine && EVP_DigestUpdate(context, parts[i].ptr, parts[i].len) == 1;
    return fine && EVP_DigestFinal_ex(context, out, NULL) == 1 ? 0 : ERR_TLS;
}

/* RFC 2104, over two parts of a message. A key is never longer than a block here. */
static int hmac(const struct schedule_digest *digest, struct span key, const struct span parts[2],
                unsigned char *out)
{
    size_t hash_len = (size_t)EVP_MD_get_size(digest->md);
    size_t block_len = hash_len == SHA384_DIGEST_LENGTH ? SHA512_CBLOCK : SHA256_CBLOCK;
    unsigned char block[SHA512_CBLOCK] = {0};
    const struct span padded = {(const char *)block, block_len};

    if (key.len > block_len)
        return ERR_TLS;
    if (key.len)
        memcpy(block, key.ptr, key.len);
    for (size_t i = 0; i < block_len; i++)
        block[i] ^= 0x36;
    int r = hash_padded(digest, padded, parts, out);
    for (size_t i = 0; i < block_len; i++)
        block[i] ^= 0x36 ^ 0x5c;
    const struct span inner[2] = {{(const char *)out, hash_len}, {0}};
    if (r >= 0)
        r = hash_padded(digest, padded, inner, out);
    OPENSSL_cleanse(block, sizeof block);
    return r;
}

/* Length, prefix and label, context: the HkdfLabel of section 7.1. @return its length, 0 if too
 * long */
static size_t write_info(unsigned char info[INFO_MAX], size_t len, const struct span label[2],
                         struct span context)
{
    size_t label_len = label[0].len + label[1].len, at = 3;

    if (label_len > 255 || context.len > 255)
        return 0;
    info[0] = (unsigned char)(len >> 8);
    info[1] = (unsigned char)len;
    info[2] = (unsigned char)label_len;
    for (int i = 0; i < 2; i++) {
        if (label[i].len)
            memcpy(info + at, label[i].ptr, label[i].len);
        at += label[i].len;
    }
    info[at++] = (unsigned char)context.len;
    if (context.len)
        memcpy(info + at, context.ptr, context.len);
    return at + context.len;
}

/* HKDF-Expand of at most one block (RFC 5869 section 2.3), of an HkdfLabel. */
static int expand(const struct schedule_digest *digest, struct span secret,
                  const struct span label[2], struct span context, unsigned char *out, size_t len)
{
    unsigned char info[INFO_MAX], block[EVP_MAX_MD_SIZE];
    size_t info_len = write_info(info, len, label, context);

    if (info_len == 0 || len > (size_t)EVP_MD_get_size(digest->md))
        return ERR_TLS;
    const struct span parts[2] = {{(const char *)info, info_len}, SPAN("\1")};
    int r = hmac(digest, secret, parts, block);
    if (r >= 0)
        memcpy(out, block, len);
    OPENSSL_cleanse(block, sizeof block);
    return r;
}

int schedule_expand(const struct schedule_digest *digest, struct span secret, struct span label,
                    struct span context, unsigned char *out, size_t len)
{
    const struct span labels[2] = {SPAN("tls13 "), label};

    return expand(digest, secret, labels, context, out, len);
}

int schedule_extract(const struct schedule_digest *digest, struct span salt, struct span key,
                     unsigned char *out)
{
    const struct span parts[2] = {key, {0}};

    return hmac(digest, salt, parts, out);
}

/* ---- one derivation, as libssl asks for it ---- */

struct derivation {
    struct schedule *schedule;
};

struct request {
    const struct schedule_digest *digest;
    int mode; /* 1 extract, 2 expand */
    struct span key, salt, prefix, label, data;
    bool has_key, has_salt;
};

static void *new_derivation(void *provider_context)
{
    struct derivation *derivation = mem_new(struct derivation);

    derivation->schedule = provider_context;
    return derivation;
}

static void free_derivation(void *derivation)
{
    free(derivation);
}

static void reset_derivation(void *derivation)
{
    (void)derivation; /* every call brings all it needs */
}

static bool octets(const OSSL_PARAM *param, struct span *ret_octets)
{
    const void *data;

    return OSSL_PARAM_get_octet_string_ptr(param, &data, &ret_octets->len) == 1 &&
           (ret_octets->ptr = data, true);
}

static bool read_digest(const struct schedule *schedule, const OSSL_PARAM *param,
                        struct request *request)
{
    const char *name;

    if (OSSL_PARAM_get_utf8_string_ptr(param, &name) != 1)
        return false;
    struct span digest = span_str(name);
    if (span_equal_nocase(digest, SPAN("SHA256")) || span_equal_nocase(digest, SPAN("SHA2-256")))
        request->digest = &schedule->sha256;
    else if (span_equal_nocase(digest, SPAN("SHA384")) ||
             span_equal_nocase(digest, SPAN("SHA2-384")))
        request->digest = &schedule->sha384;
    return request->digest != NULL;
}

static bool read_mode(const OSSL_PARAM *param, struct request *request)
{
    if (param->data_type == OSSL_PARAM_UTF8_STRING) {
        struct span mode = span_of(param->data, strnlen(param->data, param->data_size));
        request->mode = span_equal(mode, SPAN("EXTRACT_ONLY"))  ? EVP_KDF_HKDF_MODE_EXTRACT_ONLY
                        : span_equal(mode, SPAN("EXPAND_ONLY")) ? EVP_KDF_HKDF_MODE_EXPAND_ONLY
                                                                : -1;
        return request->mode >= 0;
    }
    return OSSL_PARAM_get_int(param, &request->mode) == 1;
}

static bool read_request(const struct schedule *schedule, const OSSL_PARAM params[],
                         struct request *request)
{
    for (const OSSL_PARAM *param = params; param && param->key; param++) {
        struct span key = span_str(param->key);
        bool fine = true;
        if (span_equal(key, SPAN(OSSL_KDF_PARAM_MODE)))
            fine = read_mode(param, request);
        else if (span_equal(key, SPAN(OSSL_KDF_PARAM_DIGEST)))
            fine = read_digest(schedule, param, request);
        else if (span_equal(key, SPAN(OSSL_KDF_PARAM_KEY)))
            fine = request->has_key = octets(param, &request->key);
        else if (span_equal(key, SPAN(OSSL_KDF_PARAM_SALT)))
            fine = request->has_salt = octets(param, &request->salt);
        else if (span_equal(key, SPAN(OSSL_KDF_PARAM_PREFIX)))
            fine = octets(param, &request->prefix);
        else if (span_equal(key, SPAN(OSSL_KDF_PARAM_LABEL)))
            fine = octets(param, &request->label);
        else if (span_equal(key, SPAN(OSSL_KDF_PARAM_DATA)))
            fine = octets(param, &request->data);
        if (!fine)
            return false;
    }
    return request->digest != NULL;
}

/* The hash of no bytes, the context of "derived" (section 7.1). */
static const struct span empty_sha256 =
    SPAN("\xe3\xb0\xc4\x42\x98\xfc\x1c\x14\x9a\xfb\xf4\xc8\x99\x6f\xb9\x24"
         "\x27\xae\x41\xe4\x64\x9b\x93\x4c\xa4\x95\x99\x1b\x78\x52\xb8\x55");
static const struct span empty_sha384 =
    SPAN("\x38\xb0\x60\xa7\x51\xac\x96\x38\x4c\xd9\x32\x7e\xb1\xb1\xe3\x6a"
         "\x21\xfd\xb7\x11\x14\xbe\x07\x43\x4c\x0c\xc7\xbf\x63\xf6\xe1\xda"
         "\x27\x4e\xde\xbf\xe7\x6f\x65\xfb\xd5\x1a\xd2\xf1\x48\x98\xb9\x5b");

/* HKDF-Extract with the salt that "derived" makes of the secret before (section 7.1). */
static int extract(const struct request *request, unsigned char *out)
{
    static const char zeros[EVP_MAX_MD_SIZE];
    size_t hash_len = (size_t)EVP_MD_get_size(request->digest->md);
    unsigned char salt[EVP_MAX_MD_SIZE];
    struct span salt_span = {(const char *)salt, 0};
    int r = 0;

    if (request->has_salt) {
        const struct span labels[2] = {request->prefix, request->label};
        r = expand(request->digest, request->salt, labels,
                   hash_len == SHA384_DIGEST_LENGTH ? empty_sha384 : empty_sha256, salt, hash_len);
        salt_span.len = hash_len;
    }
    const struct span parts[2] = {request->has_key ? request->key : span_of(zeros, hash_len), {0}};
    if (r >= 0)
        r = hmac(request->digest, salt_span, parts, out);
    OPENSSL_cleanse(salt, sizeof salt);
    return r;
}

static void note(struct traffic_secrets *secrets, struct span label, const unsigned char *out,
                 size_t len)
{
    if (len > SECRET_MAX)
        return;
    if (span_equal(label, SPAN("s ap traffic"))) {
        memcpy(secrets->server, out, len);
        secrets->has_server = true;
        secrets->len = (unsigned)len;
    } else if (span_equal(label, SPAN("c ap traffic"))) {
        memcpy(secrets->client, out, len);
        secrets->has_client = true;
        secrets->len = (unsigned)len;
    }
}

static void tell(const struct schedule *schedule, struct span label, const unsigned char *out,
                 size_t len)
{
    static const struct span labels[] = {
        [SCHEDULE_CLIENT_HANDSHAKE] = SPAN("c hs traffic"),
        [SCHEDULE_SERVER_HANDSHAKE] = SPAN("s hs traffic"),
        [SCHEDULE_CLIENT_TRAFFIC] = SPAN("c ap traffic"),
        [SCHEDULE_SERVER_TRAFFIC] = SPAN("s ap traffic"),
    };

    for (size_t i = 0; i < ARRAY_SIZE(labels); i++)
        if (span_equal(label, labels[i]))
            schedule->on_secret(schedule->secret_context, (enum schedule_secret)i,
                                span_of((const char *)out, len));
}

static int derive(void *derivation, unsigned char *out, size_t len, const OSSL_PARAM params[])
{
    struct schedule *schedule = ((struct derivation *)derivation)->schedule;
    struct request request = {.mode = -1};

    if (!read_request(schedule, params, &request))
        return 0;
    if (request.mode == EVP_KDF_HKDF_MODE_EXTRACT_ONLY)
        return len == (size_t)EVP_MD_get_size(request.digest->md) && extract(&request, out) == 0;
    if (request.mode != EVP_KDF_HKDF_MODE_EXPAND_ONLY || !request.has_key)
        return 0;
    const struct span labels[2] = {request.prefix, request.label};
    if (expand(request.digest, request.key, labels, request.data, out, len) < 0)
        return 0;
    if (schedule->noting)
        note(schedule->noting, request.label, out, len);
    if (schedule->on_secret)
        tell(schedule, request.label, out, len);
    return 1;
}

static const OSSL_PARAM *settable_params(void *derivation, void *provider_context)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_int(OSSL_KDF_PARAM_MODE, NULL),
        OSSL_PARAM_utf8_string(OSSL_KDF_PARAM_DIGEST, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_KDF_PARAM_KEY, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SALT, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_KDF_PARAM_PREFIX, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_KDF_PARAM_LABEL, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_KDF_PARAM_DATA, NULL, 0),
        OSSL_PARAM_END,
    };

    (void)derivation;
    (void)provider_context;
    return params;
}

/* ---- the provider ---- */

static const OSSL_DISPATCH kdf_functions[] = {
    {OSSL_FUNC_KDF_NEWCTX, (void (*)(void))new_derivation},
    {OSSL_FUNC_KDF_FREECTX, (void (*)(void))free_derivation},
    {OSSL_FUNC_KDF_RESET, (void (*)(void))reset_derivation},
    {OSSL_FUNC_KDF_DERIVE, (void (*)(void))derive},
    {OSSL_FUNC_KDF_SETTABLE_CTX_PARAMS, (void (*)(void))settable_params},
    {0, NULL},
};

static const OSSL_ALGORITHM kdf_algorithms[] = {
    {"TLS13-KDF", "provider=" PROVIDER_NAME, kdf_functions, "TLS 1.3 key schedule"},
    {NULL, NULL, NULL, NULL},
};

static const OSSL_ALGORITHM *query_operation(void *provider_context, int operation, int *no_cache)
{
    (void)provider_context;
    *no_cache = 0;
    return operation == OSSL_OP_KDF ? kdf_algorithms : NULL;
}

static void teardown(void *provider_context)
{
    free(provider_context);
}

static const OSSL_DISPATCH provider_functions[] = {
    {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query_operation},
    {OSSL_FUNC_PROVIDER_TEARDOWN, (void (*)(void))teardown},
    {0, NULL},
};

static int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
                         const OSSL_DISPATCH **out, void **provider_context)
{
    (void)handle;
    (void)in;
    *out = provider_functions;
    *provider_context = mem_new(struct schedule);
    return 1;
}

/* The order of loading decides whom an unqualified fetch finds: ours before OpenSSL's. */
static int load(OSSL_LIB_CTX *library, OSSL_PROVIDER **ret_provider, OSSL_PROVIDER **ret_defaults)
{
    if (OSSL_PROVIDER_add_builtin(library, PROVIDER_NAME, provider_init) != 1)
        return ERR_TLS;
    *ret_provider = OSSL_PROVIDER_load(library, PROVIDER_NAME);
    *ret_defaults = *ret_provider ? OSSL_PROVIDER_load(library, "default") : NULL;
    return *ret_defaults ? 0 : ERR_TLS;
}

static bool fetch(struct schedule_digest *digest, OSSL_LIB_CTX *library, const char *name)
{
    digest->md = EVP_MD_fetch(library, name, NULL);
    digest->context = EVP_MD_CTX_new();
    return digest->md && digest->context;
}

static void release(struct schedule_digest *digest)
{
    EVP_MD_CTX_free(digest->context);
    EVP_MD_free(digest->md);
}

int schedule_create(struct schedule **ret_schedule)
{
    OSSL_LIB_CTX *library = OSSL_LIB_CTX_new();
    OSSL_PROVIDER *provider = NULL, *defaults = NULL;

    if (!library || load(library, &provider, &defaults) < 0) {
        if (provider)
            OSSL_PROVIDER_unload(provider);
        OSSL_LIB_CTX_free(library);
        return ERR_TLS;
    }
    struct schedule *schedule = OSSL_PROVIDER_get0_provider_ctx(provider);
    schedule->library = library;
    schedule->provider = provider;
    schedule->defaults = defaults;
    bool fine = fetch(&schedule->sha256, library, "SHA2-256");
    fine = fetch(&schedule->sha384, library, "SHA2-384") && fine;
    if (!fine) {
        schedule_destroy(schedule);
        return ERR_TLS;
    }
    *ret_schedule = schedule;
    return 0;
}

void schedule_destroy(struct schedule *schedule)
{
    if (!schedule)
        return;
    OSSL_LIB_CTX *library = schedule->library;
    release(&schedule->sha256);
    release(&schedule->sha384);
    OSSL_PROVIDER_unload(schedule->defaults);
    OSSL_PROVIDER_unload(schedule->provider);
    OSSL_LIB_CTX_free(library); /* calls teardown() */
}
