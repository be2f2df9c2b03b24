/* The table of settings and the checks across them. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/settings.h"
#include "base/error.h"
#include "base/mem.h"

/* A folder with www/, static/ and gardien.yaml of the given text. */
struct place {
    char folder[64];
    char file[96];
};

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static struct place make_place(const char *yaml)
{
    struct place place = {.folder = "/tmp/gardien-settings-XXXXXX"};
    char path[96];

    assert_non_null(mkdtemp(place.folder));
    chmod(place.folder, 0755);
    snprintf(path, sizeof path, "%s/www", place.folder);
    mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/static", place.folder);
    mkdir(path, 0755);
    snprintf(place.file, sizeof place.file, "%s/gardien.yaml", place.folder);
    put(place.file, yaml);
    return place;
}

static void remove_place(const struct place *place)
{
    static const char *const names[] = {"www", "static"};
    char path[96];

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        snprintf(path, sizeof path, "%s/%s", place->folder, names[i]);
        rmdir(path);
    }
    unlink(place->file);
    rmdir(place->folder);
}

static const char example[] = "listen:\n"
                              "  https: [\":443\", \":8443\", \":2096\"]\n"
                              "  http: [\":80\"]\n"
                              "sites:\n"
                              "  - names: [Example.com, www.example.com.]\n"
                              "    files: www\n"
                              "    fallback: /index.html\n"
                              "  - names: [static.example.com]\n"
                              "    files: {root: static, listing: true}\n"
                              "    certificate: {file: static.pem, key: static.key}\n"
                              "    headers: {set: {Cache-Control: max-age=3600}}\n";

static void check_example(const struct settings *s, const struct place *place)
{
    const struct settings_site *sites = settings_sites(s);
    scoped(mem_release) char *root = mem_format("%s/www", place->folder);
    scoped(mem_release) char *key = mem_format("%s/static.key", place->folder);

    assert_int_equal(s->listen.https.count, 3);
    assert_string_equal(s->listen.https.items[2], ":2096");
    assert_int_equal(s->sites.count, 2);
    assert_string_equal(sites[0].names.items[0], "example.com");
    assert_string_equal(sites[0].names.items[1], "www.example.com");
    assert_true(sites[0].redirect_to_main);
    assert_string_equal(sites[0].files->root, root);
    assert_string_equal(sites[0].files->fallback, "/index.html");
    assert_null(sites[0].fallback);
    assert_int_equal(sites[0].certificate.count, 0);
    assert_int_equal(sites[0].hsts.max_age, 86400 * NSEC_PER_SEC);
    assert_true(sites[1].files->listing);
    assert_int_equal(sites[1].certificate.count, 1);
    const struct settings_certificate *certificate = sites[1].certificate.items;
    assert_string_equal(certificate->key, key);
    assert_string_equal(sites[1].headers.set.items[0].key, "Cache-Control");
    assert_int_equal(settings_default_site(s), 0);
    assert_int_equal(s->stop_deadline, 10 * NSEC_PER_SEC);
}

static void test_the_example_is_read_and_reads_back(void **state)
{
    struct place place = make_place(example);
    struct settings_source source = {.path = place.file};
    struct settings_loaded loaded;
    struct settings *again = NULL;
    struct diags diags = {0};

    (void)state;
    assert_int_equal(settings_load(&source, &diags, &loaded), 0);
    assert_int_equal(diags.count, 1); /* the folder is empty */
    assert_true(diags.items[0].warning);
    assert_int_equal(diags.items[0].line, 7);
    assert_string_equal(diags.items[0].sentence, "the page /index.html does not exist");
    check_example(loaded.settings, &place);
    assert_int_equal(settings_parse(span_str(loaded.text), &again), 0);
    check_example(again, &place);
    settings_destroy(again);
    diags_finish(&diags);
    settings_loaded_finish(&loaded);
    remove_place(&place);
}

static void test_overrides_replace_what_the_file_says(void **state)
{
    struct place place = make_place(example);
    struct settings_source source = {
        .path = place.file,
        .overrides = "{\"listen\": {\"https\": [\":9443\"]}, \"workers\": \"3\"}"};
    struct settings_loaded loaded;
    struct diags diags = {0};

    (void)state;
    assert_int_equal(settings_load(&source, &diags, &loaded), 0);
    assert_int_equal(loaded.settings->listen.https.count, 1);
    assert_string_equal(loaded.settings->listen.https.items[0], ":9443");
    assert_int_equal(loaded.settings->listen.http.count, 1);
    assert_int_equal(settings_workers(loaded.settings), 3);
    diags_finish(&diags);
    settings_loaded_finish(&loaded);
    remove_place(&place);
}

/* Loads settings that are wrong; the diags say how. */
static struct diags complaints(const char *yaml)
{
    struct place place = make_place(yaml);
    struct settings_source source = {.path = place.file};
    struct settings_loaded loaded;
    struct diags diags = {0};

    assert_int_equal(settings_load(&source, &diags, &loaded), ERR_SETTINGS);
    settings_loaded_finish(&loaded);
    remove_place(&place);
    return diags;
}

/* One mistake, with its line and a part of its sentence. */
static void assert_complaint(const char *yaml, unsigned line, const char *part)
{
    struct diags diags = complaints(yaml);

    size_t at = 0;

    assert_int_equal(diags.errors, 1);
    while (diags.items[at].warning)
        at++;
    assert_int_equal(diags.items[at].line, line);
    if (!strstr(diags.items[at].sentence, part))
        fail_msg("\"%s\" does not say \"%s\"", diags.items[at].sentence, part);
    diags_finish(&diags);
}

static void test_a_name_of_two_sites_tells_both_lines(void **state)
{
    struct diags diags = complaints("sites:\n  - names:\n      - b.test\n      - a.test\n"
                                    "    files: www\n  - {names: [A.test], files: www}\n");

    (void)state;
    assert_int_equal(diags.count, 1);
    assert_int_equal(diags.items[0].line, 6);
    assert_non_null(strstr(diags.items[0].hint, "gardien.yaml:4"));
    diags_finish(&diags);
}

static void test_what_answers_nothing_is_a_warning(void **state)
{
    struct place place = make_place("sites:\n  - names: a.test\n  - names: b.test\n    files:\n"
                                    "      root: www\n      error_pages:\n        404: /no.html\n"
                                    "        5xx: /\n");
    struct settings_source source = {.path = place.file};
    struct settings_loaded loaded;
    struct diags diags = {0};

    (void)state;
    assert_int_equal(settings_load(&source, &diags, &loaded), 0);
    assert_int_equal(diags.count, 3);
    assert_int_equal(diags.items[0].line, 2);
    assert_non_null(strstr(diags.items[0].sentence, "has no `files`"));
    assert_int_equal(diags.items[1].line, 7);
    assert_string_equal(diags.items[1].sentence, "the page /no.html does not exist");
    assert_int_equal(diags.items[2].line, 8);
    assert_string_equal(diags.items[2].sentence, "the page / is no ordinary file");
    diags_finish(&diags);
    settings_loaded_finish(&loaded);
    remove_place(&place);
}

static void test_mistakes_across_values(void **state)
{
    static const struct {
        const char *text;
        unsigned line;
        const char *sentence;
    } cases[] = {
        {"sites:\n  - names: [a.test]\n  - names: [b.test, A.test]\n", 3,
         "\"a.test\" belongs to the site \"a.test\" already"},
        {"sites:\n  - names: [a.test, a.test]\n", 2, "named twice"},
        {"sites:\n  - names: [xn--bcher-kva.test, b\xc3\xbc"
         "cher.test]\n",
         2, "\"xn--bcher-kva.test\" is named twice"},
        {"sites:\n  - names: [\xe2\x98\x83.test]\n", 2, "is not an international host name"},
        {"sites:\n  - {names: a.test, default: on}\n  - {names: b.test, default: on}\n", 3,
         "only one site can be the default"},
        {"sites: [{names: a.test}]\nlisten:\n  https: [\":443\", \"443\"]\n", 3,
         "stands there twice"},
        {"sites: [{names: a.test}]\nlisten:\n  https: \":443\"\n  http: [\":443\"]\n", 4,
         "an address for HTTPS already"},
        {"sites: [{names: a.test}]\nlisten: {https: off, http: off}\n", 2,
         "no address to listen on"},
        {"sites: [{names: a.test}]\n"
         "listen: {proxy_protocol: {on: \":444\", from: 10.0.0.0/8}}\n",
         2, "none of the addresses"},
        {"sites: [{names: a.test}]\nlisten: {proxy_protocol: {on: \":443\"}}\n", 2,
         "nobody may speak"},
        {"sites:\n  - names: a.test\n    files: nix\n", 3, "does not exist"},
        {"sites:\n  - names: a.test\n    files: gardien.yaml\n", 3, "is not a folder"},
        {"sites:\n  - names: a.test\n    fallback: /x\n", 3, "needs `files`"},
        {"sites:\n  - names: a.test\n    headers: {set: {Content-Length: 3}}\n", 3,
         "the server itself must set"},
        {"sites:\n  - names: a.test\n    headers: {add: {X: \"a\\r\\nb\"}}\n", 3,
         "control character"},
        {"sites:\n  - names: a.test\n    headers: {remove: [\"a b\"]}\n", 3,
         "not the name of a header field"},
        {"user: no-such-account\nsites: [{names: a.test}]\n", 1, "no account"},
        {"sites: [{names: a.test, hsts: {preload: on}}]\n", 1, "include_subdomains"},
        {"logs: {access: relative.log}\nsites: [{names: a.test}]\n", 1, "neither an absolute path"},
        {"sites:\n  - names: a.test\n    routes:\n      - path: /x\n", 4, "nothing says what"},
        {"sites:\n  - names: a.test\n    routes:\n      - {path: /x, redirect: /y, respond: 410}\n",
         4, "has several"},
        {"sites:\n  - names: a.test\n    routes:\n      - {path: /x, files: nix}\n", 4,
         "does not exist"},
        {"sites:\n  - names: a.test\n    routes:\n      - path: /x\n        respond: 410\n"
         "        headers: {set: {Trailer: x}}\n",
         6, "the server itself must set"},
        {"sites:\n  - names: a.test\n    routes:\n      - path: /x\n"
         "        files: {root: ., types: {foo: text/plain}}\n",
         5, "neither an extension"},
        {"sites:\n  - names: a.test\n    files: {root: ., types: {.foo: text}}\n", 3,
         "no media type"},
        {"sites:\n  - names: a.test\n    files: {root: ., charset: \"a b\"}\n", 3,
         "no name of a charset"},
        {"sites:\n  - names: a.test\n    files: .\n    routes: [{path: /, respond: 410}]\n", 4,
         "answers for \"/\" already"},
        {"sites:\n  - names: a.test\n    proxy: app\n", 3, "no \"app\" under `upstreams`"},
        {"sites: [{names: a.test}]\nlisten: {https: \"::1\"}\n", 2, "without a port"},
        {"sites: [{names: a.test}]\nlisten: {https: \"https://x:1\"}\n", 2, "is a URL"},
        {"sites: [{names: a.test}]\nlisten: {https: \":99999\"}\n", 2, "1 to 65535"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_complaint(cases[i].text, cases[i].line, cases[i].sentence);
}

static void test_all_mistakes_are_found_at_once(void **state)
{
    struct diags diags = complaints("listen: {https: \":x\"}\n"
                                    "stie: 3\n"
                                    "sites:\n"
                                    "  - names: [\"a b\", http://c]\n"
                                    "    files: nix\n");

    (void)state;
    assert_int_equal(diags.errors, 5);
    diags_finish(&diags);
}

static void test_names_that_a_site_may_have(void **state)
{
    static const char *const fine[] = {
        "localhost",   "a.b-c.example",         "*.example.com",      "127.0.0.1",     "::1",
        "2001:db8::1", "xn--bcher-kva.example", "_dmarc.example.com", "1and1.example",
    };
    static const char *const wrong[] = {
        "",
        "a..b",
        ".a",
        "-a.b",
        "a-.b",
        "a b",
        "*",
        "*.com",
        "a.*.b",
        "*a.b.c",
        "http://a.b",
        "a.b/c",
        "a.b:443",
        "1.2.3.4.5",
        "1.2.3",
        "[::1]",
        "\xc3\xbc.example",
        "a_b!.c",
    };
    char label[80], name[300];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(fine); i++)
        if (settings_name_wrong(fine[i]))
            fail_msg("%s %s", fine[i], settings_name_wrong(fine[i]));
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        if (!settings_name_wrong(wrong[i]))
            fail_msg("\"%s\" is taken", wrong[i]);
    memset(label, 'a', 64);
    strcpy(label + 64, ".b");
    assert_non_null(settings_name_wrong(label));
    assert_null(settings_name_wrong(label + 1));
    for (size_t i = 0; i < 254; i++)
        name[i] = i % 2 ? '.' : 'a';
    name[254] = '\0';
    assert_non_null(settings_name_wrong(name));
    name[253] = '\0';
    assert_null(settings_name_wrong(name));
}

static void test_local_names(void **state)
{
    (void)state;
    assert_true(settings_name_is_local("localhost"));
    assert_true(settings_name_is_local("a.localhost"));
    assert_true(settings_name_is_local("192.0.2.1"));
    assert_false(settings_name_is_local("notlocalhost"));
    assert_false(settings_name_is_local("localhost.example"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_example_is_read_and_reads_back),
        cmocka_unit_test(test_overrides_replace_what_the_file_says),
        cmocka_unit_test(test_a_name_of_two_sites_tells_both_lines),
        cmocka_unit_test(test_what_answers_nothing_is_a_warning),
        cmocka_unit_test(test_mistakes_across_values),
        cmocka_unit_test(test_all_mistakes_are_found_at_once),
        cmocka_unit_test(test_names_that_a_site_may_have),
        cmocka_unit_test(test_local_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
