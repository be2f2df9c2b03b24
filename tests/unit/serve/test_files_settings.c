/* The settings of `files:`, from text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "serve/files/files.h"

/* @return how many mistakes were found */
static size_t decode(const char *text, struct files_settings *settings)
{
    struct config_tree *tree = NULL;
    struct diags diags = {0};

    memset(settings, 0, sizeof *settings);
    if (config_parse(span_str(text), "test", "/base", false, &diags, &tree) == 0) {
        if (config_decode(tree, files_rows, settings, &diags) == 0)
            files_check(settings, tree, "", &diags);
        config_tree_destroy(tree);
    }
    size_t errors = diags.errors;
    diags_finish(&diags);
    return errors;
}

static void test_files_settings_defaults(void **state)
{
    struct files_settings s;

    assert_int_equal(decode("root: www\n", &s), 0);
    assert_string_equal(s.root, "/base/www");
    assert_int_equal(s.index.count, 1);
    assert_string_equal(s.index.items[0], "index.html");
    assert_false(s.listing || s.dot_files || s.fallback);
    assert_true(s.precompressed && s.compress.enabled);
    assert_int_equal(s.compress.codings.count, 1 + HAVE_BROTLI + HAVE_ZSTD);
    assert_int_equal(s.compress.min_size, 1024);
    assert_int_equal(s.compress.level, 1);
    assert_int_equal(s.cache.max_file_size, 256 << 10);
    assert_int_equal(s.cache.total, 64 << 20);
    assert_int_equal(s.cache.staleness, 100 * NSEC_PER_MSEC);
    config_release(files_rows, &s);
}

static void test_files_settings_take_the_codings_that_are_built_in(void **state)
{
    struct files_settings s;

    assert_int_equal(decode("root: /w\ncompress: {codings: [br]}\n", &s), !HAVE_BROTLI);
    config_release(files_rows, &s);
    assert_int_equal(decode("root: /w\ncompress: {codings: [zstd]}\n", &s), !HAVE_ZSTD);
    config_release(files_rows, &s);
    assert_int_equal(decode("root: /w\ncompress: {codings: [gzip]}\n", &s), 0);
    config_release(files_rows, &s);
}

static void test_files_settings_short_forms(void **state)
{
    struct files_settings s;

    assert_int_equal(decode("root: /w\ncompress: off\nindex: home.html\n"
                            "error_pages: {404: /404.html, 5xx: /sorry.html}\n",
                            &s),
                     0);
    assert_false(s.compress.enabled);
    assert_string_equal(s.index.items[0], "home.html");
    assert_int_equal(s.error_pages.count, 2);
    assert_string_equal(s.error_pages.items[0].value, "/404.html");
    config_release(files_rows, &s);
}

static void test_files_settings_mistakes(void **state)
{
    static const char *const wrong[] = {
        "listing: true\n",
        "root: /w\nindex: ../x\n",
        "root: /w\nindex: .hidden\n",
        "root: /w\nfallback: index.html\n",
        "root: /w\nfallback: /../x\n",
        "root: /w\ncompress: {codings: [deflate]}\n",
        "root: /w\ncompress: {level: extreme}\n",
        "root: /w\ncache: {max_file_size: 1GiB}\n",
        "root: /w\nerror_pages: {200: /x.html}\n",
        "root: /w\nerror_pages: {4xy: /x.html}\n",
        "root: /w\nerror_pages: {404: x.html}\n",
    };
    struct files_settings s;

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        assert_int_equal(decode(wrong[i], &s), 1);
        config_release(files_rows, &s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_settings_defaults),
        cmocka_unit_test(test_files_settings_take_the_codings_that_are_built_in),
        cmocka_unit_test(test_files_settings_short_forms),
        cmocka_unit_test(test_files_settings_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
