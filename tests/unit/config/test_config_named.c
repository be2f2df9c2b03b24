/* A mapping of names to structs: decoded in order, checked, flattened and described. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "config/config.h"

struct group {
    char *name;
    struct config_strings servers;
    char *log;
    int64_t tries;
};

struct settings {
    struct config_list groups;
};

static const char *check_name(const char *name)
{
    return strchr(name, ':') ? "has a colon" : NULL;
}

static const struct config_row group_rows[] = {
    {.name = "servers",
     .type = CONFIG_STRINGS,
     .offset = offsetof(struct group, servers),
     .min = 1,
     .required = true,
     .help = "who answers"},
    {.name = "log", .type = CONFIG_PATH, .offset = offsetof(struct group, log)},
    {.name = "tries",
     .type = CONFIG_INT,
     .offset = offsetof(struct group, tries),
     .min = 1,
     .max = 9,
     .def = "3"},
    CONFIG_END,
};

static const struct config_row rows[] = {
    {.name = "groups",
     .type = CONFIG_NAMED,
     .offset = offsetof(struct settings, groups),
     .max = 3,
     .rows = group_rows,
     .size = sizeof(struct group),
     .scalar = "servers",
     .check = check_name,
     .help = "groups of servers"},
    CONFIG_END,
};

struct reading {
    struct config_tree *tree;
    struct settings settings;
    struct diags diags;
    int result;
};

static struct reading read_text(const char *text)
{
    struct reading reading = {0};

    reading.result =
        config_parse(span_str(text), "x.yaml", "/etc/x", false, &reading.diags, &reading.tree);
    if (reading.result == 0)
        reading.result = config_decode(reading.tree, rows, &reading.settings, &reading.diags);
    return reading;
}

static void finish(struct reading *reading)
{
    config_release(rows, &reading->settings);
    config_tree_destroy(reading->tree);
    diags_finish(&reading->diags);
}

static void test_named_structs_are_decoded_in_order(void **state)
{
    struct reading reading =
        read_text("groups:\n  b: {servers: [x, y], log: b.log}\n  a: {servers: z, tries: 5}\n"
                  "  c: short\n");
    const struct group *groups = reading.settings.groups.items;

    (void)state;
    assert_int_equal(reading.result, 0);
    assert_int_equal(reading.settings.groups.count, 3);
    assert_string_equal(groups[0].name, "b");
    assert_int_equal(groups[0].servers.count, 2);
    assert_string_equal(groups[0].log, "/etc/x/b.log");
    assert_int_equal(groups[0].tries, 3);
    assert_string_equal(groups[1].name, "a");
    assert_int_equal(groups[1].tries, 5);
    assert_string_equal(groups[2].name, "c");
    assert_string_equal(groups[2].servers.items[0], "short");
    finish(&reading);
}

static void test_mistakes_in_named_structs_have_their_place(void **state)
{
    static const struct {
        const char *text;
        const char *sentence;
        unsigned line;
    } mistakes[] = {
        {"groups: [a]", "\"groups\" takes names, each with keys and values, not a list", 1},
        {"groups:\n  a:\n", "\"groups\" has no value", 2},
        {"groups:\n  a: {tries: 2}\n", "\"servers\" is missing in \"a\"", 2},
        {"groups:\n  a: {servers: x, tries: 12}\n", "\"tries\"", 2},
        {"groups:\n  a: {servers: x, trys: 2}\n", "unknown key \"trys\"", 2},
        {"groups:\n  \"a:b\": {servers: x}\n", "the name \"a:b\" in \"groups\" has a colon", 2},
        {"groups: {a: x, b: x, c: x, d: x}\n", "\"groups\" takes at most 3 items, not 4", 1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(mistakes); i++) {
        struct reading reading = read_text(mistakes[i].text);
        assert_int_equal(reading.result, ERR_SETTINGS);
        assert_true(reading.diags.count >= 1);
        if (!strstr(reading.diags.items[0].sentence, mistakes[i].sentence))
            fail_msg("%s: %s", mistakes[i].text, reading.diags.items[0].sentence);
        assert_int_equal(reading.diags.items[0].line, mistakes[i].line);
        finish(&reading);
    }
}

static void test_named_structs_survive_flattening(void **state)
{
    struct reading first = read_text("groups: {a: {servers: x, log: l}, b: y}");
    char *flat = config_tree_flatten(first.tree, rows);

    (void)state;
    assert_string_equal(
        flat, "{\"groups\": {\"a\": {\"servers\": \"x\", \"log\": \"/etc/x/l\"}, \"b\": \"y\"}}");
    struct reading again = read_text(flat);
    assert_int_equal(again.result, 0);
    assert_int_equal(again.settings.groups.count, 2);
    free(flat);
    finish(&first);
    finish(&again);
}

static void test_named_structs_are_described(void **state)
{
    char *schema = config_schema(rows, "t"), *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    (void)state;
    config_reference_markdown(rows, out);
    fclose(out);
    assert_non_null(strstr(text, "### `groups.NAME.servers`\n"));
    assert_non_null(strstr(text, "Names, each with keys and values, at most 3;"));
    assert_non_null(strstr(schema, "\"additionalProperties\": {"));
    free(schema);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_named_structs_are_decoded_in_order),
        cmocka_unit_test(test_mistakes_in_named_structs_have_their_place),
        cmocka_unit_test(test_named_structs_survive_flattening),
        cmocka_unit_test(test_named_structs_are_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
