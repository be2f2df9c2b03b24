/* Files, what they include, and variables of the environment. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "expect.h"

struct folder {
    char path[64];
};

static int make_folder(void **state)
{
    struct folder *folder = mem_new(struct folder);

    snprintf(folder->path, sizeof folder->path, "/tmp/test_config_[x]_XXXXXX");
    if (!mkdtemp(folder->path))
        return -1;
    *state = folder;
    return 0;
}

static int drop_folder(void **state)
{
    struct folder *folder = *state;
    static const char *const names[] = {"main.yaml",     "a.yaml",        "b.yaml",
                                        "conf.d/2.yaml", "conf.d/1.yaml", "conf.d/10.yaml",
                                        "fifo",          "conf.d"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char *path = mem_format("%s/%s", folder->path, names[i]);
        remove(path);
        free(path);
    }
    int r = rmdir(folder->path);
    free(folder);
    return r;
}

static void put(const struct folder *folder, const char *name, const char *text)
{
    char *path = mem_format("%s/%s", folder->path, name);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    free(path);
}

/** Reads main.yaml of the folder. */
static struct reading load(const struct folder *folder)
{
    struct reading reading = {0};
    char *path = mem_format("%s/main.yaml", folder->path);

    reading.result = config_load(path, &reading.diags, &reading.tree);
    if (reading.result == 0)
        reading.result = config_decode(reading.tree, rich_rows, &reading.rich, &reading.diags);
    free(path);
    return reading;
}

/** The mistake is in this file of the folder. */
static void expect_in(const struct folder *folder, const struct diags *diags, size_t at,
                      const char *name, struct expected expected)
{
    char *path = mem_format("%s/%s", folder->path, name);

    expect_diag(diags, at, expected);
    assert_string_equal(diags->items[at].file, path);
    free(path);
}

static void test_load_resolves_paths_against_the_file(void **state)
{
    struct folder *folder = *state;
    char *folder_log = mem_format("%s/x.log", folder->path);

    put(folder, "main.yaml", "log: x.log\n");
    struct reading reading = load(folder);
    assert_int_equal(reading.result, 0);
    assert_string_equal(reading.rich.log, folder_log);
    reading_finish(&reading);
    free(folder_log);
}

static void test_load_says_why_it_cannot_read(void **state)
{
    struct folder *folder = *state;
    struct reading reading = load(folder);
    char *path = mem_format("%s/fifo", folder->path);

    assert_int_equal(reading.result, -ENOENT);
    assert_null(reading.tree);
    expect_in(folder, &reading.diags, 0, "main.yaml",
              (struct expected){0, 0, "cannot read the settings: No such file or directory",
                                "check the path; without settings: gardien serve FOLDER"});
    diags_finish(&reading.diags);

    assert_int_equal(config_load(folder->path, &reading.diags, &reading.tree), -EISDIR);
    diags_finish(&reading.diags);

    assert_int_equal(mkfifo(path, 0600), 0); /* must not wait for a writer */
    assert_int_equal(config_load(path, &reading.diags, &reading.tree), -EINVAL);
    assert_string_equal(reading.diags.items[0].sentence,
                        "cannot read the settings: it is not an ordinary file");
    diags_finish(&reading.diags);
    free(path);
}

static void test_load_refuses_a_large_file(void **state)
{
    struct folder *folder = *state;
    char *text = mem_alloc((1 << 20) + 2);

    memset(text, '\n', (1 << 20) + 1);
    text[(1 << 20) + 1] = '\0';
    put(folder, "main.yaml", text);
    struct reading reading = load(folder);
    assert_int_equal(reading.result, ERR_SETTINGS);
    assert_int_equal(reading.diags.count, 1);
    reading_finish(&reading);
    text[1 << 20] = '\0';
    put(folder, "main.yaml", text);
    reading = load(folder);
    assert_int_equal(reading.result, 0);
    reading_finish(&reading);
    free(text);
}

static void make_conf_d(const struct folder *folder)
{
    char *path = mem_format("%s/conf.d", folder->path);

    assert_int_equal(mkdir(path, 0700), 0);
    free(path);
}

static void test_load_includes_join_in_sorted_order(void **state)
{
    struct folder *folder = *state;

    make_conf_d(folder);
    put(folder, "main.yaml",
        "include: [conf.d/*.yaml, ./a.yaml, none/*.yaml]\nsites: [{names: main}]\ntitle: t\n");
    put(folder, "conf.d/1.yaml", "sites: [{names: one, files: w}]\nlisten: {http: \":1\"}\n");
    put(folder, "conf.d/10.yaml", "sites: [{names: ten}]\nworkers: 3\n");
    put(folder, "conf.d/2.yaml", "# empty\n");
    put(folder, "a.yaml", "listen: {https: \":2\"}\ninclude: b.yaml\n");
    put(folder, "b.yaml", "sites: [{names: b}]\nlog: off.log\n");
    struct reading reading = load(folder);
    const struct rich_site *sites = reading.rich.sites.items;
    static const char *const order[] = {"main", "one", "ten", "b"};

    if (reading.diags.count)
        fail_msg("%s", reading.diags.items[0].sentence);
    assert_int_equal(reading.result, 0);
    assert_int_equal(reading.rich.sites.count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(sites[i].names.items[0], order[i]);
    char *www = mem_format("%s/conf.d/w", folder->path); /* of the file that names it */
    assert_string_equal(sites[1].files->root, www);
    free(www);
    assert_string_equal(reading.rich.listen.http.items[0], ":1");
    assert_string_equal(reading.rich.listen.https.items[0], ":2");
    assert_int_equal(reading.rich.workers, 3);
    reading_finish(&reading);
}

static void test_load_names_both_places_of_a_value_set_twice(void **state)
{
    struct folder *folder = *state;

    put(folder, "main.yaml", "include: a.yaml\ntitle: x\nlisten: {https: [a]}\nworkers:\n");
    put(folder, "a.yaml", "\ntitle: y\nlisten: {https: b}\nworkers: 4\n");
    struct reading reading = load(folder);
    assert_int_equal(reading.result, ERR_SETTINGS);
    assert_int_equal(reading.diags.count, 2);
    expect_in(folder, &reading.diags, 0, "a.yaml",
              (struct expected){2, 1, "\"title\" is set twice", "*"});
    char *hint =
        mem_format("it is set first at %s/main.yaml:2:1; keep one of the two", folder->path);
    assert_string_equal(reading.diags.items[0].hint, hint);
    free(hint);
    expect_in(folder, &reading.diags, 1, "a.yaml",
              (struct expected){3, 10, "\"https\" is set twice and in another form", "*"});
    reading_finish(&reading);
}

static void test_load_refuses_cycles(void **state)
{
    struct folder *folder = *state;

    put(folder, "main.yaml", "title: t\ninclude: a.yaml\n");
    put(folder, "a.yaml", "include:\n  - main.yaml\n");
    struct reading reading = load(folder);
    assert_int_equal(reading.result, ERR_SETTINGS);
    assert_null(reading.tree);
    assert_int_equal(reading.diags.count, 1);
    char *sentence =
        mem_format("%s/main.yaml is included a second time, or includes itself", folder->path);
    expect_in(folder, &reading.diags, 0, "a.yaml", (struct expected){2, 5, sentence, "*"});
    free(sentence);
    reading_finish(&reading);
}

static void test_load_finds_mistakes_of_every_file(void **state)
{
    struct folder *folder = *state;

    put(folder, "main.yaml", "include: [a.yaml, gone.yaml, b.yaml, [x]]\n");
    put(folder, "a.yaml", "workers:\n\t- x\n");
    put(folder, "b.yaml", "- a\n");
    struct reading reading = load(folder);
    assert_int_equal(reading.result, ERR_SETTINGS);
    assert_int_equal(reading.diags.count, 4);
    expect_in(folder, &reading.diags, 0, "a.yaml",
              (struct expected){2, 1, "a tab stands where only spaces may", "*"});
    char *sentence =
        mem_format("cannot include %s/gone.yaml: No such file or directory", folder->path);
    expect_in(folder, &reading.diags, 1, "main.yaml", (struct expected){1, 19, sentence, "*"});
    free(sentence);
    expect_in(folder, &reading.diags, 2, "b.yaml",
              (struct expected){1, 1, "settings are keys with values, not a list", "*"});
    expect_in(folder, &reading.diags, 3, "main.yaml",
              (struct expected){1, 38, "include takes paths of files", "*"});
    reading_finish(&reading);
}

static void test_load_mistakes_know_their_file(void **state)
{
    struct folder *folder = *state;

    put(folder, "main.yaml", "include: a.yaml\n");
    put(folder, "a.yaml", "\nworkers: 0\n");
    struct reading reading = load(folder);
    expect_in(folder, &reading.diags, 0, "a.yaml",
              (struct expected){2, 10, "\"workers\" must be from 1 to 1024, not 0", "*"});
    assert_string_equal(reading.diags.items[0].line_text, "workers: 0");
    reading_finish(&reading);
}

static void expect_title(const char *text, const char *title)
{
    struct reading reading = expect_fine(text);

    assert_string_equal(reading.rich.title, title);
    reading_finish(&reading);
}

static void test_environment_stands_for_values(void **state)
{
    (void)state;
    setenv("TEST_CONFIG_A", "va\"l", 1);
    setenv("TEST_CONFIG_EMPTY", "", 1);
    setenv("TEST_CONFIG_LIKE", "${TEST_CONFIG_A}", 1);
    unsetenv("TEST_CONFIG_NONE");
    expect_title("title: ${TEST_CONFIG_A}", "va\"l");
    expect_title("title: \"<${TEST_CONFIG_A}${TEST_CONFIG_A}>\"", "<va\"lva\"l>");
    expect_title("title: ${TEST_CONFIG_NONE:-d:-e}", "d:-e");
    expect_title("title: x${TEST_CONFIG_NONE:-}", "x");
    expect_title("title: ${TEST_CONFIG_EMPTY:-d}", "d");
    expect_title("title: ${TEST_CONFIG_NONE:-${TEST_CONFIG_EMPTY:-deep}}!", "deep!");
    expect_title("title: ${TEST_CONFIG_NONE:-a${TEST_CONFIG_NONE:-b}c}", "abc");
    expect_title("title: ${TEST_CONFIG_NONE:-<${TEST_CONFIG_LIKE}>}", "<${TEST_CONFIG_A}>");
    expect_title("title: x${TEST_CONFIG_EMPTY}", "x");
    expect_title("title: ${TEST_CONFIG_EMPTY}", "");
    expect_title("title: ${TEST_CONFIG_LIKE}", "${TEST_CONFIG_A}"); /* not read again */
    expect_title("title: $${TEST_CONFIG_A}", "${TEST_CONFIG_A}");
    expect_title("title: $TEST $$ 5$", "$TEST $$ 5$");
    setenv("TEST_CONFIG_A", "12", 1);
    struct reading reading =
        expect_fine("workers: ${TEST_CONFIG_A}\ndeadline: ${TEST_CONFIG_A}m\n");
    assert_int_equal(reading.rich.workers, 12);
    assert_true(reading.rich.deadline == 720 * NSEC_PER_SEC);
    reading_finish(&reading);
}

static void test_environment_mistakes(void **state)
{
    (void)state;
    static const char *const broken[] = {"title: ${\n",    "title: ${}\n",    "title: ${A\n",
                                         "title: ${1A}\n", "title: ${A-b}\n", "title: ${:-b}\n"};

    for (size_t i = 0; i < ARRAY_SIZE(broken); i++)
        expect_mistake(
            broken[i],
            (struct expected){1, 8, "${ is not followed by the name of a variable and }", "*"});
    unsetenv("TEST_CONFIG_NONE");
    expect_mistake(
        "title: ${TEST_CONFIG_NONE:-${TEST_CONFIG_NONE}}\n",
        (struct expected){1, 8, "the environment variable TEST_CONFIG_NONE is not set", "*"});
    expect_mistake(
        "title: ${A:-${A:-${A:-${A:-${A:-${A:-${A:-${A:-${A:-${A:-x}}}}}}}}}}\n",
        (struct expected){1, 8, "defaults of variables are nested deeper than 8 levels", "*"});
    expect_mistake("workers: ${TEST_CONFIG_NONE}\n",
                   (struct expected){1, 10, "the environment variable TEST_CONFIG_NONE is not set",
                                     "set it, or give a default: ${TEST_CONFIG_NONE:-value}"});
    setenv("TEST_CONFIG_BAD", "\xff", 1);
    expect_mistake("title: ${TEST_CONFIG_BAD}\n",
                   (struct expected){
                       1, 8, "the environment variable TEST_CONFIG_BAD is not UTF-8 text", NULL});
    char *large = mem_alloc(70000);
    memset(large, 'x', 69999);
    large[69999] = '\0';
    setenv("TEST_CONFIG_BAD", large, 1);
    free(large);
    expect_mistake(
        "title: ${TEST_CONFIG_BAD}\n",
        (struct expected){1, 8, "with its variables this value is longer than 64 KiB", NULL});
    unsetenv("TEST_CONFIG_BAD");
}

static void test_trusted_text_is_taken_as_it_is(void **state)
{
    (void)state;
    struct reading reading = {0};

    assert_int_equal(config_parse(SPAN("title: ${HOME}$${\nlog: a/b\n"), "t", "/x", true,
                                  &reading.diags, &reading.tree),
                     0);
    assert_int_equal(config_decode(reading.tree, rich_rows, &reading.rich, &reading.diags), 0);
    assert_string_equal(reading.rich.title, "${HOME}$${");
    assert_string_equal(reading.rich.log, "/x/a/b");
    reading_finish(&reading);
    reading = (struct reading){0};
    assert_int_equal(config_parse(SPAN("include: /etc/passwd\nlog: a\n"), "t", NULL, true,
                                  &reading.diags, &reading.tree),
                     0);
    assert_int_equal(config_decode(reading.tree, rich_rows, &reading.rich, &reading.diags),
                     ERR_SETTINGS);
    assert_string_equal(reading.diags.items[0].sentence, "unknown key \"include\"");
    assert_string_equal(reading.rich.log, "a");
    reading_finish(&reading);
}

int main(void)
{
#define IN_FOLDER(name) cmocka_unit_test_setup_teardown(name, make_folder, drop_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_load_resolves_paths_against_the_file),
        IN_FOLDER(test_load_says_why_it_cannot_read),
        IN_FOLDER(test_load_refuses_a_large_file),
        IN_FOLDER(test_load_includes_join_in_sorted_order),
        IN_FOLDER(test_load_names_both_places_of_a_value_set_twice),
        IN_FOLDER(test_load_refuses_cycles),
        IN_FOLDER(test_load_finds_mistakes_of_every_file),
        IN_FOLDER(test_load_mistakes_know_their_file),
        cmocka_unit_test(test_environment_stands_for_values),
        cmocka_unit_test(test_environment_mistakes),
        cmocka_unit_test(test_trusted_text_is_taken_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
