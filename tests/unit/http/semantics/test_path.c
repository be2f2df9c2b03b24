/* Paths: decoded, normalised, refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "http/http.h"

static char memory[4096];

static void becomes(const char *raw, const char *wanted)
{
    struct arena arena;
    struct span path;

    arena_init(&arena, memory, sizeof memory, 0);
    assert_int_equal(http_path_resolve(&arena, span_str(raw), &path), 0);
    assert_int_equal(path.len, strlen(wanted));
    assert_memory_equal(path.ptr, wanted, path.len);
}

static void refused(struct span raw)
{
    struct arena arena;
    struct span path = {NULL, 0};

    arena_init(&arena, memory, sizeof memory, 0);
    assert_int_equal(http_path_resolve(&arena, raw, &path), ERR_SYNTAX);
    assert_null(path.ptr);
}

static void test_path_plain_stays(void **state)
{
    becomes("/", "/");
    becomes("/a/b.txt", "/a/b.txt");
    becomes("/a/b/", "/a/b/");
    becomes("/a..b/c.", "/a..b/c.");
    becomes("/a\\b", "/a\\b");
    becomes("/caf\xc3\xa9", "/caf\xc3\xa9");
}

static void test_path_plain_is_not_copied(void **state)
{
    struct arena arena;
    struct span raw = SPAN("/a/b.txt"), path;

    arena_init(&arena, memory, 0, 0);
    assert_int_equal(http_path_resolve(&arena, raw, &path), 0);
    assert_ptr_equal(path.ptr, raw.ptr);
}

static void test_path_is_decoded_once(void **state)
{
    becomes("/a%20b", "/a b");
    becomes("/%41%c3%A9", "/A\xc3\xa9");
    becomes("/%2541", "/%41");
    becomes("/a%5Cb", "/a\\b");
    becomes("/%3F%23", "/?#");
}

static void test_path_dot_segments_go(void **state)
{
    becomes("/.", "/");
    becomes("/./a", "/a");
    becomes("/a/.", "/a/");
    becomes("/a/..", "/");
    becomes("/a/../b", "/b");
    becomes("/a/b/../../c", "/c");
    becomes("/a/b/..", "/a/");
    becomes("/a/%2e%2E/b", "/b");
    becomes("/a/.%2e/b", "/b");
    becomes("/...", "/...");
    becomes("/.well-known/x", "/.well-known/x");
    becomes("/a/.hidden", "/a/.hidden");
}

static void test_path_slashes_merge(void **state)
{
    becomes("//", "/");
    becomes("//evil.example", "/evil.example");
    becomes("///a//b///", "/a/b/");
    becomes("/a/..//b", "/b");
    becomes("//a/./..//", "/");
}

static void test_path_never_climbs(void **state)
{
    refused(SPAN("/.."));
    refused(SPAN("/../a"));
    refused(SPAN("/a/../.."));
    refused(SPAN("/a/../../b"));
    refused(SPAN("//.."));
    refused(SPAN("/%2e%2e/etc/passwd"));
    refused(SPAN("/./.%2E/"));
}

static void test_path_bad_bytes_are_refused(void **state)
{
    refused(SPAN(""));
    refused(SPAN("*"));
    refused(SPAN("a/b"));
    refused(SPAN("/%00"));
    refused(SPAN("/a%2Fb"));
    refused(SPAN("/a%2fb"));
    refused(SPAN("/%"));
    refused(SPAN("/%4"));
    refused(SPAN("/%4g"));
    refused(SPAN("/%g4"));
    refused(SPAN("/%0a"));
    refused(SPAN("/%7f"));
    refused(SPAN("/a\tb"));
    refused(SPAN("/a\0b"));
}

static void test_path_in_a_full_arena_is_an_error(void **state)
{
    struct arena arena;
    struct span path;

    arena_init(&arena, memory, 0, 0);
    assert_int_equal(http_path_resolve(&arena, SPAN("/%41"), &path), ERR_LIMIT);
}

static void test_path_encodes_what_could_mislead(void **state)
{
    struct buffer out = buffer_make(256);

    assert_int_equal(http_path_encode(&out, SPAN("/a b/\\evil\"<>'&?#%\r\n\xc3\xa9")), 0);
    const char wanted[] = "/a%20b/%5Cevil%22%3C%3E%27%26%3F%23%25%0D%0A%C3%A9";
    assert_int_equal(out.len, sizeof wanted - 1);
    assert_memory_equal(out.data, wanted, out.len);
    buffer_finish(&out);
}

static void test_an_encoded_slash_may_be_kept(void **state)
{
    static const char *const rows[][2] = {
        {"/a%2fb", "/a%2Fb"},   {"/a%2Fb/../c", "/c"}, {"/a/..%2fb", "/a/..%2Fb"},
        {"/%61%2F/", "/a%2F/"}, {"/plain", "/plain"},
    };
    static const char *const wrong[] = {"/..", "/a%2", "/a%2fb%00", "a%2fb"};
    struct arena arena;
    struct span path;

    (void)state;
    arena_init(&arena, NULL, 0, 65536);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(http_path_resolve_keeping(&arena, span_str(rows[i][0]), &path), 0);
        assert_true(span_equal(path, span_str(rows[i][1])));
    }
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_true(http_path_resolve_keeping(&arena, span_str(wrong[i]), &path) < 0);
    arena_reset(&arena, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path_plain_stays),
        cmocka_unit_test(test_path_plain_is_not_copied),
        cmocka_unit_test(test_path_is_decoded_once),
        cmocka_unit_test(test_path_dot_segments_go),
        cmocka_unit_test(test_path_slashes_merge),
        cmocka_unit_test(test_path_never_climbs),
        cmocka_unit_test(test_path_bad_bytes_are_refused),
        cmocka_unit_test(test_path_in_a_full_arena_is_an_error),
        cmocka_unit_test(test_path_encodes_what_could_mislead),
        cmocka_unit_test(test_an_encoded_slash_may_be_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
