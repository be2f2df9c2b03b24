/* The worker's half: real TLS handshakes, certificates and requests signed by keys that are not
 * there; and what happens when the keys process refuses, lags or dies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>

#include "base/error.h"
#include "base/nsec.h"
#include "test_keys_support.h"
#include "tls/keys_protocol.h"

enum { ID = 42 };

/** One key in a holder that answers, and its handle. */
struct bench {
    struct keys_holder *holder;
    struct answering answering;
    struct keys_remote *remote;
    X509 *certificate;
    char *pem;
    EVP_PKEY *handle;
};

static void bench_set_up_for(struct bench *bench, enum keys_purpose purpose, const char *kind)
{
    EVP_PKEY *key = make_key(kind);
    int fd = make_key_file(key);

    bench->holder = keys_holder_create();
    assert_int_equal(keys_holder_load(bench->holder, ID, purpose, fd), 0);
    bench->certificate = make_certificate(key);
    bench->pem = certificate_pem(bench->certificate);
    answering_start(&bench->answering, bench->holder);
    assert_int_equal(keys_remote_create(bench->answering.socket, &bench->remote), 0);
    assert_int_equal(keys_remote_key(bench->remote, ID, span_str(bench->pem), &bench->handle), 0);
    close(fd);
    EVP_PKEY_free(key);
}

static void bench_set_up(struct bench *bench, const char *kind)
{
    bench_set_up_for(bench, KEYS_FOR_SERVER, kind);
}

static void bench_tear_down(struct bench *bench)
{
    EVP_PKEY_free(bench->handle);
    keys_remote_destroy(bench->remote);
    answering_stop(&bench->answering);
    close(bench->answering.socket);
    keys_holder_destroy(bench->holder);
    X509_free(bench->certificate);
    free(bench->pem);
    ERR_clear_error();
}

/* ---- handshakes ---- */

struct handshake {
    int version;
    const char *suites;  /**< TLS 1.2; NULL for the default */
    const char *groups;  /**< NULL for the default */
    const char *sigalgs; /**< the client's; NULL for the default */
};

static SSL_CTX *server_context(X509 *certificate, EVP_PKEY *key)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    assert_int_equal(SSL_CTX_use_certificate(context, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(context, key), 1);
    assert_int_equal(SSL_CTX_check_private_key(context), 1);
    return context;
}

static SSL_CTX *client_context(X509 *certificate, const struct handshake *wanted)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate);
    SSL_CTX_set_min_proto_version(context, wanted->version);
    SSL_CTX_set_max_proto_version(context, wanted->version);
    if (wanted->suites)
        assert_int_equal(SSL_CTX_set_cipher_list(context, wanted->suites), 1);
    if (wanted->groups)
        assert_int_equal(SSL_CTX_set1_groups_list(context, wanted->groups), 1);
    if (wanted->sigalgs)
        assert_int_equal(SSL_CTX_set1_sigalgs_list(context, wanted->sigalgs), 1);
    return context;
}

static SSL *session(SSL_CTX *context, bool server)
{
    SSL *ssl = SSL_new(context);

    if (server)
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    return ssl;
}

static int step(SSL *ssl)
{
    int r = SSL_do_handshake(ssl);
    return r == 1 || SSL_get_error(ssl, r) == SSL_ERROR_WANT_READ ? r : -2;
}

/** @return whether both ends completed */
static bool shake(SSL_CTX *server_ctx, SSL_CTX *client_ctx)
{
    SSL *server = session(server_ctx, true), *client = session(client_ctx, false);
    BIO *server_bio, *client_bio;
    int c = 0, s = 0;

    BIO_new_bio_pair(&server_bio, 65536, &client_bio, 65536);
    SSL_set_bio(server, server_bio, server_bio);
    SSL_set_bio(client, client_bio, client_bio);
    for (int i = 0; i < 10 && (c != 1 || s != 1) && c != -2 && s != -2; i++) {
        c = step(client);
        if (c != -2)
            s = step(server);
    }
    SSL_free(server);
    SSL_free(client);
    return c == 1 && s == 1;
}

static bool shake_as(X509 *certificate, EVP_PKEY *key, const struct handshake *wanted)
{
    SSL_CTX *server = server_context(certificate, key);
    SSL_CTX *client = client_context(certificate, wanted);
    bool ok = shake(server, client);

    SSL_CTX_free(server);
    SSL_CTX_free(client);
    return ok;
}

static void test_keys_remote_shakes_hands_with_every_kind_of_key(void **state)
{
    static const struct {
        const char *kind;
        struct handshake wanted;
    } cases[] = {
        {"P-256", {TLS1_3_VERSION}},
        {"P-256", {TLS1_3_VERSION, NULL, "P-256"}},
        {"P-256", {TLS1_3_VERSION, NULL, "X25519"}},
        {"P-256", {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", "P-256"}},
        {"P-256", {TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", "X25519:P-256"}},
        {"P-256", {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", NULL, "ECDSA+SHA384"}},
        {"P-384", {TLS1_3_VERSION, NULL, "P-384"}},
        {"P-384", {TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384"}},
        {"P-521", {TLS1_3_VERSION, NULL, "P-521"}},
        {"P-521", {TLS1_2_VERSION, NULL, "P-521"}},
        {"RSA2048", {TLS1_3_VERSION}},
        {"RSA2048", {TLS1_3_VERSION, NULL, "P-256", "rsa_pss_rsae_sha512:RSA+SHA256"}},
        {"RSA2048", {TLS1_2_VERSION, "ECDHE-RSA-AES128-GCM-SHA256", "P-256", "RSA+SHA256"}},
        {"RSA2048", {TLS1_2_VERSION, "ECDHE-RSA-AES256-GCM-SHA384", NULL, "RSA+SHA384"}},
        {"RSA2048", {TLS1_2_VERSION, NULL, NULL, "rsa_pss_rsae_sha384:RSA+SHA256"}},
        {"RSA3072", {TLS1_3_VERSION}},
        {"ED25519", {TLS1_3_VERSION}},
        {"ED25519", {TLS1_2_VERSION}},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bench bench;
        bench_set_up(&bench, cases[i].kind);
        for (int again = 0; again < 3; again++) {
            bool ok = shake_as(bench.certificate, bench.handle, &cases[i].wanted);
            if (!ok) {
                print_error("case %zu: %s\n", i, cases[i].kind);
                ERR_print_errors_fp(stderr);
            }
            assert_true(ok);
        }
        assert_int_equal(ERR_peek_error(), 0);
        bench_tear_down(&bench);
    }
}

/** RSA key exchange would need decryption, which the holder never does. */
static void test_keys_remote_never_decrypts(void **state)
{
    struct bench bench;
    struct handshake wanted = {TLS1_2_VERSION, "AES128-GCM-SHA256"};
    unsigned char out[512], in[256] = {1};
    size_t length = sizeof out;

    bench_set_up(&bench, "RSA2048");
    assert_false(shake_as(bench.certificate, bench.handle, &wanted));
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, bench.handle, NULL);
    if (EVP_PKEY_decrypt_init(context) == 1)
        assert_int_not_equal(EVP_PKEY_decrypt(context, out, &length, in, sizeof in), 1);
    EVP_PKEY_CTX_free(context);
    bench_tear_down(&bench);
}

static void test_keys_remote_leaves_other_fetches_alone(void **state)
{
    static const char *const types[] = {"EC", "RSA", "ED25519", "X25519"};
    struct bench bench;

    bench_set_up(&bench, "P-256");
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        EVP_KEYMGMT *keymgmt = EVP_KEYMGMT_fetch(NULL, types[i], NULL);
        assert_non_null(keymgmt);
        assert_string_equal(OSSL_PROVIDER_get0_name(EVP_KEYMGMT_get0_provider(keymgmt)), "default");
        EVP_KEYMGMT_free(keymgmt);
    }
    EVP_PKEY_free(make_key("P-256"));
    bench_tear_down(&bench);
}

/* Mutual TLS: the client's key is the remote one. */
static void test_keys_remote_shakes_hands_as_the_client(void **state)
{
    static const struct {
        const char *kind;
        int version;
    } cases[] = {
        {"P-256", TLS1_3_VERSION},   {"P-256", TLS1_2_VERSION},   {"RSA2048", TLS1_3_VERSION},
        {"RSA2048", TLS1_2_VERSION}, {"ED25519", TLS1_3_VERSION}, {"ED25519", TLS1_2_VERSION},
    };
    EVP_PKEY *server_key = make_key("P-256");
    X509 *server_certificate = make_certificate(server_key);

    for (size_t i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
        struct bench bench;
        struct handshake wanted = {cases[i / 2].version};
        bool right = i % 2 == 0; /* else the key is a server's, and signs no client's message */
        bench_set_up_for(&bench, right ? KEYS_FOR_CLIENT : KEYS_FOR_SERVER, cases[i / 2].kind);
        SSL_CTX *server = server_context(server_certificate, server_key);
        SSL_CTX_set_verify(server, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        X509_STORE_add_cert(SSL_CTX_get_cert_store(server), bench.certificate);
        SSL_CTX *client = client_context(server_certificate, &wanted);
        assert_int_equal(SSL_CTX_use_certificate(client, bench.certificate), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(client, bench.handle), 1);
        bool ok = shake(server, client);
        if (ok != right) {
            print_error("case %zu\n", i);
            ERR_print_errors_fp(stderr);
        }
        assert_true(ok == right);
        SSL_CTX_free(server);
        SSL_CTX_free(client);
        bench_tear_down(&bench);
    }
    X509_free(server_certificate);
    EVP_PKEY_free(server_key);
}

/* ---- what is no handshake ---- */

static const EVP_MD *digest_for(const EVP_PKEY *key)
{
    return EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256();
}

static int sign_with(EVP_PKEY *key, const EVP_MD *md, int padding, struct span content,
                     unsigned char *signature)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *settings;
    size_t length = 1024;
    int ok = EVP_DigestSignInit(context, &settings, md, NULL, key) == 1 &&
             (!padding || EVP_PKEY_CTX_set_rsa_padding(settings, padding) == 1) &&
             EVP_DigestSign(context, signature, &length, (const unsigned char *)content.ptr,
                            content.len) == 1;

    EVP_MD_CTX_free(context);
    return ok ? (int)length : -1;
}

static void test_keys_remote_signs_nothing_but_handshakes(void **state)
{
    static const char *const kinds[] = {"P-256", "RSA2048", "ED25519"};
    unsigned char signature[1024], digest[32] = {1};
    char room[CONTENT_MAX];

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct bench bench;
        bench_set_up(&bench, kinds[i]);
        struct span content = tls12_server_content(room);
        X509 *certificate = X509_dup(bench.certificate);
        assert_true(sign_with(bench.handle, digest_for(bench.handle), 0, content, signature) > 0);
        assert_int_equal(
            sign_with(bench.handle, digest_for(bench.handle), 0, SPAN("abc"), signature), -1);
        assert_true(X509_sign(certificate, bench.handle, digest_for(bench.handle)) <= 0);
        EVP_PKEY_CTX *raw = EVP_PKEY_CTX_new_from_pkey(NULL, bench.handle, NULL);
        size_t length = sizeof signature;
        assert_true(EVP_PKEY_sign_init(raw) != 1 ||
                    EVP_PKEY_sign(raw, signature, &length, digest, sizeof digest) != 1);
        EVP_PKEY_CTX_free(raw);
        X509_free(certificate);
        bench_tear_down(&bench);
    }
}

static void test_keys_remote_refuses_weak_ways_of_signing(void **state)
{
    unsigned char signature[1024];
    char room[CONTENT_MAX];
    struct span content = tls12_server_content(room);
    struct bench bench;

    bench_set_up(&bench, "RSA2048");
    assert_int_equal(
        sign_with(bench.handle, EVP_sha256(), RSA_PKCS1_PSS_PADDING, content, signature), 256);
    assert_int_equal(sign_with(bench.handle, EVP_sha1(), 0, content, signature), -1);
    assert_int_equal(sign_with(bench.handle, EVP_md5(), 0, content, signature), -1);
    assert_int_equal(sign_with(bench.handle, EVP_sha256(), RSA_NO_PADDING, content, signature), -1);
    bench_tear_down(&bench);
}

static void test_keys_remote_key_has_no_private_half_to_give_away(void **state)
{
    static const char *const kinds[] = {"P-256", "RSA2048", "ED25519"};

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct bench bench;
        OSSL_PARAM *params = NULL;
        bench_set_up(&bench, kinds[i]);
        assert_int_not_equal(EVP_PKEY_todata(bench.handle, EVP_PKEY_KEYPAIR, &params), 1);
        assert_int_equal(EVP_PKEY_todata(bench.handle, EVP_PKEY_PUBLIC_KEY, &params), 1);
        OSSL_PARAM_free(params);
        BIO *bio = BIO_new(BIO_s_mem());
        assert_int_not_equal(PEM_write_bio_PrivateKey(bio, bench.handle, NULL, NULL, 0, NULL, NULL),
                             1);
        assert_int_equal(PEM_write_bio_PUBKEY(bio, bench.handle), 1);
        BIO_free(bio);
        bench_tear_down(&bench);
    }
}

/* ---- when the keys process is not as it should be ---- */

static void test_keys_remote_wrong_id_fails_the_handshake_only(void **state)
{
    struct bench bench;
    struct handshake wanted = {TLS1_3_VERSION};
    EVP_PKEY *unknown;

    bench_set_up(&bench, "P-256");
    assert_int_equal(keys_remote_key(bench.remote, ID + 1, span_str(bench.pem), &unknown), 0);
    assert_false(shake_as(bench.certificate, unknown, &wanted));
    assert_int_not_equal(ERR_peek_error(), 0);
    ERR_clear_error();
    assert_true(shake_as(bench.certificate, bench.handle, &wanted));
    EVP_PKEY_free(unknown);
    bench_tear_down(&bench);
}

static void test_keys_remote_survives_the_death_of_the_keys_process(void **state)
{
    struct bench bench;
    struct handshake wanted = {TLS1_3_VERSION};
    const char *reason;
    int flags;

    bench_set_up(&bench, "P-256");
    assert_int_equal(keys_remote_ping(bench.remote), 0);
    answering_stop(&bench.answering);
    assert_false(shake_as(bench.certificate, bench.handle, &wanted));
    ERR_clear_error();
    assert_int_equal(keys_remote_ping(bench.remote), ERR_TLS);
    ERR_get_error_all(NULL, NULL, NULL, &reason, &flags);
    assert_non_null(strstr(reason, "keys process"));

    close(bench.answering.socket);
    answering_start(&bench.answering, bench.holder);
    keys_remote_set_socket(bench.remote, bench.answering.socket);
    assert_int_equal(keys_remote_ping(bench.remote), 0);
    assert_true(shake_as(bench.certificate, bench.handle, &wanted));
    bench_tear_down(&bench);
}

/** Sets up a worker whose keys process is the test itself. */
static int silent_holder(struct keys_remote **ret_remote, int *ret_socket)
{
    struct timeval patience = {.tv_usec = 50000};
    int sockets[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets), 0);
    assert_int_equal(setsockopt(sockets[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience),
                     0);
    assert_int_equal(keys_remote_create(sockets[0], ret_remote), 0);
    *ret_socket = sockets[0];
    return sockets[1];
}

static void answer_ping(int socket, uint32_t sequence)
{
    struct keys_answer answer = {.status = KEYS_OK, .sequence = sequence};
    char message[KEYS_MESSAGE_MAX];
    size_t length = keys_answer_write(&answer, message);

    assert_int_equal(send(socket, message, length, 0), length);
}

static void test_keys_remote_gives_up_in_time_and_skips_late_answers(void **state)
{
    struct keys_remote *remote;
    int worker_socket, holder_socket = silent_holder(&remote, &worker_socket);
    nsec_t start = nsec_monotonic();

    assert_int_equal(keys_remote_ping(remote), ERR_TLS);
    assert_int_equal(keys_remote_ping(remote), ERR_TLS);
    assert_in_range(nsec_monotonic() - start, 90 * NSEC_PER_MSEC, 5 * NSEC_PER_SEC);
    answer_ping(holder_socket, 1);
    answer_ping(holder_socket, 2);
    answer_ping(holder_socket, 3);
    assert_int_equal(keys_remote_ping(remote), 0);
    assert_int_equal(keys_remote_ping(remote), ERR_TLS);
    assert_int_equal(send(holder_socket, "nonsense", 8, 0), 8);
    assert_int_equal(keys_remote_ping(remote), ERR_TLS);
    keys_remote_destroy(remote);
    close(worker_socket);
    close(holder_socket);
    ERR_clear_error();
}

static void test_keys_remote_never_blocks_on_a_full_socket(void **state)
{
    struct keys_remote *remote;
    int worker_socket, holder_socket = silent_holder(&remote, &worker_socket);
    char junk[1024] = {0};

    while (send(worker_socket, junk, sizeof junk, MSG_DONTWAIT) > 0)
        ;
    assert_int_equal(keys_remote_ping(remote), ERR_TLS);
    keys_remote_destroy(remote);
    close(worker_socket);
    close(holder_socket);
    ERR_clear_error();
}

static void test_keys_remote_needs_a_certificate(void **state)
{
    struct bench bench;
    EVP_PKEY *key = NULL;

    bench_set_up(&bench, "P-256");
    assert_int_equal(keys_remote_key(bench.remote, ID, SPAN("nothing"), &key), ERR_TLS);
    assert_int_equal(keys_remote_key(bench.remote, ID, SPAN(""), &key), ERR_TLS);
    assert_null(key);
    keys_remote_destroy(NULL);
    bench_tear_down(&bench);
}

/** Prints what a signature costs, here and there; asserts nothing. */
static void test_keys_remote_timing(void **state)
{
    static const char *const kinds[] = {"P-256", "RSA2048", "ED25519"};
    enum { ROUNDS = 300 };
    unsigned char signature[1024];
    char room[CONTENT_MAX];
    struct span content = tls13_content("server", 32, room);

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct bench bench;
        EVP_PKEY *local = make_key(kinds[i]);
        bench_set_up(&bench, kinds[i]);
        nsec_t times[3];
        EVP_PKEY *keys[2] = {local, bench.handle};
        int padding = EVP_PKEY_is_a(local, "RSA") ? RSA_PKCS1_PSS_PADDING : 0;
        for (int which = 0; which < 2; which++) {
            assert_true(sign_with(keys[which], digest_for(local), padding, content, signature) > 0);
            nsec_t start = nsec_monotonic();
            for (int round = 0; round < ROUNDS; round++)
                assert_true(sign_with(keys[which], digest_for(local), padding, content, signature) >
                            0);
            times[which] = (nsec_monotonic() - start) / ROUNDS;
        }
        nsec_t start = nsec_monotonic();
        for (int round = 0; round < ROUNDS; round++)
            assert_int_equal(keys_remote_ping(bench.remote), 0);
        times[2] = (nsec_monotonic() - start) / ROUNDS;
        print_message("%s: local %d us, remote %d us, of which the way there and back %d us\n",
                      kinds[i], (int)(times[0] / 1000), (int)(times[1] / 1000),
                      (int)(times[2] / 1000));
        EVP_PKEY_free(local);
        bench_tear_down(&bench);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_remote_shakes_hands_with_every_kind_of_key),
        cmocka_unit_test(test_keys_remote_never_decrypts),
        cmocka_unit_test(test_keys_remote_leaves_other_fetches_alone),
        cmocka_unit_test(test_keys_remote_shakes_hands_as_the_client),
        cmocka_unit_test(test_keys_remote_signs_nothing_but_handshakes),
        cmocka_unit_test(test_keys_remote_refuses_weak_ways_of_signing),
        cmocka_unit_test(test_keys_remote_key_has_no_private_half_to_give_away),
        cmocka_unit_test(test_keys_remote_wrong_id_fails_the_handshake_only),
        cmocka_unit_test(test_keys_remote_survives_the_death_of_the_keys_process),
        cmocka_unit_test(test_keys_remote_gives_up_in_time_and_skips_late_answers),
        cmocka_unit_test(test_keys_remote_never_blocks_on_a_full_socket),
        cmocka_unit_test(test_keys_remote_needs_a_certificate),
        cmocka_unit_test(test_keys_remote_timing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
