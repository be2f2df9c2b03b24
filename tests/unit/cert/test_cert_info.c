/* Reading certificates: every field, chains, names that match and names that must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cert/cert.h"
#include "cert/x509.h"
#include "make.h"

static struct cert_chain chain_of(const struct issued *const *certs, int count)
{
    X509 *all[CERT_CHAIN_MAX];
    struct cert_chain chain;

    for (int i = 0; i < count; i++)
        all[i] = certs[i]->cert;
    scoped(mem_release) char *pem = x509_to_pem(all, count);
    assert_int_equal(cert_chain_parse(span_str(pem), &chain), 0);
    assert_string_equal(chain.pem, pem);
    return chain;
}

static struct cert_chain chain_for(const struct order *order)
{
    struct issued cert = make_cert(order);
    struct cert_chain chain = chain_of((const struct issued *[]){&cert}, 1);

    issued_finish(&cert);
    return chain;
}

static void test_info_reads_every_field(void **state)
{
    struct order order = {.name = "one.example",
                          .alternatives =
                              "DNS:One.Example,DNS:*.example.com,IP:192.0.2.1,IP:2001:DB8::0:1,"
                              "email:a@b.c",
                          .more = "tlsfeature=status_request"};
    struct cert_chain chain = chain_for(&order);
    struct cert_info *info = &chain.items[0];
    char text[CERT_FINGERPRINT_TEXT];
    char date[CERT_DATE_TEXT];

    assert_int_equal(chain.count, 1);
    assert_true(chain.ordered && chain.complete);
    assert_string_equal(info->subject, "CN=one.example");
    assert_string_equal(info->issuer, "CN=one.example");
    assert_int_equal(info->name_count, 4);
    assert_string_equal(info->names[0], "one.example");
    assert_string_equal(info->names[1], "*.example.com");
    assert_string_equal(info->names[2], "192.0.2.1");
    assert_string_equal(info->names[3], "2001:db8::1");
    assert_false(info->names_from_common_name);
    assert_true(info->not_before == NOW - DAYS(1) && info->not_after == NOW + DAYS(60));
    assert_string_equal(cert_date_text(info->not_before, date), "2027-01-14 08:00 UTC");
    assert_int_equal(info->key_kind, CERT_KEY_EC);
    assert_int_equal(info->key_bits, 256);
    assert_string_equal(info->key_text, "ECDSA P-256");
    assert_string_equal(info->signature, "ecdsa-with-SHA256");
    assert_true(info->self_signed && info->must_staple && !info->ca && !info->signature_weak);
    assert_null(info->responder_url);
    assert_int_equal(strlen(cert_fingerprint_text(info, text)), CERT_FINGERPRINT_TEXT - 1);
    cert_chain_finish(&chain);
}

static void test_info_finds_responder_and_issuer_address(void **state)
{
    X509V3_CTX context;
    struct issued cert = make_cert(&(struct order){.name = "x"});
    X509V3_set_ctx(&context, cert.cert, cert.cert, NULL, NULL, 0);
    X509_EXTENSION *extension =
        X509V3_EXT_nconf(NULL, &context, "authorityInfoAccess",
                         "caIssuers;URI:http://ca.test/i.crt,OCSP;URI:http://ocsp.test/");
    X509_add_ext(cert.cert, extension, -1);
    X509_EXTENSION_free(extension);
    X509_sign(cert.cert, cert.key, EVP_sha256());
    struct cert_chain chain = chain_of((const struct issued *[]){&cert}, 1);
    assert_string_equal(chain.items[0].responder_url, "http://ocsp.test/");
    assert_string_equal(chain.items[0].issuer_url, "http://ca.test/i.crt");
    cert_chain_finish(&chain);
    issued_finish(&cert);
}

static void test_info_names_keys_of_each_kind(void **state)
{
    const struct {
        const char *key;
        const char *text;
        enum cert_key_kind kind;
    } cases[] = {{"P-384", "ECDSA P-384", CERT_KEY_EC},
                 {"secp256k1", "ECDSA secp256k1", CERT_KEY_EC},
                 {"RSA2048", "RSA 2048", CERT_KEY_RSA},
                 {"Ed25519", "Ed25519", CERT_KEY_ED25519}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct cert_chain chain = chain_for(&(struct order){.name = "x", .key = cases[i].key});
        assert_string_equal(chain.items[0].key_text, cases[i].text);
        assert_int_equal(chain.items[0].key_kind, cases[i].kind);
        cert_chain_finish(&chain);
    }
}

static void test_info_takes_the_common_name_only_without_alternatives(void **state)
{
    struct cert_chain chain = chain_for(&(struct order){.name = "Old.example"});
    struct cert_info *info = &chain.items[0];

    assert_int_equal(info->name_count, 1);
    assert_string_equal(info->names[0], "old.example");
    assert_true(info->names_from_common_name);
    assert_false(cert_matches(info, SPAN("old.example")));
    cert_chain_finish(&chain);
}

static void test_info_knows_chains(void **state)
{
    struct issued root = make_cert(&(struct order){.name = "root", .ca = true});
    struct issued middle =
        make_cert(&(struct order){.name = "middle", .ca = true, .issuer = &root});
    struct issued leaf = make_cert(&(struct order){.name = "leaf", .issuer = &middle});
    struct cert_chain whole = chain_of((const struct issued *[]){&leaf, &middle, &root}, 3);
    struct cert_chain usual = chain_of((const struct issued *[]){&leaf, &middle}, 2);
    struct cert_chain mixed = chain_of((const struct issued *[]){&leaf, &root, &middle}, 3);

    assert_true(whole.ordered && whole.complete);
    assert_true(whole.items[2].ca && !whole.items[0].ca);
    assert_true(usual.ordered && !usual.complete);
    assert_false(mixed.ordered || mixed.complete);
    cert_chain_finish(&whole);
    cert_chain_finish(&usual);
    cert_chain_finish(&mixed);
    issued_finish(&root);
    issued_finish(&middle);
    issued_finish(&leaf);
}

static void test_info_reads_der_and_leaves_private_keys_out(void **state)
{
    struct issued cert = make_cert(&(struct order){.name = "x", .alternatives = "DNS:x.test"});
    unsigned char *der = NULL;
    int length = i2d_X509(cert.cert, &der);
    char *folder = folder_make();
    const char *path = path_in(folder, "both.pem");
    struct cert_chain chain;
    struct diags diags = {0};

    assert_int_equal(cert_chain_parse(span_of((char *)der, (size_t)length), &chain), 0);
    assert_string_equal(chain.items[0].names[0], "x.test");
    cert_chain_finish(&chain);
    OPENSSL_free(der);

    write_key(path, &cert, 0600);
    char *key = read_text(path);
    char *pem = x509_to_pem(&cert.cert, 1);
    char *both = mem_format("%s\nsome words\n%s", key, pem);
    write_text(path, both, 0600);
    assert_int_equal(cert_chain_load(path, &diags, &chain), 0);
    assert_null(strstr(chain.pem, "PRIVATE"));
    assert_string_equal(chain.pem, pem);
    cert_chain_finish(&chain);
    free(key);
    free(pem);
    free(both);
    folder_remove(folder);
    issued_finish(&cert);
}

static void test_info_refuses_what_is_no_certificate(void **state)
{
    const char *const texts[] = {"",
                                 "hello",
                                 "-----BEGIN CERTIFICATE-----",
                                 "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                                 "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n",
                                 "-----END CERTIFICATE-----\n-----BEGIN "};
    struct cert_chain chain;

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        assert_int_equal(cert_chain_parse(span_str(texts[i]), &chain), ERR_SYNTAX);
    char *huge = mem_zalloc(CERT_FILE_MAX + 1);
    assert_int_equal(cert_chain_parse(span_of(huge, CERT_FILE_MAX + 1), &chain), ERR_LIMIT);
    free(huge);
}

static void test_info_bounds_the_number_of_certificates(void **state)
{
    struct issued cert = make_cert(&(struct order){.name = "x"});
    scoped(mem_release) char *pem = x509_to_pem(&cert.cert, 1);
    scoped(mem_release) char *many = mem_zalloc(strlen(pem) * 33 + 1);
    struct cert_chain chain;

    for (int i = 0; i < 32; i++)
        strcat(many, pem);
    assert_int_equal(cert_chain_parse(span_str(many), &chain), 0);
    assert_int_equal(chain.count, 32);
    cert_chain_finish(&chain);
    strcat(many, pem);
    assert_int_equal(cert_chain_parse(span_str(many), &chain), ERR_LIMIT);
    issued_finish(&cert);
}

static void test_matches_exact_wildcard_and_address(void **state)
{
    const char *names[] = {"example.com", "*.example.com", "*.test",       "f*o.example.net",
                           "192.0.2.1",   "2001:db8::1",   "DNS:10.0.0.1", "a\\x00.example.org"};
    struct cert_info info = {.names = (char **)names, .name_count = ARRAY_SIZE(names)};
    const struct {
        const char *name;
        bool matches;
    } cases[] = {
        {"example.com", true},
        {"EXAMPLE.com", true},
        {"example.com.", true},
        {"www.example.com", true},
        {"WWW.Example.COM", true},
        {"*.example.com", true},
        {"a.b.example.com", false},
        {".example.com", false},
        {"wwwexample.com", false},
        {"notexample.com", false},
        {"a.test", false},
        {"foo.example.net", false},
        {"192.0.2.1", true},
        {"192.0.2.2", false},
        {"2001:db8::1", true},
        {"2001:0DB8:0::1", true},
        {"2001:db8::2", false},
        {"10.0.0.1", false},
        {"a.example.org", false},
        {"", false},
        {".", false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (cert_matches(&info, span_str(cases[i].name)) != cases[i].matches)
            fail_msg("%s", cases[i].name);
}

static void test_info_escapes_what_could_deceive(void **state)
{
    struct issued cert = make_cert(&(struct order){.name = "x\r\ny"});
    GENERAL_NAMES *all = GENERAL_NAMES_new();
    const struct span deceits[] = {SPAN("good.test\0.evil.test"), SPAN("10.0.0.1")};

    for (size_t i = 0; i < ARRAY_SIZE(deceits); i++) {
        GENERAL_NAME *name = GENERAL_NAME_new();
        ASN1_STRING *value = ASN1_STRING_type_new(V_ASN1_IA5STRING);
        ASN1_STRING_set(value, deceits[i].ptr, (int)deceits[i].len);
        GENERAL_NAME_set0_value(name, GEN_DNS, value);
        sk_GENERAL_NAME_push(all, name);
    }
    X509_add1_ext_i2d(cert.cert, NID_subject_alt_name, all, 0, X509V3_ADD_DEFAULT);
    GENERAL_NAMES_free(all);
    X509_sign(cert.cert, cert.key, EVP_sha256());
    struct cert_chain chain = chain_of((const struct issued *[]){&cert}, 1);
    struct cert_info *info = &chain.items[0];
    assert_string_equal(info->names[0], "good.test\\x00.evil.test");
    assert_false(cert_matches(info, SPAN("good.test")));
    assert_false(cert_matches(info, SPAN("10.0.0.1")));
    assert_null(strpbrk(info->subject, "\r\n"));
    cert_chain_finish(&chain);
    issued_finish(&cert);
}

static void test_renewal_is_due_when_a_third_is_left(void **state)
{
    struct cert_info info = {.not_before = NOW, .not_after = NOW + DAYS(90)};
    nsec_t due = cert_renew_at(&info);

    assert_true(due - (NOW + DAYS(60)) < NSEC_PER_SEC && due - (NOW + DAYS(60)) > -NSEC_PER_SEC);
    info = (struct cert_info){.not_before = INT64_MIN, .not_after = INT64_MAX};
    assert_true(cert_renew_at(&info) > INT64_MAX / 4); /* no overflow */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_info_reads_every_field),
        cmocka_unit_test(test_info_finds_responder_and_issuer_address),
        cmocka_unit_test(test_info_names_keys_of_each_kind),
        cmocka_unit_test(test_info_takes_the_common_name_only_without_alternatives),
        cmocka_unit_test(test_info_knows_chains),
        cmocka_unit_test(test_info_reads_der_and_leaves_private_keys_out),
        cmocka_unit_test(test_info_refuses_what_is_no_certificate),
        cmocka_unit_test(test_info_bounds_the_number_of_certificates),
        cmocka_unit_test(test_matches_exact_wildcard_and_address),
        cmocka_unit_test(test_info_escapes_what_could_deceive),
        cmocka_unit_test(test_renewal_is_due_when_a_third_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
