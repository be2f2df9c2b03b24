/* Sites by name, and the lines of the access log. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/error.h"
#include "base/mem.h"
#include "serve/serve.h"

static const uint64_t secret[2] = {1, 2};

static void test_sites_are_found_by_name(void **state)
{
    (void)state;
    struct sites *sites = sites_create(3, secret);
    struct site *site = sites->items;
    bool exact;

    assert_int_equal(sites_name(sites, SPAN("example.com"), &site[0]), 0);
    assert_int_equal(sites_name(sites, SPAN("*.example.com"), &site[1]), 0);
    assert_int_equal(sites_name(sites, SPAN("api.example.com"), &site[2]), 0);
    assert_int_equal(sites_name(sites, SPAN("example.com"), &site[0]), 0);
    assert_int_equal(sites_name(sites, SPAN("example.com"), &site[1]), -EEXIST);
    assert_ptr_equal(sites_find(sites, SPAN("example.com"), &exact), &site[0]);
    assert_true(exact);
    assert_ptr_equal(sites_find(sites, SPAN("www.example.com"), &exact), &site[1]);
    assert_false(exact);
    assert_ptr_equal(sites_find(sites, SPAN("api.example.com"), &exact), &site[2]);
    assert_null(sites_find(sites, SPAN("a.b.example.com"), &exact));
    assert_null(sites_find(sites, SPAN("com"), &exact));
    assert_null(sites_find(sites, SPAN(""), &exact));
    assert_null(sites_find(sites, SPAN(".example.com"), &exact));
    assert_null(sites_find(sites, SPAN("*.example.com"), &exact));
    assert_false(exact);
    char endless[400];
    memset(endless, 'a', sizeof endless);
    endless[1] = '.';
    assert_null(sites_find(sites, span_of(endless, sizeof endless), &exact));
    sites_unref(sites_ref(sites));
    sites_unref(sites);
}

/* ---- the access log ---- */

struct line {
    struct http_exchange x;
    struct http_field fields[2];
    struct client client;
    struct access_entry entry;
};

static void make_line(struct line *line)
{
    *line = (struct line){.x.request = {.version = HTTP_1_1,
                                        .method_text = SPAN("GET"),
                                        .authority = SPAN("example.com"),
                                        .target = SPAN("/a?b=1")}};
    line->fields[0] = (struct http_field){SPAN("user-agent"), SPAN("curl/8 \"x\"")};
    line->x.request.fields = (struct http_fields){line->fields, 1, 2};
    line->x.responded = true;
    line->x.response.status = 200;
    line->x.body_sent = 1234;
    line->x.started = NSEC_PER_SEC;
    line->x.first_byte = NSEC_PER_SEC + 2 * NSEC_PER_MSEC;
    line->client = (struct client){
        .address = {{[10] = 0xff, [11] = 0xff, [12] = 192, [13] = 0, [14] = 2, [15] = 1}},
        .port = 5000,
        .local_port = 443,
    };
    line->entry = (struct access_entry){
        .exchange = &line->x,
        .client = &line->client,
        .request_id = SPAN("0123"),
        .now = NSEC_PER_SEC + 5 * NSEC_PER_MSEC,
        .wall = 784111777 * NSEC_PER_SEC,
    };
}

static void test_access_log_writes_the_combined_form(void **state)
{
    (void)state;
    struct buffer out = buffer_make(10000);
    struct line line;

    setenv("TZ", "UTC", 1);
    tzset();
    make_line(&line);
    assert_int_equal(access_log_format(ACCESS_COMBINED, &line.entry, &out), 0);
    assert_true(span_equal(buffer_span(&out),
                           SPAN("192.0.2.1 - - [06/Nov/1994:08:49:37 +0000] \"GET /a?b=1 "
                                "HTTP/1.1\" 200 1234 \"-\" \"curl/8 \\x22x\\x22\"\n")));
    out.len = 0;
    line.x.request.target = SPAN("/\"\\\n\xc3\xa4");
    line.x.first_byte = 0;
    line.entry.end = HTTP_END_CLIENT;
    assert_int_equal(access_log_format(ACCESS_COMBINED, &line.entry, &out), 0);
    assert_int_equal(buffer_append(&out, "", 1), 0);
    assert_non_null(strstr(out.data, "\"GET /\\x22\\x5C\\x0A\\xC3\\xA4 HTTP/1.1\" 499 "));
    buffer_finish(&out);
}

static void test_access_log_leaves_out_secrets(void **state)
{
    static const char *const cases[][2] = {
        {"/?password=x", "/?password=[redacted]"},
        {"/?a=1&Token=x&b=2", "/?a=1&Token=[redacted]&b=2"},
        {"/?token=x;token=y", "/?token=[redacted];token=[redacted]"},
        {"/?to%6ben=x", "/?to%6ben=[redacted]"},
        {"/?tokens=x&nottoken=y", "/?tokens=x&nottoken=y"},
        {"/?token=", "/?token=[redacted]"},
        {"/?token", "/?token"},
        {"/?a=token=x", "/?a=token=x"},
        {"/?&&=&token=x?token=y", "/?&&=&token=[redacted]"},
        {"/token=x", "/token=x"},
        {"/?", "/?"},
    };
    char *names[] = {(char *)"password", (char *)"token"};
    const struct config_strings redact = {names, 2};
    struct buffer out = buffer_make(10000);
    struct line line;

    (void)state;
    make_line(&line);
    line.entry.redact = &redact;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char wanted[64];
        out.len = 0;
        line.x.request.target = span_str(cases[i][0]);
        assert_int_equal(access_log_format(ACCESS_COMBINED, &line.entry, &out), 0);
        assert_int_equal(buffer_append(&out, "", 1), 0);
        snprintf(wanted, sizeof wanted, "\"GET %s HTTP/1.1\"", cases[i][1]);
        assert_non_null(strstr(out.data, wanted));
    }
    out.len = 0;
    line.fields[0] = (struct http_field){SPAN("referer"), SPAN("https://a.test/?token=x#y")};
    assert_int_equal(access_log_format(ACCESS_JSON, &line.entry, &out), 0);
    assert_int_equal(buffer_append(&out, "", 1), 0);
    assert_non_null(strstr(out.data, "\"referer\":\"https://a.test/?token=[redacted]#y\""));
    buffer_finish(&out);
}

static void test_access_log_puts_host_id_and_seconds_behind_the_combined_form(void **state)
{
    (void)state;
    struct buffer out = buffer_make(10000);
    struct line line;

    setenv("TZ", "UTC", 1);
    tzset();
    make_line(&line);
    assert_int_equal(access_log_format(ACCESS_COMBINED_PLUS, &line.entry, &out), 0);
    assert_true(span_equal(buffer_span(&out),
                           SPAN("192.0.2.1 - - [06/Nov/1994:08:49:37 +0000] \"GET /a?b=1 "
                                "HTTP/1.1\" 200 1234 \"-\" \"curl/8 \\x22x\\x22\" "
                                "\"example.com\" 0123 0.005\n")));
    out.len = 0;
    line.x.request.authority = SPAN("a\" 404");
    line.entry.request_id = SPAN("");
    assert_int_equal(access_log_format(ACCESS_COMBINED_PLUS, &line.entry, &out), 0);
    assert_true(span_ends(buffer_span(&out), SPAN(" \"a\\x22 404\" - 0.005\n")));
    out.len = 0;
    line.x.request.authority = SPAN("");
    assert_int_equal(access_log_format(ACCESS_COMBINED_PLUS, &line.entry, &out), 0);
    assert_true(span_ends(buffer_span(&out), SPAN(" \"-\" - 0.005\n")));
    buffer_finish(&out);
}

static void test_access_log_writes_json_that_parses(void **state)
{
    (void)state;
    struct buffer out = buffer_make(10000);
    struct line line;
    char hostile[255];

    make_line(&line);
    line.client.tls_version = "TLSv1.3";
    line.client.tls_cipher = "TLS_AES_128_GCM_SHA256";
    line.entry.reason = "because";
    for (int i = 0; i < 255; i++)
        hostile[i] = (char)(i + 1);
    line.fields[1] = (struct http_field){SPAN("referer"), span_of(hostile, sizeof hostile)};
    line.x.request.fields.count = 2;
    assert_int_equal(access_log_format(ACCESS_JSON, &line.entry, &out), 0);
    assert_ptr_equal(memchr(out.data, '\n', out.len), out.data + out.len - 1);
    json_t *json = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    assert_int_equal(json_integer_value(json_object_get(json, "status")), 200);
    assert_string_equal(json_string_value(json_object_get(json, "time")),
                        "1994-11-06T08:49:37.000Z");
    assert_string_equal(json_string_value(json_object_get(json, "client")), "192.0.2.1");
    assert_string_equal(json_string_value(json_object_get(json, "tls")), "TLSv1.3");
    assert_string_equal(json_string_value(json_object_get(json, "reason")), "because");
    assert_true(json_real_value(json_object_get(json, "total_ms")) == 5.0);
    assert_true(json_real_value(json_object_get(json, "first_byte_ms")) == 2.0);
    json_decref(json);
    buffer_finish(&out);
}

static void test_access_log_has_a_line_for_endless_texts(void **state)
{
    (void)state;
    struct buffer out = buffer_make(24 << 10);
    static char endless[64 << 10];
    struct span text = span_of(endless, sizeof endless);
    struct line line;

    memset(endless, '"', sizeof endless);
    make_line(&line);
    line.x.request.method_text = line.x.request.target = line.x.request.authority = text;
    line.fields[0].value = text;
    line.fields[1] = (struct http_field){SPAN("referer"), text};
    line.x.request.fields.count = 2;
    line.entry.reason = "target too long";
    assert_int_equal(access_log_format(ACCESS_COMBINED, &line.entry, &out), 0);
    assert_true(span_starts(buffer_span(&out), SPAN("192.0.2.1 - - [")));
    assert_true(span_ends(buffer_span(&out), SPAN("\\x22\\x22\"\n")));
    out.len = 0;
    assert_int_equal(access_log_format(ACCESS_JSON, &line.entry, &out), 0);
    json_t *json = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    assert_true(json_string_length(json_object_get(json, "target")) > 2000);
    json_decref(json);
    buffer_finish(&out);
}

static void test_access_log_shows_a_request_that_could_not_be_read(void **state)
{
    (void)state;
    struct buffer out = buffer_make(10000);
    struct line line;

    make_line(&line);
    line.x.request.method_text = line.x.request.target = (struct span){0};
    line.x.response.status = 400;
    assert_int_equal(access_log_format(ACCESS_COMBINED, &line.entry, &out), 0);
    assert_int_equal(buffer_append(&out, "", 1), 0);
    assert_non_null(strstr(out.data, "] \"-\" 400 1234 "));
    buffer_finish(&out);
}

/* A logs process that takes nothing must cost lines, never time or memory; and be told so after. */
static void test_access_log_drops_lines_rather_than_wait(void **state)
{
    (void)state;
    enum { LINES = 30000 };
    struct line line;
    char message[33000];
    int fds[2];
    size_t got = 0, told = 0;

    make_line(&line);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
    struct access_log *log = access_log_create(ACCESS_COMBINED, fds[0]);
    for (int i = 0; i < LINES; i++) {
        access_log_add(log, &line.entry);
        if (i % 100 == 0)
            access_log_flush(log);
    }
    for (int quiet = 0; quiet < 2;) {
        ssize_t n = recv(fds[1], message, sizeof message, 0);
        if (n < 0) {
            quiet++;
            access_log_flush(log);
            continue;
        }
        quiet = 0;
        assert_true(n > 1 && n <= 32768 && message[n - 1] == '\n');
        if (message[0] == 'e') {
            message[n - 1] = '\0';
            told += (size_t)strtoull(strstr(message, "lines=") + 6, NULL, 10);
            continue;
        }
        assert_int_equal(message[0], 'a');
        for (ssize_t i = 0; i < n; i++)
            got += message[i] == '\n';
    }
    assert_true(told > 0);
    assert_int_equal(got + told, LINES);
    access_log_destroy(log);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sites_are_found_by_name),
        cmocka_unit_test(test_access_log_writes_the_combined_form),
        cmocka_unit_test(test_access_log_leaves_out_secrets),
        cmocka_unit_test(test_access_log_puts_host_id_and_seconds_behind_the_combined_form),
        cmocka_unit_test(test_access_log_writes_json_that_parses),
        cmocka_unit_test(test_access_log_has_a_line_for_endless_texts),
        cmocka_unit_test(test_access_log_shows_a_request_that_could_not_be_read),
        cmocka_unit_test(test_access_log_drops_lines_rather_than_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
