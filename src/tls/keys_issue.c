/* Certificate requests and the certificates of tls-alpn-01, built here from names, so that nothing
 * has to be parsed and nothing else can be signed. */
#include <arpa/inet.h>

#include <openssl/bn.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/error.h"
#include "base/mem.h"
#include "tls/keys_held.h"

enum {
    NAMES_MAX = 100,
    NAME_MAX_LENGTH = 253,
    LABEL_MAX = 63,
    COMMON_NAME_MAX = 64, /* RFC 5280 appendix A.1, ub-common-name */
    DIGEST = 32,
    SERIAL_BITS = 127,
    HALF_LIFE = 84 * 3600, /* of a challenge certificate, either side of now, in seconds */
};

/* ---- names ---- */

static bool label_valid(struct span label)
{
    if (label.len == 0 || label.len > LABEL_MAX || label.ptr[0] == '-' ||
        label.ptr[label.len - 1] == '-')
        return false;
    for (size_t i = 0; i < label.len; i++) {
        char c = label.ptr[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
            return false;
    }
    return true;
}

static bool host_valid(struct span name)
{
    struct span rest = span_starts(name, SPAN("*.")) ? span_from(name, 2) : name;
    struct span label;
    size_t labels = 0;

    if (name.len > NAME_MAX_LENGTH || (rest.len && rest.ptr[rest.len - 1] == '.'))
        return false;
    for (; span_next(&rest, '.', &label); labels++)
        if (!label_valid(label))
            return false;
    return labels > 0;
}

static bool add_general(GENERAL_NAMES *names, int type, int asn1, const void *bytes, size_t len)
{
    GENERAL_NAME *general = GENERAL_NAME_new();
    ASN1_STRING *value = ASN1_STRING_type_new(asn1);

    if (!general || !value || ASN1_STRING_set(value, bytes, (int)len) != 1) {
        ASN1_STRING_free(value);
        GENERAL_NAME_free(general);
        return false;
    }
    GENERAL_NAME_set0_value(general, type, value);
    if (sk_GENERAL_NAME_push(names, general) > 0)
        return true;
    GENERAL_NAME_free(general);
    return false;
}

/* @return bytes of the address, or 0 when the name is none */
static size_t address_of(struct span name, unsigned char out[16])
{
    char text[INET6_ADDRSTRLEN] = "";

    if (name.len >= sizeof text)
        return 0;
    memcpy(text, name.ptr, name.len);
    if (inet_pton(AF_INET, text, out) == 1)
        return 4;
    return inet_pton(AF_INET6, text, out) == 1 ? 16 : 0;
}

/* @return 0, ERR_SYNTAX for a name that no certificate can have, or ERR_TLS */
static int add_name(GENERAL_NAMES *names, struct span name)
{
    unsigned char address[16];
    size_t size = address_of(name, address);
    bool fine;

    if (name.len == 0 || (size == 0 && !host_valid(name)))
        return ERR_SYNTAX;
    if (size > 0)
        fine = add_general(names, GEN_IPADD, V_ASN1_OCTET_STRING, address, size);
    else
        fine = add_general(names, GEN_DNS, V_ASN1_IA5STRING, name.ptr, name.len);
    return fine ? 0 : ERR_TLS;
}

static int add_names(GENERAL_NAMES *names, struct span list)
{
    struct span name;
    int r = 0;

    if (list.len == 0 || list.ptr[list.len - 1] != '\n')
        return ERR_SYNTAX;
    list.len--;
    for (size_t count = 0; r == 0 && span_next(&list, '\n', &name); count++)
        r = count == NAMES_MAX ? ERR_SYNTAX : add_name(names, name);
    return r;
}

/* ---- what both have ---- */

static const EVP_MD *digest_for(const EVP_PKEY *key)
{
    if (EVP_PKEY_is_a(key, "ED25519"))
        return NULL;
    return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_bits(key) == 384 ? EVP_sha384() : EVP_sha256();
}

/* Moves DER that OpenSSL allocated. @return its bytes in `out`, ERR_LIMIT or ERR_TLS */
static int take_der(unsigned char *der, int length, char *out, size_t room)
{
    int r = length <= 0 ? ERR_TLS : (size_t)length > room ? ERR_LIMIT : length;

    if (r > 0)
        memcpy(out, der, (size_t)length);
    OPENSSL_free(der);
    return r;
}

/* ---- requests ---- */

static int set_common_name(X509_REQ *request, struct span names)
{
    struct span first = names;
    unsigned char address[16];

    span_next(&names, '\n', &first);
    if (first.len > COMMON_NAME_MAX || address_of(first, address))
        return ERR_SYNTAX;
    return X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(request), "CN", MBSTRING_ASC,
                                      (const unsigned char *)first.ptr, (int)first.len, -1, 0) == 1
               ? 0
               : ERR_TLS;
}

static bool add_san(X509_REQ *request, GENERAL_NAMES *names)
{
    X509_EXTENSION *extension = X509V3_EXT_i2d(NID_subject_alt_name, 0, names);
    STACK_OF(X509_EXTENSION) *extensions = sk_X509_EXTENSION_new_null();
    bool fine = false;

    if (extension && extensions && sk_X509_EXTENSION_push(extensions, extension) > 0) {
        extension = NULL;
        fine = X509_REQ_add_extensions(request, extensions) == 1;
    }
    X509_EXTENSION_free(extension);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    return fine;
}

int keys_issue_request(EVP_PKEY *key, struct span names, bool common_name, char *out, size_t room)
{
    GENERAL_NAMES *general = sk_GENERAL_NAME_new_null();
    X509_REQ *request = X509_REQ_new();
    unsigned char *der = NULL;
    int r = general && request ? add_names(general, names) : ERR_TLS;

    if (r == 0 && common_name)
        r = set_common_name(request, names);
    if (r == 0 && (X509_REQ_set_version(request, X509_REQ_VERSION_1) != 1 ||
                   !add_san(request, general) || X509_REQ_set_pubkey(request, key) != 1 ||
                   X509_REQ_sign(request, key, digest_for(key)) <= 0))
        r = ERR_TLS;
    if (r == 0)
        r = i2d_X509_REQ(request, &der);
    if (r > 0)
        r = take_der(der, r, out, room);
    GENERAL_NAMES_free(general);
    X509_REQ_free(request);
    return r;
}

/* ---- certificates for tls-alpn-01 ---- */

/* id-pe-acmeIdentifier, critical, with the digest as an OCTET STRING (RFC 8737 section 3). */
static bool add_identifier(X509 *certificate, struct span digest)
{
    unsigned char der[2 + DIGEST] = {V_ASN1_OCTET_STRING, DIGEST};
    ASN1_OBJECT *object = OBJ_txt2obj("1.3.6.1.5.5.7.1.31", 1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    X509_EXTENSION *extension = NULL;

    memcpy(der + 2, digest.ptr, DIGEST);
    if (object && value && ASN1_OCTET_STRING_set(value, der, sizeof der) == 1)
        extension = X509_EXTENSION_create_by_OBJ(NULL, object, 1, value);
    bool fine = extension && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(object);
    return fine;
}

static bool set_serial(X509 *certificate)
{
    BIGNUM *number = BN_new();
    bool fine = number && BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
                BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;

    BN_free(number);
    return fine;
}

static bool fill(X509 *certificate, EVP_PKEY *key, GENERAL_NAMES *names, struct span digest)
{
    X509_NAME *subject = X509_get_subject_name(certificate);

    return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                      (const unsigned char *)"ACME challenge", -1, -1, 0) == 1 &&
           X509_set_issuer_name(certificate, subject) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -HALF_LIFE) &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), HALF_LIFE) &&
           X509_set_pubkey(certificate, key) == 1 &&
           X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, 0) == 1 &&
           add_identifier(certificate, digest) && X509_sign(certificate, key, digest_for(key)) > 0;
}

int keys_issue_challenge(EVP_PKEY *key, struct span name, struct span digest, char *out,
                         size_t room)
{
    GENERAL_NAMES *general = sk_GENERAL_NAME_new_null();
    X509 *certificate = X509_new();
    unsigned char *der = NULL;
    int r = digest.len != DIGEST || span_starts(name, SPAN("*")) ? ERR_SYNTAX : 0;

    if (r == 0)
        r = general && certificate ? add_name(general, name) : ERR_TLS;
    if (r == 0 && !fill(certificate, key, general, digest))
        r = ERR_TLS;
    if (r == 0)
        r = i2d_X509(certificate, &der);
    if (r > 0)
        r = take_der(der, r, out, room);
    GENERAL_NAMES_free(general);
    X509_free(certificate);
    return r;
}
