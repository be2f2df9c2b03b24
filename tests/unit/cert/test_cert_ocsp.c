/* OCSP: requests, answers good and bad of a CA made for it, and the folder that keeps them. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/ocsp.h>

#include "base/mem.h"
#include "cert/cert.h"
#include "cert/x509.h"
#include "make.h"

#define HOURS(n) ((n)*3600 * NSEC_PER_SEC)

struct rig {
    struct issued ca;
    struct issued leaf;
    struct issued helper; /* whom the CA named to sign answers */
    struct issued stranger;
    char *chain;
};

static char *pem_of(const struct issued *first, const struct issued *second)
{
    X509 *certs[] = {first->cert, second ? second->cert : NULL};

    return x509_to_pem(certs, second ? 2 : 1);
}

/* Signs the leaf anew; `order.more` parts at the ';' that this value needs. */
static void name_responders(struct rig *rig)
{
    X509_EXTENSION *extension =
        X509V3_EXT_nconf(NULL, NULL, "authorityInfoAccess",
                         "caIssuers;URI:http://ca.test/,OCSP;URI:ldap://x.test/,"
                         "OCSP;URI:http://ocsp.test:8080/a/b");

    assert_non_null(extension);
    X509_add_ext(rig->leaf.cert, extension, -1);
    X509_EXTENSION_free(extension);
    assert_true(X509_sign(rig->leaf.cert, rig->ca.key, EVP_sha256()) > 0);
}

static int set_up(void **state)
{
    struct rig *rig = mem_new(struct rig);
    rig->ca = make_cert(&(struct order){.name = "CA", .ca = true});
    rig->leaf = make_cert(&(struct order){.name = "leaf", .issuer = &rig->ca});
    name_responders(rig);
    rig->helper = make_cert(&(struct order){
        .name = "helper", .issuer = &rig->ca, .more = "extendedKeyUsage=OCSPSigning"});
    rig->stranger = make_cert(&(struct order){.name = "CA", .ca = true});
    rig->chain = pem_of(&rig->leaf, &rig->ca);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    struct issued *all[] = {&rig->ca, &rig->leaf, &rig->helper, &rig->stranger};

    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        X509_free(all[i]->cert);
        EVP_PKEY_free(all[i]->key);
    }
    free(rig->chain);
    free(rig);
    return 0;
}

struct said {
    const struct issued *about;
    const struct issued *signer;
    int status;
    nsec_t this_update; /* after NOW */
    nsec_t next_update; /* after NOW; 0: none */
};

/* The answer as DER. */
static struct buffer say(const struct rig *rig, const struct said *said)
{
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), said->about->cert, rig->ca.cert);
    ASN1_TIME *first = ASN1_TIME_set(NULL, (NOW + said->this_update) / NSEC_PER_SEC);
    ASN1_TIME *last = ASN1_TIME_set(NULL, (NOW + said->next_update) / NSEC_PER_SEC);
    ASN1_TIME *begin = ASN1_TIME_to_generalizedtime(first, NULL);
    ASN1_TIME *end = ASN1_TIME_to_generalizedtime(last, NULL);
    struct buffer out = buffer_make(CERT_OCSP_MAX);
    unsigned char *der = NULL;

    assert_non_null(OCSP_basic_add1_status(basic, id, said->status, 0,
                                           said->status == V_OCSP_CERTSTATUS_REVOKED ? begin : NULL,
                                           begin, said->next_update ? end : NULL));
    unsigned long flags = said->signer == &rig->ca ? OCSP_NOCERTS : 0;
    assert_int_equal(
        OCSP_basic_sign(basic, said->signer->cert, said->signer->key, EVP_sha256(), NULL, flags),
        1);
    OCSP_RESPONSE *response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    int len = i2d_OCSP_RESPONSE(response, &der);
    assert_int_equal(buffer_append(&out, der, (size_t)len), 0);
    OPENSSL_free(der);
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    ASN1_TIME *times[] = {first, last, begin, end};
    for (size_t i = 0; i < ARRAY_SIZE(times); i++)
        ASN1_TIME_free(times[i]);
    return out;
}

static int judge(const struct rig *rig, struct said said, struct cert_ocsp *ret, const char **why)
{
    said.about = said.about ? said.about : &rig->leaf;
    said.signer = said.signer ? said.signer : &rig->ca;
    struct buffer der = say(rig, &said);
    int r = cert_ocsp_read(span_str(rig->chain), buffer_span(&der), NOW, ret, why);

    buffer_finish(&der);
    return r;
}

static void test_request_names_the_certificate_and_the_first_http_responder(void **state)
{
    const struct rig *rig = *state;
    struct buffer der;
    char *url;

    assert_int_equal(cert_ocsp_request(span_str(rig->chain), &der, &url), 0);
    assert_string_equal(url, "http://ocsp.test:8080/a/b");
    const unsigned char *bytes = (const unsigned char *)der.data;
    OCSP_REQUEST *request = d2i_OCSP_REQUEST(NULL, &bytes, (long)der.len);
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), rig->leaf.cert, rig->ca.cert);
    assert_non_null(request);
    assert_int_equal(OCSP_request_onereq_count(request), 1);
    assert_int_equal(OCSP_id_cmp(OCSP_onereq_get0_id(OCSP_request_onereq_get0(request, 0)), id), 0);
    assert_int_equal(OCSP_REQUEST_get_ext_count(request), 0); /* a nonce would defeat caches */
    OCSP_CERTID_free(id);
    OCSP_REQUEST_free(request);
    buffer_finish(&der);
    free(url);
}

static void test_request_needs_a_responder_and_the_issuer(void **state)
{
    const struct rig *rig = *state;
    scoped(mem_release) char *alone = pem_of(&rig->leaf, NULL);
    scoped(mem_release) char *wrong = pem_of(&rig->leaf, &rig->stranger);
    scoped(mem_release) char *unnamed = pem_of(&rig->helper, &rig->ca);
    struct buffer der;
    char *url;

    assert_int_equal(cert_ocsp_request(span_str(alone), &der, &url), ERR_NOT_FOUND);
    assert_int_equal(cert_ocsp_request(span_str(wrong), &der, &url), ERR_NOT_FOUND);
    assert_int_equal(cert_ocsp_request(span_str(unnamed), &der, &url), ERR_NOT_FOUND);
    assert_int_equal(cert_ocsp_request(SPAN("junk"), &der, &url), ERR_SYNTAX);
}

static void test_answers_of_the_issuer_and_its_helper_count(void **state)
{
    const struct rig *rig = *state;
    static const int said[] = {V_OCSP_CERTSTATUS_GOOD, V_OCSP_CERTSTATUS_REVOKED,
                               V_OCSP_CERTSTATUS_UNKNOWN};
    static const int wanted[] = {CERT_OCSP_GOOD, CERT_OCSP_REVOKED, CERT_OCSP_UNKNOWN};
    const struct issued *signers[] = {&rig->ca, &rig->helper};
    struct cert_ocsp ocsp;
    const char *why;

    for (size_t i = 0; i < ARRAY_SIZE(said); i++)
        for (size_t s = 0; s < ARRAY_SIZE(signers); s++) {
            struct said one = {NULL, signers[s], said[i], -HOURS(1), HOURS(23)};
            assert_int_equal(judge(rig, one, &ocsp, &why), 0);
            assert_int_equal(ocsp.status, wanted[i]);
            assert_int_equal(ocsp.expires_at, NOW + HOURS(23));
            assert_int_equal(ocsp.refresh_at, NOW + HOURS(11));
        }
}

static void test_refresh_is_at_half_of_life_but_not_too_often(void **state)
{
    const struct rig *rig = *state;
    static const struct {
        nsec_t from, to, wanted;
    } cases[] = {
        {-HOURS(10), HOURS(10), HOURS(1)},   /* half is now */
        {-HOURS(90), HOURS(10), HOURS(1)},   /* half is past */
        {-HOURS(1), HOURS(1), HOURS(1) / 2}, /* an hour would be too late */
        {0, 60 * NSEC_PER_SEC, 300 * NSEC_PER_SEC},
        {0, HOURS(1000), HOURS(7 * 24)},
        {-HOURS(2), 0, HOURS(10)}, /* no end: a day */
    };
    struct cert_ocsp ocsp;
    const char *why;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct said one = {NULL, NULL, V_OCSP_CERTSTATUS_GOOD, cases[i].from, cases[i].to};
        assert_int_equal(judge(rig, one, &ocsp, &why), 0);
        assert_int_equal(ocsp.refresh_at, NOW + cases[i].wanted);
        assert_int_equal(ocsp.expires_at, NOW + (cases[i].to ? cases[i].to : HOURS(22)));
    }
}

static void test_answers_of_another_time_are_refused(void **state)
{
    const struct rig *rig = *state;
    static const struct {
        nsec_t from, to;
        int wanted;
    } cases[] = {
        {-HOURS(2), -HOURS(1), ERR_TIMEOUT},
        {-HOURS(2), -NSEC_PER_SEC, ERR_TIMEOUT},
        {-HOURS(2), NSEC_PER_SEC, 0},
        {200 * NSEC_PER_SEC, HOURS(1), 0}, /* clocks differ */
        {400 * NSEC_PER_SEC, HOURS(1), ERR_TIMEOUT},
        {-HOURS(25), 0, ERR_TIMEOUT},
        {-HOURS(23), 0, 0},
    };
    struct cert_ocsp ocsp;
    const char *why;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct said one = {NULL, NULL, V_OCSP_CERTSTATUS_GOOD, cases[i].from, cases[i].to};
        assert_int_equal(judge(rig, one, &ocsp, &why), cases[i].wanted);
    }
}

static void test_answers_of_strangers_and_about_others_are_refused(void **state)
{
    const struct rig *rig = *state;
    struct issued plain = make_cert(&(struct order){.name = "plain", .issuer = &rig->ca});
    struct said by_stranger = {.signer = &rig->stranger, .next_update = HOURS(1)};
    struct said by_plain = {.signer = &plain, .next_update = HOURS(1)}; /* not for OCSP */
    struct said about_other = {.about = &plain, .next_update = HOURS(1)};
    struct cert_ocsp ocsp;
    const char *why;

    assert_int_equal(judge(rig, by_stranger, &ocsp, &why), ERR_PROTOCOL);
    assert_int_equal(judge(rig, by_plain, &ocsp, &why), ERR_PROTOCOL);
    assert_string_equal(why, "the responder's answer is not signed by the certificate's issuer");
    assert_int_equal(judge(rig, about_other, &ocsp, &why), ERR_NOT_FOUND);
    X509_free(plain.cert);
    EVP_PKEY_free(plain.key);
}

static void test_damaged_answers_and_refusals_are_told_apart(void **state)
{
    const struct rig *rig = *state;
    struct said said = {&rig->leaf, &rig->ca, V_OCSP_CERTSTATUS_GOOD, 0, HOURS(1)};
    struct buffer der = say(rig, &said);
    struct cert_ocsp ocsp;
    const char *why;
    struct span chain = span_str(rig->chain);

    for (size_t len = 0; len < der.len; len++)
        assert_int_equal(cert_ocsp_read(chain, span_of(der.data, len), NOW, &ocsp, &why),
                         ERR_SYNTAX);
    assert_int_equal(buffer_add(&der, SPAN("x")), 0);
    assert_int_equal(cert_ocsp_read(chain, buffer_span(&der), NOW, &ocsp, &why), ERR_SYNTAX);
    der.data[der.len - 2] ^= 1; /* the signature's last byte */
    assert_int_equal(cert_ocsp_read(chain, span_of(der.data, der.len - 1), NOW, &ocsp, &why),
                     ERR_PROTOCOL);
    assert_int_equal(cert_ocsp_read(chain, SPAN("\x30\x03\x0a\x01\x03"), NOW, &ocsp, &why),
                     ERR_PROTOCOL);
    assert_string_equal(why, "the responder says: try later");
    assert_int_equal(cert_ocsp_read(chain, SPAN("\x30\x03\x0a\x01\x00"), NOW, &ocsp, &why),
                     ERR_SYNTAX);
    buffer_finish(&der);
}

static void test_a_responder_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    struct buffer der;
    const char *why = NULL;

    assert_int_equal(cert_ocsp_fetch("http://127.0.0.1:1/", SPAN("x"), &der, &why), ERR_PROTOCOL);
    assert_string_equal(why, "the responder cannot be reached");
    assert_int_equal(cert_ocsp_fetch("nonsense://", SPAN("x"), &der, &why), ERR_PROTOCOL);
}

static void test_answers_are_kept_until_forgotten_or_old(void **state)
{
    (void)state;
    static const unsigned char one[CERT_FINGERPRINT_SIZE] = {0xab, 1}, two[32] = {2};
    char *path = folder_make();
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    struct buffer got;
    struct stat st;

    assert_int_equal(cert_ocsp_load(fd, one, &got), ERR_NOT_FOUND);
    assert_int_equal(cert_ocsp_save(fd, one, SPAN("first")), 0);
    assert_int_equal(cert_ocsp_save(fd, one, SPAN("second")), 0);
    assert_int_equal(cert_ocsp_save(fd, two, SPAN("other")), 0);
    assert_int_equal(fstatat(fd, "ocsp", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(cert_ocsp_load(fd, one, &got), 0);
    assert_true(span_equal(buffer_span(&got), SPAN("second")));
    buffer_finish(&got);
    cert_ocsp_forget(fd, one);
    cert_ocsp_forget(fd, one);
    assert_int_equal(cert_ocsp_load(fd, one, &got), ERR_NOT_FOUND);
    cert_ocsp_prune(fd, nsec_realtime());
    assert_int_equal(cert_ocsp_load(fd, two, &got), 0);
    buffer_finish(&got);
    cert_ocsp_prune(fd, nsec_realtime() + DAYS(31));
    assert_int_equal(cert_ocsp_load(fd, two, &got), ERR_NOT_FOUND);
    close(fd);
    folder_remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_names_the_certificate_and_the_first_http_responder),
        cmocka_unit_test(test_request_needs_a_responder_and_the_issuer),
        cmocka_unit_test(test_answers_of_the_issuer_and_its_helper_count),
        cmocka_unit_test(test_refresh_is_at_half_of_life_but_not_too_often),
        cmocka_unit_test(test_answers_of_another_time_are_refused),
        cmocka_unit_test(test_answers_of_strangers_and_about_others_are_refused),
        cmocka_unit_test(test_damaged_answers_and_refusals_are_told_apart),
        cmocka_unit_test(test_a_responder_that_is_not_there_is_an_error),
        cmocka_unit_test(test_answers_are_kept_until_forgotten_or_old),
    };

    return cmocka_run_group_tests_name("cert ocsp", tests, set_up, tear_down);
}
