/* The keys process's half: which keys it takes, which requests it signs and which it refuses. */
#include <errno.h>
#include <fcntl.h>
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

static int load_for(struct keys_holder *holder, uint64_t id, enum keys_purpose purpose,
                    const char *kind)
{
    EVP_PKEY *key = make_key(kind);
    int fd = make_key_file(key);
    int r = keys_holder_load(holder, id, purpose, fd);

    close(fd);
    EVP_PKEY_free(key);
    return r;
}

static int load(struct keys_holder *holder, uint64_t id, const char *kind)
{
    return load_for(holder, id, KEYS_FOR_SERVER, kind);
}

static int load_text(struct keys_holder *holder, const char *text, size_t length)
{
    int fd = make_file(text, length);
    int r = keys_holder_load(holder, ID, KEYS_FOR_SERVER, fd);

    close(fd);
    return r;
}

static struct keys_answer ask_bytes(struct keys_holder *holder, struct span bytes, char *out)
{
    struct keys_answer answer;
    size_t length = keys_holder_answer(holder, KEYS_MAY_SHAKE_HANDS, bytes, out);

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

    request.op = request.op ? request.op : KEYS_OP_HANDSHAKE;
    request.id = request.id ? request.id : ID;
    request.sequence = 0x01020304;
    struct keys_answer answer = ask(holder, &request, out);
    assert_int_equal(answer.sequence, 0x01020304);
    assert_true((answer.data.len != 0) == (answer.status == KEYS_OK));
    return answer.status;
}

static char content_room[CONTENT_MAX];

static struct span content(void)
{
    return tls13_content("server", 32, content_room);
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
    assert_int_equal(keys_holder_load(holder, ID, KEYS_FOR_SERVER, -1), -EBADF);
    assert_int_equal(status_of(holder, (struct keys_request){.algorithm = KEYS_ECDSA,
                                                             .digest = KEYS_SHA256,
                                                             .data = content()}),
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
    assert_int_equal(keys_holder_load(holder, ID, KEYS_FOR_SERVER, fd), 0);
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
    struct keys_request ecdsa = {.algorithm = KEYS_ECDSA, .digest = KEYS_SHA256, .data = content()};
    struct keys_request ed25519 = {.algorithm = KEYS_ED25519, .data = content()};

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
    enum { EC = 1, EC384, RSA_KEY, ED };
    static const struct {
        uint64_t id;
        enum keys_algorithm algorithm;
        enum keys_digest digest;
        enum keys_status tls12, tls13;
    } cases[] = {
        {EC, KEYS_ECDSA, KEYS_SHA256, KEYS_OK, KEYS_OK},
        {EC, KEYS_ECDSA, KEYS_SHA384, KEYS_OK, KEYS_REFUSED},
        {EC, KEYS_ECDSA, KEYS_SHA512, KEYS_OK, KEYS_REFUSED},
        {EC, KEYS_ECDSA, KEYS_DIGEST_NONE, KEYS_MALFORMED, KEYS_MALFORMED},
        {EC, KEYS_RSA_PKCS1, KEYS_SHA256, KEYS_REFUSED, KEYS_REFUSED},
        {EC, KEYS_ED25519, KEYS_DIGEST_NONE, KEYS_REFUSED, KEYS_REFUSED},
        {EC384, KEYS_ECDSA, KEYS_SHA384, KEYS_OK, KEYS_OK},
        {EC384, KEYS_ECDSA, KEYS_SHA256, KEYS_OK, KEYS_REFUSED},
        {RSA_KEY, KEYS_RSA_PKCS1, KEYS_SHA256, KEYS_OK, KEYS_REFUSED},
        {RSA_KEY, KEYS_RSA_PKCS1, KEYS_SHA512, KEYS_OK, KEYS_REFUSED},
        {RSA_KEY, KEYS_RSA_PSS, KEYS_SHA256, KEYS_OK, KEYS_OK},
        {RSA_KEY, KEYS_RSA_PSS, KEYS_SHA512, KEYS_OK, KEYS_OK},
        {RSA_KEY, KEYS_RSA_PKCS1, KEYS_DIGEST_NONE, KEYS_MALFORMED, KEYS_MALFORMED},
        {RSA_KEY, KEYS_ECDSA, KEYS_SHA256, KEYS_REFUSED, KEYS_REFUSED},
        {RSA_KEY, 0, KEYS_SHA256, KEYS_MALFORMED, KEYS_MALFORMED},
        {RSA_KEY, 5, KEYS_SHA256, KEYS_MALFORMED, KEYS_MALFORMED},
        {RSA_KEY, KEYS_RSA_PKCS1, 4, KEYS_MALFORMED, KEYS_MALFORMED},
        {ED, KEYS_ED25519, KEYS_DIGEST_NONE, KEYS_OK, KEYS_OK},
        {ED, KEYS_ED25519, KEYS_SHA512, KEYS_MALFORMED, KEYS_MALFORMED},
        {ED, KEYS_ECDSA, KEYS_SHA256, KEYS_REFUSED, KEYS_REFUSED},
        {99, KEYS_ECDSA, KEYS_SHA256, KEYS_NO_KEY, KEYS_NO_KEY},
    };
    char tls12[CONTENT_MAX], tls13[CONTENT_MAX];

    assert_int_equal(load(holder, EC, "P-256"), 0);
    assert_int_equal(load(holder, EC384, "P-384"), 0);
    assert_int_equal(load(holder, RSA_KEY, "RSA2048"), 0);
    assert_int_equal(load(holder, ED, "ED25519"), 0);
    for (size_t i = 0; i < 2 * ARRAY_SIZE(cases); i++) { /* the ready-made contexts too */
        size_t at = i / 2;
        struct keys_request request = {.id = cases[at].id,
                                       .algorithm = cases[at].algorithm,
                                       .digest = cases[at].digest,
                                       .data = tls12_server_content(tls12)};
        enum keys_status status12 = status_of(holder, request);
        request.data = tls13_content("server", 48, tls13);
        enum keys_status status13 = status_of(holder, request);
        if (status12 != cases[at].tls12 || status13 != cases[at].tls13)
            print_error("case %zu\n", at);
        assert_int_equal(status12, cases[at].tls12);
        assert_int_equal(status13, cases[at].tls13);
    }
    keys_holder_destroy(holder);
}

/* Which purpose signs what of the handshake. */
static void test_keys_holder_signs_for_each_purpose_its_own_end_of_a_handshake(void **state)
{
    static const enum keys_purpose purposes[] = {KEYS_FOR_SERVER, KEYS_FOR_CLIENT, KEYS_FOR_ACCOUNT,
                                                 KEYS_FOR_CHALLENGE};
    struct keys_holder *holder = keys_holder_create();
    char room[5][CONTENT_MAX];
    const struct span contents[] = {
        tls13_content("server", 32, room[0]),     tls12_server_content(room[1]),
        tls13_content("client", 32, room[2]),     tls12_client_content(room[3]),
        SPAN("0123456789abcdef0123456789abcdef"), /* as a digest would look */
    };
    static const char signs[4][5] = {{1, 1}, {0, 0, 1, 1}, {0}, {1, 1}};

    for (size_t p = 0; p < ARRAY_SIZE(purposes); p++) {
        assert_int_equal(load_for(holder, ID, purposes[p], "P-256"), 0);
        for (size_t c = 0; c < ARRAY_SIZE(contents); c++) {
            struct keys_request request = {
                .algorithm = KEYS_ECDSA, .digest = KEYS_SHA256, .data = contents[c]};
            enum keys_status status = status_of(holder, request);
            if (status != (signs[p][c] ? KEYS_OK : KEYS_REFUSED))
                print_error("purpose %zu, content %zu\n", p, c);
            assert_int_equal(status, signs[p][c] ? KEYS_OK : KEYS_REFUSED);
        }
    }
    keys_holder_destroy(holder);
}

static void test_keys_holder_minds_the_rights_of_the_asker(void **state)
{
    struct keys_holder *holder = keys_holder_create();
    struct keys_request handshake = {.op = KEYS_OP_HANDSHAKE,
                                     .id = ID,
                                     .algorithm = KEYS_ECDSA,
                                     .digest = KEYS_SHA256,
                                     .data = content()};
    struct keys_request csr = {.op = KEYS_OP_CSR, .id = ID, .data = SPAN("example.com\n")};
    static const struct {
        unsigned rights;
        enum keys_status handshake, csr;
    } cases[] = {
        {0, KEYS_REFUSED, KEYS_REFUSED},
        {KEYS_MAY_SHAKE_HANDS, KEYS_OK, KEYS_REFUSED},
        {KEYS_MAY_CERTIFY, KEYS_REFUSED, KEYS_OK},
    };
    char message[KEYS_MESSAGE_MAX], out[KEYS_MESSAGE_MAX];
    struct keys_answer answer;

    assert_int_equal(load(holder, ID, "P-256"), 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t length = keys_request_write(&handshake, message);
        length = keys_holder_answer(holder, cases[i].rights, span_of(message, length), out);
        assert_int_equal(keys_answer_read(span_of(out, length), &answer), 0);
        assert_int_equal(answer.status, cases[i].handshake);
        length = keys_request_write(&csr, message);
        length = keys_holder_answer(holder, cases[i].rights, span_of(message, length), out);
        assert_int_equal(keys_answer_read(span_of(out, length), &answer), 0);
        assert_int_equal(answer.status, cases[i].csr);
    }
    keys_holder_destroy(holder);
}

/* A PSS salt is as long as the digest, and a signature verifies over the content itself. */
static void test_keys_holder_signs_the_content_given(void **state)
{
    struct keys_holder *holder = keys_holder_create();
    EVP_PKEY *key = make_key("RSA2048");
    int fd = make_key_file(key);
    char out[KEYS_MESSAGE_MAX];
    EVP_MD_CTX *verify = EVP_MD_CTX_new();
    EVP_PKEY_CTX *settings;
    struct keys_request request = {.op = KEYS_OP_HANDSHAKE,
                                   .id = ID,
                                   .algorithm = KEYS_RSA_PSS,
                                   .digest = KEYS_SHA384,
                                   .data = content()};

    assert_int_equal(keys_holder_load(holder, ID, KEYS_FOR_SERVER, fd), 0);
    struct keys_answer answer = ask(holder, &request, out);
    assert_int_equal(EVP_DigestVerifyInit(verify, &settings, EVP_sha384(), NULL, key), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, 48), 1);
    assert_int_equal(EVP_DigestVerify(verify, (const unsigned char *)answer.data.ptr,
                                      answer.data.len, (const unsigned char *)request.data.ptr,
                                      request.data.len),
                     1);
    EVP_MD_CTX_free(verify);
    close(fd);
    EVP_PKEY_free(key);
    keys_holder_destroy(holder);
}

/* ---- keys that are made ---- */

static EVP_PKEY *read_back(int fd)
{
    char text[8192];
    ssize_t length = pread(fd, text, sizeof text, 0);
    BIO *bio = BIO_new_mem_buf(text, (int)length);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

    BIO_free(bio);
    return key;
}

static void test_keys_holder_makes_keys_into_a_file(void **state)
{
    static const struct {
        enum keys_kind kind;
        const char *type;
        int bits;
    } cases[] = {{KEYS_KIND_P256, "EC", 256},
                 {KEYS_KIND_P384, "EC", 384},
                 {KEYS_KIND_RSA2048, "RSA", 2048},
                 {KEYS_KIND_RSA3072, "RSA", 3072}};
    struct keys_holder *holder = keys_holder_create();

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int fd = make_file("", 0);
        assert_int_equal(keys_holder_make(holder, ID, KEYS_FOR_SERVER, cases[i].kind, fd), 0);
        EVP_PKEY *key = read_back(fd);
        assert_non_null(key);
        assert_true(EVP_PKEY_is_a(key, cases[i].type));
        assert_int_equal(EVP_PKEY_get_bits(key), cases[i].bits);
        X509 *certificate = make_certificate(key);
        char *pem = certificate_pem(certificate);
        assert_int_equal(keys_holder_check(holder, ID, span_str(pem)), 0);
        free(pem);
        X509_free(certificate);
        EVP_PKEY_free(key);
        close(fd);
    }
    keys_holder_destroy(holder);
}

static void test_keys_holder_never_writes_over_a_file(void **state)
{
    struct keys_holder *holder = keys_holder_create();
    int fd = make_file("precious", 8), reading = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct keys_request request = {
        .algorithm = KEYS_ECDSA, .digest = KEYS_SHA256, .data = content()};

    assert_int_equal(keys_holder_make(holder, ID, KEYS_FOR_SERVER, KEYS_KIND_P256, fd), -EEXIST);
    assert_int_equal(lseek(fd, 0, SEEK_END), 8);
    assert_true(keys_holder_make(holder, ID, KEYS_FOR_SERVER, KEYS_KIND_P256, reading) < 0);
    assert_int_equal(keys_holder_make(holder, ID, KEYS_FOR_EAB, KEYS_KIND_P256, -1), ERR_TLS);
    assert_int_equal(keys_holder_make(holder, ID, KEYS_FOR_SERVER, 0, -1), ERR_TLS);
    assert_int_equal(keys_holder_make(holder, ID, 9, KEYS_KIND_P256, -1), ERR_TLS);
    assert_int_equal(status_of(holder, request), KEYS_NO_KEY);
    assert_int_equal(keys_holder_make(holder, ID, KEYS_FOR_CHALLENGE, KEYS_KIND_P256, -1), 0);
    assert_int_equal(status_of(holder, request), KEYS_OK);
    close(fd);
    close(reading);
    keys_holder_destroy(holder);
}

struct busy {
    struct keys_holder *holder;
    unsigned calls;
};

static void on_busy(void *context)
{
    struct busy *busy = context;
    struct keys_request request = {
        .id = 1, .algorithm = KEYS_ECDSA, .digest = KEYS_SHA256, .data = content()};

    assert_int_equal(status_of(busy->holder, request), KEYS_OK);
    busy->calls++;
}

static void test_keys_holder_signs_while_it_makes_a_large_key(void **state)
{
    struct busy busy = {.holder = keys_holder_create()};

    assert_int_equal(load(busy.holder, 1, "P-256"), 0);
    keys_holder_set_busy(busy.holder, on_busy, &busy);
    assert_int_equal(keys_holder_make(busy.holder, ID, KEYS_FOR_SERVER, KEYS_KIND_RSA2048, -1), 0);
    assert_true(busy.calls > 2);
    keys_holder_destroy(busy.holder);
}

static void test_keys_holder_answers_every_broken_message(void **state)
{
    struct keys_holder *holder = keys_holder_create();
    struct keys_request request = {.op = KEYS_OP_HANDSHAKE,
                                   .id = ID,
                                   .algorithm = KEYS_ECDSA,
                                   .digest = KEYS_SHA256,
                                   .sequence = 5,
                                   .data = content()};
    char message[KEYS_MESSAGE_MAX], out[KEYS_MESSAGE_MAX];

    assert_int_equal(load(holder, ID, "P-256"), 0);
    size_t length = keys_request_write(&request, message);
    for (size_t cut = 0; cut < length; cut++)
        assert_int_equal(ask_bytes(holder, span_of(message, cut), out).status, KEYS_MALFORMED);
    message[length] = 0;
    assert_int_equal(ask_bytes(holder, span_of(message, length + 1), out).status, KEYS_MALFORMED);
    message[3] = 1; /* a flag that this operation does not have */
    assert_int_equal(ask_bytes(holder, span_of(message, length), out).status, KEYS_MALFORMED);
    message[3] = 0;
    message[0] = 7; /* an unknown operation */
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
        cmocka_unit_test(test_keys_holder_signs_for_each_purpose_its_own_end_of_a_handshake),
        cmocka_unit_test(test_keys_holder_minds_the_rights_of_the_asker),
        cmocka_unit_test(test_keys_holder_signs_the_content_given),
        cmocka_unit_test(test_keys_holder_makes_keys_into_a_file),
        cmocka_unit_test(test_keys_holder_never_writes_over_a_file),
        cmocka_unit_test(test_keys_holder_signs_while_it_makes_a_large_key),
        cmocka_unit_test(test_keys_holder_answers_every_broken_message),
        cmocka_unit_test(test_keys_holder_answers_a_ping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
