/* The keys process's half: which keys it takes, which requests it signs and which it refuses. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/error.h"
#include "test_keys_support.h"
#include "tls/keys_protocol.h"

enum { ID = 7 };

static int load(struct keys_holder *holder, uint64_t id, const char *kind)
{
    EVP_PKEY *key = make_key(kind);
    int fd = make_key_file(key);
    int r = keys_holder_load(holder, id, fd);

    close(fd);
    EVP_PKEY_free(key);
    return r;
}

static int load_text(struct keys_holder *holder, const char *text, size_t length)
{
    int fd = make_file(text, length);
    int r = keys_holder_load(holder, ID, fd);

    close(fd);
    return r;
}

static struct keys_answer ask_bytes(struct keys_holder *holder, struct span bytes, char *out)
{
    struct keys_answer answer;
    size_t length = keys_holder_answer(holder, bytes, out);

    assert_in_range(length, KEYS_ANSWER_HEADER, KEYS_MESSAGE_MAX);
    assert_int_equal(keys_answer_read(span_of(out, length), &answer), 0);
    return answer;
}

static struct keys_answer ask(struct keys_holder *holder, const struct keys_request *request,
                              char *out)
{
    char message[KEYS_MESSAGE_MAX];

    return ask_bytes(holder, span_of(message, keys_request_write(request, message)), out);
}

static enum keys_status status_of(struct keys_holder *holder, struct keys_request request)
{
    char out[KEYS_MESSAGE_MAX];

    request.op = request.op ? request.op : KEYS_OP_SIGN;
    request.id = request.id ? request.id : ID;
    request.sequence = 0x01020304;
    struct keys_answer answer = ask(holder, &request, out);
    assert_int_equal(answer.sequence, 0x01020304);
    assert_true((answer.data.len != 0) == (answer.status == KEYS_OK && request.op == KEYS_OP_SIGN));
    return answer.status;
}

static const char digest_bytes[64] =
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde";

static struct span digest(size_t length)
{
    return span_of(digest_bytes, length);
}

static void test_keys_holder_takes_the_kinds_that_are_served(void **state)
{
    static const char *const served[] = {"RSA2048", "P-256", "P-384", "P-521", "ED25519"};
    static const char *const others[] = {"RSA1024", "secp256k1", "ED448"};
    struct keys_holder *holder = keys_holder_create();

    for (size_t i = 0; i < ARRAY_SIZE(served); i++)
        assert_int_equal(load(holder, i, served[i]), 0);
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_int_equal(load(holder, 100 + i, others[i]), ERR_TLS);
    keys_holder_destroy(holder);
    keys_holder_destroy(NULL);
}

static void test_keys_holder_refuses_files_that_hold_no_key(void **state)
{
    static char large[70000];
    static const char garbage[] = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    struct keys_holder *holder = keys_holder_create();
    EVP_PKEY *key = make_key("P-256");
    X509 *certificate = make_certificate(key);
    char *pem = certificate_pem(certificate);

    assert_int_equal(load_text(holder, "", 0), ERR_SYNTAX);
    assert_int_equal(load_text(holder, garbage, sizeof garbage - 1), ERR_SYNTAX);
    assert_int_equal(load_text(holder, pem, strlen(pem)), ERR_SYNTAX);
    assert_int_equal(load_text(holder, large, sizeof large), ERR_LIMIT);
    assert_int_equal(keys_holder_load(holder, ID, -1), -EBADF);
    assert_int_equal(status_of(holder, (struct keys_request){.algorithm = KEYS_ECDSA,
                                                             .digest = KEYS_SHA256,
                                                             .data = digest(32)}),
                     KEYS_NO_KEY);
    free(pem);
    X509_free(certificate);
    EVP_PKEY_free(key);
    keys_holder_destroy(holder);
}

static void test_keys_holder_refuses_an_encrypted_key_without_asking(void **state)
{
    struct keys_holder *holder = keys_holder_create();
    EVP_PKEY *key = make_key("P-256");
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;

    assert_int_equal(
        PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_128_cbc(), "secret", 6, NULL, NULL), 1);
    long length = BIO_get_mem_data(bio, &text);
    assert_int_equal(load_text(holder, text, (size_t)length), ERR_SYNTAX);
    BIO_free(bio);
    EVP_PKEY_free(key);
    keys_holder_destroy(holder);
}

static void test_keys_holder_reads_traditional_files(void **state)
{
    static const char *const kinds[] = {"RSA2048", "P-256"};
    struct keys_holder *holder = keys_holder_create();

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        EVP_PKEY *key = make_key(kinds[i]);
        BIO *bio = BIO_new(BIO_s_mem());
        char *text;
        assert_int_equal(PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL),
                         1);
        long length = BIO_get_mem_data(bio, &text);
        assert_int_equal(load_text(holder, text, (size_t)length), 0);
        BIO_free(bio);
        EVP_PKEY_free(key);
    }
    keys_holder_destroy(holder);
}

static void test_keys_holder_knows_which_certificate_belongs_to_a_key(void **state)
{
    struct keys_holder *holder = keys_holder_create();
    EVP_PKEY *own = make_key("P-256"), *other = make_key("P-256");
    X509 *own_cert = make_certificate(own), *other_cert = make_certificate(other);
    char *own_pem = certificate_pem(own_cert), *other_pem = certificate_pem(other_cert);
    int fd = make_key_file(own);

    assert_int_equal(keys_holder_check(holder, ID, span_str(own_pem)), ERR_NOT_FOUND);
    assert_int_equal(keys_holder_load(holder, ID, fd), 0);
    assert_int_equal(keys_holder_check(holder, ID, span_str(own_pem)), 0);
    assert_int_equal(keys_holder_check(holder, ID, span_str(other_pem)), ERR_TLS);
    assert_int_equal(keys_holder_check(holder, ID, SPAN("nothing")), ERR_SYNTAX);
    close(fd);
    free(own_pem);
    free(other_pem);
    X509_free(own_cert);
    X509_free(other_cert);
    EVP_PKEY_free(own);
    EVP_PKEY_free(other);
    keys_holder_destroy(holder);
}

static void test_keys_holder_forgets_and_replaces(void **state)
{
    struct keys_holder *holder = keys_holder_create();
    struct keys_request ecdsa = {
        .algorithm = KEYS_ECDSA, .digest = KEYS_SHA256, .data = digest(32)};
    struct keys_request ed25519 = {.algorithm = KEYS_ED25519, .data = digest(9)};

    assert_int_equal(load(holder, ID, "P-256"), 0);
    assert_int_equal(status_of(holder, ecdsa), KEYS_OK);
    assert_int_equal(load(holder, ID, "ED25519"), 0);
    assert_int_equal(status_of(holder, ecdsa), KEYS_REFUSED);
    assert_int_equal(status_of(holder, ed25519), KEYS_OK);
    keys_holder_drop(holder, ID);
    keys_holder_drop(holder, ID);
    assert_int_equal(status_of(holder, ed25519), KEYS_NO_KEY);
    keys_holder_destroy(holder);
}

static void test_keys_holder_signs_only_what_fits_the_key(void **state)
{
    struct keys_holder *holder = keys_holder_create();
    enum { EC = 1, RSA_KEY, ED };
    static const struct {
        uint64_t id;
        enum keys_algorithm algorithm;
        enum keys_digest digest;
        uint16_t salt, length;
        enum keys_status status;
    } cases[] = {
        {EC, KEYS_ECDSA, KEYS_SHA256, 0, 32, KEYS_OK},
        {EC, KEYS_ECDSA, KEYS_SHA384, 0, 48, KEYS_OK},
        {EC, KEYS_ECDSA, KEYS_SHA512, 0, 64, KEYS_OK},
        {EC, KEYS_ECDSA, KEYS_SHA256, 0, 31, KEYS_MALFORMED},
        {EC, KEYS_ECDSA, KEYS_SHA256, 0, 48, KEYS_MALFORMED},
        {EC, KEYS_ECDSA, KEYS_DIGEST_NONE, 0, 32, KEYS_MALFORMED},
        {EC, KEYS_ECDSA, KEYS_DIGEST_NONE, 0, 0, KEYS_MALFORMED},
        {EC, KEYS_ECDSA, KEYS_SHA256, 1, 32, KEYS_MALFORMED},
        {EC, KEYS_RSA_PKCS1, KEYS_SHA256, 0, 32, KEYS_REFUSED},
        {EC, KEYS_ED25519, KEYS_DIGEST_NONE, 0, 32, KEYS_REFUSED},
        {RSA_KEY, KEYS_RSA_PKCS1, KEYS_SHA256, 0, 32, KEYS_OK},
        {RSA_KEY, KEYS_RSA_PKCS1, KEYS_SHA512, 0, 64, KEYS_OK},
        {RSA_KEY, KEYS_RSA_PSS, KEYS_SHA256, 32, 32, KEYS_OK},
        {RSA_KEY, KEYS_RSA_PSS, KEYS_SHA256, 0, 32, KEYS_OK},
        {RSA_KEY, KEYS_RSA_PSS, KEYS_SHA256, 222, 32, KEYS_OK},
        {RSA_KEY, KEYS_RSA_PSS, KEYS_SHA256, 223, 32, KEYS_REFUSED},
        {RSA_KEY, KEYS_RSA_PSS, KEYS_SHA256, 65535, 32, KEYS_REFUSED},
        {RSA_KEY, KEYS_RSA_PKCS1, KEYS_DIGEST_NONE, 0, 0, KEYS_MALFORMED},
        {RSA_KEY, KEYS_ECDSA, KEYS_SHA256, 0, 32, KEYS_REFUSED},
        {RSA_KEY, 0, KEYS_SHA256, 0, 32, KEYS_MALFORMED},
        {RSA_KEY, 5, KEYS_SHA256, 0, 32, KEYS_MALFORMED},
        {RSA_KEY, KEYS_RSA_PKCS1, 4, 0, 32, KEYS_MALFORMED},
        {ED, KEYS_ED25519, KEYS_DIGEST_NONE, 0, 0, KEYS_OK},
        {ED, KEYS_ED25519, KEYS_DIGEST_NONE, 0, 64, KEYS_OK},
        {ED, KEYS_ED25519, KEYS_SHA512, 0, 64, KEYS_MALFORMED},
        {ED, KEYS_ECDSA, KEYS_SHA256, 0, 32, KEYS_REFUSED},
        {99, KEYS_ECDSA, KEYS_SHA256, 0, 32, KEYS_NO_KEY},
    };

    assert_int_equal(load(holder, EC, "P-256"), 0);
    assert_int_equal(load(holder, RSA_KEY, "RSA2048"), 0);
    assert_int_equal(load(holder, ED, "ED25519"), 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct keys_request request = {.id = cases[i].id,
                                       .algorithm = cases[i].algorithm,
                                       .digest = cases[i].digest,
                                       .salt = cases[i].salt,
                                       .data = digest(cases[i].length)};
        enum keys_status status = status_of(holder, request);
        if (status != cases[i].status)
            print_error("case %zu\n", i);
        assert_int_equal(status, cases[i].status);
        assert_int_equal(status_of(holder, request), status); /* the ready-made context too */
    }
    keys_holder_destroy(holder);
}

static void test_keys_holder_salts_as_asked_each_time(void **state)
{
    static const uint16_t salts[] = {32, 0, 32, 20};
    struct keys_holder *holder = keys_holder_create();
    EVP_PKEY *key = make_key("RSA2048");
    int fd = make_key_file(key);
    char out[KEYS_MESSAGE_MAX];

    assert_int_equal(keys_holder_load(holder, ID, fd), 0);
    for (size_t i = 0; i < ARRAY_SIZE(salts); i++) {
        struct keys_request request = {.op = KEYS_OP_SIGN,
                                       .id = ID,
                                       .algorithm = KEYS_RSA_PSS,
                                       .digest = KEYS_SHA256,
                                       .salt = salts[i],
                                       .data = digest(32)};
        struct keys_answer answer = ask(holder, &request, out);
        EVP_PKEY_CTX *verify = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
        assert_int_equal(EVP_PKEY_verify_init(verify), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(verify, RSA_PKCS1_PSS_PADDING), 1);
        assert_int_equal(EVP_PKEY_CTX_set_signature_md(verify, EVP_sha256()), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(verify, salts[i]), 1);
        assert_int_equal(EVP_PKEY_verify(verify, (const unsigned char *)answer.data.ptr,
                                         answer.data.len, (const unsigned char *)digest_bytes, 32),
                         1);
        EVP_PKEY_CTX_free(verify);
    }
    close(fd);
    EVP_PKEY_free(key);
    keys_holder_destroy(holder);
}

static void test_keys_holder_answers_every_broken_message(void **state)
{
    struct keys_holder *holder = keys_holder_create();
    struct keys_request request = {.op = KEYS_OP_SIGN,
                                   .id = ID,
                                   .algorithm = KEYS_ECDSA,
                                   .digest = KEYS_SHA256,
                                   .sequence = 5,
                                   .data = digest(32)};
    char message[KEYS_MESSAGE_MAX], out[KEYS_MESSAGE_MAX];

    assert_int_equal(load(holder, ID, "P-256"), 0);
    size_t length = keys_request_write(&request, message);
    for (size_t cut = 0; cut < length; cut++)
        assert_int_equal(ask_bytes(holder, span_of(message, cut), out).status, KEYS_MALFORMED);
    message[length] = 0;
    assert_int_equal(ask_bytes(holder, span_of(message, length + 1), out).status, KEYS_MALFORMED);
    message[3] = 1; /* the byte that must be 0 */
    assert_int_equal(ask_bytes(holder, span_of(message, length), out).status, KEYS_MALFORMED);
    message[3] = 0;
    message[0] = 3; /* an unknown operation */
    assert_int_equal(ask_bytes(holder, span_of(message, length), out).status, KEYS_MALFORMED);
    keys_holder_destroy(holder);
}

static void test_keys_holder_answers_a_ping(void **state)
{
    struct keys_holder *holder = keys_holder_create();
    char out[KEYS_MESSAGE_MAX];
    struct keys_request ping = {.op = KEYS_OP_PING, .sequence = 77};

    struct keys_answer answer = ask(holder, &ping, out);
    assert_int_equal(answer.status, KEYS_OK);
    assert_int_equal(answer.sequence, 77);
    ping.id = 1;
    assert_int_equal(ask(holder, &ping, out).status, KEYS_MALFORMED);
    keys_holder_destroy(holder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_holder_takes_the_kinds_that_are_served),
        cmocka_unit_test(test_keys_holder_refuses_files_that_hold_no_key),
        cmocka_unit_test(test_keys_holder_refuses_an_encrypted_key_without_asking),
        cmocka_unit_test(test_keys_holder_reads_traditional_files),
        cmocka_unit_test(test_keys_holder_knows_which_certificate_belongs_to_a_key),
        cmocka_unit_test(test_keys_holder_forgets_and_replaces),
        cmocka_unit_test(test_keys_holder_signs_only_what_fits_the_key),
        cmocka_unit_test(test_keys_holder_salts_as_asked_each_time),
        cmocka_unit_test(test_keys_holder_answers_every_broken_message),
        cmocka_unit_test(test_keys_holder_answers_a_ping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
