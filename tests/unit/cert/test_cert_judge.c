/* Chains judged as a visitor's machine would: what is missing, out of date, unknown or weak. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cert/cert.h"
#include "cert/x509.h"
#include "make.h"

static struct issued root, middle, leaf;
static char store[] = "/tmp/gardien-judge-XXXXXX";

static char *pem_of(const struct issued *const *certs, int count)
{
    X509 *all[CERT_CHAIN_MAX];

    for (int i = 0; i < count; i++)
        all[i] = certs[i]->cert;
    return x509_to_pem(all, count);
}

static struct cert_judgement judge_at(const struct issued *const *certs, int count, nsec_t now)
{
    scoped(mem_release) char *pem = pem_of(certs, count);
    struct cert_judgement judgement;

    assert_int_equal(cert_judge(span_str(pem), SPAN(""), now, &judgement), 0);
    return judgement;
}

static struct cert_judgement judge(const struct issued *const *certs, int count)
{
    return judge_at(certs, count, NOW);
}

#define JUDGE(...)                                                                                 \
    judge((const struct issued *[]){__VA_ARGS__},                                                  \
          sizeof((const struct issued *[]){__VA_ARGS__}) / sizeof(struct issued *))

static int set_up(void **state)
{
    X509V3_CTX context;

    (void)state;
    root = make_cert(&(struct order){.name = "Judge Root", .ca = true});
    middle = make_cert(&(struct order){.name = "Judge Middle", .ca = true, .issuer = &root});
    leaf = make_cert(&(struct order){
        .name = "one.example", .alternatives = "DNS:one.example", .issuer = &middle});
    X509V3_set_ctx(&context, middle.cert, leaf.cert, NULL, NULL, 0);
    X509_EXTENSION *where =
        X509V3_EXT_nconf(NULL, &context, "authorityInfoAccess", "caIssuers;URI:http://ca.test/m");
    X509_add_ext(leaf.cert, where, -1);
    X509_EXTENSION_free(where);
    X509_sign(leaf.cert, middle.key, EVP_sha256());
    int fd = mkstemp(store);
    scoped(mem_release) char *pem = pem_of((const struct issued *[]){&root}, 1);
    if (fd < 0 || write(fd, pem, strlen(pem)) != (ssize_t)strlen(pem) || close(fd) < 0)
        return -1;
    return setenv("SSL_CERT_FILE", store, 1) || setenv("SSL_CERT_DIR", "/nonexistent", 1);
}

static int tear_down(void **state)
{
    (void)state;
    issued_finish(&leaf);
    issued_finish(&middle);
    issued_finish(&root);
    return unlink(store);
}

static void test_a_whole_chain_is_trusted(void **state)
{
    struct cert_judgement judgement = JUDGE(&leaf, &middle);

    (void)state;
    assert_true(judgement.trusted);
    assert_string_equal(judgement.anchor, "CN=Judge Root");
    assert_int_equal(judgement.sent, 2);
    assert_int_equal(judgement.needed, 2);
    assert_false(judgement.sent_root);
    cert_judgement_finish(&judgement);
    judgement = JUDGE(&leaf, &middle, &root);
    assert_true(judgement.trusted && judgement.sent_root);
    assert_int_equal(judgement.needed, 2);
    cert_judgement_finish(&judgement);
}

static void test_a_missing_intermediate_is_named(void **state)
{
    struct cert_judgement judgement = JUDGE(&leaf);

    (void)state;
    assert_false(judgement.trusted);
    assert_int_equal(judgement.faults, CERT_FAULT_INCOMPLETE);
    assert_string_equal(judgement.missing, "CN=Judge Middle");
    assert_string_equal(judgement.missing_url, "http://ca.test/m");
    assert_null(judgement.anchor);
    cert_judgement_finish(&judgement);
}

static void test_a_root_that_is_not_in_the_store_is_named(void **state)
{
    struct issued stranger = make_cert(&(struct order){.name = "Stranger", .ca = true});
    struct issued site = make_cert(&(struct order){
        .name = "two.example", .alternatives = "DNS:two.example", .issuer = &stranger});
    struct cert_judgement judgement = JUDGE(&site, &stranger);

    (void)state;
    assert_int_equal(judgement.faults, CERT_FAULT_UNKNOWN_ROOT);
    assert_string_equal(judgement.missing, "CN=Stranger");
    cert_judgement_finish(&judgement);
    judgement = JUDGE(&site); /* alone nobody can tell it from an incomplete chain */
    assert_int_equal(judgement.faults, CERT_FAULT_INCOMPLETE);
    assert_null(judgement.missing_url);
    cert_judgement_finish(&judgement);
    scoped(mem_release) char *pem = pem_of((const struct issued *[]){&site}, 1);
    scoped(mem_release) char *ca = pem_of((const struct issued *[]){&stranger}, 1);
    assert_int_equal(cert_judge(span_str(pem), span_str(ca), NOW, &judgement), 0);
    assert_true(judgement.local_ca);
    cert_judgement_finish(&judgement);
    issued_finish(&site);
    issued_finish(&stranger);
}

static void test_a_certificate_that_vouches_for_itself(void **state)
{
    struct issued alone =
        make_cert(&(struct order){.name = "three.example", .alternatives = "DNS:three.example"});
    struct cert_judgement judgement = JUDGE(&alone);

    (void)state;
    assert_int_equal(judgement.faults, CERT_FAULT_SELF_SIGNED);
    assert_null(judgement.anchor);
    cert_judgement_finish(&judgement);
    issued_finish(&alone);
}

static void test_dates_are_judged_by_the_clock_that_is_given(void **state)
{
    const struct issued *const chain[] = {&leaf, &middle};
    struct cert_judgement judgement = judge_at(chain, 2, NOW + DAYS(40 * 365));

    (void)state;
    assert_true(judgement.faults & CERT_FAULT_EXPIRED);
    cert_judgement_finish(&judgement);
    judgement = judge_at(chain, 2, NOW - DAYS(40 * 365));
    assert_true(judgement.faults & CERT_FAULT_NOT_YET);
    cert_judgement_finish(&judgement);
}

static void test_what_is_no_chain_is_refused(void **state)
{
    struct cert_judgement judgement;

    (void)state;
    assert_int_equal(cert_judge(SPAN(""), SPAN(""), 0, &judgement), ERR_SYNTAX);
    assert_int_equal(cert_judge(SPAN("x"), SPAN(""), 0, &judgement), ERR_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_chain_is_trusted),
        cmocka_unit_test(test_a_missing_intermediate_is_named),
        cmocka_unit_test(test_a_root_that_is_not_in_the_store_is_named),
        cmocka_unit_test(test_a_certificate_that_vouches_for_itself),
        cmocka_unit_test(test_dates_are_judged_by_the_clock_that_is_given),
        cmocka_unit_test(test_what_is_no_chain_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
