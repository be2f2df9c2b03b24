/* Builds certificates and files for tests. What they prove is the tests' own. */
#include "make.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/span.h"
#include "cert/key.h"
#include "cert/x509.h"

static void need(bool fine, const char *what)
{
    if (!fine) {
        fprintf(stderr, "test set-up failed: %s\n", what);
        abort();
    }
}

static EVP_PKEY *make_pss_key(size_t bits)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
    EVP_PKEY *key = NULL;

    need(EVP_PKEY_keygen_init(context) == 1 &&
             EVP_PKEY_CTX_set_rsa_keygen_bits(context, (int)bits) == 1 &&
             EVP_PKEY_generate(context, &key) == 1,
         "RSA-PSS");
    EVP_PKEY_CTX_free(context);
    return key;
}

/* P-256 with its parameters in place of its name. */
static EVP_PKEY *make_explicit_key(void)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *key = NULL;

    need(EVP_PKEY_keygen_init(context) == 1 && EVP_PKEY_CTX_set_group_name(context, "P-256") == 1 &&
             EVP_PKEY_CTX_set_ec_param_enc(context, OPENSSL_EC_EXPLICIT_CURVE) == 1 &&
             EVP_PKEY_generate(context, &key) == 1,
         "explicit parameters");
    EVP_PKEY_CTX_free(context);
    return key;
}

static EVP_PKEY *make_key(const char *kind)
{
    EVP_PKEY *key = NULL;

    if (strncmp(kind, "RSA", 3) == 0)
        key = EVP_RSA_gen((unsigned)atoi(kind + 3));
    else if (strncmp(kind, "PSS", 3) == 0)
        key = make_pss_key((size_t)atoi(kind + 3));
    else if (strcmp(kind, "explicit") == 0)
        key = make_explicit_key();
    else if (strcmp(kind, "Ed25519") == 0)
        key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    else
        key = EVP_EC_gen(kind);
    need(key != NULL, kind);
    return key;
}

static void add_extension(X509 *cert, X509 *issuer, const char *name, const char *value)
{
    X509V3_CTX context;

    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_nconf(NULL, &context, name, value);
    need(extension && X509_add_ext(cert, extension, -1), value);
    X509_EXTENSION_free(extension);
}

static void add_more(X509 *cert, X509 *issuer, const char *more)
{
    scoped(mem_release) char *text = mem_string(span_str(more));
    char *state = NULL;

    for (char *at = strtok_r(text, "|", &state); at; at = strtok_r(NULL, "|", &state)) {
        char *value = strchr(at, '=');
        need(value != NULL, at);
        *value = '\0';
        add_extension(cert, issuer, at, value + 1);
    }
}

struct issued make_cert(const struct order *order)
{
    static long serial = 1000;
    struct issued made = {X509_new(), make_key(order->key ? order->key : "P-256")};
    const struct issued *issuer = order->issuer ? order->issuer : &made;
    nsec_t from = order->not_before ? order->not_before : NOW - DAYS(1);
    nsec_t to = order->not_after ? order->not_after : NOW + DAYS(60);
    X509_NAME *name = X509_get_subject_name(made.cert);
    bool pure = EVP_PKEY_get_base_id(issuer->key) == EVP_PKEY_ED25519;

    X509_set_version(made.cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.cert), serial++);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)order->name, -1,
                               -1, 0);
    X509_set_issuer_name(made.cert, X509_get_subject_name(issuer->cert));
    ASN1_TIME_set(X509_getm_notBefore(made.cert), from / NSEC_PER_SEC);
    ASN1_TIME_set(X509_getm_notAfter(made.cert), to / NSEC_PER_SEC);
    X509_set_pubkey(made.cert, made.key);
    if (order->ca)
        add_extension(made.cert, issuer->cert, "basicConstraints", "critical,CA:TRUE");
    if (order->alternatives)
        add_extension(made.cert, issuer->cert, "subjectAltName", order->alternatives);
    if (order->more)
        add_more(made.cert, issuer->cert, order->more);
    const EVP_MD *digest = EVP_get_digestbyname(order->digest ? order->digest : "SHA256");
    need(X509_sign(made.cert, issuer->key, pure ? NULL : digest) > 0, "X509_sign");
    return made;
}

char *folder_make(void)
{
    char *folder = mem_string(SPAN("/tmp/gardien-cert-XXXXXX"));

    need(mkdtemp(folder) != NULL, "mkdtemp");
    return folder;
}

void folder_remove(char *folder)
{
    scoped(mem_release) char *command = mem_format("rm -rf '%s'", folder);

    need(system(command) == 0, command);
    free(folder);
}

const char *path_in(const char *folder, const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

void write_text(const char *path, const char *text, unsigned mode)
{
    FILE *file = fopen(path, "w");

    need(file && fputs(text, file) >= 0 && fclose(file) == 0, path);
    need(chmod(path, mode) == 0, path);
}

char *read_text(const char *path)
{
    char text[65536];
    FILE *file = fopen(path, "r");

    if (!file)
        return NULL;
    size_t length = fread(text, 1, sizeof text, file);
    fclose(file);
    return mem_string(span_of(text, length));
}

void write_certs(const char *path, const struct issued *const *certs, int count)
{
    X509 *all[CERT_CHAIN_MAX];

    for (int i = 0; i < count; i++)
        all[i] = certs[i]->cert;
    scoped(mem_release) char *pem = x509_to_pem(all, count);
    write_text(path, pem, 0644);
}

void write_key(const char *path, const struct issued *cert, unsigned mode)
{
    size_t length;
    scoped(mem_release) char *pem = key_to_pem(cert->key, &length);

    write_text(path, pem, mode);
}

bool diags_have(const struct diags *diags, const char *text)
{
    for (size_t i = 0; i < diags->count; i++)
        if (strstr(diags->items[i].sentence, text) ||
            (diags->items[i].hint && strstr(diags->items[i].hint, text)))
            return true;
    return false;
}
