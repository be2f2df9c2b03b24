/* Judging users' certificate and key files: each mistake has its own sentence, and none is
 * invented.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "cert/cert.h"
#include "make.h"

struct fixture {
    char *folder;
    struct issued root;
    struct issued leaf;
    struct diags diags;
};

static int set_up(void **state)
{
    struct fixture *f = mem_new(struct fixture);

    f->folder = folder_make();
    f->root = make_cert(&(struct order){.name = "root", .ca = true});
    f->leaf = make_cert(
        &(struct order){.name = "a.test", .alternatives = "DNS:a.test", .issuer = &f->root});
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    issued_finish(&f->root);
    issued_finish(&f->leaf);
    folder_remove(f->folder);
    diags_finish(&f->diags);
    free(f);
    return 0;
}

static bool staples = true;

static int check(struct fixture *f)
{
    const char *names[] = {"a.test"};
    struct cert_pair pair = {.chain_path = path_in(f->folder, "chain.pem"),
                             .key_path = path_in(f->folder, "key.pem"),
                             .names = names,
                             .name_count = 1,
                             .staples = staples,
                             .now = NOW};

    diags_finish(&f->diags);
    return cert_pair_check(&pair, &f->diags);
}

/* Writes leaf and root with the leaf's key, then checks. */
static int check_cert(struct fixture *f, const struct issued *leaf)
{
    write_certs(path_in(f->folder, "chain.pem"), (const struct issued *[]){leaf, &f->root}, 2);
    write_key(path_in(f->folder, "key.pem"), leaf, 0600);
    return check(f);
}

static int check_order(struct fixture *f, struct order order)
{
    order.name = "a.test";
    order.issuer = &f->root;
    struct issued leaf = make_cert(&order);
    int r = check_cert(f, &leaf);

    issued_finish(&leaf);
    return r;
}

#define assert_said(f, text)                                                                       \
    do {                                                                                           \
        if (!diags_have(&(f)->diags, text))                                                        \
            fail_msg("nobody said \"%s\" but \"%s\"", text,                                        \
                     (f)->diags.count ? (f)->diags.items[0].sentence : "nothing");                 \
    } while (0)

static void test_pair_in_order_gets_no_word(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(check_cert(f, &f->leaf), 0);
    assert_int_equal(f->diags.count, 0);
    for (const char **key = (const char *[]){"RSA2048", "P-384", "Ed25519", NULL}; *key; key++) {
        assert_int_equal(check_order(f, (struct order){.alternatives = "DNS:a.test", .key = *key}),
                         0);
        assert_int_equal(f->diags.count, 0);
    }
}

static void test_pair_keys_that_clients_do_not_take_are_refused(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *key, *text;
    } cases[] = {{"PSS2048", "RSA-PSS 2048"},
                 {"explicit", "explicit curve parameters"},
                 {"brainpoolP256r1", "brainpoolP256r1"},
                 {"secp256k1", "secp256k1"}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(
            check_order(f, (struct order){.alternatives = "DNS:a.test", .key = cases[i].key}),
            ERR_SETTINGS);
        assert_int_equal(f->diags.errors, 1);
        assert_said(f, cases[i].text);
        assert_said(f, "of a kind that clients do not take");
    }
}

static void test_pair_must_staple_without_stapling_warns(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *more;
        bool staples, warns;
    } cases[] = {
        {"tlsfeature=status_request", true, true}, /* and nobody to ask */
        {"tlsfeature=status_request|authorityInfoAccess=OCSP;URI:http://ocsp.test/", true, false},
        {"tlsfeature=status_request|authorityInfoAccess=OCSP;URI:http://ocsp.test/", false, true},
        {"authorityInfoAccess=OCSP;URI:http://ocsp.test/", false, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        staples = cases[i].staples;
        assert_int_equal(
            check_order(f, (struct order){.alternatives = "DNS:a.test", .more = cases[i].more}), 0);
        assert_int_equal(f->diags.count, cases[i].warns ? 1 : 0);
        if (cases[i].warns)
            assert_said(f, "must-staple");
    }
    staples = true;
}

static void test_pair_missing_files_are_both_named(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(check(f), ERR_SETTINGS);
    assert_int_equal(f->diags.errors, 2);
    assert_said(f, "chain.pem does not exist");
    assert_said(f, "key.pem does not exist");
}

static void test_pair_folder_or_device_is_no_file(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(mkfifo(path_in(f->folder, "chain.pem"), 0600), 0);
    assert_int_equal(mkdir(path_in(f->folder, "key.pem"), 0700), 0);
    assert_int_equal(check(f), ERR_SETTINGS);
    assert_said(f, "chain.pem is no ordinary file");
    assert_said(f, "key.pem is no ordinary file");
}

static void test_pair_unreadable_key_names_the_user(void **state)
{
    struct fixture *f = *state;

    if (geteuid() != 0)
        skip();
    check_cert(f, &f->leaf);
    assert_int_equal(chmod(f->folder, 0755), 0);
    pid_t pid = fork();
    if (pid == 0) {
        bool fine = setegid(65534) == 0 && seteuid(65534) == 0 && check(f) == ERR_SETTINGS &&
                    f->diags.errors == 1 && diags_have(&f->diags, "may not be read by us") &&
                    diags_have(&f->diags, "runs as nobody");
        _exit(fine ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_pair_swapped_files_are_recognised(void **state)
{
    struct fixture *f = *state;

    write_certs(path_in(f->folder, "key.pem"), (const struct issued *[]){&f->leaf}, 1);
    write_key(path_in(f->folder, "chain.pem"), &f->leaf, 0600);
    assert_int_equal(check(f), ERR_SETTINGS);
    assert_int_equal(f->diags.errors, 2);
    assert_said(f, "swapped?");
}

static void test_pair_one_file_may_hold_both(void **state)
{
    struct fixture *f = *state;

    check_cert(f, &f->leaf);
    scoped(mem_release) char *chain = read_text(path_in(f->folder, "chain.pem"));
    scoped(mem_release) char *key = read_text(path_in(f->folder, "key.pem"));
    scoped(mem_release) char *both = mem_format("%s%s", key, chain);
    write_text(path_in(f->folder, "chain.pem"), both, 0600);
    write_text(path_in(f->folder, "key.pem"), both, 0600);
    assert_int_equal(check(f), 0);
    assert_int_equal(f->diags.count, 0);
}

static void test_pair_encrypted_key_is_recognised(void **state)
{
    struct fixture *f = *state;
    const EVP_CIPHER *cipher = EVP_aes_128_cbc();
    unsigned char pass[] = "pass";

    for (int traditional = 0; traditional < 2; traditional++) {
        check_cert(f, &f->leaf);
        BIO *bio = BIO_new_file(path_in(f->folder, "key.pem"), "w");
        int written = traditional ? PEM_write_bio_PrivateKey_traditional(bio, f->leaf.key, cipher,
                                                                         pass, 4, NULL, NULL)
                                  : PEM_write_bio_PKCS8PrivateKey(bio, f->leaf.key, cipher, "pass",
                                                                  4, NULL, NULL);
        assert_int_equal(written, 1);
        BIO_free(bio);
        assert_int_equal(check(f), ERR_SETTINGS);
        assert_int_equal(f->diags.errors, 1);
        assert_said(f, "encrypted with a pass phrase");
    }
}

static void test_pair_der_files_are_recognised(void **state)
{
    struct fixture *f = *state;
    FILE *file = fopen(path_in(f->folder, "chain.pem"), "w");

    assert_int_equal(i2d_X509_fp(file, f->leaf.cert), 1);
    fclose(file);
    file = fopen(path_in(f->folder, "key.pem"), "w");
    assert_int_equal(i2d_PrivateKey_fp(file, f->leaf.key), 1);
    fclose(file);
    assert_int_equal(check(f), ERR_SETTINGS);
    assert_said(f, "openssl x509 -inform DER");
    assert_said(f, "openssl pkey -inform DER");
}

static void test_pair_damaged_files_are_recognised(void **state)
{
    struct fixture *f = *state;

    check_cert(f, &f->leaf);
    write_text(path_in(f->folder, "key.pem"),
               "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0600);
    assert_int_equal(check(f), ERR_SETTINGS);
    assert_said(f, "damaged or of an unknown kind");
    write_text(path_in(f->folder, "key.pem"), "hello", 0600);
    write_text(path_in(f->folder, "chain.pem"), "hello", 0600);
    assert_int_equal(check(f), ERR_SETTINGS);
    assert_said(f, "key.pem is not a PEM file");
    assert_said(f, "chain.pem is not a PEM file");
}

static void test_pair_strange_key_does_not_match(void **state)
{
    struct fixture *f = *state;

    check_cert(f, &f->leaf);
    struct issued other = make_cert(&(struct order){.name = "other"});
    write_key(path_in(f->folder, "key.pem"), &other, 0600);
    assert_int_equal(check(f), ERR_SETTINGS);
    assert_int_equal(f->diags.count, 1);
    assert_said(f, "does not match the certificate");
    issued_finish(&other);
}

static void test_pair_wrong_order_is_recognised(void **state)
{
    struct fixture *f = *state;

    check_cert(f, &f->leaf);
    write_certs(path_in(f->folder, "chain.pem"), (const struct issued *[]){&f->root, &f->leaf}, 2);
    assert_int_equal(check(f), ERR_SETTINGS);
    assert_said(f, "wrong order: the key belongs to number 2");
    struct issued stranger = make_cert(&(struct order){.name = "stranger", .ca = true});
    write_certs(path_in(f->folder, "chain.pem"),
                (const struct issued *[]){&f->leaf, &stranger, &f->root}, 3);
    assert_int_equal(check(f), 0);
    assert_int_equal(f->diags.count, 1);
    assert_said(f, "certificate 1 is not signed by number 2");
    issued_finish(&stranger);
}

static void test_pair_without_its_issuer_warns(void **state)
{
    struct fixture *f = *state;

    check_cert(f, &f->leaf);
    write_certs(path_in(f->folder, "chain.pem"), (const struct issued *[]){&f->leaf}, 1);
    assert_int_equal(check(f), 0);
    assert_int_equal(f->diags.count, 1);
    assert_true(f->diags.items[0].warning);
    assert_said(f, "(CN=root) is neither in the file nor");
}

static void test_pair_dates_warn(void **state)
{
    struct fixture *f = *state;
    struct order past = {
        .alternatives = "DNS:a.test", .not_before = NOW - DAYS(9), .not_after = NOW - DAYS(1)};
    struct order future = {.alternatives = "DNS:a.test", .not_before = NOW + DAYS(1)};

    assert_int_equal(check_order(f, past), 0);
    assert_int_equal(f->diags.count, 1);
    assert_int_equal(f->diags.errors, 0);
    assert_said(f, "expired on 2027-01-14 08:00 UTC");
    assert_int_equal(check_order(f, future), 0);
    assert_int_equal(f->diags.count, 1);
    assert_said(f, "is not valid before 2027-01-16 08:00 UTC");
}

static void test_pair_weak_keys_and_signatures_are_refused(void **state)
{
    struct fixture *f = *state;
    struct order order = {.alternatives = "DNS:a.test", .key = "RSA1024"};

    assert_int_equal(check_order(f, order), ERR_SETTINGS);
    assert_said(f, "has 1024 bits");
    order.key = "secp256k1";
    assert_int_equal(check_order(f, order), ERR_SETTINGS);
    assert_said(f, "clients do not take: ECDSA secp256k1");
    order.key = "P-256";
    order.digest = "SHA1";
    assert_int_equal(check_order(f, order), ERR_SETTINGS);
    assert_said(f, "is signed with ecdsa-with-SHA1");
}

static void test_pair_names_not_covered_warn(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(check_order(f, (struct order){.alternatives = "DNS:b.test,DNS:c.test"}), 0);
    assert_int_equal(f->diags.count, 1);
    assert_said(f, "does not cover a.test");
    assert_said(f, "it is for b.test, c.test");
    assert_int_equal(check_order(f, (struct order){.key = "P-256"}), 0);
    assert_int_equal(f->diags.count, 1);
    assert_said(f, "only in its common name");
}

static void test_pair_for_clients_only_warns(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(check_order(f, (struct order){.alternatives = "DNS:a.test",
                                                   .more = "extendedKeyUsage=clientAuth"}),
                     0);
    assert_int_equal(f->diags.count, 1);
    assert_said(f, "not made for servers");
}

static void test_pair_key_open_to_all_warns(void **state)
{
    struct fixture *f = *state;

    check_cert(f, &f->leaf);
    chmod(path_in(f->folder, "key.pem"), 0644);
    assert_int_equal(check(f), 0);
    assert_int_equal(f->diags.count, 1);
    assert_said(f, "every user of this machine may read");
    chmod(path_in(f->folder, "key.pem"), 0640); /* a group for certificates is common */
    assert_int_equal(check(f), 0);
    assert_int_equal(f->diags.count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_pair_in_order_gets_no_word),
        TEST(test_pair_missing_files_are_both_named),
        TEST(test_pair_folder_or_device_is_no_file),
        TEST(test_pair_unreadable_key_names_the_user),
        TEST(test_pair_swapped_files_are_recognised),
        TEST(test_pair_one_file_may_hold_both),
        TEST(test_pair_encrypted_key_is_recognised),
        TEST(test_pair_der_files_are_recognised),
        TEST(test_pair_damaged_files_are_recognised),
        TEST(test_pair_strange_key_does_not_match),
        TEST(test_pair_wrong_order_is_recognised),
        TEST(test_pair_without_its_issuer_warns),
        TEST(test_pair_dates_warn),
        TEST(test_pair_weak_keys_and_signatures_are_refused),
        TEST(test_pair_names_not_covered_warn),
        TEST(test_pair_for_clients_only_warns),
        TEST(test_pair_keys_that_clients_do_not_take_are_refused),
        TEST(test_pair_must_staple_without_stapling_warns),
        TEST(test_pair_key_open_to_all_warns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
