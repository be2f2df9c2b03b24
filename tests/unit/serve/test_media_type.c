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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_media_type_follows_the_last_extension),
        cmocka_unit_test(test_media_type_unknown_is_bytes),
        cmocka_unit_test(test_media_type_table_is_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
