/* The header encoder against nghttp2's decoder: what goes in comes out, and what repeats is small.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <nghttp2/nghttp2.h>

#include "base/macros.h"
#include "http/h2/hpack.h"

enum { BLOCK = 1 << 16, FIELDS = 200 };

struct field {
    struct span name, value;
};

struct pair {
    struct h2_hpack hpack;
    nghttp2_hd_inflater *inflater;
    size_t len; /* of the last block */
};

static void start(struct pair *pair)
{
    h2_hpack_init(&pair->hpack);
    assert_int_equal(nghttp2_hd_inflate_new(&pair->inflater), 0);
}

static void stop(struct pair *pair)
{
    h2_hpack_finish(&pair->hpack);
    nghttp2_hd_inflate_del(pair->inflater);
}

/** Decodes a block and holds it against what was encoded. */
static void check_block(struct pair *pair, const char *block, int status,
                        const struct field *fields, size_t count)
{
    const uint8_t *at = (const uint8_t *)block;
    size_t left = pair->len, seen = 0;
    char digits[12];

    snprintf(digits, sizeof digits, "%d", status);
    for (;;) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t used = nghttp2_hd_inflate_hd2(pair->inflater, &nv, &flags, at, left, 1);
        assert_true(used >= 0);
        at += used;
        left -= (size_t)used;
        if (flags & NGHTTP2_HD_INFLATE_FINAL)
            break;
        assert_true(flags & NGHTTP2_HD_INFLATE_EMIT);
        assert_true(seen <= count);
        struct span name = seen ? fields[seen - 1].name : SPAN(":status");
        struct span value = seen ? fields[seen - 1].value : span_str(digits);
        assert_true(span_equal(name, span_of((char *)nv.name, nv.namelen)));
        assert_true(span_equal(value, span_of((char *)nv.value, nv.valuelen)));
        seen++;
    }
    assert_int_equal(nghttp2_hd_inflate_end_headers(pair->inflater), 0);
    assert_int_equal(left, 0);
    assert_int_equal(seen, count + 1);
}

static size_t pass(struct pair *pair, int status, const struct field *fields, size_t count)
{
    size_t bound = H2_HPACK_START + H2_HPACK_FIELD;

    for (size_t i = 0; i < count; i++)
        bound += fields[i].name.len + fields[i].value.len + H2_HPACK_FIELD;
    char *block = malloc(bound); /* exact, so that a write past it is seen */
    char *at = h2_hpack_put_status(&pair->hpack, h2_hpack_begin(&pair->hpack, block), status);
    for (size_t i = 0; i < count; i++)
        at = h2_hpack_put(&pair->hpack, at, fields[i].name, fields[i].value);
    pair->len = (size_t)(at - block);
    assert_true(pair->len <= bound);
    check_block(pair, block, status, fields, count);
    free(block);
    return pair->len;
}

static const struct field usual[] = {
    {{"date", 4}, {"Sun, 06 Nov 1994 08:49:37 GMT", 29}},
    {{"content-length", 14}, {"1024", 4}},
    {{"content-type", 12}, {"text/html; charset=utf-8", 24}},
    {{"etag", 4}, {"\"18c2a5b1f3e-400\"", 17}},
    {{"x-own", 5}, {"", 0}},
};

static void test_hpack_says_repeated_answers_in_a_byte_a_field(void **state)
{
    struct pair pair;

    start(&pair);
    assert_true(pass(&pair, 200, usual, 5) > 80);
    pass(&pair, 200, usual, 5); /* what belongs to the file enters the table */
    for (int i = 0; i < 10; i++)
        assert_int_equal(pass(&pair, 200, usual, 5), 6);
    stop(&pair);
}

/** Whatever their hashes are: fields of one answer do not keep each other out of the table. */
static void test_hpack_keeps_every_field_that_comes_again(void **state)
{
    char text[3][24];
    struct pair pair;

    for (int i = 0; i < 500; i++) {
        struct field file[3] = {{SPAN("etag"), span_str(text[0])},
                                {SPAN("last-modified"), span_str(text[1])},
                                {SPAN("content-length"), span_str(text[2])}};
        for (int f = 0; f < 3; f++) {
            snprintf(text[f], sizeof text[f], "%d", i * 7 + f);
            file[f].value = span_str(text[f]);
        }
        start(&pair);
        for (int turn = 0; turn < 2; turn++)
            pass(&pair, 200, file, 3);
        assert_int_equal(pass(&pair, 200, file, 3), 4);
        stop(&pair);
    }
}

static void test_hpack_finds_fields_that_moved(void **state)
{
    struct field turned[5];
    struct pair pair;

    for (size_t i = 0; i < 5; i++)
        turned[i] = usual[4 - i];
    start(&pair);
    for (int i = 0; i < 2; i++)
        pass(&pair, 200, usual, 5);
    assert_int_equal(pass(&pair, 200, turned, 5), 6);
    assert_int_equal(pass(&pair, 404, usual + 1, 3), 4);
    stop(&pair);
}

static void test_hpack_writes_every_status(void **state)
{
    struct pair pair;

    start(&pair);
    for (int status = 100; status < 1000; status++)
        pass(&pair, status, NULL, 0);
    assert_int_equal(pass(&pair, 304, NULL, 0), 1);
    assert_int_equal(pair.hpack.count, 0);
    stop(&pair);
}

static void test_hpack_keeps_no_secrets(void **state)
{
    static const struct field secrets[] = {{{"set-cookie", 10}, {"id=1", 4}},
                                           {{"www-authenticate", 16}, {"Basic", 5}}};
    struct pair pair;

    start(&pair);
    for (int i = 0; i < 3; i++)
        pass(&pair, 200, secrets, 2);
    assert_int_equal(pair.hpack.count, 0);
    stop(&pair);
}

static void test_hpack_does_not_keep_what_comes_once(void **state)
{
    char text[16];
    struct pair pair;

    start(&pair);
    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "\"%d\"", i);
        struct field once = {SPAN("etag"), span_str(text)};
        pass(&pair, 200, &once, 1);
    }
    assert_int_equal(pair.hpack.count, 0);
    stop(&pair);
}

static void test_hpack_obeys_the_peers_table_size(void **state)
{
    static const uint32_t sizes[] = {0, 4096, 100, 64, 1000000, 31, 200};
    struct pair pair;

    start(&pair);
    for (int i = 0; i < 2; i++)
        pass(&pair, 200, usual, 5);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        h2_hpack_resize(&pair.hpack, sizes[i]);
        assert_int_equal(nghttp2_hd_inflate_change_table_size(pair.inflater, sizes[i]), 0);
        assert_true(pair.hpack.size <= sizes[i]);
        for (int turn = 0; turn < 3; turn++)
            pass(&pair, 200, usual, 5);
        assert_true(pair.hpack.size <= sizes[i]);
    }
    h2_hpack_resize(&pair.hpack, 0); /* and up again before the next block */
    h2_hpack_resize(&pair.hpack, 4096);
    assert_int_equal(nghttp2_hd_inflate_change_table_size(pair.inflater, 0), 0);
    assert_int_equal(nghttp2_hd_inflate_change_table_size(pair.inflater, 4096), 0);
    assert_int_equal(pair.hpack.count, 0);
    pass(&pair, 200, usual, 5);
    stop(&pair);
}

static void test_hpack_writes_large_fields(void **state)
{
    static char big[20000];
    struct field fields[] = {{SPAN("x-big"), {big, sizeof big}},
                             {{big, 300}, SPAN("v")},
                             {SPAN("x-n"), {big, 127}},
                             {SPAN("x-n"), {big, 128}},
                             {SPAN("x-n"), {big, 1019}}};
    struct pair pair;

    memset(big, 'z', sizeof big);
    start(&pair);
    for (int i = 0; i < 3; i++)
        pass(&pair, 200, fields, ARRAY_SIZE(fields));
    stop(&pair);
}

/** Fields of any shape, many more than the table holds. */
static void test_hpack_stays_in_step_for_long(void **state)
{
    static char text[FIELDS][2][64];
    static const struct span known[] = {{"etag", 4}, {"vary", 4}, {"set-cookie", 10}, {"date", 4},
                                        {"age", 3},  {"x-a", 3},  {"server", 6}};
    static struct field fields[FIELDS];
    struct pair pair;
    uint64_t seed = 1;

    start(&pair);
    for (int turn = 0; turn < 3000; turn++) {
        size_t count = (seed >> 33) % (turn % 50 == 0 ? FIELDS : 12);
        for (size_t i = 0; i < count; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            unsigned dice = (unsigned)(seed >> 33);
            snprintf(text[i][0], 64, "n%u", dice % 40);
            snprintf(text[i][1], 64, "%.*s%u", (int)(dice / 7 % 40),
                     "########################################", dice / 64 % 5);
            fields[i].name =
                dice & 1 << 20 ? known[dice % ARRAY_SIZE(known)] : span_str(text[i][0]);
            fields[i].value = span_str(text[i][1]);
        }
        if (turn % 100 == 99) {
            uint32_t size = (uint32_t)(seed >> 40) % 5000;
            h2_hpack_resize(&pair.hpack, size);
            assert_int_equal(nghttp2_hd_inflate_change_table_size(pair.inflater, size), 0);
        }
        pass(&pair, 200 + turn % 300, fields, count);
        assert_true(pair.hpack.count <= H2_HPACK_ENTRIES);
    }
    stop(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hpack_says_repeated_answers_in_a_byte_a_field),
        cmocka_unit_test(test_hpack_keeps_every_field_that_comes_again),
        cmocka_unit_test(test_hpack_finds_fields_that_moved),
        cmocka_unit_test(test_hpack_writes_every_status),
        cmocka_unit_test(test_hpack_keeps_no_secrets),
        cmocka_unit_test(test_hpack_does_not_keep_what_comes_once),
        cmocka_unit_test(test_hpack_obeys_the_peers_table_size),
        cmocka_unit_test(test_hpack_writes_large_fields),
        cmocka_unit_test(test_hpack_stays_in_step_for_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
