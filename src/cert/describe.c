/* What one certificate says, field by field. */
#include <arpa/inet.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "cert/x509.h"

enum { FEATURE_STATUS_REQUEST = 5 }; /* RFC 6066 section 8 */

/* Bytes of a certificate as text: lower case if wanted, what is not printable ASCII as \xNN. Not
 * escape_text(): such a name is compared with host names, and must stay one word of ASCII. */
static char *escaped(struct span bytes, bool lower)
{
    char *text = mem_alloc(bytes.len * 4 + 1);
    char *at = text;

    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];
        if (c > ' ' && c < 0x7f && c != '\\')
            *at++ = lower ? ascii_lower((char)c) : (char)c;
        else
            at += snprintf(at, 5, "\\x%02x", c);
    }
    *at = '\0';
    return text;
}

static struct span string_span(const ASN1_STRING *string)
{
    int length = ASN1_STRING_length(string);

    return span_of((const char *)ASN1_STRING_get0_data(string), length > 0 ? (size_t)length : 0);
}

static char *name_text(const X509_NAME *name)
{
    scoped(release_bio) BIO *bio = BIO_new(BIO_s_mem());
    unsigned long flags = XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB;

    if (!bio || X509_NAME_print_ex(bio, name, 0, flags) < 0)
        return mem_string(SPAN(""));
    return x509_bio_text(bio);
}

static bool looks_like_address(const char *text)
{
    unsigned char bytes[16];

    return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

/* @return the name for free(), or NULL for a kind that no TLS client looks at */
static char *alternative_text(const GENERAL_NAME *name)
{
    char address[INET6_ADDRSTRLEN];

    if (name->type == GEN_DNS) {
        char *text = escaped(string_span(name->d.dNSName), true);
        if (!looks_like_address(text))
            return text;
        char *marked = mem_format("DNS:%s", text);
        free(text);
        return marked;
    }
    if (name->type != GEN_IPADD)
        return NULL;
    struct span bytes = string_span(name->d.iPAddress);
    if (bytes.len != 4 && bytes.len != 16)
        return NULL;
    inet_ntop(bytes.len == 4 ? AF_INET : AF_INET6, bytes.ptr, address, sizeof address);
    return mem_string(span_str(address));
}

static void add_name(struct cert_info *info, char *name)
{
    if (!name || info->name_count == CERT_NAMES_MAX) {
        free(name);
        return;
    }
    info->names = mem_resize(info->names, info->name_count + 1, sizeof *info->names);
    info->names[info->name_count++] = name;
}

static void describe_names(X509 *cert, struct cert_info *info)
{
    int critical = 0; /* -1: no such extension; -2: more than one */
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, &critical, NULL);

    for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++)
        add_name(info, alternative_text(sk_GENERAL_NAME_value(names, i)));
    GENERAL_NAMES_free(names);
    if (critical != -1)
        return;
    const X509_NAME *subject = X509_get_subject_name(cert);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0)
        return;
    add_name(info, escaped(string_span(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))),
                           true));
    info->names_from_common_name = true;
}

static enum cert_key_kind key_kind(const EVP_PKEY *key)
{
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
        return CERT_KEY_RSA;
    case EVP_PKEY_RSA_PSS:
        return CERT_KEY_RSA_PSS;
    case EVP_PKEY_EC:
        return CERT_KEY_EC;
    case EVP_PKEY_ED25519:
        return CERT_KEY_ED25519;
    case EVP_PKEY_ED448:
        return CERT_KEY_ED448;
    default:
        return CERT_KEY_OTHER;
    }
}

/* The curve's parameters in place of its name. OpenSSL reads them and finds the name itself, which
 * other libraries don't. */
static bool has_explicit_curve(X509 *cert)
{
    X509_ALGOR *algorithm = NULL;
    int type = V_ASN1_UNDEF;

    if (X509_PUBKEY_get0_param(NULL, NULL, NULL, &algorithm, X509_get_X509_PUBKEY(cert)) != 1)
        return false;
    X509_ALGOR_get0(NULL, &type, NULL, algorithm);
    return type == V_ASN1_SEQUENCE;
}

static char *curve_text(const EVP_PKEY *key)
{
    char group[64] = "";
    size_t length = 0;

    if (!EVP_PKEY_get_group_name(key, group, sizeof group, &length))
        return mem_string(SPAN("ECDSA on an unknown curve"));
    const char *nist = EC_curve_nid2nist(OBJ_txt2nid(group));
    return mem_format("ECDSA %s", nist ? nist : group);
}

static void describe_key(X509 *cert, struct cert_info *info)
{
    const EVP_PKEY *key = X509_get0_pubkey(cert);

    if (!key) {
        info->key_text = mem_string(SPAN("unknown"));
        return;
    }
    info->key_kind = key_kind(key);
    info->key_bits = EVP_PKEY_get_bits(key);
    const char *type = EVP_PKEY_get0_type_name(key);
    if (info->key_kind == CERT_KEY_EC && has_explicit_curve(cert)) {
        info->key_kind = CERT_KEY_EC_EXPLICIT;
        info->key_text = mem_string(SPAN("ECDSA with explicit curve parameters"));
    } else if (info->key_kind == CERT_KEY_EC)
        info->key_text = curve_text(key);
    else if (info->key_kind == CERT_KEY_RSA || info->key_kind == CERT_KEY_RSA_PSS)
        info->key_text = mem_format("%s %d", type ? type : "RSA", info->key_bits);
    else
        info->key_text = mem_string(span_str(type ? type : "unknown"));
    if (info->key_kind == CERT_KEY_ED25519 || info->key_kind == CERT_KEY_ED448)
        info->key_text[1] = 'd', info->key_text[0] = 'E'; /* OpenSSL shouts ED25519 */
}

static void describe_signature(X509 *cert, struct cert_info *info)
{
    const X509_ALGOR *algorithm = NULL;
    const ASN1_OBJECT *object = NULL;
    char text[80] = "";
    int digest = NID_undef;

    X509_get0_signature(NULL, &algorithm, cert);
    X509_ALGOR_get0(&object, NULL, NULL, algorithm);
    OBJ_obj2txt(text, sizeof text, object, 0);
    info->signature = escaped(span_str(text), false);
    bool known = X509_get_signature_info(cert, &digest, NULL, NULL, NULL);
    info->signature_weak = known && !info->self_signed && (digest == NID_sha1 || digest == NID_md5);
}

static bool has_must_staple(X509 *cert)
{
    TLS_FEATURE *features = X509_get_ext_d2i(cert, NID_tlsfeature, NULL, NULL);
    bool found = false;

    for (int i = 0; features && i < sk_ASN1_INTEGER_num(features); i++)
        if (ASN1_INTEGER_get(sk_ASN1_INTEGER_value(features, i)) == FEATURE_STATUS_REQUEST)
            found = true;
    TLS_FEATURE_free(features);
    return found;
}

/* The first address for an access method, for free(), or NULL. */
static char *access_url(const AUTHORITY_INFO_ACCESS *access, int method)
{
    for (int i = 0; i < sk_ACCESS_DESCRIPTION_num(access); i++) {
        const ACCESS_DESCRIPTION *item = sk_ACCESS_DESCRIPTION_value(access, i);
        if (OBJ_obj2nid(item->method) == method && item->location->type == GEN_URI)
            return escaped(string_span(item->location->d.uniformResourceIdentifier), false);
    }
    return NULL;
}

static void describe_issuer(X509 *cert, struct cert_info *info)
{
    AUTHORITY_INFO_ACCESS *access = X509_get_ext_d2i(cert, NID_info_access, NULL, NULL);

    if (access) {
        info->responder_url = access_url(access, NID_ad_OCSP);
        info->issuer_url = access_url(access, NID_ad_ca_issuers);
    }
    AUTHORITY_INFO_ACCESS_free(access);
    info->self_signed = X509_self_signed(cert, 1) == 1;
    info->ca = (X509_get_extension_flags(cert) & EXFLAG_CA) != 0;
    info->must_staple = has_must_staple(cert);
}

static char *serial_text(const ASN1_INTEGER *serial)
{
    static const char digits[] = "0123456789abcdef";
    struct span bytes = string_span(serial);
    char *text = mem_alloc(bytes.len * 2 + 1);

    for (size_t i = 0; i < bytes.len; i++) {
        text[2 * i] = digits[(unsigned char)bytes.ptr[i] >> 4];
        text[2 * i + 1] = digits[(unsigned char)bytes.ptr[i] & 15];
    }
    text[2 * bytes.len] = '\0';
    return text;
}

void x509_describe(X509 *cert, struct cert_info *ret_info)
{
    struct cert_info info = {.subject = name_text(X509_get_subject_name(cert)),
                             .issuer = name_text(X509_get_issuer_name(cert)),
                             .not_before = x509_time(X509_get0_notBefore(cert)),
                             .not_after = x509_time(X509_get0_notAfter(cert)),
                             .serial = serial_text(X509_get0_serialNumber(cert))};

    describe_names(cert, &info);
    describe_key(cert, &info);
    describe_issuer(cert, &info);
    describe_signature(cert, &info);
    if (!X509_digest(cert, EVP_sha256(), info.fingerprint, NULL))
        abort(); /* only memory, or a broken library, can fail here */
    ERR_clear_error();
    *ret_info = info;
}

void x509_info_finish(struct cert_info *info)
{
    for (size_t i = 0; i < info->name_count; i++)
        free(info->names[i]);
    free(info->names);
    free(info->subject);
    free(info->issuer);
    free(info->serial);
    free(info->key_text);
    free(info->signature);
    free(info->responder_url);
    free(info->issuer_url);
    *info = (struct cert_info){0};
}
