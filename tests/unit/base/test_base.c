/* The ground floor: spans, buffers, arenas, maps, mistakes, log lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/diag.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

static void test_span_cuts_and_compares(void **state)
{
    (void)state;
    struct span rest = SPAN("a,,b"), part;

    assert_true(span_next(&rest, ',', &part) && span_equal(part, SPAN("a")));
    assert_true(span_next(&rest, ',', &part) && part.len == 0);
    assert_true(span_next(&rest, ',', &part) && span_equal(part, SPAN("b")));
    assert_false(span_next(&rest, ',', &part));
    assert_true(span_equal_nocase(SPAN("HoSt"), SPAN("host")));
    assert_false(span_equal_nocase(SPAN("host"), SPAN("hose")));
    assert_false(span_equal_nocase(SPAN("[@"), SPAN("{`")));
    assert_true(span_equal(span_trim(SPAN(" \t x y\t ")), SPAN("x y")));
    assert_int_equal(span_trim(SPAN("  ")).len, 0);
    assert_int_equal(span_find(SPAN("abcb"), 'b'), 1);
    assert_int_equal(span_find_last(SPAN("abcb"), 'b'), 3);
    assert_int_equal(span_find((struct span){0}, 'b'), -1);
    assert_int_equal(span_from(SPAN("abc"), 9).len, 0);
    assert_true(span_starts(SPAN("abc"), SPAN("ab")) && span_ends(SPAN("abc"), SPAN("bc")));
    assert_false(span_starts(SPAN("a"), SPAN("ab")) || span_ends(SPAN("c"), SPAN("bc")));
}

static void test_span_to_uint_takes_digits_up_to_63_bits(void **state)
{
    (void)state;
    uint64_t number = 7;

    assert_int_equal(span_to_uint(SPAN("0"), &number), 0);
    assert_int_equal(number, 0);
    assert_int_equal(span_to_uint(SPAN("9223372036854775807"), &number), 0);
    assert_true(number == INT64_MAX);
    static const char *const wrong[] = {
        "", "-1", "+1", " 1", "1 ", "0x1", "9223372036854775808", "99999999999999999999999"};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(span_to_uint(span_str(wrong[i]), &number), ERR_SYNTAX);
}

static void test_buffer_stops_at_its_ceiling(void **state)
{
    (void)state;
    struct buffer buffer = buffer_make(1000);

    for (int i = 0; i < 100; i++)
        assert_int_equal(buffer_append(&buffer, "0123456789", 10), 0);
    assert_int_equal(buffer_append(&buffer, "x", 1), ERR_LIMIT);
    assert_int_equal(buffer_append(&buffer, "x", SIZE_MAX), ERR_LIMIT);
    assert_int_equal(buffer.len, 1000);
    buffer_consume(&buffer, 995);
    assert_true(span_equal(buffer_span(&buffer), SPAN("56789")));
    assert_int_equal(buffer_printf(&buffer, "%s-%d", "a", 5), 0);
    assert_true(span_equal(buffer_span(&buffer), SPAN("56789a-5")));
    buffer_consume(&buffer, 5000);
    assert_int_equal(buffer.len, 0);
    buffer_finish(&buffer);
    assert_int_equal(buffer_append(&buffer, "y", 1), 0);
    buffer_finish(&buffer);
}

static void test_arena_aligns_grows_and_ends(void **state)
{
    (void)state;
    _Alignas(16) char first[128];
    struct arena arena;

    arena_init(&arena, first, sizeof first, 100000);
    assert_ptr_equal(arena_alloc(&arena, 1), first);
    for (size_t i = 1; i < 200; i++) {
        char *memory = arena_alloc(&arena, i);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % 16, 0);
        memset(memory, 0xff, i);
    }
    assert_null(arena_alloc(&arena, 200000));
    assert_null(arena_alloc(&arena, SIZE_MAX - 8));
    assert_string_equal(arena_copy(&arena, SPAN("copy")), "copy");
    struct span text = arena_printf(&arena, "%d-%s", 42, "x");
    assert_true(span_equal(text, SPAN("42-x")));
    assert_int_equal(text.ptr[text.len], '\0');
    arena_reset(&arena, first, sizeof first);
    assert_ptr_equal(arena_alloc(&arena, 1), first);
    size_t taken = 0;
    while (arena_alloc(&arena, 1000))
        taken += 1000;
    assert_in_range(taken, 80000, 100000);
    arena_reset(&arena, first, sizeof first);
    arena_init(&arena, NULL, 0, 100);
    assert_non_null(arena_alloc(&arena, 50));
    assert_null(arena_alloc(&arena, 80));
    arena_reset(&arena, NULL, 0);
}

static void test_map_agrees_with_a_plain_array(void **state)
{
    (void)state;
    enum { KEYS = 500 };
    static char values[KEYS];
    bool present[KEYS] = {false};
    const uint64_t secret[2] = {rand(), rand()};
    struct map map;
    char key[16];

    map_init(&map, secret);
    for (int round = 0; round < 20000; round++) {
        int i = rand() % KEYS;
        int len = snprintf(key, sizeof key, "key %d", i);
        struct span span = span_of(key, (size_t)len);
        assert_ptr_equal(map_get(&map, span), present[i] ? &values[i] : NULL);
        bool remove = rand() % 2;
        void *former = remove ? map_remove(&map, span) : map_set(&map, span, &values[i]);
        assert_ptr_equal(former, present[i] ? &values[i] : NULL);
        present[i] = !remove;
    }
    size_t cursor = 0, seen = 0, expected = 0;
    struct span name;
    void *value;
    while (map_next(&map, &cursor, &name, &value)) {
        assert_true(present[(char *)value - values]);
        seen++;
    }
    for (int i = 0; i < KEYS; i++)
        expected += present[i];
    assert_int_equal(seen, expected);
    map_finish(&map);
    assert_null(map_get(&map, SPAN("key 1")));
}

static void test_hash_depends_on_every_byte_and_the_secret(void **state)
{
    (void)state;
    const uint64_t one[2] = {1, 2}, other[2] = {1, 3};
    char text[40] = {0};

    for (size_t len = 0; len < sizeof text; len++) {
        uint64_t hash = hash_bytes(span_of(text, len), one);
        assert_true(hash != hash_bytes(span_of(text, len), other));
        assert_true(hash != hash_bytes(span_of(text, len + 1), one) || len + 1 == sizeof text);
        for (size_t i = 0; i < len; i++) {
            text[i] ^= 1;
            assert_true(hash != hash_bytes(span_of(text, len), one));
            text[i] ^= 1;
        }
    }
}

static void test_list_removes_while_walking(void **state)
{
    (void)state;
    struct item {
        int number;
        struct list link;
    } items[10];
    struct list head;
    int seen = 0;

    list_init(&head);
    assert_true(list_empty(&head));
    for (int i = 0; i < 10; i++) {
        items[i].number = i;
        list_append(&head, &items[i].link);
    }
    list_for_each (item, next, &head, struct item, link) {
        assert_int_equal(item->number, seen++);
        if (item->number % 2)
            list_remove(&item->link);
    }
    assert_int_equal(seen, 10);
    seen = 0;
    list_for_each (item, next, &head, struct item, link)
        seen += item->number;
    assert_int_equal(seen, 0 + 2 + 4 + 6 + 8);
    list_remove(&items[1].link); /* twice is harmless */
    list_prepend(&head, &items[1].link);
    assert_int_equal(list_first(&head, struct item, link)->number, 1);
}

static void test_diags_count_warnings_that_are_alike(void **state)
{
    struct diags diags = {0};

    for (int i = 0; i < 1000; i++) {
        struct diag *diag = diags_add(&diags, "the site \"s%d x\" has /srv/%d/a.html", i, i);
        diag_hint(diags_warning(&diags, diag), "hint %d", i);
        if (i < 2)
            diag_hint(diags_warning(&diags, diags_add(&diags, "something else %d", i)), "b");
    }
    assert_int_equal(diags.errors, 0);
    assert_int_equal(diags.dropped, 0);
    assert_int_equal(diags.count, 3);
    assert_int_equal(diags.items[0].alike, 999);
    assert_string_equal(diags.items[0].hint, "hint 0");
    assert_string_equal(diags.items[1].sentence, "something else 0");
    assert_string_equal(diags.items[2].sentence, "something else 1");
    diags_finish(&diags);
}

static void test_diags_count_alike_ones_past_the_hundredth(void **state)
{
    struct diags diags = {0};

    for (int i = 0; i < 97; i++)
        diags_add(&diags, "mistake");
    for (int i = 0; i < 10; i++)
        diag_hint(diags_warning(&diags, diags_add(&diags, "folder /%d", i)), "hint");
    assert_int_equal(diags.count, 98);
    assert_int_equal(diags.items[97].alike, 9);
    for (int i = 0; i < 5; i++)
        diag_hint(diags_add(&diags, "mistake"), "hint");
    assert_int_equal(diags.count, 100);
    assert_int_equal(diags.dropped, 3);
    assert_int_equal(diags.errors, 102);
    diags_finish(&diags);
}

static void test_diags_keep_a_hundred_and_count_all(void **state)
{
    (void)state;
    struct diags diags = {0};

    for (int i = 0; i < 150; i++) {
        struct diag *diag = diags_add(&diags, "mistake %d", i);
        diag_place(diag, "file", (unsigned)i, 1, "text");
        diag_hint(diag, "hint %d", i);
    }
    diags_warning(&diags, &diags.items[3]);
    diags_warning(&diags, &diags.items[3]);
    assert_int_equal(diags.count, 100);
    assert_int_equal(diags.dropped, 50);
    assert_int_equal(diags.errors, 149);
    assert_string_equal(diags.items[99].sentence, "mistake 99");
    assert_string_equal(diags.items[7].hint, "hint 7");
    assert_int_equal(diags.items[7].line, 7);
    diags_finish(&diags);
    assert_int_equal(diags.count, 0);
}

static void keep_line(void *context, struct span line)
{
    struct buffer *lines = context;
    assert_int_equal(buffer_add(lines, line), 0);
}

static void test_log_writes_one_line_and_escapes(void **state)
{
    (void)state;
    struct buffer lines = buffer_make(10000);
    struct log log = {LOG_NOTICE, "tester", keep_line, &lines};
    char quoted[64], small[8];

    log_event(&log, LOG_DEBUG, "hidden", "%s", "");
    assert_int_equal(lines.len, 0);
    log_event(&log, LOG_WARNING, "something", "name=%s",
              log_quoted(quoted, sizeof quoted, SPAN("a\"b\n\x80\\")));
    assert_int_equal(buffer_append(&lines, "", 1), 0);
    assert_non_null(strstr(lines.data, " level=warning process=tester event=\"something\" "
                                       "name=\"a\\\"b\\x0a\\x80\\\\\"\n"));
    assert_ptr_equal(strchr(lines.data, '\n'), lines.data + lines.len - 2);
    assert_string_equal(log_quoted(small, sizeof small, SPAN("abcdefghij")), "\"abcde\"");
    lines.len = 0;
    char *longer = mem_zalloc(5000);
    memset(longer, 'x', 4999);
    log_event(&log, LOG_ERROR, "long", "text=%s", longer);
    assert_in_range(lines.len, 1000, 2048);
    assert_int_equal(lines.data[lines.len - 1], '\n');
    free(longer);
    buffer_finish(&lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_span_cuts_and_compares),
        cmocka_unit_test(test_span_to_uint_takes_digits_up_to_63_bits),
        cmocka_unit_test(test_buffer_stops_at_its_ceiling),
        cmocka_unit_test(test_arena_aligns_grows_and_ends),
        cmocka_unit_test(test_map_agrees_with_a_plain_array),
        cmocka_unit_test(test_hash_depends_on_every_byte_and_the_secret),
        cmocka_unit_test(test_list_removes_while_walking),
        cmocka_unit_test(test_diags_keep_a_hundred_and_count_all),
        cmocka_unit_test(test_diags_count_warnings_that_are_alike),
        cmocka_unit_test(test_diags_count_alike_ones_past_the_hundredth),
        cmocka_unit_test(test_log_writes_one_line_and_escapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
