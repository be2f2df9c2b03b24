/* What both versions share: fields, names, authorities, the pool. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"
#include "http/http.h"
#include "http/pool.h"
#include "http/server.h"

static void assert_span(struct span s, const char *text)
{
    assert_int_equal(s.len, strlen(text));
    assert_memory_equal(s.ptr, text, s.len);
}

static void test_fields_are_added_found_replaced_removed(void **state)
{
    struct http_pool *pool = http_pool_create(64 << 10);
    struct http_exchange *x = http_exchange_take(pool);
    struct http_fields fields = {0};
    char names[40][4];

    for (int i = 0; i < 40; i++) {
        snprintf(names[i], sizeof names[i], "n%d", i % 20);
        assert_int_equal(http_add(&x->arena, &fields, span_str(names[i]), SPAN("v")), 0);
    }
    assert_int_equal(fields.count, 40);
    assert_ptr_equal(http_find(&fields, SPAN("n7")), &fields.items[7]);
    assert_null(http_find(&fields, SPAN("n99")));
    assert_null(http_value(&fields, SPAN("n99")).ptr);
    assert_int_equal(http_set(&x->arena, &fields, SPAN("n7"), SPAN("w")), 0);
    assert_int_equal(fields.count, 39);
    assert_span(http_value(&fields, SPAN("n7")), "w");
    http_unset(&fields, SPAN("n7"));
    http_unset(&fields, SPAN("n8"));
    assert_int_equal(fields.count, 36);
    assert_null(http_find(&fields, SPAN("n8")));
    assert_span(fields.items[7].name, "n9");
    assert_int_equal(http_set(&x->arena, &fields, SPAN("new"), SPAN("1")), 0);
    assert_span(fields.items[36].name, "new");
    http_exchange_give(pool, x);
    http_pool_destroy(pool);
}

static void test_fields_stop_at_the_arenas_ceiling(void **state)
{
    struct http_pool *pool = http_pool_create(8192);
    struct http_exchange *x = http_exchange_take(pool);
    struct http_fields fields = {0};
    int r = 0;

    for (int i = 0; i < 10000 && r == 0; i++)
        r = http_add(&x->arena, &fields, SPAN("a"), SPAN("b"));
    assert_int_equal(r, ERR_LIMIT);
    assert_true(fields.count >= 64);
    http_exchange_give(pool, x);
    http_pool_destroy(pool);
}

static void test_methods_and_reasons(void **state)
{
    for (int m = HTTP_GET; m <= HTTP_TRACE; m++)
        assert_int_equal(http_method_of(span_str(http_method_name((enum http_method)m))), m);
    assert_int_equal(http_method_of(SPAN("get")), HTTP_OTHER);
    assert_int_equal(http_method_of(SPAN("OTHER")), HTTP_OTHER);
    assert_int_equal(http_method_of(SPAN("")), HTTP_OTHER);
    assert_string_equal(http_reason(200), "OK");
    assert_string_equal(http_reason(431), "Request Header Fields Too Large");
    assert_string_equal(http_reason(299), "Unknown");
    assert_string_equal(http_reason(-1), "Unknown");
    assert_string_equal(http_reason(9999), "Unknown");
}

static void test_authorities(void **state)
{
    static const char *const good[] = {"a",
                                       "Example.com",
                                       "example.com.",
                                       "a:0",
                                       "a:65535",
                                       "a:",
                                       "1.2.3.4:80",
                                       "[::1]",
                                       "[::1]:443",
                                       "[fe80::1:2]",
                                       "a_b-c~d",
                                       "%41b",
                                       "xn--bcher-kva.example",
                                       "[::ffff:1.2.3.4]",
                                       "!$&'()*+,;="};
    static const char *const bad[] = {"",
                                      ":80",
                                      "a:65536",
                                      "a:000000",
                                      "a:8x",
                                      "a b",
                                      "a@b",
                                      "a/b",
                                      "a?b",
                                      "a#b",
                                      "a\\b",
                                      "a%4",
                                      "a%zz",
                                      "[::1",
                                      "::1",
                                      "[]",
                                      "[1.2.3.4]",
                                      "[::1]x",
                                      "[fe80::1%25eth0]",
                                      "[v1.x]",
                                      "a\x80",
                                      "a\"b",
                                      "a<b",
                                      "a:80:80",
                                      "[::1]:x",
                                      "[:::::::::::::::::::::::::::::::::::::::::::::::::::::]"};

    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        if (!http_authority_valid(span_str(good[i])))
            fail_msg("%s refused", good[i]);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (http_authority_valid(span_str(bad[i])))
            fail_msg("%s taken", bad[i]);
    assert_false(http_authority_valid(span_of("a\0b", 3)));
    assert_false(http_authority_valid(span_of("[::1\0]", 6)));
}

static void test_host_is_canonical(void **state)
{
    static const char *const cases[][2] = {
        {"Example.COM:8443", "example.com"},
        {"example.com.", "example.com"},
        {"A.:1", "a"},
        {"[::1]:443", "[::1]"},
        {"[::FFFF:1]", "[::ffff:1]"},
        {".", "."},
        {"a:", "a"},
    };
    struct http_pool *pool = http_pool_create(64 << 10);
    struct http_exchange *x = http_exchange_take(pool);

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_span(http_authority_host(&x->arena, span_str(cases[i][0])), cases[i][1]);
    http_exchange_give(pool, x);
    http_pool_destroy(pool);
}

static void test_exchanges_are_recycled_clean(void **state)
{
    struct http_pool *pool = http_pool_create(64 << 10);
    struct http_exchange *all[200];

    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
            all[i] = http_exchange_take(pool);
            assert_int_equal(all[i]->id, (size_t)round * ARRAY_SIZE(all) + i + 1);
            assert_null(all[i]->user);
            assert_int_equal(all[i]->request.refusal, 0);
            assert_int_equal(all[i]->request.content_length, -1);
            all[i]->user = all;
            all[i]->request.refusal = 400;
            char *memory = arena_alloc(&all[i]->arena, i % 3 ? 100 : 20000);
            assert_non_null(memory);
            memory[0] = 'x';
        }
        for (size_t i = 0; i < ARRAY_SIZE(all); i++)
            http_exchange_give(pool, all[i]);
    }
    http_pool_destroy(pool);
    http_pool_destroy(NULL);
    http_engine_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_are_added_found_replaced_removed),
        cmocka_unit_test(test_fields_stop_at_the_arenas_ceiling),
        cmocka_unit_test(test_methods_and_reasons),
        cmocka_unit_test(test_authorities),
        cmocka_unit_test(test_host_is_canonical),
        cmocka_unit_test(test_exchanges_are_recycled_clean),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
