/* Negotiation: codings and media types by weight. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "http/http.h"

enum { ALL = 15, NO_ZSTD = 7 };

static struct http_asks asks_of(struct http_field *items, unsigned count,
                                struct http_fields *ret_fields)
{
    struct http_asks asks;

    *ret_fields = (struct http_fields){items, count, count};
    http_asks_find(ret_fields, &asks);
    return asks;
}

static const char *chosen(const char *accept_encoding, unsigned offered, unsigned favoured)
{
    struct http_field item = {SPAN("accept-encoding"), span_str(accept_encoding)};
    struct http_fields fields;
    struct http_asks asks = asks_of(&item, accept_encoding ? 1 : 0, &fields);
    struct http_codings codings;

    http_codings_parse(&asks, &codings);
    return http_coding_name(http_codings_choose(&codings, offered, favoured)).ptr;
}

static void test_coding_follows_the_server_on_equal_weight(void **state)
{
    assert_string_equal(chosen("gzip, deflate, br, zstd", ALL, 0), "zstd");
    assert_string_equal(chosen("gzip, deflate, br, zstd", NO_ZSTD, 0), "br");
    assert_string_equal(chosen("gzip, deflate", ALL, 0), "gzip");
    assert_string_equal(chosen("X-GZIP", ALL, 0), "gzip");
    assert_string_equal(chosen("*", ALL, 0), "zstd");
    assert_string_equal(chosen("gzip, br, zstd", ALL, 1 << HTTP_CODING_GZIP), "gzip");
}

static void test_coding_follows_the_clients_weights(void **state)
{
    assert_string_equal(chosen("gzip;q=1.0, br;q=0.9, zstd;q=0.899", ALL, 0), "gzip");
    assert_string_equal(chosen("gzip ; q=0.5 ,br;Q=0.501", ALL, 0), "br");
    assert_string_equal(chosen("gzip;q=0.5, identity", ALL, 0), "identity");
    assert_string_equal(chosen("gzip;q=0.001", ALL, 0), "gzip");
    assert_string_equal(chosen("*;q=0.1, zstd;q=0", ALL, 0), "br");
    assert_string_equal(chosen("gzip;q=0.5, br", ALL, 1 << HTTP_CODING_GZIP), "br");
}

static void test_coding_is_identity_when_nothing_else_will_do(void **state)
{
    assert_string_equal(chosen(NULL, ALL, 0), "identity");
    assert_string_equal(chosen("", ALL, 0), "identity");
    assert_string_equal(chosen("deflate", ALL, 0), "identity");
    assert_string_equal(chosen("gzip;q=0", ALL, 0), "identity");
    assert_string_equal(chosen("*;q=0", ALL, 0), "identity");
    assert_string_equal(chosen("identity;q=0", ALL, 0), "identity");
    assert_string_equal(chosen("zstd", NO_ZSTD, 0), "identity");
}

static void test_coding_skips_broken_members(void **state)
{
    assert_string_equal(chosen("zstd;q=2, gzip", ALL, 0), "gzip");
    assert_string_equal(chosen("zstd;q=0.1234, gzip;q=0.05", ALL, 0), "gzip");
    assert_string_equal(chosen("zstd;q=, br;q=x, ;q=1, , gzip;q=1.000", ALL, 0), "gzip");
    assert_string_equal(chosen("zstd;q=1.001, gzip;q=0.2;x", ALL, 0), "gzip");
}

static void test_coding_reads_every_line(void **state)
{
    struct http_field items[] = {{SPAN("accept-encoding"), SPAN("gzip")},
                                 {SPAN("host"), SPAN("a")},
                                 {SPAN("accept-encoding"), SPAN("br")}};
    struct http_fields fields;
    struct http_asks asks = asks_of(items, 3, &fields);
    struct http_codings codings;

    http_codings_parse(&asks, &codings);
    assert_int_equal(http_codings_choose(&codings, ALL, 0), HTTP_CODING_BR);
}

static unsigned weight(const char *accept, const char *type, bool *ret_named)
{
    struct http_field item = {SPAN("accept"), span_str(accept)};
    struct http_fields fields;
    struct http_asks asks = asks_of(&item, accept ? 1 : 0, &fields);

    return http_accept_q(&asks, span_str(type), ret_named);
}

static void test_accept_takes_the_closest_range(void **state)
{
    bool named;

    assert_int_equal(weight("text/*;q=0.3, text/html;q=0.7, */*;q=0.5", "text/html", &named), 700);
    assert_true(named);
    assert_int_equal(weight("text/*;q=0.3, text/html;q=0.7, */*;q=0.5", "text/plain", &named), 300);
    assert_false(named);
    assert_int_equal(weight("text/*;q=0.3, */*;q=0.5", "application/json", NULL), 500);
    assert_int_equal(weight("application/json", "text/html", NULL), 0);
    assert_int_equal(weight("TEXT/HTML;level=1", "text/html", NULL), 1000);
    assert_int_equal(weight(NULL, "text/html", NULL), 1000);
    assert_int_equal(weight("", "text/html", NULL), 0);
    assert_int_equal(weight("text/html;q=0, */*", "text/html", NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_coding_follows_the_server_on_equal_weight),
        cmocka_unit_test(test_coding_follows_the_clients_weights),
        cmocka_unit_test(test_coding_is_identity_when_nothing_else_will_do),
        cmocka_unit_test(test_coding_skips_broken_members),
        cmocka_unit_test(test_coding_reads_every_line),
        cmocka_unit_test(test_accept_takes_the_closest_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
