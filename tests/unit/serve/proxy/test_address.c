/* Addresses of upstream servers, the fields of forwarded messages, and the queue of bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macros.h"
#include "serve/proxy/address.h"
#include "serve/proxy/queue.h"
#include "serve/proxy/settings.h"

static void test_addresses_have_one_form(void **state)
{
    static const struct {
        const char *written;
        const char *text;
    } rows[] = {
        {":3000", "localhost:3000"},
        {"3000", "localhost:3000"},
        {"LocalHost:3000", "localhost:3000"},
        {"http://:3000", "localhost:3000"},
        {"http://127.0.0.1:3000/", "127.0.0.1:3000"},
        {"app.internal:80", "app.internal:80"},
        {"[::1]:3000", "[::1]:3000"},
        {"unix:/run/app.sock", "unix:/run/app.sock"},
        {"http://unix:/run/app.sock", "unix:/run/app.sock"},
        {"unix:@app", "unix:@app"},
        {"http://app", "app:80"},
        {"https://app", "https://app:443"},
        {"https://App.internal/", "https://app.internal:443"},
        {"https://:8443", "https://localhost:8443"},
        {"https://[::1]", "https://[::1]:443"},
        {"https://[::1]:8443", "https://[::1]:8443"},
        {"https://unix:/run/app.sock", "https://unix:/run/app.sock"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct upstream_address address;
        char text[UPSTREAM_TEXT_MAX];
        assert_null(upstream_address_parse(rows[i].written, &address));
        assert_string_equal(upstream_address_text(&address, text), rows[i].text);
    }
}

static void test_what_is_no_address_is_refused(void **state)
{
    static const char *const rows[] = {
        "",
        ":",
        "host",
        "host:",
        "host:0",
        "host:65536",
        "host:http",
        "::1:3000",
        "[::1]",
        "[a]:3000",
        "[]:3000",
        "a b:3000",
        "a/b:3000",
        "host:80/api",
        "unix:",
        "unix:/",
        "unix:app.sock",
        "unix:@",
        "ftp://a:1",
        "https://",
        "h2c://a:1",
        "fastcgi://a:1",
        "a:1:2",
        "-1",
        "https://a:",
        "https://:",
        "http://::1",
        "https://a/b",
        "https://https://a",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (!upstream_address_check(rows[i]))
            fail_msg("%s was taken", rows[i]);
}

static void test_ids_differ_by_address_alone(void **state)
{
    struct upstream_address a, b, c;

    (void)state;
    assert_null(upstream_address_parse(":3000", &a));
    assert_null(upstream_address_parse("http://localhost:3000", &b));
    assert_null(upstream_address_parse("127.0.0.1:3000", &c));
    assert_true(upstream_address_id(&a) == upstream_address_id(&b));
    assert_true(upstream_address_id(&a) != upstream_address_id(&c));
    assert_null(upstream_address_parse("https://localhost:3000", &b));
    assert_true(upstream_address_id(&a) != upstream_address_id(&b));
}

static void test_authorities_leave_the_usual_port_out(void **state)
{
    static const struct {
        const char *written;
        const char *text;
    } rows[] = {
        {":3000", "localhost:3000"},
        {"app:80", "app"},
        {"app:443", "app:443"},
        {"https://app", "app"},
        {"https://[::1]", "[::1]"},
        {"https://app:80", "app:80"},
        {"unix:/run/a.sock", "localhost"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct upstream_address address;
        char text[UPSTREAM_TEXT_MAX];
        assert_null(upstream_address_parse(rows[i].written, &address));
        assert_string_equal(upstream_address_authority(&address, text), rows[i].text);
    }
}

static void test_targets_are_names_or_addresses(void **state)
{
    (void)state;
    assert_true(proxy_target_is_name("app"));
    assert_true(proxy_target_is_name("app-2_x"));
    assert_false(proxy_target_is_name("3000"));
    assert_false(proxy_target_is_name(":3000"));
    assert_false(proxy_target_is_name("a.b"));
    assert_null(proxy_target_check("app"));
    assert_null(proxy_target_check(":3000"));
    assert_non_null(proxy_target_check("a.b"));
}

static void test_weights_are_read(void **state)
{
    struct config_pair pairs[] = {
        {(char *)"a:1", (char *)"3"}, {(char *)"b:1", (char *)"257"}, {(char *)"c:1", (char *)"x"}};
    struct upstream_settings settings = {.weights = {pairs, ARRAY_SIZE(pairs)}};

    (void)state;
    assert_int_equal(upstream_weight(&settings, "a:1"), 3);
    assert_int_equal(upstream_weight(&settings, "b:1"), -1);
    assert_int_equal(upstream_weight(&settings, "c:1"), -1);
    assert_int_equal(upstream_weight(&settings, "d:1"), 1);
}

static void test_queue_keeps_order_within_its_bound(void **state)
{
    struct queue queue = queue_make(100);
    unsigned char next_in = 0, next_out = 0;
    size_t held = 0;

    (void)state;
    for (int round = 0; round < 10000; round++) {
        char in[37], out[29];
        size_t len = (size_t)round * 7 % sizeof in;
        for (size_t i = 0; i < len; i++)
            in[i] = (char)(next_in + i);
        int r = queue_add(&queue, span_of(in, len));
        assert_int_equal(r == 0, held + len <= 100);
        if (r == 0) {
            next_in = (unsigned char)(next_in + len);
            held += len;
        }
        size_t taken = queue_take(&queue, out, (size_t)round * 5 % sizeof out);
        for (size_t i = 0; i < taken; i++)
            assert_int_equal((unsigned char)out[i], next_out++);
        held -= taken;
        assert_int_equal(queue_length(&queue), held);
    }
    queue_finish(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_have_one_form),
        cmocka_unit_test(test_what_is_no_address_is_refused),
        cmocka_unit_test(test_ids_differ_by_address_alone),
        cmocka_unit_test(test_authorities_leave_the_usual_port_out),
        cmocka_unit_test(test_targets_are_names_or_addresses),
        cmocka_unit_test(test_weights_are_read),
        cmocka_unit_test(test_queue_keeps_order_within_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
