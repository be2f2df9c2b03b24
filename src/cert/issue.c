/* Builds and signs X.509 certificates for the local CA. */
#include "cert/issue.h"

#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"
#include "cert/x509.h"

enum {
    DAY = 24 * 60 * 60, /* seconds */
    BACKDATE = 60 * 60, /* against clients whose clock is behind */
    CA_LIFETIME = 3650 * DAY,
    LEAF_LIFETIME = 90 * DAY,
    COMMON_NAME_MAX = 64, /* RFC 5280 appendix A.1, ub-common-name */
    HOST_NAME_MAX_LENGTH = 253,
    LABEL_MAX = 63,
    SERIAL_BITS = 128,
};

void issued_finish(struct issued *issued)
{
    X509_free(issued->cert);
    EVP_PKEY_free(issued->key);
    *issued = (struct issued){0};
}

static bool label_valid(struct span label)
{
    if (label.len == 0 || label.len > LABEL_MAX || label.ptr[0] == '-' ||
        label.ptr[label.len - 1] == '-')
        return false;
    bool letters = false;
    for (size_t i = 0; i < label.len; i++) {
        char c = ascii_lower(label.ptr[i]);
        bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!letter && c != '-' && c != '_')
            return false;
        letters |= letter;
    }
    return letters;
}

static char *host_normal(struct span name)
{
    struct span rest = span_starts(name, SPAN("*.")) ? span_from(name, 2) : name;
    struct span label;

    if (name.len == 0 || name.len > HOST_NAME_MAX_LENGTH || rest.len == 0)
        return NULL;
    while (span_next(&rest, '.', &label))
        if (!label_valid(label))
            return NULL;
    char *normal = mem_string(name);
    for (char *at = normal; *at; at++)
        *at = ascii_lower(*at);
    return normal;
}

static size_t address_bytes(const char *name, unsigned char out[16])
{
    if (inet_pton(AF_INET, name, out) == 1)
        return 4;
    return inet_pton(AF_INET6, name, out) == 1 ? 16 : 0;
}

char *name_normal(const char *name)
{
    unsigned char bytes[16];
    char text[INET6_ADDRSTRLEN];
    size_t size = address_bytes(name, bytes);
    struct span host = span_str(name);

    if (size > 0) {
        inet_ntop(size == 4 ? AF_INET : AF_INET6, bytes, text, sizeof text);
        return mem_string(span_str(text));
    }
    if (span_ends(host, SPAN(".")))
        host.len--;
    return host_normal(host);
}

static bool set_serial(X509 *cert)
{
    BIGNUM *number = BN_new();
    bool fine = number && BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) &&
                !BN_is_zero(number) &&
                BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;

    BN_free(number);
    return fine;
}

static bool set_dates(X509 *cert, int64_t not_before, int64_t not_after)
{
    return ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)not_before) &&
           ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)not_after);
}

static bool add_to_name(X509_NAME *name, const char *field, const char *value)
{
    return X509_NAME_add_entry_by_txt(name, field, MBSTRING_ASC, (const unsigned char *)value, -1,
                                      -1, 0) == 1;
}

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;

    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool fine = extension && X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
    return fine;
}

/* A version 3 certificate of a new key, with a random serial number. */
static bool start(struct issued *issued)
{
    issued->key = EVP_EC_gen("P-256");
    issued->cert = X509_new();
    return issued->key && issued->cert && X509_set_version(issued->cert, X509_VERSION_3) &&
           set_serial(issued->cert) && X509_set_pubkey(issued->cert, issued->key);
}

/* Every CA gets a subject of its own, so that stores which find issuers by subject never mix up two
 * that the same person made on the same machine. */
static bool name_ca(X509 *cert, const char *owner)
{
    unsigned char random[8];
    char id[2 * sizeof random + 1];
    char common[COMMON_NAME_MAX + 1];
    X509_NAME *name = X509_get_subject_name(cert);

    if (RAND_bytes(random, sizeof random) != 1)
        return false;
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(id + 2 * i, 3, "%02x", random[i]);
    snprintf(common, sizeof common, "gardien local CA (%.45s)", owner);
    return add_to_name(name, "CN", common) && add_to_name(name, "serialNumber", id) &&
           X509_set_issuer_name(cert, name);
}

int issue_ca(const char *owner, nsec_t now, struct issued *ret_ca)
{
    int64_t second = now / NSEC_PER_SEC;
    struct issued ca = {0};
    bool fine =
        start(&ca) && name_ca(ca.cert, owner) &&
        set_dates(ca.cert, second - BACKDATE, second + CA_LIFETIME) &&
        add_extension(ca.cert, ca.cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
        add_extension(ca.cert, ca.cert, NID_key_usage, "critical,keyCertSign,cRLSign") &&
        add_extension(ca.cert, ca.cert, NID_subject_key_identifier, "hash") &&
        add_extension(ca.cert, ca.cert, NID_authority_key_identifier, "keyid:always") &&
        X509_sign(ca.cert, ca.key, EVP_sha256()) > 0;

    if (!fine) {
        issued_finish(&ca);
        ERR_clear_error();
        return ERR_TLS;
    }
    *ret_ca = ca;
    return 0;
}

/* @return a new name, or NULL */
static GENERAL_NAME *alternative(const char *name)
{
    unsigned char bytes[16];
    size_t size = address_bytes(name, bytes);
    GENERAL_NAME *result = GENERAL_NAME_new();
    ASN1_STRING *value = ASN1_STRING_type_new(size > 0 ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);

    if (!result || !value ||
        !ASN1_STRING_set(value, size > 0 ? (const void *)bytes : name, size > 0 ? (int)size : -1)) {
        ASN1_STRING_free(value);
        GENERAL_NAME_free(result);
        return NULL;
    }
    GENERAL_NAME_set0_value(result, size > 0 ? GEN_IPADD : GEN_DNS, value);
    return result;
}

static bool add_names(X509 *cert, char *const *names, size_t count, bool critical)
{
    GENERAL_NAMES *all = GENERAL_NAMES_new();
    bool fine = all != NULL;

    for (size_t i = 0; fine && i < count; i++) {
        GENERAL_NAME *name = alternative(names[i]);
        fine = name && sk_GENERAL_NAME_push(all, name) > 0;
        if (!fine)
            GENERAL_NAME_free(name);
    }
    fine = fine &&
           X509_add1_ext_i2d(cert, NID_subject_alt_name, all, critical, X509V3_ADD_DEFAULT) == 1;
    GENERAL_NAMES_free(all);
    return fine;
}

int issue_leaf(const struct issued *ca, char *const *names, size_t count, nsec_t now,
               struct issued *ret_leaf)
{
    int64_t second = now / NSEC_PER_SEC;
    int64_t ca_end = x509_time(X509_get0_notAfter(ca->cert)) / NSEC_PER_SEC;
    int64_t end = second + LEAF_LIFETIME < ca_end ? second + LEAF_LIFETIME : ca_end;
    bool named =
        strlen(names[0]) <= COMMON_NAME_MAX; /* else the names alone tell: RFC 5280 4.1.2.6 */
    struct issued leaf = {0};
    bool fine = start(&leaf) &&
                (!named || add_to_name(X509_get_subject_name(leaf.cert), "CN", names[0])) &&
                X509_set_issuer_name(leaf.cert, X509_get_subject_name(ca->cert)) &&
                set_dates(leaf.cert, second - BACKDATE, end) &&
                add_extension(leaf.cert, ca->cert, NID_basic_constraints, "critical,CA:FALSE") &&
                add_extension(leaf.cert, ca->cert, NID_key_usage, "critical,digitalSignature") &&
                add_extension(leaf.cert, ca->cert, NID_ext_key_usage, "serverAuth") &&
                add_extension(leaf.cert, ca->cert, NID_subject_key_identifier, "hash") &&
                add_extension(leaf.cert, ca->cert, NID_authority_key_identifier, "keyid:always") &&
                add_names(leaf.cert, names, count, !named) &&
                X509_sign(leaf.cert, ca->key, EVP_sha256()) > 0;

    if (!fine) {
        issued_finish(&leaf);
        ERR_clear_error();
        return ERR_TLS;
    }
    *ret_leaf = leaf;
    return 0;
}
