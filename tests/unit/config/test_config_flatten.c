/* The flattened tree: JSON, and what reads back to the same values. */
#include <jansson.h>

#include "base/mem.h"
#include "expect.h"

static char *flatten(const char *text)
{
    struct reading reading = expect_fine(text);
    char *flat = config_tree_flatten(reading.tree, rich_rows);

    reading_finish(&reading);
    return flat;
}

static void expect_flat(const char *text, const char *expected)
{
    char *flat = flatten(text);

    assert_string_equal(flat, expected);
    free(flat);
}

static void test_flatten_resolves_and_writes_by_type(void **state)
{
    (void)state;
    setenv("TEST_CONFIG_T", "t${x}", 1);
    expect_flat("", "{}");
    expect_flat("workers: 007\nstrict: Off\nprofile: off\ntitle: 404\nsize: 2048\n",
                "{\"workers\": 7, \"strict\": false, \"profile\": \"off\", \"title\": \"404\", "
                "\"size\": \"2048\"}");
    expect_flat("title: ${TEST_CONFIG_T}\nlog: a\npaths: [b, /c]\n",
                "{\"title\": \"t${x}\", \"log\": \"/etc/x/a\", \"paths\": [\"/etc/x/b\", \"/c\"]}");
    expect_flat("sites: {names: a, files: w, certificate: [x, {key: y}], errors: {404: e}}\n",
                "{\"sites\": {\"names\": \"a\", \"files\": \"/etc/x/w\", \"certificate\": "
                "[\"/etc/x/x\", {\"key\": \"/etc/x/y\"}], \"errors\": {\"404\": \"e\"}}}");
    expect_flat("listen:\n", "{\"listen\": null}");
}

static void test_flatten_reads_back_to_the_same(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "title: \"\\x01\\t\\n\\r\\e\\x7f\\x85\\_\\L\\P\\uFEFF\\uFFFE\\U0001F600\\U0010FFFF\"\n",
        "title: \"\\\"\\\\ '/ : # - ~ $${x} $$${y}\"\nlog: ' a b '\n",
        "title: |\n  two\n  lines\n\n",
        "title: \"\xf0\x9f\x98\x80\xe2\x80\xa8 x \xc2\x85 y\"\n",
        ("sites: {names: a, errors: {\"a\\\"b\\\\ \\u00FC\": ' ', \"~\": '', \"<<\": x, \"?\": "
         "y}}\n"),
        "title: ' '\nworkers: +5\n",
        "{title: null_, sites: [], listen: {https: [], http: [\"\"]}}\n",
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct reading first = expect_fine(texts[i]);
        char *flat = config_tree_flatten(first.tree, rich_rows);
        struct reading second = {0};
        assert_int_equal(
            config_parse(span_str(flat), "flat", NULL, true, &second.diags, &second.tree), 0);
        assert_int_equal(config_decode(second.tree, rich_rows, &second.rich, &second.diags), 0);
        if (first.rich.title)
            assert_string_equal(second.rich.title, first.rich.title);
        char *again = config_tree_flatten(second.tree, rich_rows);
        assert_string_equal(again, flat);
        json_t *json = json_loads(flat, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(json);
        json_decref(json);
        free(again);
        free(flat);
        reading_finish(&first);
        reading_finish(&second);
    }
}

static void test_flatten_longest_keys_read_back(void **state)
{
    (void)state;
    char key[401];
    struct reading reading = {0};

    memset(key, '"', 400);
    key[400] = '\0';
    char *text = mem_format("sites: {names: a, errors: {? '%s' : x}}\n", key);
    char *flat = flatten(text); /* twice as long: each quote is escaped */
    assert_int_equal(config_parse(span_str(flat), "f", NULL, true, &reading.diags, &reading.tree),
                     0);
    reading_finish(&reading);
    free(flat);
    free(text);
}

static void test_flatten_more_than_a_mebibyte_reads_back(void **state)
{
    (void)state;
    char *text = mem_alloc(1 << 20);
    struct reading reading = {0};
    size_t len = (size_t)sprintf(text, "paths: [");

    for (size_t i = 0; i < 90000; i++)
        len += (size_t)sprintf(text + len, "abc,");
    strcpy(text + len, "b]");
    char *flat = flatten(text);
    assert_true(strlen(flat) > 1 << 20);
    assert_int_equal(config_parse(span_str(flat), "f", NULL, true, &reading.diags, &reading.tree),
                     0);
    reading_finish(&reading);
    free(flat);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flatten_resolves_and_writes_by_type),
        cmocka_unit_test(test_flatten_reads_back_to_the_same),
        cmocka_unit_test(test_flatten_longest_keys_read_back),
        cmocka_unit_test(test_flatten_more_than_a_mebibyte_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
