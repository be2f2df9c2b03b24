/* From text to a struct: values, defaults, and every mistake that rows can find. */
#include "expect.h"

static void test_decode_fills_every_type(void **state)
{
    (void)state;
    struct reading reading = expect_fine("listen:\n"
                                         "  https: [\":443\", \":8443\"]\n"
                                         "  http: :80\n"
                                         "sites:\n"
                                         "  - names: [example.com, www.example.com]\n"
                                         "    files: www\n"
                                         "    certificate: {file: a.pem, key: ./k/a.key}\n"
                                         "    errors: {404: /404.html, 500: 5}\n"
                                         "  - names: static.example.com\n"
                                         "    files: {root: /srv/static, listing: yes}\n"
                                         "    certificate: [b.pem, {file: c.pem}]\n"
                                         "workers: 8\n"
                                         "size: 64KiB\n"
                                         "deadline: 1h\n"
                                         "title: 404\n"
                                         "log: ./log/access\n"
                                         "strict: off\n"
                                         "profile: off\n"
                                         "paths: [a, /b]\n"
                                         "free_number: -5\n");
    const struct rich *rich = &reading.rich;
    const struct rich_site *sites = rich->sites.items;
    const struct rich_certificate *first = sites[0].certificate.items;
    const struct rich_certificate *second = sites[1].certificate.items;

    assert_int_equal(rich->listen.https.count, 2);
    assert_string_equal(rich->listen.https.items[1], ":8443");
    assert_int_equal(rich->listen.http.count, 1);
    assert_string_equal(rich->listen.http.items[0], ":80");
    assert_int_equal(rich->sites.count, 2);
    assert_string_equal(sites[0].names.items[1], "www.example.com");
    assert_string_equal(sites[0].files->root, "/etc/x/www");
    assert_false(sites[0].files->listing);
    assert_int_equal(sites[0].certificate.count, 1);
    assert_string_equal(first->file, "/etc/x/a.pem");
    assert_string_equal(first->key, "/etc/x/k/a.key");
    assert_int_equal(sites[0].errors.count, 2);
    assert_string_equal(sites[0].errors.items[0].key, "404");
    assert_string_equal(sites[0].errors.items[0].value, "/404.html");
    assert_string_equal(sites[0].errors.items[1].value, "5");
    assert_int_equal(sites[1].names.count, 1);
    assert_true(sites[1].files->listing);
    assert_int_equal(sites[1].certificate.count, 2);
    assert_string_equal(second[0].file, "/etc/x/b.pem");
    assert_null(second[0].key);
    assert_string_equal(second[1].file, "/etc/x/c.pem");
    assert_int_equal(rich->workers, 8);
    assert_int_equal(rich->size, 65536);
    assert_true(rich->deadline == 3600 * NSEC_PER_SEC);
    assert_string_equal(rich->title, "404");
    assert_string_equal(rich->log, "/etc/x/log/access");
    assert_false(rich->strict);
    assert_int_equal(rich->profile, 2);
    assert_string_equal(rich->paths.items[0], "/etc/x/a");
    assert_string_equal(rich->paths.items[1], "/b");
    assert_int_equal(rich->free_number, -5);
    reading_finish(&reading);
}

static void expect_defaults(const struct rich *rich)
{
    assert_int_equal(rich->listen.https.count, 2);
    assert_string_equal(rich->listen.https.items[1], ":8443");
    assert_int_equal(rich->listen.http.count, 1);
    assert_int_equal(rich->sites.count, 0);
    assert_int_equal(rich->workers, 2);
    assert_int_equal(rich->size, 32768);
    assert_true(rich->deadline == 30 * NSEC_PER_SEC);
    assert_null(rich->title);
    assert_string_equal(rich->log, "/var/log/x");
    assert_true(rich->strict);
    assert_int_equal(rich->profile, 1);
    assert_int_equal(rich->paths.count, 0);
}

static void test_decode_defaults(void **state)
{
    (void)state;
    static const char *const empty[] = {"", "# nothing\n", "---\n", "{}", "listen:\n", "~"};
    struct rich rich = {0};

    for (size_t i = 0; i < ARRAY_SIZE(empty); i++) {
        struct reading reading = expect_fine(empty[i]);
        expect_defaults(&reading.rich);
        reading_finish(&reading);
    }
    config_defaults(rich_rows, &rich);
    expect_defaults(&rich);
    config_release(rich_rows, &rich);
    config_release(rich_rows, &rich); /* harmless */
}

static void test_decode_one_stands_for_a_list(void **state)
{
    (void)state;
    struct reading reading = expect_fine("listen: {https: \":443\", http: []}\n"
                                         "sites: {names: a, certificate: x.pem}\n");
    const struct rich_site *site = reading.rich.sites.items;

    assert_int_equal(reading.rich.listen.https.count, 1);
    assert_int_equal(reading.rich.listen.http.count, 0);
    assert_int_equal(reading.rich.sites.count, 1);
    assert_int_equal(site->certificate.count, 1);
    assert_string_equal(((struct rich_certificate *)site->certificate.items)->file, "/etc/x/x.pem");
    reading_finish(&reading);
}

static void test_decode_takes_quoted_scalars(void **state)
{
    (void)state;
    struct reading reading = expect_fine("workers: '3'\nstrict: \"no\"\nsize: '2KiB'\n"
                                         "title: ~x\nlog: 'null'\nprofile: !!str off\n");

    assert_int_equal(reading.rich.workers, 3);
    assert_false(reading.rich.strict);
    assert_string_equal(reading.rich.title, "~x");
    assert_string_equal(reading.rich.log, "/etc/x/null");
    reading_finish(&reading);
}

static void test_decode_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct expected expected;
    } mistakes[] = {
        /* unknown keys */
        {"titel: x", {1, 1, "unknown key \"titel\"", "did you mean \"title\"?"}},
        {"sites:\n  - names: a\n    fils: b",
         {3, 5, "unknown key \"fils\"", "did you mean \"files\"?"}},
        {"sites: {name: a}", {1, 9, "unknown key \"name\"", "did you mean \"names\"?"}},
        {"listen: {smtp: x}", {1, 10, "unknown key \"smtp\"", "allowed here: https, http"}},
        {"files: /srv",
         {1, 1, "unknown key \"files\"",
          "it is a key of an item of \"sites\": indent it to stand there"}},
        {"listen:\nhttps: x",
         {2, 1, "unknown key \"https\"", "it is a key of \"listen\": indent it to stand there"}},
        {"listen: {include: x}",
         {1, 10, "unknown key \"include\"", "include stands at the top level of a file only"}},
        /* numbers */
        {"workers: many",
         {1, 10, "\"workers\" must be a whole number, not \"many\"", "for example workers: 2"}},
        {"workers: 1.5", {1, 10, "\"workers\" must be a whole number, not \"1.5\"", "*"}},
        {"workers: 5000",
         {1, 10, "\"workers\" must be from 1 to 1024, not 5000", "for example workers: 2"}},
        {"workers: 0", {1, 10, "\"workers\" must be from 1 to 1024, not 0", "*"}},
        {"workers: 99999999999999999999",
         {1, 10, "\"workers\" must be from 1 to 1024, not 99999999999999999999", "*"}},
        {"free_number: 99999999999999999999",
         {1, 14, "\"free_number\" is too large: 99999999999999999999", NULL}},
        /* sizes and durations */
        {"size: big",
         {1, 7, "\"size\" must be a size, not \"big\"",
          "write a whole number and a unit, such as 64KiB or 10MB"}},
        {"size: 64k",
         {1, 7, "\"size\" must be a size, not \"64k\"", "write 64KiB (by 1024) or 64KB (by 1000)"}},
        {"size: 1GiB",
         {1, 7, "\"size\" must be from 1KiB to 1MiB, not 1GiB", "for example size: 32KiB"}},
        {"deadline: 30",
         {1, 11, "\"deadline\" must be a duration, not \"30\"",
          "the unit is missing: 30s, 30m or 30h"}},
        {"deadline: soon", {1, 11, "\"deadline\" must be a duration, not \"soon\"", "*"}},
        {"deadline: 2h",
         {1, 11, "\"deadline\" must be from 0 to 1h, not 2h", "for example deadline: 30s"}},
        /* words */
        {"strict: maybe", {1, 9, "\"strict\" must be on or off, not \"maybe\"", "*"}},
        {"profile: modren",
         {1, 10, "\"profile\" must be intermediate, modern or off, not \"modren\"",
          "did you mean \"modern\"?"}},
        {"profile: xyz",
         {1, 10, "\"profile\" must be intermediate, modern or off, not \"xyz\"",
          "for example profile: modern"}},
        /* kinds */
        {"workers: [1]", {1, 10, "\"workers\" takes a whole number, not a list", "*"}},
        {"title: {a: b}", {1, 8, "\"title\" takes a text, not a mapping", NULL}},
        {"log: [a]", {1, 6, "\"log\" takes a path, not a list", "*"}},
        {"paths: {a: b}", {1, 8, "\"paths\" takes a path or a list of paths, not a mapping", NULL}},
        {"paths: [a, [b]]", {1, 12, "an item of \"paths\" takes a path, not a list", NULL}},
        {"paths: [a, ~]", {1, 12, "an item of \"paths\" has no value", NULL}},
        {"listen: 443", {1, 9, "\"listen\" takes keys with values, not a text", NULL}},
        {"sites: example.com",
         {1, 8, "\"sites\" takes a list of keys with values, not a text", NULL}},
        {"sites: [{names: a}, b]",
         {1, 21, "an item of \"sites\" takes keys with values, not a text", NULL}},
        {"sites: [{names: a}, ~]", {1, 21, "an item of \"sites\" has no value", NULL}},
        {"sites: {names: a, errors: [x]}",
         {1, 27, "\"errors\" takes names with values, not a list", NULL}},
        {"sites: {names: a, errors: {404: [x]}}",
         {1, 33, "\"404\" takes a text, not a list", NULL}},
        {"sites: {names: a, files: [x]}",
         {1, 26, "\"files\" takes keys with values, not a list", NULL}},
        /* missing */
        {"workers:\n", {1, 9, "\"workers\" has no value", "for example workers: 2"}},
        {"title: ~\n", {1, 8, "\"title\" has no value", NULL}},
        {"sites:\n", {1, 7, "\"sites\" has no value", NULL}},
        {"sites: {names: a, files: }", {1, 26, "\"files\" has no value", NULL}},
        {"sites: {names: a, errors: {404: }}", {1, 33, "\"404\" has no value", NULL}},
        {"sites:\n  - files: a\n",
         {2, 5, "\"names\" is missing", "for example names: [example.com]"}},
        {"sites:\n  - names: a\n    files:\n      listing: on\n",
         {3, 5, "\"root\" is missing in \"files\"", "for example root: /srv/www"}},
        {"log: \"\"", {1, 6, "\"log\" is an empty path", "*"}},
        /* counts and checks */
        {"sites: {names: []}", {1, 16, "\"names\" needs at least 1 item", "*"}},
        {"sites: {names: [a, b, c, d, e]}",
         {1, 16, "\"names\" takes at most 4 items, not 5", NULL}},
        {"sites: {names: a, certificate: [a, b, c, d]}",
         {1, 32, "\"certificate\" takes at most 3 items, not 4", NULL}},
        {"sites: {names: [a, b c]}",
         {1, 20, "\"names\": \"b c\" is not a host name", "for example names: [example.com]"}},
    };

    for (size_t i = 0; i < ARRAY_SIZE(mistakes); i++)
        expect_mistake(mistakes[i].text, mistakes[i].expected);
}

static void test_decode_finds_every_mistake(void **state)
{
    (void)state;
    struct reading reading =
        reading_of("workers: 0\nsize: x\nsites:\n  - names: [a, \"b c\", \"d e\"]\n"
                   "    fils: x\n  - {}\n  - names: ok\n    errors: 4\n");

    assert_int_equal(reading.result, ERR_SETTINGS);
    assert_int_equal(reading.diags.count, 7);
    assert_int_equal(reading.rich.sites.count, 3);
    assert_true(reading.rich.strict); /* what is not wrong is there */
    reading_finish(&reading);
}

static void test_decode_complain_finds_the_place(void **state)
{
    (void)state;
    struct reading reading = expect_fine("sites:\n"
                                         "  - names: [a, b]\n"
                                         "    files: /w\n"
                                         "  - names: c\n"
                                         "    errors:\n"
                                         "      4.4: x\n"
                                         "listen: {https: \":1\"}\n");
    static const struct {
        const char *path;
        unsigned line, column;
    } places[] = {
        {"sites[0].names[1]", 2, 16},
        {"sites[0].files.root", 3, 12},
        {"sites[1].names[0]", 4, 12},
        {"sites[1].errors.4.4", 6, 12},
        {"listen.https[0]", 7, 17},
        {"listen.http", 7, 9},
        {"sites[7].names", 2, 3},
        {"nothing.here", 1, 1},
        {"", 1, 1},
        {"sites[", 2, 3},
        {"sites[x].", 2, 3},
        {"..", 1, 1},
    };

    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        struct diag *diag = config_complain(reading.tree, &reading.diags, places[i].path,
                                            "wrong: %s%%", places[i].path);
        diag_hint(diag, "fix it");
        char expected[100];
        snprintf(expected, sizeof expected, "wrong: %s%%", places[i].path);
        expect_diag(&reading.diags, i,
                    (struct expected){places[i].line, places[i].column, expected, "fix it"});
    }
    assert_string_equal(reading.diags.items[0].line_text, "  - names: [a, b]");
    reading_finish(&reading);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode_fills_every_type),
        cmocka_unit_test(test_decode_defaults),
        cmocka_unit_test(test_decode_one_stands_for_a_list),
        cmocka_unit_test(test_decode_takes_quoted_scalars),
        cmocka_unit_test(test_decode_mistakes),
        cmocka_unit_test(test_decode_finds_every_mistake),
        cmocka_unit_test(test_decode_complain_finds_the_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
