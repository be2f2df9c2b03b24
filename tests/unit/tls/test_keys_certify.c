/* What the acme process asks for: requests, JWK, JWS, challenge certificates; what is refused; and
 * that each verifies as its RFC says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/base64.h"
#include "base/buffer.h"
#include "base/error.h"
#include "test_keys_support.h"

enum { ID = 9 };

struct bench {
    struct keys_holder *holder;
    struct answering answering;
    struct keys_remote *remote;
    EVP_PKEY *key;
    struct buffer out;
};

static void set_up(struct bench *bench, enum keys_purpose purpose, const char *kind)
{
    *bench = (struct bench){.holder = keys_holder_create(), .key = make_key(kind)};
    int fd = make_key_file(bench->key);
    assert_int_equal(keys_holder_load(bench->holder, ID, purpose, fd), 0);
    close(fd);
    answering_start(&bench->answering, bench->holder);
    assert_int_equal(keys_remote_create(bench->answering.socket, &bench->remote), 0);
    bench->out = buffer_make(1 << 20);
}

static void tear_down(struct bench *bench)
{
    keys_remote_destroy(bench->remote);
    answering_stop(&bench->answering);
    close(bench->answering.socket);
    keys_holder_destroy(bench->holder);
    EVP_PKEY_free(bench->key);
    buffer_finish(&bench->out);
    ERR_clear_error();
}

/* ---- requests ---- */

static X509_REQ *parse_request(const struct buffer *der)
{
    const unsigned char *at = (const unsigned char *)der->data;
    X509_REQ *request = d2i_X509_REQ(NULL, &at, (long)der->len);

    assert_non_null(request);
    assert_ptr_equal(at, der->data + der->len);
    return request;
}

/* "DNS:a,IP:…" as openssl prints it. */
static void assert_names(X509_EXTENSION *extension, const char *expected)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;

    assert_int_equal(X509V3_EXT_print(bio, extension, 0, 0), 1);
    long length = BIO_get_mem_data(bio, &text);
    assert_int_equal(length, strlen(expected));
    assert_memory_equal(text, expected, (size_t)length);
    BIO_free(bio);
}

static void test_a_request_has_the_names_and_verifies(void **state)
{
    static const char *const kinds[] = {"P-256", "P-384", "RSA2048", "ED25519"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct bench bench;
        set_up(&bench, KEYS_FOR_SERVER, kinds[i]);
        struct span names = SPAN("example.com\n*.example.com\n192.0.2.1\n2001:db8::1\n");
        assert_int_equal(keys_remote_csr(bench.remote, ID, names, i == 0, &bench.out), 0);
        X509_REQ *request = parse_request(&bench.out);
        assert_int_equal(X509_REQ_verify(request, bench.key), 1);
        assert_int_equal(EVP_PKEY_eq(X509_REQ_get0_pubkey(request), bench.key), 1);
        assert_int_equal(X509_NAME_entry_count(X509_REQ_get_subject_name(request)), i == 0);
        STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(request);
        assert_int_equal(sk_X509_EXTENSION_num(extensions), 1);
        assert_names(sk_X509_EXTENSION_value(extensions, 0),
                     "DNS:example.com, DNS:*.example.com, IP Address:192.0.2.1, "
                     "IP Address:2001:DB8:0:0:0:0:0:1");
        sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
        X509_REQ_free(request);
        tear_down(&bench);
    }
}

static void test_requests_for_names_that_none_can_have_are_refused(void **state)
{
    static const char *const refused[] = {
        "example.com",
        "\n",
        "Example.com\n",
        "exa mple.com\n",
        "-a.com\n",
        "a-.com\n",
        "a..com\n",
        "a.com.\n",
        "*\n",
        "*.\n",
        "a.*.com\n",
        "a_b.com\n",
        "b\xc3\xbc.de\n",
        "a.com\n\nb.com\n",
        "a.com,DNS:b.com\n",
        "a.com\r\n",
        "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcd.com\n"};
    struct bench bench;
    char many[101 * 6];

    (void)state;
    set_up(&bench, KEYS_FOR_SERVER, "P-256");
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        int r = keys_remote_csr(bench.remote, ID, span_str(refused[i]), false, &bench.out);
        if (r != ERR_TLS)
            print_error("%s\n", refused[i]);
        assert_int_equal(r, ERR_TLS);
    }
    for (int i = 0; i < 101; i++)
        memcpy(many + (size_t)i * 6,
               (char[]){'a', '.', (char)('a' + i % 26), (char)('a' + i / 26), 'x', '\n'}, 6);
    assert_int_equal(keys_remote_csr(bench.remote, ID, span_of(many, 600), false, &bench.out), 0);
    assert_int_equal(keys_remote_csr(bench.remote, ID, span_of(many, 606), false, &bench.out),
                     ERR_TLS);
    assert_int_equal(keys_remote_csr(bench.remote, ID, SPAN("192.0.2.1\n"), true, &bench.out),
                     ERR_TLS);
    tear_down(&bench);
}

/* ---- JWK and JWS ---- */

static void test_a_jwk_is_what_rfc_7638_hashes(void **state)
{
    static const struct {
        const char *kind, *begin, *alg;
    } cases[] = {
        {"P-256", "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"", "ES256"},
        {"P-384", "{\"crv\":\"P-384\",\"kty\":\"EC\",\"x\":\"", "ES384"},
        {"RSA2048", "{\"e\":\"AQAB\",\"kty\":\"RSA\",\"n\":\"", "RS256"},
        {"ED25519", "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"", "EdDSA"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bench bench;
        set_up(&bench, KEYS_FOR_ACCOUNT, cases[i].kind);
        assert_int_equal(keys_remote_jwk(bench.remote, ID, &bench.out), 0);
        struct span jwk = buffer_span(&bench.out);
        assert_true(span_starts(jwk, span_str(cases[i].begin)));
        assert_string_equal(keys_jwk_alg(jwk), cases[i].alg);
        json_t *json = json_loadb(jwk.ptr, jwk.len, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(json);
        char *sorted = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
        assert_true(span_equal(jwk, span_str(sorted)));
        free(sorted);
        json_decref(json);
        tear_down(&bench);
    }
    assert_null(keys_jwk_alg(SPAN("{}")));
}

/* RFC 7638 section 3.1. */
static void test_a_thumbprint_is_that_of_the_rfc(void **state)
{
    static const char jwk[] =
        "{\"e\":\"AQAB\",\"kty\":\"RSA\",\"n\":\"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhW"
        "x4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXA"
        "rwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5ha"
        "jrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csF"
        "Cur-kEgU8awapJzKnqDKgw\"}";
    char thumbprint[KEYS_THUMBPRINT_MAX];

    (void)state;
    assert_int_equal(keys_jwk_thumbprint(span_str(jwk), thumbprint), 0);
    assert_string_equal(thumbprint, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

static json_t *load_jws(const struct buffer *text)
{
    json_t *json = json_loadb(text->data, text->len, JSON_REJECT_DUPLICATES, NULL);

    assert_non_null(json);
    assert_int_equal(json_object_size(json), 3);
    return json;
}

static const char *member(const json_t *json, const char *name)
{
    return json_string_value(json_object_get(json, name));
}

static bool verify_jws(const struct buffer *text, EVP_PKEY *key)
{
    json_t *json = load_jws(text);
    char signature[1024], input[4096];
    unsigned char der[256], *end = der;
    const EVP_MD *digest = EVP_PKEY_is_a(key, "ED25519")   ? NULL
                           : EVP_PKEY_get_bits(key) == 384 ? EVP_sha384()
                                                           : EVP_sha256();
    EVP_MD_CTX *verify = EVP_MD_CTX_new();
    ssize_t length =
        base64_decode(span_str(member(json, "signature")), signature, sizeof signature);
    int input_length =
        snprintf(input, sizeof input, "%s.%s", member(json, "protected"), member(json, "payload"));
    const unsigned char *bytes = (const unsigned char *)signature;

    assert_true(length > 0);
    if (EVP_PKEY_is_a(key, "EC")) {
        ECDSA_SIG *pair = ECDSA_SIG_new();
        int half = (int)length / 2;
        assert_int_equal(
            ECDSA_SIG_set0(pair, BN_bin2bn(bytes, half, NULL), BN_bin2bn(bytes + half, half, NULL)),
            1);
        length = i2d_ECDSA_SIG(pair, &end);
        ECDSA_SIG_free(pair);
        bytes = der;
    }
    bool fine = EVP_DigestVerifyInit(verify, NULL, digest, NULL, key) == 1 &&
                EVP_DigestVerify(verify, bytes, (size_t)length, (unsigned char *)input,
                                 (size_t)input_length) == 1;
    EVP_MD_CTX_free(verify);
    json_decref(json);
    return fine;
}

static void test_an_account_signs_requests_to_its_ca(void **state)
{
    static const char *const kinds[] = {"P-256", "P-384", "RSA2048", "ED25519"};
    char header[512];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct bench bench;
        struct buffer jwk = buffer_make(8192);
        set_up(&bench, KEYS_FOR_ACCOUNT, kinds[i]);
        assert_int_equal(keys_remote_jwk(bench.remote, ID, &jwk), 0);
        snprintf(header, sizeof header,
                 "{\"alg\":\"%s\",\"kid\":\"https://ca.example/acct/1\",\"nonce\":\"Ab-_1\","
                 "\"url\":\"https://ca.example/order\"}",
                 keys_jwk_alg(buffer_span(&jwk)));
        for (int again = 0; again < 20; again++) { /* numbers with leading zeros among them */
            bench.out.len = 0;
            assert_int_equal(keys_remote_jws(bench.remote, ID, span_str(header),
                                             SPAN("{\"a\":[1,2]}"), &bench.out),
                             0);
            assert_true(verify_jws(&bench.out, bench.key));
        }
        json_t *json = load_jws(&bench.out);
        assert_string_equal(member(json, "payload"), "eyJhIjpbMSwyXX0");
        json_decref(json);
        bench.out.len = 0;
        assert_int_equal(keys_remote_jws(bench.remote, ID, span_str(header), SPAN(""), &bench.out),
                         0);
        assert_true(verify_jws(&bench.out, bench.key));
        buffer_finish(&jwk);
        tear_down(&bench);
    }
}

#define URL "\"url\":\"https://ca.example/x\""
#define KID "\"kid\":\"https://ca.example/acct/1\""

static void test_an_account_signs_nothing_else(void **state)
{
    static const struct {
        const char *header, *payload;
        bool signs;
    } cases[] = {
        {"{\"alg\":\"ES256\"," KID ",\"nonce\":\"n\"," URL "}", "{}", true},
        {"{\"alg\":\"ES256\"," KID ",\"nonce\":\"n\"," URL "}", "[]", false},
        {"{\"alg\":\"ES256\"," KID ",\"nonce\":\"n\"," URL "}", "text", false},
        {"{\"alg\":\"ES384\"," KID ",\"nonce\":\"n\"," URL "}", "{}", false},
        {"{\"alg\":\"none\"," KID ",\"nonce\":\"n\"," URL "}", "{}", false},
        {"{" KID ",\"nonce\":\"n\"," URL "}", "{}", false},
        {"{\"alg\":\"ES256\"," KID "," URL "}", "{}", false},
        {"{\"alg\":\"ES256\"," KID ",\"nonce\":\"a b\"," URL "}", "{}", false},
        {"{\"alg\":\"ES256\"," KID ",\"nonce\":\"n\"}", "{}", false},
        {"{\"alg\":\"ES256\"," KID ",\"nonce\":\"n\",\"url\":\"http://ca.example/\"}", "{}", false},
        {"{\"alg\":\"ES256\",\"kid\":\"me\",\"nonce\":\"n\"," URL "}", "{}", false},
        {"{\"alg\":\"ES256\",\"nonce\":\"n\"," URL "}", "{}", false},
        {"{\"alg\":\"ES256\"," KID ",\"nonce\":\"n\",\"b64\":false," URL "}", "{}", false},
        {"{\"alg\":\"ES256\",\"alg\":\"ES256\"," KID ",\"nonce\":\"n\"," URL "}", "{}", false},
        {"{\"alg\":\"ES256\",\"jwk\":{\"kty\":\"EC\"},\"nonce\":\"n\"," URL "}", "{}", false},
        {"", "{}", false},
        {"{\"iss\":\"me\"}", "{}", false},
    };
    struct bench bench;

    (void)state;
    set_up(&bench, KEYS_FOR_ACCOUNT, "P-256");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int r = keys_remote_jws(bench.remote, ID, span_str(cases[i].header),
                                span_str(cases[i].payload), &bench.out);
        if ((r == 0) != cases[i].signs)
            print_error("case %zu\n", i);
        assert_int_equal(r, cases[i].signs ? 0 : ERR_TLS);
    }
    assert_int_equal(keys_remote_csr(bench.remote, ID, SPAN("a.com\n"), false, &bench.out),
                     ERR_TLS);
    tear_down(&bench);
}

static void test_a_new_key_signs_the_inner_request_of_a_rollover(void **state)
{
    struct bench bench;
    struct buffer header = buffer_make(8192), jwk = buffer_make(8192);
    struct span payload =
        SPAN("{\"account\":\"https://ca.example/acct/1\",\"oldKey\":{\"kty\":\"EC\"}}");

    (void)state;
    set_up(&bench, KEYS_FOR_ACCOUNT, "P-256");
    assert_int_equal(keys_remote_jwk(bench.remote, ID, &jwk), 0);
    assert_int_equal(buffer_printf(&header, "{\"alg\":\"ES256\",\"jwk\":%.*s," URL "}",
                                   SPAN_ARGS(buffer_span(&jwk))),
                     0);
    assert_int_equal(keys_remote_jws(bench.remote, ID, buffer_span(&header), payload, &bench.out),
                     0);
    assert_true(verify_jws(&bench.out, bench.key));
    assert_int_equal(
        keys_remote_jws(bench.remote, ID, buffer_span(&header), SPAN("{}"), &bench.out), ERR_TLS);
    header.len = 0; /* and the request for a new account, which has the key and a nonce */
    assert_int_equal(buffer_printf(&header,
                                   "{\"alg\":\"ES256\",\"nonce\":\"n\",\"jwk\":%.*s," URL "}",
                                   SPAN_ARGS(buffer_span(&jwk))),
                     0);
    assert_int_equal(
        keys_remote_jws(bench.remote, ID, buffer_span(&header), SPAN("{}"), &bench.out), 0);
    buffer_finish(&header);
    buffer_finish(&jwk);
    tear_down(&bench);
}

static void test_a_binding_secret_is_read_in_every_spelling_and_binds(void **state)
{
    static const char *const spellings[] = {"-_8AAQ", "+/8AAQ==", " -_8AAQ==\n", "+/8AAQ"};
    static const unsigned char secret[] = {0xfb, 0xff, 0x00, 0x01};
    static const struct span header = SPAN("{\"alg\":\"HS256\",\"kid\":\"k\"," URL "}");
    static const struct span payload = SPAN("{\"kty\":\"EC\",\"x\":\"a\"}");

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(spellings); i++) {
        struct bench bench;
        unsigned char mac[32];
        char text[512], encoded[43];
        set_up(&bench, KEYS_FOR_ACCOUNT, "P-256");
        int fd = make_file(spellings[i], strlen(spellings[i]));
        assert_int_equal(keys_holder_load(bench.holder, 2, KEYS_FOR_EAB, fd), 0);
        close(fd);
        assert_int_equal(keys_remote_jws(bench.remote, 2, header, payload, &bench.out), 0);
        json_t *json = load_jws(&bench.out);
        int length = snprintf(text, sizeof text, "%s.%s", member(json, "protected"),
                              member(json, "payload"));
        assert_non_null(HMAC(EVP_sha256(), secret, sizeof secret, (unsigned char *)text,
                             (size_t)length, mac, NULL));
        base64url_encode(span_of((char *)mac, sizeof mac), encoded);
        assert_memory_equal(member(json, "signature"), encoded, sizeof encoded);
        json_decref(json);
        assert_int_equal(keys_remote_jws(bench.remote, 2, header, SPAN("{}"), &bench.out), ERR_TLS);
        assert_int_equal(keys_remote_jwk(bench.remote, 2, &bench.out), ERR_TLS);
        tear_down(&bench);
    }
}

static void test_a_secret_that_is_no_base64_is_refused(void **state)
{
    static const char *const refused[] = {"", "a", "ab=", "a b c", "-----BEGIN PRIVATE KEY-----"};
    struct keys_holder *holder = keys_holder_create();

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        int fd = make_file(refused[i], strlen(refused[i]));
        assert_int_equal(keys_holder_load(holder, 1, KEYS_FOR_EAB, fd), ERR_SYNTAX);
        close(fd);
    }
    keys_holder_destroy(holder);
}

/* ---- tls-alpn-01 ---- */

static void test_a_challenge_certificate_is_as_rfc_8737_says(void **state)
{
    static const struct {
        const char *name, *san;
    } cases[] = {{"example.com", "DNS:example.com"},
                 {"2001:db8::1", "IP Address:2001:DB8:0:0:0:0:0:1"}};
    const struct span digest = SPAN("0123456789abcdef0123456789ABCDEF");
    struct bench bench;

    (void)state;
    set_up(&bench, KEYS_FOR_CHALLENGE, "P-256");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        bench.out.len = 0;
        assert_int_equal(
            keys_remote_challenge(bench.remote, ID, span_str(cases[i].name), digest, &bench.out),
            0);
        BIO *bio = BIO_new_mem_buf(bench.out.data, (int)bench.out.len);
        X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        assert_non_null(certificate);
        assert_int_equal(X509_verify(certificate, bench.key), 1);
        assert_int_equal(X509_get_ext_count(certificate), 2);
        assert_names(X509_get_ext(certificate, 0), cases[i].san);
        X509_EXTENSION *identifier = X509_get_ext(certificate, 1);
        char oid[32];
        OBJ_obj2txt(oid, sizeof oid, X509_EXTENSION_get_object(identifier), 1);
        assert_string_equal(oid, "1.3.6.1.5.5.7.1.31");
        assert_int_equal(X509_EXTENSION_get_critical(identifier), 1);
        const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(identifier);
        assert_int_equal(ASN1_STRING_length(value), 34);
        assert_memory_equal(ASN1_STRING_get0_data(value), "\x04\x20", 2);
        assert_memory_equal(ASN1_STRING_get0_data(value) + 2, digest.ptr, 32);
        X509_free(certificate);
        BIO_free(bio);
    }
    assert_int_equal(keys_remote_challenge(bench.remote, ID, SPAN("*.a.com"), digest, &bench.out),
                     ERR_TLS);
    assert_int_equal(keys_remote_challenge(bench.remote, ID, SPAN("a.com"), SPAN("x"), &bench.out),
                     ERR_LIMIT);
    assert_int_equal(keys_remote_csr(bench.remote, ID, SPAN("a.com\n"), false, &bench.out),
                     ERR_TLS);
    tear_down(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_has_the_names_and_verifies),
        cmocka_unit_test(test_requests_for_names_that_none_can_have_are_refused),
        cmocka_unit_test(test_a_jwk_is_what_rfc_7638_hashes),
        cmocka_unit_test(test_a_thumbprint_is_that_of_the_rfc),
        cmocka_unit_test(test_an_account_signs_requests_to_its_ca),
        cmocka_unit_test(test_an_account_signs_nothing_else),
        cmocka_unit_test(test_a_new_key_signs_the_inner_request_of_a_rollover),
        cmocka_unit_test(test_a_binding_secret_is_read_in_every_spelling_and_binds),
        cmocka_unit_test(test_a_secret_that_is_no_base64_is_refused),
        cmocka_unit_test(test_a_challenge_certificate_is_as_rfc_8737_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
