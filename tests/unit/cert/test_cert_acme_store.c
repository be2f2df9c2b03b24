/* The files of ACME: records that survive, pairs that are never mixed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "cert/acme/store.h"
#include "cert/file.h"

static char folder[] = "/tmp/gardien-acme-XXXXXX";

static int set_up(void **state)
{
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    int fd = mkdtemp(folder) ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    *state = (void *)(intptr_t)fd;
    return fd < 0;
}

static int tear_down(void **state)
{
    scoped(mem_release) char *command = mem_format("rm -rf %s", folder);

    close((int)(intptr_t)*state);
    return system(command);
}

static void put(int fd, const char *text)
{
    assert_int_equal(pwrite(fd, text, strlen(text), 0), strlen(text));
}

static void assert_file(int state_fd, const char *file, const char *text)
{
    scoped(mem_release) char *path = acme_store_path("*.a.example", file);
    struct buffer bytes;

    assert_int_equal(file_read(state_fd, path, 4096, &bytes), 0);
    assert_int_equal(bytes.len, strlen(text));
    assert_memory_equal(bytes.data, text, bytes.len);
    buffer_finish(&bytes);
}

static void install(int state_fd, int order, const char *key, const char *chain)
{
    int fd = acme_store_new_key(order, "key.pem");

    assert_true(fd >= 0);
    put(fd, key);
    assert_int_equal(acme_store_keep_key(order, "key.pem"), 0);
    close(fd);
    assert_int_equal(acme_store_install(state_fd, "*.a.example", order, span_str(chain)), 0);
}

static void test_a_record_comes_back_as_it_was_saved(void **state)
{
    int ca = acme_store_open((int)(intptr_t)*state, "https://ca.example/dir/ectory");
    int order = acme_store_order(ca, "a.example");
    char url[] = "https://ca.example/o/1", names[] = "a.example\n", error[] = "no";
    char token[] = "abc\nabc.def";
    struct acme_record record = {.order_url = url,
                                 .token = token,
                                 .names = names,
                                 .failures = 3,
                                 .retry_at = 12345,
                                 .last_error = error};
    struct acme_record read;

    assert_int_equal(acme_store_record(order, &read), 0);
    assert_null(read.order_url);
    assert_int_equal(acme_store_save_record(order, &record), 0);
    assert_int_equal(acme_store_record(order, &read), 0);
    assert_string_equal(read.order_url, record.order_url);
    assert_string_equal(read.token, record.token);
    assert_string_equal(read.names, record.names);
    assert_int_equal(read.failures, 3);
    assert_int_equal(read.retry_at, 12345);
    assert_null(read.renews);
    assert_string_equal(read.last_error, "no");
    acme_record_finish(&read);
    close(order);
    close(ca);
}

static void test_a_damaged_record_is_as_none(void **state)
{
    int ca = acme_store_open((int)(intptr_t)*state, "https://ca.example/");
    int order = acme_store_order(ca, "a.example");
    static const char *const texts[] = {"", "{", "[]", "{\"order\":\"file:///x\",\"failures\":-4}",
                                        "{\"order\":7}"};
    struct acme_record read;

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        assert_int_equal(file_replace(order, "order.json", 0600, span_str(texts[i])), 0);
        assert_int_equal(acme_store_record(order, &read), 0);
        assert_null(read.order_url);
        assert_int_equal(read.failures, 0);
        acme_record_finish(&read);
    }
    close(order);
    close(ca);
}

static void test_accounts_of_two_authorities_are_apart(void **state)
{
    int one = acme_store_open((int)(intptr_t)*state, "https://ca.example/directory");
    int two = acme_store_open((int)(intptr_t)*state, "https://staging.ca.example/directory");
    char *url;

    assert_int_equal(acme_store_save_account(one, "https://ca.example/a/1"), 0);
    assert_int_equal(acme_store_account(two, &url), ERR_NOT_FOUND);
    assert_int_equal(acme_store_account(one, &url), 0);
    assert_string_equal(url, "https://ca.example/a/1");
    free(url);
    close(one);
    close(two);
}

static void test_a_pair_is_one_version_and_the_one_before_is_kept(void **state)
{
    int state_fd = (int)(intptr_t)*state;
    int ca = acme_store_open(state_fd, "https://ca.example/");
    int order = acme_store_order(ca, "*.a.example");
    struct stat st;

    install(state_fd, order, "key 1", "chain 1");
    assert_file(state_fd, "key.pem", "key 1");
    assert_file(state_fd, "chain.pem", "chain 1");
    assert_int_equal(acme_store_open_key(order, "key.pem"), -ENOENT);
    install(state_fd, order, "key 2", "chain 2");
    install(state_fd, order, "key 3", "chain 3");
    assert_file(state_fd, "key.pem", "key 3");
    assert_file(state_fd, "chain.pem", "chain 3");
    assert_int_equal(fstatat(state_fd, "certificates/_.a.example/2/key.pem", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(fstatat(state_fd, "certificates/_.a.example/1", &st, 0), -1);
    close(order);
    close(ca);
}

static void test_without_a_key_nothing_is_installed(void **state)
{
    int state_fd = (int)(intptr_t)*state;
    int ca = acme_store_open(state_fd, "https://ca.example/");
    int order = acme_store_order(ca, "*.a.example");

    install(state_fd, order, "key 1", "chain 1");
    assert_int_equal(acme_store_install(state_fd, "*.a.example", order, SPAN("chain 2")), -ENOENT);
    assert_file(state_fd, "chain.pem", "chain 1");
    close(order);
    close(ca);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_record_comes_back_as_it_was_saved, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_damaged_record_is_as_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_accounts_of_two_authorities_are_apart, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_pair_is_one_version_and_the_one_before_is_kept,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_a_key_nothing_is_installed, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
