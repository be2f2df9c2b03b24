/* The JSON Schema and the references, made from the rich table. */
#include <jansson.h>

#include "expect.h"

/** The value at a path of keys and indexes separated by spaces. */
static json_t *at(json_t *json, const char *path)
{
    char *copy = strdup(path), *rest = NULL;

    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        json_t *next = json_is_array(json) ? json_array_get(json, (size_t)atoi(word))
                                           : json_object_get(json, word);
        if (!next)
            fail_msg("no %s in %s", word, path);
        json = next;
    }
    free(copy);
    return json;
}

static void expect_at(json_t *json, const char *path, const char *expected)
{
    assert_string_equal(json_string_value(at(json, path)), expected);
}

static void test_schema_describes_every_row(void **state)
{
    (void)state;
    char *text = config_schema(rich_rows, "rich settings");
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

    assert_non_null(json);
    expect_at(json, "$schema", "https://json-schema.org/draft/2020-12/schema");
    expect_at(json, "title", "rich settings");
    expect_at(json, "type", "object");
    assert_true(json_is_false(at(json, "additionalProperties")));
    assert_null(json_object_get(json, "required"));
    expect_at(json, "properties workers description", "how many processes");
    expect_at(json, "properties workers anyOf 0 type", "integer");
    assert_int_equal(json_integer_value(at(json, "properties workers anyOf 0 minimum")), 1);
    assert_int_equal(json_integer_value(at(json, "properties workers anyOf 0 maximum")), 1024);
    assert_int_equal(json_integer_value(at(json, "properties workers default")), 2);
    expect_at(json, "properties workers anyOf 1 $ref", "#/$defs/environment");
    assert_null(json_object_get(at(json, "properties free_number anyOf 0"), "minimum"));
    expect_at(json, "properties size anyOf 1 pattern", "^[0-9]+( ?([KkMmGgTt][Ii]?)?[Bb])?$");
    expect_at(json, "properties size default", "32KiB");
    expect_at(json, "properties deadline anyOf 1 type", "string");
    assert_int_equal(json_integer_value(at(json, "properties deadline anyOf 0 const")), 0);
    assert_true(json_is_true(at(json, "properties strict default")));
    expect_at(json, "properties profile anyOf 0 enum 1", "modern");
    expect_at(json, "properties listen properties https default 1", ":8443");
    expect_at(json, "properties listen properties https anyOf 1 type", "array");
    /* a list or one; an item or what a scalar stands for */
    expect_at(json, "properties sites anyOf 0 required 0", "names");
    assert_true(json_is_false(at(json, "properties sites anyOf 0 additionalProperties")));
    expect_at(json, "properties sites anyOf 1 type", "array");
    assert_int_equal(json_integer_value(at(json, "properties sites anyOf 0 properties names anyOf "
                                                 "1 maxItems")),
                     4);
    expect_at(json, "properties sites anyOf 0 properties names examples 0", "[example.com]");
    assert_true(json_is_array(
        at(json, "properties sites anyOf 0 properties files anyOf 0 type"))); /* any scalar */
    expect_at(json, "properties sites anyOf 0 properties files anyOf 1 type", "object");
    expect_at(json, "properties include anyOf 1 type", "array");
    expect_at(json, "$defs environment type", "string");
    json_decref(json);
    free(text);
}

static void test_schema_of_a_file_that_others_complete(void **state)
{
    (void)state;
    char *text = config_schema(rich_site_rows, "site"); /* `names` may be in another file */
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

    assert_null(json_object_get(json, "required"));
    json_decref(json);
    free(text);
}

static char *reference(void (*write)(const struct config_row *rows, FILE *out))
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    write(rich_rows, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void expect_part(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("missing: %s", part);
}

static void test_reference_in_markdown(void **state)
{
    (void)state;
    char *text = reference(config_reference_markdown);

    expect_part(text, "### `workers`\n\nHow many processes.\n\nA whole number, from 1 to 1024; "
                      "default `2`.\n\n");
    expect_part(text,
                "### `sites[].names`\n\nHost names; the first is the main one.\n\nA text or a "
                "list of texts, at least 1, at most 4; required.\n\nExample: `names: "
                "[example.com]`\n\n");
    expect_part(text, "### `sites[].files`\n\nFiles to serve.\n\nKeys with values; a plain value "
                      "stands for `root`.\n\n");
    expect_part(text, "### `sites[].files.root`\n");
    expect_part(text, "### `listen.https`\n");
    expect_part(text, "intermediate, modern or off; default `modern`.");
    expect_part(text, "from 0 to 1h; default `30s`.");
    expect_part(text, "A path; .hidden\\\\-like things & `code` \\<b> \\*stars\\*.");
    free(text);
}

static void test_reference_in_roff(void **state)
{
    (void)state;
    char *text = reference(config_reference_man);

    expect_part(text, ".TP\n.B workers\nHow many processes.\n.br\nA whole number, from 1 to 1024; "
                      "default \\fB2\\fR.\n.br\n");
    expect_part(text, ".B sites[].certificate[].file\n");
    expect_part(text, ".hidden\\e\\-like things & \\fBcode\\fR <b> *stars*.\n");
    assert_null(strchr(text, '`'));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schema_describes_every_row),
        cmocka_unit_test(test_schema_of_a_file_that_others_complete),
        cmocka_unit_test(test_reference_in_markdown),
        cmocka_unit_test(test_reference_in_roff),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
