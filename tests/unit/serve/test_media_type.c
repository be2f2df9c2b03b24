/* Media types by extension. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "serve/files/media_type.h"

static void expect(const char *name, const char *type)
{
    const struct media_type *got = media_type_of(span_str(name));

    assert_true(span_equal(got->value, span_str(type)));
}

static void test_media_type_follows_the_last_extension(void **state)
{
    expect("index.html", "text/html; charset=utf-8");
    expect("/a/b/APP.JS", "text/javascript; charset=utf-8");
    expect("x.tar.gz", "application/gzip");
    expect("x.svg", "image/svg+xml");
    expect("m.webmanifest", "application/manifest+json");
    expect("f.woff2", "font/woff2");
    expect("a.3gp", "video/3gpp");
    expect("a.zst", "application/zstd");
}

static void test_media_type_unknown_is_bytes(void **state)
{
    static const char *const names[] = {
        "",         "README",  "a.",      "a.unknown", "a.html/",
        "a.html/b", "a.htmlx", "x.htm l", "a.h\xff",   "x.verylongextension"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        expect(names[i], "application/octet-stream");
        assert_false(media_type_known(span_str(names[i])));
    }
}

/* Every row is found by its own extension only if the table is sorted and free of doubles. */
static void test_media_type_table_is_sorted(void **state)
{
    const struct media_type *row = media_type_of(SPAN("x.3gp"));
    const struct media_type *last = media_type_of(SPAN("x.zst"));
    char name[32] = "x.";

    assert_true(last - row > 100);
    for (; row <= last; row++) {
        memcpy(name + 2, row->extension.ptr, row->extension.len + 1);
        assert_ptr_equal(media_type_of(span_str(name)), row);
        assert_true(span_find(row->value, '/') > 0);
    }
}

static void test_media_type_of_well_known_names_is_json(void **state)
{
    expect("/.well-known/apple-app-site-association", "application/json");
    expect(".well-known/matrix/server", "application/json");
    expect("/.well-known/webfinger", "application/jrd+json");
    expect("/.well-known/matrix/other", "application/octet-stream");
    expect("/x/.well-known/webfinger", "application/octet-stream");
    expect("/.well-known/security.txt", "text/plain; charset=utf-8");
}

static void test_media_type_claims_utf8_only_for_utf8(void **state)
{
    static const struct {
        const char *name, *bytes, *type;
    } cases[] = {
        {"a.txt", "plain", "text/plain; charset=utf-8"},
        {"a.txt", "", "text/plain; charset=utf-8"},
        {"a.txt", "caf\xc3\xa9", "text/plain; charset=utf-8"},
        {"a.txt", "caf\xc3", "text/plain"},
        {"a.txt", "caf\xe9", "text/plain"},
        {"a.txt", "caf\xe9 au lait", "text/plain"},
        {"a.txt",
         "\xff\xfe"
         "a",
         "text/plain"},
        {"a.xml", "\xe9 \xe9", "application/xml"},
        {"a.html", "<p>\xe9</p>", "text/html"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct media_type *type = media_type_of(span_str(cases[i].name));
        assert_true(span_equal(media_type_for(type, span_str(cases[i].bytes), true),
                               span_str(cases[i].type)));
    }
}

static void test_media_type_takes_a_character_that_the_end_of_a_piece_cuts(void **state)
{
    const struct media_type *text = media_type_of(SPAN("a.txt"));

    assert_true(span_ends(media_type_for(text, SPAN("caf\xc3"), false), SPAN("utf-8")));
    assert_true(span_ends(media_type_for(text, SPAN("\xf0\x9f\x98"), false), SPAN("utf-8")));
    assert_false(span_ends(media_type_for(text, SPAN("caf\xc3("), false), SPAN("utf-8")));
    assert_false(span_ends(media_type_for(text, SPAN("\xff\xfe"), false), SPAN("utf-8")));
}

static void test_media_types_of_settings_go_first(void **state)
{
    struct config_pair pairs[] = {{(char[]){"/feed"}, (char[]){"application/atom+xml"}},
                                  {(char[]){".foo"}, (char[]){"text/x-foo"}},
                                  {(char[]){".html"}, (char[]){"text/html; charset=koi8-r"}}};
    const struct config_pairs given = {pairs, ARRAY_SIZE(pairs)};
    struct media_types *types = media_types_create(&given, "iso-8859-1");
    static const struct {
        const char *path, *type;
    } cases[] = {
        {"feed", "application/atom+xml"},
        {"/feed", "application/atom+xml"},
        {"/a/feed", "application/octet-stream"},
        {"/a/b.FOO", "text/x-foo"},
        {"/a/.foo", "application/octet-stream"},
        {"x.html", "text/html; charset=koi8-r"},
        {"x.txt", "text/plain; charset=iso-8859-1"},
        {"x.json", "application/json"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct media_type *type = media_types_find(types, span_str(cases[i].path));
        assert_true(span_equal(media_type_for(type, SPAN("\xe9"), true), span_str(cases[i].type)));
    }
    assert_true(media_types_know(types, SPAN("/x.foo")));
    assert_false(media_types_know(types, SPAN("/x.bar")));
    media_types_destroy(types);
    types = media_types_create(&(struct config_pairs){NULL, 0}, "off");
    assert_true(span_equal(media_types_find(types, SPAN("x.txt"))->value, SPAN("text/plain")));
    media_types_destroy(types);
}

static void test_media_types_that_are_none_are_refused(void **state)
{
    assert_null(media_types_key_wrong(".foo"));
    assert_null(media_types_key_wrong("/a/feed"));
    assert_non_null(media_types_key_wrong("foo"));
    assert_non_null(media_types_key_wrong("/"));
    assert_non_null(media_types_key_wrong("/a/"));
    assert_non_null(media_types_key_wrong(".tar.gz"));
    assert_null(media_types_value_wrong("text/html; charset=x"));
    assert_null(media_types_value_wrong("application/vnd.a+json"));
    assert_non_null(media_types_value_wrong("text"));
    assert_non_null(media_types_value_wrong("text/html\r\nx: y"));
    assert_null(media_types_charset_wrong("iso-8859-1"));
    assert_null(media_types_charset_wrong("off"));
    assert_non_null(media_types_charset_wrong("a b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_media_type_follows_the_last_extension),
        cmocka_unit_test(test_media_type_of_well_known_names_is_json),
        cmocka_unit_test(test_media_type_claims_utf8_only_for_utf8),
        cmocka_unit_test(test_media_type_takes_a_character_that_the_end_of_a_piece_cuts),
        cmocka_unit_test(test_media_types_of_settings_go_first),
        cmocka_unit_test(test_media_types_that_are_none_are_refused),
        cmocka_unit_test(test_media_type_unknown_is_bytes),
        cmocka_unit_test(test_media_type_table_is_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
