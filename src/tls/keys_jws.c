/* ACME's signatures (RFC 8555 section 6.2, RFC 7515): the header and the payload are read as JSON
 * before they are signed, so that an account's key signs requests to a CA and nothing else. */
#include <jansson.h>
#include <stdlib.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/hmac.h>

#include "base/base64.h"
#include "base/error.h"
#include "base/mem.h"
#include "tls/keys_held.h"

enum { COORDINATE_MAX = 48, NUMBER_MAX = 1024 };

/* Kinds of keys, by what JOSE calls them (RFC 7518 section 3.1, RFC 8037). */
static const struct {
    const char *alg;
    const char *type; /* of OpenSSL */
    int bits;         /* 0: any */
    const char *jwk;  /* how its JWK begins */
} kinds[] = {
    {"ES256", "EC", 256, "{\"crv\":\"P-256\",\"kty\":\"EC\","},
    {"ES384", "EC", 384, "{\"crv\":\"P-384\",\"kty\":\"EC\","},
    {"RS256", "RSA", 0, "{\"e\":"},
    {"EdDSA", "ED25519", 0, "{\"crv\":\"Ed25519\",\"kty\":\"OKP\","},
};

static int kind_of(const EVP_PKEY *key)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (EVP_PKEY_is_a(key, kinds[i].type) &&
            (kinds[i].bits == 0 || kinds[i].bits == EVP_PKEY_get_bits(key)))
            return (int)i;
    return ERR_TLS;
}

const char *keys_jwk_alg(struct span jwk)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (span_starts(jwk, span_str(kinds[i].jwk)))
            return kinds[i].alg;
    return NULL;
}

/* ---- JWK ---- */

/* A number of the key in base64url. @param len  bytes that it is padded to; 0: as few as it needs
 */
static char *number_text(const EVP_PKEY *key, const char *name, size_t len)
{
    BIGNUM *number = NULL;
    unsigned char bytes[NUMBER_MAX];
    char *text = NULL;

    if (EVP_PKEY_get_bn_param(key, name, &number) == 1) {
        int size = BN_bn2binpad(number, bytes, (int)(len ? len : (size_t)BN_num_bytes(number)));
        if (size > 0) {
            text = mem_zalloc(base64url_size((size_t)size) + 1);
            base64url_encode(span_of((const char *)bytes, (size_t)size), text);
        }
    }
    BN_free(number);
    return text;
}

static char *ec_jwk(const EVP_PKEY *key, const char *begin)
{
    size_t len = (size_t)EVP_PKEY_get_bits(key) / 8;
    scoped(mem_release) char *x = number_text(key, OSSL_PKEY_PARAM_EC_PUB_X, len);
    scoped(mem_release) char *y = number_text(key, OSSL_PKEY_PARAM_EC_PUB_Y, len);

    return x && y ? mem_format("%s\"x\":\"%s\",\"y\":\"%s\"}", begin, x, y) : NULL;
}

static char *rsa_jwk(const EVP_PKEY *key)
{
    scoped(mem_release) char *e = number_text(key, OSSL_PKEY_PARAM_RSA_E, 0);
    scoped(mem_release) char *n = number_text(key, OSSL_PKEY_PARAM_RSA_N, 0);

    return e && n ? mem_format("{\"e\":\"%s\",\"kty\":\"RSA\",\"n\":\"%s\"}", e, n) : NULL;
}

static char *okp_jwk(const EVP_PKEY *key, const char *begin)
{
    unsigned char bytes[32];
    char text[43];
    size_t len = sizeof bytes;

    if (EVP_PKEY_get_raw_public_key(key, bytes, &len) != 1)
        return NULL;
    size_t count = base64url_encode(span_of((const char *)bytes, len), text);
    return mem_format("%s\"x\":\"%.*s\"}", begin, (int)count, text);
}

static char *jwk_text(const EVP_PKEY *key)
{
    int kind = kind_of(key);

    if (kind < 0)
        return NULL;
    switch (kinds[kind].type[0]) {
    case 'R':
        return rsa_jwk(key);
    default:
        return kinds[kind].bits ? ec_jwk(key, kinds[kind].jwk) : okp_jwk(key, kinds[kind].jwk);
    }
}

int keys_jwk_write(EVP_PKEY *key, char *out, size_t room)
{
    scoped(mem_release) char *text = jwk_text(key);
    struct span jwk = span_str(text);

    if (!text)
        return ERR_TLS;
    if (jwk.len > room)
        return ERR_LIMIT;
    memcpy(out, jwk.ptr, jwk.len);
    return (int)jwk.len;
}

int keys_jwk_thumbprint(struct span jwk, char out[KEYS_THUMBPRINT_MAX])
{
    unsigned char digest[32];

    if (EVP_Digest(jwk.ptr, jwk.len, digest, NULL, EVP_sha256(), NULL) != 1)
        return ERR_TLS;
    out[base64url_encode(span_of((const char *)digest, sizeof digest), out)] = '\0';
    return 0;
}

/* ---- what may be signed ---- */

static void json_release(json_t **json)
{
    json_decref(*json);
}

static json_t *object_of(struct span text)
{
    json_t *json = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL);

    if (json_is_object(json))
        return json;
    json_decref(json);
    return NULL;
}

static bool has_only(const json_t *object, const char *const *names)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        size_t i = 0;
        while (names[i] && strcmp(names[i], key) != 0)
            i++;
        if (!names[i])
            return false;
    }
    return true;
}

static struct span string_of(const json_t *object, const char *key)
{
    return span_str(json_string_value(json_object_get(object, key)));
}

static bool is_base64url(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = ascii_lower(text.ptr[i]);
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_')
            return false;
    }
    return text.len > 0;
}

static bool is_https(struct span url)
{
    return span_starts(url, SPAN("https://")) && url.len > SPAN("https://").len;
}

/* Section 7.3.4 of RFC 8555. */
static bool is_binding(const json_t *header, const json_t *payload)
{
    static const char *const names[] = {"alg", "kid", "url", NULL};

    return has_only(header, names) && span_equal(string_of(header, "alg"), SPAN("HS256")) &&
           string_of(header, "kid").len > 0 && is_https(string_of(header, "url")) && payload &&
           string_of(payload, "kty").len > 0 && !json_object_get(payload, "d");
}

/* Section 7.3.5: the request that the new key signs for the change of an account's key. */
static bool is_rollover(const json_t *header, const json_t *payload)
{
    static const char *const names[] = {"account", "oldKey", NULL};

    return json_object_get(header, "jwk") && payload && has_only(payload, names) &&
           is_https(string_of(payload, "account")) &&
           json_is_object(json_object_get(payload, "oldKey"));
}

/* Section 6.2. */
static bool is_account_request(const EVP_PKEY *key, const json_t *header, const json_t *payload)
{
    static const char *const names[] = {"alg", "jwk", "kid", "nonce", "url", NULL};
    const json_t *jwk = json_object_get(header, "jwk"), *nonce = json_object_get(header, "nonce");
    scoped(mem_release) char *own_text = jwk_text(key);
    scoped(json_release) json_t *own = own_text ? object_of(span_str(own_text)) : NULL;
    int kind = kind_of(key);

    if (kind < 0 || !own || !has_only(header, names) ||
        !span_equal(string_of(header, "alg"), span_str(kinds[kind].alg)) ||
        !is_https(string_of(header, "url")))
        return false;
    if (jwk ? json_object_get(header, "kid") || !json_equal(jwk, own)
            : !is_https(string_of(header, "kid")))
        return false;
    return nonce ? is_base64url(string_of(header, "nonce")) : is_rollover(header, payload);
}

static bool may_sign(const struct held_key *held, struct span header_text, struct span payload_text)
{
    scoped(json_release) json_t *header = object_of(header_text);
    scoped(json_release) json_t *payload = payload_text.len ? object_of(payload_text) : NULL;

    if (!header || (payload_text.len && !payload))
        return false;
    if (held->purpose == KEYS_FOR_EAB)
        return is_binding(header, payload);
    return held->purpose == KEYS_FOR_ACCOUNT && is_account_request(held->key, header, payload);
}

/* ---- signing ---- */

/* Both parts in base64url with a dot between (RFC 7515 section 5.1). */
static char *signing_input(struct span header, struct span payload, size_t *ret_len)
{
    char *text = mem_alloc(base64url_size(header.len) + 1 + base64url_size(payload.len) + 1);
    size_t len = base64url_encode(header, text);

    text[len++] = '.';
    len += base64url_encode(payload, text + len);
    *ret_len = len;
    return text;
}

/* ECDSA's two numbers side by side, each as long as the curve's order (RFC 7518 section 3.4). */
static int to_concatenation(struct span der, size_t number, char *out)
{
    const unsigned char *at = (const unsigned char *)der.ptr;
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &at, (long)der.len);
    unsigned char *to = (unsigned char *)out;
    bool fine = signature &&
                BN_bn2binpad(ECDSA_SIG_get0_r(signature), to, (int)number) == (int)number &&
                BN_bn2binpad(ECDSA_SIG_get0_s(signature), to + number, (int)number) == (int)number;

    ECDSA_SIG_free(signature);
    return fine ? (int)(2 * number) : ERR_TLS;
}

static int sign(EVP_PKEY *key, struct span input, char *out)
{
    unsigned char signature[KEYS_SIGNATURE_MAX];
    size_t len = sizeof signature, number = (size_t)EVP_PKEY_get_bits(key) / 8;
    bool ec = EVP_PKEY_is_a(key, "EC");
    const EVP_MD *digest = EVP_PKEY_is_a(key, "ED25519")    ? NULL
                           : ec && number == COORDINATE_MAX ? EVP_sha384()
                                                            : EVP_sha256();
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool fine =
        context && EVP_DigestSignInit(context, NULL, digest, NULL, key) == 1 &&
        EVP_DigestSign(context, signature, &len, (const unsigned char *)input.ptr, input.len) == 1;

    EVP_MD_CTX_free(context);
    if (!fine)
        return ERR_TLS;
    if (ec)
        return to_concatenation(span_of((const char *)signature, len), number, out);
    memcpy(out, signature, len);
    return (int)len;
}

int keys_jws_sign(const struct held_key *held, struct span header, struct span payload, char *out,
                  size_t room)
{
    unsigned size = 0;
    size_t len;

    if (room < KEYS_SIGNATURE_MAX)
        return ERR_LIMIT;
    if (!may_sign(held, header, payload))
        return ERR_SYNTAX;
    scoped(mem_release) char *input = signing_input(header, payload, &len);
    if (held->purpose != KEYS_FOR_EAB)
        return sign(held->key, span_of(input, len), out);
    if (!HMAC(EVP_sha256(), held->secret, (int)held->secret_len, (const unsigned char *)input, len,
              (unsigned char *)out, &size))
        return ERR_TLS;
    return (int)size;
}
