/* Lists of revoked certificates: whom they speak of, and which are believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/x509v3.h>

#include "base/mem.h"
#include "cert/cert.h"
#include "cert/x509.h"
#include "make.h"

#define LIST "http://crl.test/7.crl"

struct rig {
    struct issued ca, leaf, stranger;
    char *chain;
};

static int set_up(void **state)
{
    struct rig *rig = mem_new(struct rig);

    rig->ca = make_cert(&(struct order){.name = "CA", .ca = true});
    rig->leaf = make_cert(&(struct order){
        .name = "leaf", .issuer = &rig->ca, .more = "crlDistributionPoints=URI:" LIST});
    rig->stranger = make_cert(&(struct order){.name = "CA", .ca = true});
    X509 *both[] = {rig->leaf.cert, rig->ca.cert};
    rig->chain = x509_to_pem(both, 2);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    struct issued *all[] = {&rig->ca, &rig->leaf, &rig->stranger};

    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        X509_free(all[i]->cert);
        EVP_PKEY_free(all[i]->key);
    }
    free(rig->chain);
    free(rig);
    return 0;
}

struct list {
    const struct issued *signer; /* NULL: the CA */
    const char *issuer;          /* its name; NULL: the CA's */
    bool revokes;                /* the leaf; else another one */
    const char *scope;           /* issuingDistributionPoint, as OpenSSL writes it; NULL: none */
    bool delta;
    nsec_t until; /* 0: in a day */
};

static void add_extension(X509_CRL *crl, const char *name, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_nconf(NULL, NULL, name, value);

    assert_non_null(extension);
    assert_int_equal(X509_CRL_add_ext(crl, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static void add_delta(X509_CRL *crl)
{
    ASN1_INTEGER *base = ASN1_INTEGER_new();

    ASN1_INTEGER_set(base, 1);
    assert_int_equal(X509_CRL_add1_ext_i2d(crl, NID_delta_crl, base, 1, 0), 1);
    ASN1_INTEGER_free(base);
}

static void name_issuer(X509_CRL *crl, const struct rig *rig, const char *issuer)
{
    X509_NAME *name = X509_NAME_new();

    if (issuer)
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)issuer, -1, -1,
                                   0);
    X509_CRL_set_issuer_name(crl, issuer ? name : X509_get_subject_name(rig->ca.cert));
    X509_NAME_free(name);
}

/* @return DER bytes, for OPENSSL_free() */
static struct span make_list(const struct rig *rig, const struct list *list)
{
    X509_CRL *crl = X509_CRL_new();
    X509_REVOKED *entry = X509_REVOKED_new();
    ASN1_TIME *time = ASN1_TIME_set(NULL, NOW / NSEC_PER_SEC - 3600);
    ASN1_INTEGER *other = ASN1_INTEGER_new();
    unsigned char *der = NULL;

    X509_CRL_set_version(crl, 1);
    name_issuer(crl, rig, list->issuer);
    X509_CRL_set1_lastUpdate(crl, time);
    ASN1_INTEGER_set(other, 42);
    X509_REVOKED_set_serialNumber(entry,
                                  list->revokes ? X509_get_serialNumber(rig->leaf.cert) : other);
    X509_REVOKED_set_revocationDate(entry, time);
    X509_CRL_add0_revoked(crl, entry);
    ASN1_TIME_set(time, (list->until ? list->until : NOW + DAYS(1)) / NSEC_PER_SEC);
    X509_CRL_set1_nextUpdate(crl, time);
    if (list->scope)
        add_extension(crl, "issuingDistributionPoint", list->scope);
    if (list->delta)
        add_delta(crl);
    X509_CRL_sign(crl, list->signer ? list->signer->key : rig->ca.key, EVP_sha256());
    int len = i2d_X509_CRL(crl, &der);
    assert_true(len > 0);
    ASN1_INTEGER_free(other);
    ASN1_TIME_free(time);
    X509_CRL_free(crl);
    return span_of((const char *)der, (size_t)len);
}

/* @return the status, or a negative error */
static int read_list(const struct rig *rig, const struct list *list)
{
    struct span der = make_list(rig, list);
    const char *why = NULL;
    int status = -1;
    int r = cert_crl_read(span_str(rig->chain), der, NOW, &status, &why);

    assert_non_null(why);
    OPENSSL_free((void *)(uintptr_t)der.ptr);
    return r < 0 ? r : status;
}

static void test_a_list_tells_what_is_revoked(void **state)
{
    assert_int_equal(read_list(*state, &(struct list){.revokes = true}), CERT_OCSP_REVOKED);
    assert_int_equal(read_list(*state, &(struct list){.revokes = false}), CERT_OCSP_GOOD);
}

static void test_a_list_of_somebody_else_tells_nothing(void **state)
{
    const struct rig *rig = *state;

    assert_int_equal(read_list(rig, &(struct list){.revokes = true, .signer = &rig->stranger}),
                     ERR_PROTOCOL);
    assert_int_equal(read_list(rig, &(struct list){.revokes = true, .issuer = "Other CA"}),
                     ERR_NOT_FOUND);
}

static void test_an_old_list_tells_nothing(void **state)
{
    assert_int_equal(read_list(*state, &(struct list){.until = NOW - DAYS(1)}), ERR_TIMEOUT);
}

static void test_a_part_counts_only_where_the_certificate_names_it(void **state)
{
    static const char *const others[] = {"fullname:URI:http://crl.test/8.crl", "onlyCA:TRUE",
                                         "onlyAA:TRUE", "indirectCRL:TRUE",
                                         "onlysomereasons:keyCompromise"};

    assert_int_equal(
        read_list(*state, &(struct list){.revokes = true, .scope = "fullname:URI:" LIST}),
        CERT_OCSP_REVOKED);
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_int_equal(read_list(*state, &(struct list){.revokes = true, .scope = others[i]}),
                         ERR_NOT_FOUND);
    assert_int_equal(read_list(*state, &(struct list){.revokes = true, .delta = true}),
                     ERR_NOT_FOUND);
}

static void test_garbage_is_no_list(void **state)
{
    const struct rig *rig = *state;
    const char *why = NULL;
    int status;

    assert_int_equal(cert_crl_read(span_str(rig->chain), SPAN("\x30\x03xyz"), NOW, &status, &why),
                     ERR_SYNTAX);
    assert_int_equal(cert_crl_read(span_str(rig->chain), SPAN(""), NOW, &status, &why), ERR_SYNTAX);
    assert_int_equal(cert_crl_read(SPAN("no chain"), SPAN(""), NOW, &status, &why), ERR_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_list_tells_what_is_revoked),
        cmocka_unit_test(test_a_list_of_somebody_else_tells_nothing),
        cmocka_unit_test(test_an_old_list_tells_nothing),
        cmocka_unit_test(test_a_part_counts_only_where_the_certificate_names_it),
        cmocka_unit_test(test_garbage_is_no_list),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
