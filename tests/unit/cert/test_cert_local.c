/* The local CA and its certificates: what clients accept, when they are renewed, what survives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "cert/cert.h"
#include "cert/x509.h"
#include "make.h"

static const char *const names[] = {"Example.com", "*.example.com", "192.0.2.7", "2001:DB8::7"};

struct fixture {
    bool clock_right;
    char *folder;
    int fd;
    struct diags diags;
    struct cert_local local;
};

static int set_up(void **state)
{
    struct fixture *f = mem_new(struct fixture);

    f->folder = folder_make();
    f->fd = open(f->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    cert_local_finish(&f->local);
    diags_finish(&f->diags);
    close(f->fd);
    folder_remove(f->folder);
    free(f);
    return 0;
}

static int ensure_names(struct fixture *f, const char *const *wanted, size_t count, nsec_t now)
{
    struct cert_local_request request = {.state_fd = f->fd,
                                         .state_path = f->folder,
                                         .names = wanted,
                                         .name_count = count,
                                         .owner = "somebody@somewhere",
                                         .clock_right = f->clock_right,
                                         .now = now};

    cert_local_finish(&f->local);
    diags_finish(&f->diags);
    return cert_local_ensure(&request, &f->diags, &f->local);
}

static int ensure(struct fixture *f, nsec_t now)
{
    return ensure_names(f, names, ARRAY_SIZE(names), now);
}

static X509 *load(struct fixture *f, const char *name)
{
    X509 *certs[CERT_CHAIN_MAX];
    scoped(mem_release) char *text = read_text(path_in(f->folder, name));

    assert_non_null(text);
    assert_int_equal(x509_parse(span_str(text), certs), 1);
    return certs[0];
}

static unsigned mode_of(struct fixture *f, const char *name)
{
    struct stat st;

    assert_int_equal(stat(path_in(f->folder, name), &st), 0);
    return st.st_mode & 07777;
}

/* What a strict client makes of the certificate. @return X509_V_OK or the reason against it */
static int verify(X509 *leaf, X509 *ca, const char *host, const char *address, nsec_t at)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    X509_VERIFY_PARAM *wanted;

    X509_STORE_add_cert(store, ca);
    X509_STORE_CTX_init(context, store, leaf, NULL);
    X509_STORE_CTX_set_default(context, "ssl_server");
    wanted = X509_STORE_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_flags(wanted, X509_V_FLAG_X509_STRICT);
    X509_VERIFY_PARAM_set_auth_level(wanted, 2);
    X509_VERIFY_PARAM_set_time(wanted, at / NSEC_PER_SEC);
    if (host)
        X509_VERIFY_PARAM_set1_host(wanted, host, 0);
    if (address)
        X509_VERIFY_PARAM_set1_ip_asc(wanted, address);
    X509_verify_cert(context);
    int error = X509_STORE_CTX_get_error(context);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    return error;
}

static void test_local_makes_what_a_strict_client_accepts(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ensure(f, NOW), 0);
    assert_int_equal(f->diags.count, 0);
    assert_int_equal(f->local.ca, CERT_LOCAL_MADE);
    assert_int_equal(f->local.leaf, CERT_LOCAL_MADE);
    X509 *ca = load(f, "local-ca/ca.pem");
    X509 *leaf = load(f, "local/example.com/chain.pem");
    assert_int_equal(verify(leaf, ca, "example.com", NULL, NOW), X509_V_OK);
    assert_int_equal(verify(leaf, ca, "www.example.com", NULL, NOW), X509_V_OK);
    assert_int_equal(verify(leaf, ca, NULL, "192.0.2.7", NOW), X509_V_OK);
    assert_int_equal(verify(leaf, ca, NULL, "2001:db8::7", NOW), X509_V_OK);
    assert_int_equal(verify(leaf, ca, "example.org", NULL, NOW), X509_V_ERR_HOSTNAME_MISMATCH);
    assert_int_equal(verify(leaf, ca, NULL, "192.0.2.8", NOW), X509_V_ERR_IP_ADDRESS_MISMATCH);
    assert_int_equal(verify(leaf, ca, "example.com", NULL, NOW - 3599 * NSEC_PER_SEC), X509_V_OK);
    assert_int_equal(verify(leaf, ca, "example.com", NULL, NOW + DAYS(91)),
                     X509_V_ERR_CERT_HAS_EXPIRED);
    X509_free(ca);
    X509_free(leaf);
}

static void test_local_ca_can_do_no_more_than_sign_servers(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ensure(f, NOW), 0);
    X509 *ca = load(f, "local-ca/ca.pem");
    X509 *leaf = load(f, "local/example.com/chain.pem");
    assert_int_equal(X509_check_ca(ca), 1);
    assert_int_equal(X509_get_pathlen(ca), 0);
    assert_int_equal(X509_get_key_usage(ca), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
    assert_int_equal(X509_check_ca(leaf), 0);
    assert_int_equal(X509_get_key_usage(leaf), KU_DIGITAL_SIGNATURE);
    assert_int_equal(X509_get_extended_key_usage(leaf), XKU_SSL_SERVER);
    assert_int_equal(
        ASN1_STRING_cmp(X509_get0_authority_key_id(leaf), X509_get0_subject_key_id(ca)), 0);
    struct cert_info info;
    x509_describe(ca, &info);
    assert_non_null(strstr(info.subject, "CN=gardien local CA (somebody@somewhere)"));
    assert_true(info.not_after - NOW == DAYS(3650));
    assert_string_equal(info.key_text, "ECDSA P-256");
    x509_info_finish(&info);
    x509_describe(leaf, &info);
    assert_true(info.not_after - NOW == DAYS(90));
    assert_true(strlen(info.serial) >= 24); /* 128 random bits, 2^-32 for a shorter one */
    x509_info_finish(&info);
    X509_free(ca);
    X509_free(leaf);
}

static void test_local_files_are_closed_to_others(void **state)
{
    struct fixture *f = *state;
    mode_t before = umask(0);

    assert_int_equal(ensure(f, NOW), 0);
    umask(before);
    assert_int_equal(mode_of(f, "local-ca"), 0700);
    assert_int_equal(mode_of(f, "local"), 0700);
    assert_int_equal(mode_of(f, "local/example.com"), 0700);
    assert_int_equal(mode_of(f, "local-ca/ca.key"), 0600);
    assert_int_equal(mode_of(f, "local/example.com/key.pem"), 0600);
}

static void test_local_keeps_then_renews_when_a_third_is_left(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ensure(f, NOW), 0);
    nsec_t due = f->local.renew_at;
    assert_true(due > NOW + DAYS(59) && due < NOW + DAYS(61));
    char *first = read_text(path_in(f->folder, "local/example.com/chain.pem"));
    assert_int_equal(ensure(f, due - NSEC_PER_SEC), 0);
    assert_int_equal(f->local.leaf, CERT_LOCAL_KEPT);
    assert_int_equal(f->local.ca, CERT_LOCAL_KEPT);
    assert_null(f->local.why);
    char *second = read_text(path_in(f->folder, "local/example.com/chain.pem"));
    assert_string_equal(first, second);
    assert_int_equal(ensure(f, due), 0);
    assert_int_equal(f->local.leaf, CERT_LOCAL_RENEWED);
    assert_int_equal(f->local.ca, CERT_LOCAL_KEPT);
    assert_non_null(strstr(f->local.why, "third"));
    assert_true(f->local.not_after - due > DAYS(89));
    assert_int_equal(ensure(f, due + DAYS(200)), 0);
    assert_string_equal(f->local.why, "it had expired");
    free(first);
    free(second);
}

/* The clock was a hundred days ahead at the renewal, and is right again. */
static void test_local_remakes_a_leaf_that_is_not_valid_yet(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ensure(f, NOW), 0);
    assert_int_equal(f->local.valid_from, 0); /* as old as its CA */
    assert_int_equal(ensure(f, NOW + DAYS(100)), 0);
    assert_int_equal(f->local.leaf, CERT_LOCAL_RENEWED);
    assert_true(f->local.valid_from > NOW + DAYS(99));
    assert_int_equal(f->diags.count, 0);
    assert_int_equal(ensure(f, NOW + DAYS(1)), 0);
    assert_int_equal(f->local.leaf, CERT_LOCAL_RENEWED);
    assert_string_equal(f->local.why, "it was not valid yet");
    assert_true(diags_have(&f->diags, "clock was ahead"));
    assert_true(f->local.valid_from <= NOW + DAYS(1));
    assert_int_equal(ensure(f, NOW + DAYS(1)), 0);
    assert_int_equal(f->local.leaf, CERT_LOCAL_KEPT);
    /* Before the CA begins it is rather the clock that is wrong now: other clients' are right. */
    assert_int_equal(ensure(f, NOW - DAYS(1000)), 0);
    assert_int_equal(f->local.leaf, CERT_LOCAL_KEPT);
    assert_true(diags_have(&f->diags, "clock has not reached"));
}

/* The CA itself is from the time when the clock was ahead: known only where the clock is
 * synchronised now. */
static void test_local_remakes_a_ca_that_is_not_valid_yet(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ensure(f, NOW + DAYS(100)), 0);
    assert_int_equal(ensure(f, NOW), 0);
    assert_int_equal(f->local.ca, CERT_LOCAL_KEPT);
    f->clock_right = true;
    assert_int_equal(ensure(f, NOW), 0);
    assert_int_equal(f->local.ca, CERT_LOCAL_RENEWED);
    assert_int_equal(f->local.leaf, CERT_LOCAL_RENEWED);
    assert_true(diags_have(&f->diags, "while the clock was ahead"));
    assert_true(f->local.valid_from <= NOW);
    assert_int_equal(ensure(f, NOW), 0);
    assert_int_equal(f->local.ca, CERT_LOCAL_KEPT);
}

static void test_local_renews_when_names_change(void **state)
{
    struct fixture *f = *state;
    const char *more[] = {"example.com", "*.example.com", "192.0.2.7", "2001:db8::7", "new.test"};

    assert_int_equal(ensure(f, NOW), 0);
    assert_int_equal(ensure_names(f, more, 4, NOW), 0); /* the same in another spelling */
    assert_int_equal(f->local.leaf, CERT_LOCAL_KEPT);
    assert_int_equal(ensure_names(f, more, 5, NOW), 0);
    assert_int_equal(f->local.leaf, CERT_LOCAL_RENEWED);
    assert_string_equal(f->local.why, "its names changed");
    X509 *leaf = load(f, "local/example.com/chain.pem");
    assert_int_equal(X509_check_host(leaf, "new.test", 0, 0, NULL), 1);
    X509_free(leaf);
}

static void test_local_wildcard_and_long_names_have_folders_and_certificates(void **state)
{
    struct fixture *f = *state;
    const char *wild[] = {"*.example.com"};
    const char *address[] = {"::1"};
    const char *lengthy[] = {"a-very-long-label-that-goes-on-and-on-and-on.another-rather-long-"
                             "label.example.com"};

    assert_int_equal(ensure_names(f, wild, 1, NOW), 0);
    assert_int_equal(mode_of(f, "local/_.example.com/key.pem"), 0600);
    int fd = cert_local_open(f->fd, "*.Example.com", CERT_LOCAL_CHAIN);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(ensure_names(f, address, 1, NOW), 0);
    assert_int_equal(mode_of(f, "local/::1/key.pem"), 0600);
    assert_int_equal(ensure_names(f, lengthy, 1, NOW), 0);
    scoped(mem_release) char *path = cert_local_path(lengthy[0], CERT_LOCAL_CHAIN);
    X509 *leaf = load(f, path);
    X509 *ca = load(f, "local-ca/ca.pem");
    assert_int_equal(verify(leaf, ca, lengthy[0], NULL, NOW), X509_V_OK);
    X509_free(leaf);
    X509_free(ca);
}

static void test_local_refuses_names_that_are_none(void **state)
{
    struct fixture *f = *state;
    const char *const bad[] = {"",           "..",     "../etc",    "a/b",     "a b",
                               "-a.test",    "a..b",   "a.test..",  "*",       "*.",
                               "a.*.test",   "_.test", "x\ny.test", ".a.test", "münchen.test",
                               "a.test:443", "[::1]",  "1.2.3.4/8", "**.test"};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        if (ensure_names(f, &bad[i], 1, NOW) != ERR_SYNTAX)
            fail_msg("accepted %s", bad[i]);
        assert_int_equal(f->diags.errors, 1);
    }
    assert_int_equal(ensure_names(f, names, 0, NOW), ERR_SYNTAX);
}

static void test_local_damaged_leaf_is_made_anew(void **state)
{
    struct fixture *f = *state;
    const char *const damage[] = {"chain.pem", "key.pem"};

    for (size_t i = 0; i < 2; i++) {
        scoped(mem_release) char *path = mem_format("local/example.com/%s", damage[i]);
        assert_int_equal(ensure(f, NOW), 0);
        write_text(path_in(f->folder, path), "half of a f", 0600);
        assert_int_equal(ensure(f, NOW), 0);
        assert_int_equal(f->local.leaf, CERT_LOCAL_RENEWED);
        assert_int_equal(f->local.ca, CERT_LOCAL_KEPT);
        assert_true(diags_have(&f->diags, "damaged or half written"));
        assert_int_equal(f->diags.errors, 0);
        assert_int_equal(unlink(path_in(f->folder, path)), 0);
        assert_int_equal(ensure(f, NOW), 0);
        assert_int_equal(f->local.leaf, CERT_LOCAL_RENEWED);
        assert_int_equal(ensure(f, NOW), 0);
        assert_int_equal(f->local.leaf, CERT_LOCAL_KEPT);
    }
}

static void test_local_leaf_whose_key_others_could_read_is_made_anew(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ensure(f, NOW), 0);
    chmod(path_in(f->folder, "local/example.com/key.pem"), 0640);
    assert_int_equal(ensure(f, NOW), 0);
    assert_int_equal(f->local.leaf, CERT_LOCAL_RENEWED);
    assert_int_equal(f->diags.count, 1);
    assert_true(f->diags.items[0].warning);
    assert_int_equal(mode_of(f, "local/example.com/key.pem"), 0600);
}

static void test_local_ca_key_that_others_could_read_stops_with_the_hint(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ensure(f, NOW), 0);
    char *before = read_text(path_in(f->folder, "local-ca/ca.pem"));
    chmod(path_in(f->folder, "local-ca/ca.key"), 0644);
    assert_int_equal(ensure(f, NOW), -EPERM);
    assert_int_equal(f->diags.errors, 1);
    assert_true(diags_have(&f->diags, "chmod go= "));
    char *after = read_text(path_in(f->folder, "local-ca/ca.pem"));
    assert_string_equal(before, after);
    free(before);
    free(after);
}

static void test_local_damaged_ca_is_made_anew_and_its_leaves_with_it(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ensure(f, NOW), 0);
    char *old = read_text(path_in(f->folder, "local-ca/ca.pem"));
    write_text(path_in(f->folder, "local-ca/ca.key"), "", 0600);
    assert_int_equal(ensure(f, NOW), 0);
    assert_int_equal(f->local.ca, CERT_LOCAL_RENEWED);
    assert_int_equal(f->local.leaf, CERT_LOCAL_RENEWED);
    assert_string_equal(f->local.why, "the local CA changed");
    assert_true(diags_have(&f->diags, "gardien cert trust again"));
    X509 *ca = load(f, "local-ca/ca.pem");
    X509 *leaf = load(f, "local/example.com/chain.pem");
    assert_int_equal(verify(leaf, ca, "example.com", NULL, NOW), X509_V_OK);
    X509_free(ca);
    X509_free(leaf);

    char *all = NULL; /* the former one is remembered, so that it can be untrusted */
    char *new = read_text(path_in(f->folder, "local-ca/ca.pem"));
    assert_int_equal(cert_local_ca_read(f->fd, &all), 0);
    assert_true(strncmp(all, new, strlen(new)) == 0);
    assert_string_equal(all + strlen(new), old);
    free(all);
    free(new);
    free(old);
}

static void test_local_ca_is_replaced_before_it_ends_but_not_for_a_wrong_clock(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ensure(f, NOW), 0);
    assert_int_equal(ensure(f, DAYS(3)), 0); /* 1970: a clock without a battery */
    assert_int_equal(f->local.ca, CERT_LOCAL_KEPT);
    assert_int_equal(f->local.leaf, CERT_LOCAL_KEPT);
    assert_true(diags_have(&f->diags, "clock has not reached"));
    assert_int_equal(ensure(f, NOW + DAYS(3600)), 0);
    assert_int_equal(f->local.ca, CERT_LOCAL_KEPT);
    assert_true(f->local.not_after == NOW + DAYS(3650)); /* never beyond its CA */
    assert_int_equal(ensure(f, NOW + DAYS(3621)), 0);
    assert_int_equal(f->local.ca, CERT_LOCAL_RENEWED);
    assert_int_equal(f->local.leaf, CERT_LOCAL_RENEWED);
}

static void test_local_survives_a_leftover_of_a_crash(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(mkdir(path_in(f->folder, "local-ca"), 0700), 0);
    write_text(path_in(f->folder, "local-ca/.ca.key.new"), "torn", 0600);
    assert_int_equal(ensure(f, NOW), 0);
    assert_int_equal(f->local.ca, CERT_LOCAL_MADE);
    assert_int_equal(access(path_in(f->folder, "local-ca/.ca.key.new"), F_OK), -1);
}

static void test_local_refuses_a_folder_that_others_may_write_to(void **state)
{
    struct fixture *f = *state;

    chmod(f->folder, 0777);
    assert_int_equal(ensure(f, NOW), -EPERM);
    assert_true(diags_have(&f->diags, "closed to others"));
    chmod(f->folder, 0700);
    assert_int_equal(symlink("/tmp", path_in(f->folder, "local-ca")), 0);
    assert_true(ensure(f, NOW) < 0);
    assert_int_equal(f->diags.errors, 1);
}

static void test_local_two_at_once_agree_on_one_ca(void **state)
{
    struct fixture *f = *state;
    pid_t pids[4];

    for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            _exit(ensure_names(f, &names[i], 1, NOW) == 0 && f->diags.count == 0 ? 0 : 1);
    }
    for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
        int status = 1;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    X509 *ca = load(f, "local-ca/ca.pem");
    for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
        scoped(mem_release) char *path = cert_local_path(names[i], CERT_LOCAL_CHAIN);
        X509 *leaf = load(f, path);
        assert_int_equal(verify(leaf, ca, NULL, NULL, NOW), X509_V_OK);
        X509_free(leaf);
    }
    X509_free(ca);
}

static void test_local_ca_alone_for_trust(void **state)
{
    struct fixture *f = *state;
    struct cert_local_request request = {.state_fd = f->fd, .state_path = f->folder, .now = NOW};
    char *pem = NULL;

    assert_int_equal(cert_local_ca_read(f->fd, &pem), ERR_NOT_FOUND);
    assert_int_equal(cert_local_ca_ensure(&request, &f->diags, &f->local), 0);
    assert_int_equal(f->local.ca, CERT_LOCAL_MADE);
    assert_true(f->local.not_after == NOW + DAYS(3650));
    assert_int_equal(cert_local_ca_read(f->fd, &pem), 0);
    struct cert_chain chain;
    assert_int_equal(cert_chain_parse(span_str(pem), &chain), 0);
    assert_non_null(strstr(chain.items[0].subject, "@")); /* user@host of this process */
    cert_chain_finish(&chain);
    free(pem);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_local_makes_what_a_strict_client_accepts),
        TEST(test_local_ca_can_do_no_more_than_sign_servers),
        TEST(test_local_files_are_closed_to_others),
        TEST(test_local_keeps_then_renews_when_a_third_is_left),
        TEST(test_local_renews_when_names_change),
        TEST(test_local_remakes_a_leaf_that_is_not_valid_yet),
        TEST(test_local_remakes_a_ca_that_is_not_valid_yet),
        TEST(test_local_wildcard_and_long_names_have_folders_and_certificates),
        TEST(test_local_refuses_names_that_are_none),
        TEST(test_local_damaged_leaf_is_made_anew),
        TEST(test_local_leaf_whose_key_others_could_read_is_made_anew),
        TEST(test_local_ca_key_that_others_could_read_stops_with_the_hint),
        TEST(test_local_damaged_ca_is_made_anew_and_its_leaves_with_it),
        TEST(test_local_ca_is_replaced_before_it_ends_but_not_for_a_wrong_clock),
        TEST(test_local_survives_a_leftover_of_a_crash),
        TEST(test_local_refuses_a_folder_that_others_may_write_to),
        TEST(test_local_two_at_once_agree_on_one_ca),
        TEST(test_local_ca_alone_for_trust),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
