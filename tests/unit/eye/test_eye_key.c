/* Keys, proofs, and the certificate that a proof covers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "eye/key.h"

static struct eye_key key_of(const char *text)
{
    struct eye_key key;

    assert_int_equal(eye_key_take(span_str(text), &key), 0);
    return key;
}

static void test_keys_are_long_enough_and_plain(void **state)
{
    struct eye_key key;

    (void)state;
    key = key_of(" 0123456789abcdef0123456789abcdef \r\n");
    assert_int_equal(key.len, 32);
    assert_true(eye_key_take(SPAN("short"), &key) < 0);
    assert_true(eye_key_take(SPAN("0123456789abcdef 0123456789abcdef"), &key) < 0);
    assert_true(eye_key_take(SPAN("0123456789abcdef0123456789abcde\xff"), &key) < 0);
    assert_true(eye_key_take(SPAN(""), &key) < 0);
}

static void test_a_proof_holds_for_one_key_side_and_connection(void **state)
{
    const struct eye_key key = key_of("0123456789abcdef0123456789abcdef"),
                         other = key_of("0123456789abcdef0123456789abcdeg");
    struct eye_binding binding = {{1}, {2}, {3}};
    unsigned char proof[EYE_PROOF];

    (void)state;
    eye_prove(&key, &binding, EYE_SIDE_EYE, proof);
    assert_true(eye_proof_holds(&key, &binding, EYE_SIDE_EYE, proof));
    assert_false(eye_proof_holds(&key, &binding, EYE_SIDE_ASKER, proof));
    assert_false(eye_proof_holds(&other, &binding, EYE_SIDE_EYE, proof));
    unsigned char *bytes = (unsigned char *)&binding;
    for (size_t i = 0; i < sizeof binding; i++) {
        bytes[i] ^= 1;
        assert_false(eye_proof_holds(&key, &binding, EYE_SIDE_EYE, proof));
        bytes[i] ^= 1;
    }
}

static void test_a_key_file_is_made_once_and_is_the_owners(void **state)
{
    char folder[] = "/tmp/gardien-eye-XXXXXX";
    struct diags diags = {0};
    struct eye_key first, second;
    struct stat st;

    (void)state;
    assert_non_null(mkdtemp(folder));
    scoped(mem_release) char *path = mem_format("%s/eye/key", folder);
    scoped(mem_release) char *inner = mem_format("%s/eye", folder);
    assert_int_equal(eye_key_make(inner, path), 0);
    assert_int_equal(eye_key_read(path, &diags, &first), 0);
    assert_int_equal(eye_key_make(inner, path), -EEXIST);
    assert_int_equal(eye_key_read(path, &diags, &second), 0);
    assert_int_equal(first.len, 64);
    assert_memory_equal(first.text, second.text, 64);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(eye_key_read(path, &diags, &second), -EPERM);
    assert_int_equal(second.len, 0); /* nothing of it is left */
    assert_int_equal(diags.count, 1);
    diags_finish(&diags);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(inner), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void test_each_certificate_is_another(void **state)
{
    unsigned char prints[2][CERT_FINGERPRINT_SIZE];

    (void)state;
    for (int i = 0; i < 2; i++) {
        EVP_PKEY *key;
        char *pem;
        assert_int_equal(eye_certificate_make(nsec_realtime(), &key, &pem), 0);
        assert_int_equal(eye_certificate_fingerprint(span_str(pem), prints[i]), 0);
        EVP_PKEY_free(key);
        free(pem);
    }
    assert_memory_not_equal(prints[0], prints[1], CERT_FINGERPRINT_SIZE);
    assert_true(eye_certificate_fingerprint(SPAN("none"), prints[0]) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_are_long_enough_and_plain),
        cmocka_unit_test(test_a_proof_holds_for_one_key_side_and_connection),
        cmocka_unit_test(test_a_key_file_is_made_once_and_is_the_owners),
        cmocka_unit_test(test_each_certificate_is_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
