/* Texts that are not YAML: each typical slip is named at its place. */
#include "expect.h"

static void test_syntax_slips_are_named_at_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct expected expected;
    } slips[] = {
        {"listen:\n\thttps: x\n", {2, 1, "a tab stands where only spaces may", "*"}},
        {"sites:\n  - names: [a]\n \tfiles: b\n",
         {3, 2, "a tab stands where only spaces may", "*"}},
        {"listen:\n  https:\":443\"\n  http: x\n",
         {2, 9, "a space is missing behind the colon of \"https\"",
          "write \"https: \" and then the value"}},
        {"workers:4\ntitle: x\n",
         {1, 9, "a space is missing behind the colon of \"workers\"", "*"}},
        {"workers:4", {1, 9, "a space is missing behind the colon of \"workers\"", "*"}},
        {"- title:x\n  a: b\n", {1, 9, "a space is missing behind the colon of \"title\"", "*"}},
        {"title: \"abc\n", {1, 8, "the quote that opens here is never closed", "*"}},
        {"title: 'abc\nworkers: 3\n", {1, 8, "the quote that opens here is never closed", "*"}},
        {"listen:\n  https: \":443\n  http: \":80\"\n",
         {2, 10, "a quote opens here that is not closed in its line",
          "close it at the end of the value; it ran on into line 3"}},
        {"# don't\nlisten:\n  https: [':443]\n  http: ':80'\n",
         {3, 11, "a quote opens here that is not closed in its line", "*"}},
        {"title: a: b\n", {1, 9, "a second colon with a space behind it stands here", "*"}},
        {"workers: 1\n  title: b\n",
         {2, 8, "this key does not belong below the line above it", "*"}},
        {"workers: 1\ntitle\nlisten: {}\n",
         {2, 1, "a key stands here without a colon behind it", "write \"key: value\""}},
        {"sites:\n  - names: [*.example.com]\n", {2, 13, "a value cannot begin with *", "*"}},
        {"title: @foo\n", {1, 8, "a value cannot begin with @", "*"}},
        {"title: `foo\n", {1, 8, "a value cannot begin with `", "*"}},
        {"title: %foo\n", {1, 8, "a value cannot begin with %", "*"}},
        {"title: \"C:\\path\"\n", {1, 11, "no such escape exists inside double quotes", "*"}},
        {"listen: {https: [\":443\"\nworkers: 3\n",
         {1, 17, "the [ that opens here is not closed", "*"}},
        {"listen: {https: x\nworkers: 3\n", {1, 9, "the { that opens here is not closed", "*"}},
        {"paths: [\"a\" \"b\"]\n", {1, 13, "a comma or ] is missing here", "*"}},
        {"paths: [${A}]\n",
         {1, 10, "a comma or ] is missing here",
          "inside of [ ] and { }, put values with ${\u2026} into quotes"}},
        {"paths: [:443]\n", {1, 9, "a value cannot begin with : inside of [ ] and { }", "*"}},
        {"paths: [a,,b]\n", {1, 11, "a value is missing here", "*"}},
        {"sites: - names: a\n", {1, 8, "a list with dashes cannot begin here", "*"}},
        {"listen:\n  https: a\n http: b\n",
         {3, 2, "this line does not fit the indentation of those above",
          "the keys of the block that began in line 1 all start in column 1"}},
        {"sites:\n  - names: a\n  files: b\n",
         {3, 3, "this line does not fit the indentation of those above",
          "a key of the item above starts in column 5, under its first key"}},
        {"sites:\n  - names: a\n  -   names: b\n     files: c\n",
         {4, 6, "this line does not fit the indentation of those above",
          "a key of the item above starts in column 7, under its first key"}},
        {"paths:\n    - a\n  - b\n",
         {3, 3, "this line does not fit the indentation of those above", "*"}},
        {"title: |abc\n", {1, 9, "text that begins with | or > starts on the next line", "*"}},
        {"%foo\n", {1, 1, "a line cannot begin with % here", "*"}},
        {"title: a\n---\nworkers: 4\n", {2, 1, "a second document starts here", "*"}},
        {"title: \xff\n", {1, 8, "a byte here is not UTF-8", "save the file as UTF-8 text"}},
        {"title: \xc3\xbc \xc3\n", {1, 10, "a byte here is not UTF-8", "*"}},
        {"\xff\xfe", {1, 1, "the file is UTF-16, not UTF-8", "*"}},
        {"title: a\r\nworkers: \x01\n",
         {2, 10, "a control character stands here",
          "remove it, or write \"\\x01\" in double quotes"}},
        {"- a\n", {1, 1, "settings are keys with values, not a list", "*"}},
        {"hello\n", {1, 1, "settings are keys with values, not a text", "*"}},
    };

    for (size_t i = 0; i < ARRAY_SIZE(slips); i++)
        expect_mistake(slips[i].text, slips[i].expected);
}

static void test_syntax_slips_that_are_stepped_over(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct expected expected;
    } slips[] = {
        {"title: !foo x\n", {1, 8, "tags are not understood here", "*"}},
        {"title: {{x}}\n", {1, 9, "a key must be a text", "*"}},
        {"~: 443\n", {1, 1, "a value stands here without a key", "*"}},
        {"<<: {title: x}\n", {1, 1, "the merge key << is not understood", "*"}},
        {"\"a\\tb\": x\n", {1, 1, "a key contains a character that cannot be seen", "*"}},
        {"title: \"a\\0b\"\n", {1, 8, "a value contains the character NUL", NULL}},
        {"title: *x\n",
         {1, 8, "no anchor of this name comes before",
          "a text that starts with * needs quotes: \"*x\""}},
        {"title: a\nworkers: 2\ntitle: b\n",
         {3, 1, "the key \"title\" is given twice",
          "it is given first at a.yaml:1:1; keep one of the two"}},
        {"sites:\n  - names: [a]\n    names: [b]\n",
         {3, 5, "the key \"names\" is given twice",
          "it is given first at a.yaml:2:5; keep one of the two"}},
    };

    for (size_t i = 0; i < ARRAY_SIZE(slips); i++)
        expect_mistake(slips[i].text, slips[i].expected);
}

static void test_syntax_mistakes_of_all_kinds_come_in_one_pass(void **state)
{
    (void)state;
    struct reading reading = reading_of("title: a\ntitle: b\ntitle: c\nworkers: x\n"
                                        "log: ${NO_SUCH_VARIABLE_}\nprofil: modern\n");

    assert_int_equal(reading.result, ERR_SETTINGS);
    assert_int_equal(reading.diags.count, 5);
    expect_diag(&reading.diags, 0,
                (struct expected){5, 6, "the environment variable NO_SUCH_VARIABLE_ is not set",
                                  "set it, or give a default: ${NO_SUCH_VARIABLE_:-value}"});
    expect_diag(&reading.diags, 1,
                (struct expected){2, 1, "the key \"title\" is given twice", "*"});
    expect_diag(&reading.diags, 2,
                (struct expected){3, 1, "the key \"title\" is given twice", "*"});
    expect_diag(&reading.diags, 3,
                (struct expected){4, 10, "\"workers\" must be a whole number, not \"x\"",
                                  "for example workers: 2"});
    expect_diag(&reading.diags, 4,
                (struct expected){6, 1, "unknown key \"profil\"", "did you mean \"profile\"?"});
    reading_finish(&reading);
}

static void test_syntax_checking_goes_on_behind_a_mistake(void **state)
{
    (void)state;
    struct reading reading =
        reading_of("sites:\n  - names: [a\n    filse: b\nworkers: x\nlisten:\n  htps: a\n"
                   "log: [}\ntitle: \"a\nprofil: modern\n");
    static const struct expected expected[] = {
        {2, 12, "the [ that opens here is not closed", "*"},
        {7, 7, "a value is missing here", "*"},
        {8, 8, "the quote that opens here is never closed", "*"},
        {4, 10, "\"workers\" must be a whole number, not \"x\"", "*"},
        {6, 3, "unknown key \"htps\"", "did you mean \"https\"?"},
        {9, 1, "unknown key \"profil\"", "did you mean \"profile\"?"},
    };

    assert_int_equal(reading.result, ERR_SETTINGS);
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
        expect_diag(&reading.diags, i, expected[i]);
    assert_int_equal(reading.diags.count, ARRAY_SIZE(expected));
    reading_finish(&reading);
}

static void test_syntax_looks_beneath_misspelt_keys(void **state)
{
    (void)state;
    struct reading reading = reading_of("sitess:\n  - nams: [\"a b\"]\nworker: x\nworkrs: 2\n");
    static const struct expected expected[] = {
        {1, 1, "unknown key \"sitess\"", "did you mean \"sites\"?"},
        {2, 5, "unknown key \"nams\"", "did you mean \"names\"?"},
        {2, 12, "\"names\": \"a b\" is not a host name", "*"},
        {3, 1, "unknown key \"worker\"", "did you mean \"workers\"?"},
        {3, 9, "\"workers\" must be a whole number, not \"x\"", "*"},
        {4, 1, "unknown key \"workrs\"", "did you mean \"workers\"?"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
        expect_diag(&reading.diags, i, expected[i]);
    assert_int_equal(reading.diags.count, ARRAY_SIZE(expected));
    reading_finish(&reading);
}

static void test_syntax_characters_that_cannot_be_seen(void **state)
{
    (void)state;
    expect_mistake("\"a\xc2\xa0\": 1\n",
                   (struct expected){1, 1, "a key contains a character that cannot be seen",
                                     "it is U+00A0, shown by its number above: write an ordinary "
                                     "space, or none"});
    expect_mistake("ti\xe2\x80\x8btle: 1\n",
                   (struct expected){1, 1, "a key contains a character that cannot be seen",
                                     "it is U+200B, shown by its number above: remove it"});
}

static void test_paths_that_only_a_shell_expands(void **state)
{
    (void)state;
    expect_mistake("paths: [~/www]\n",
                   (struct expected){1, 9, "~ is not expanded here: only shells do that",
                                     "write the whole path, such as /home/NAME/www, or "
                                     "${HOME}/www"});
    expect_mistake("paths: $HOME/www\n",
                   (struct expected){1, 8, "$HOME is not expanded here without braces",
                                     "write ${HOME}/www; a folder of that name is ./$HOME/www"});
    struct reading reading = expect_fine("paths: [./~/www, \"./$HOME\", a~]\n");
    reading_finish(&reading);
}

static void test_syntax_columns_count_characters(void **state)
{
    (void)state;
    expect_mistake("{title: \xc3\xbc\xc3\xbc, x: 1}\n",
                   (struct expected){1, 13, "unknown key \"x\"", "*"});
    expect_mistake("\xef\xbb\xbfx_y_z: 1\n", (struct expected){1, 1, "unknown key \"x_y_z\"", "*"});
    expect_mistake("title: a\r\n\r\nx_y_z: 1\r\n",
                   (struct expected){3, 1, "unknown key \"x_y_z\"", "*"});
}

static void test_syntax_shows_the_line(void **state)
{
    (void)state;
    struct reading reading = reading_of("title: a\r\nworkers: \xc3\xbc # why\r\nsize: 3KiB\r\n");

    assert_int_equal(reading.diags.count, 1);
    assert_string_equal(reading.diags.items[0].line_text, "workers: \xc3\xbc # why");
    reading_finish(&reading);

    char text[3000] = "title: x\nworkers: ";
    size_t start = strlen(text);
    memset(text + start, 'y', sizeof text - start - 1);
    text[sizeof text - 1] = '\0';
    reading = reading_of(text);
    assert_int_equal(reading.diags.count, 1);
    assert_int_equal(strlen(reading.diags.items[0].line_text), 1000);
    reading_finish(&reading);
}

/** A text made of a part repeated. */
static char *repeat(const char *start, const char *part, size_t count, const char *end)
{
    size_t start_len = strlen(start), part_len = strlen(part);
    char *text = malloc(start_len + part_len * count + strlen(end) + 1);

    assert_non_null(text);
    strcpy(text, start);
    for (size_t i = 0; i < count; i++)
        memcpy(text + start_len + i * part_len, part, part_len);
    strcpy(text + start_len + part_len * count, end);
    return text;
}

static void expect_refused(char *text, const char *sentence)
{
    struct diags diags = {0};
    struct config_tree *tree = NULL;

    assert_int_equal(config_parse(span_str(text), "a.yaml", "/", false, &diags, &tree),
                     ERR_SETTINGS);
    assert_null(tree);
    assert_int_equal(diags.count, 1);
    assert_string_equal(diags.items[0].sentence, sentence);
    diags_finish(&diags);
    free(text);
}

static void test_syntax_bounds_hold(void **state)
{
    (void)state;
    expect_refused(repeat("title: ", "[", 33, ""), "the settings are nested deeper than 32 levels");
    expect_refused(repeat("title: ", "[", 500000, ""),
                   "the settings are nested deeper than 32 levels");
    expect_refused(repeat("", "- ", 500000, "x"), "the settings are nested deeper than 32 levels");
    expect_refused(repeat("paths: [", "a,", 100001, "]"),
                   "the settings have more than 100,000 values");
    expect_refused(repeat("", "# comment\n", 200000, ""), "the settings are larger than 1 MiB");
    expect_refused(
        repeat("", "", 0,
               "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
               "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
               "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n"),
        "the settings have more than 100,000 values");
    expect_refused(repeat("a: &a [*a]", "", 0, ""), "an anchor's value cannot contain itself");
    char *big = repeat("a: &a ", "x", 500000, "\nb: [");
    expect_refused(repeat(big, "*a,", 40, "]"),
                   "the settings' values are larger than 16 MiB together");
    free(big);
}

static void test_syntax_key_is_bounded(void **state)
{
    (void)state;
    char *text = repeat("? ", "k", 401, "\n: 1\n");

    expect_mistake(text, (struct expected){1, 3, "a key is longer than 400 bytes", NULL});
    free(text);
}

static void test_syntax_a_thousand_mistakes_are_counted(void **state)
{
    (void)state;
    char *text = repeat("paths: [", "[],", 50000, "]");
    struct reading reading = reading_of(text);

    assert_int_equal(reading.diags.count, 100);
    assert_int_equal(reading.diags.errors, 50000);
    reading_finish(&reading);
    free(text);
}

static void test_syntax_anchors_repeat_values(void **state)
{
    (void)state;
    struct reading reading = expect_fine("title: &t hello\nlog: *t\n"
                                         "sites:\n  - names: [a]\n    files: &f {root: /w}\n"
                                         "  - names: [b]\n    files: *f\n");
    struct rich_site *sites = reading.rich.sites.items;

    assert_string_equal(reading.rich.log, "/etc/x/hello");
    assert_string_equal(sites[1].files->root, "/w");
    assert_ptr_not_equal(sites[0].files, sites[1].files);
    reading_finish(&reading);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_syntax_slips_are_named_at_their_place),
        cmocka_unit_test(test_syntax_slips_that_are_stepped_over),
        cmocka_unit_test(test_syntax_mistakes_of_all_kinds_come_in_one_pass),
        cmocka_unit_test(test_syntax_checking_goes_on_behind_a_mistake),
        cmocka_unit_test(test_syntax_looks_beneath_misspelt_keys),
        cmocka_unit_test(test_syntax_characters_that_cannot_be_seen),
        cmocka_unit_test(test_paths_that_only_a_shell_expands),
        cmocka_unit_test(test_syntax_columns_count_characters),
        cmocka_unit_test(test_syntax_shows_the_line),
        cmocka_unit_test(test_syntax_bounds_hold),
        cmocka_unit_test(test_syntax_key_is_bounded),
        cmocka_unit_test(test_syntax_a_thousand_mistakes_are_counted),
        cmocka_unit_test(test_syntax_anchors_repeat_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
