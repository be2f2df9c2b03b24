/* Static files as a client sees them: what is found, what is refused, conditions, ranges, errors.
 */
#include "files_site.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

static int setup(void **state)
{
    struct site *site = site_create();

    site_text(site, "/index.html", "<h1>home</h1>");
    site_text(site, "/a.txt", "0123456789");
    site_text(site, "/empty.txt", "");
    site_text(site, "/dir/index.htm", "<h1>dir</h1>");
    site_text(site, "/bare/x.txt", "x");
    site_text(site, "/.env", "SECRET=1");
    site_text(site, "/.git/config", "secret");
    site_text(site, "/.well-known/security.txt", "contact");
    site_text(site, "/.well-known/.hidden", "secret");
    site_text(site, "/a b&c.txt", "space");
    *state = site;
    return 0;
}

static int teardown(void **state)
{
    site_destroy(*state);
    return 0;
}

static void expect_text(struct site *site, const char *target, const char *text)
{
    struct answer answer = site_get(site, target);

    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.bytes, text);
    assert_int_equal(answer.end, 0);
    site_close_answer(site, &answer);
}

static void test_files_get_answers_with_the_file(void **state)
{
    struct site *site = *state;
    struct answer answer = site_get(site, "/a.txt");

    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.bytes, "0123456789");
    assert_int_equal(answer.content_length, 10);
    assert_string_equal(answer_field(&answer, "content-type"), "text/plain; charset=utf-8");
    assert_string_equal(answer_field(&answer, "accept-ranges"), "bytes");
    assert_int_equal(answer_field(&answer, "etag")[0], '"');
    assert_int_equal(strlen(answer_field(&answer, "last-modified")), HTTP_DATE_SIZE);
    site_close_answer(site, &answer);
    expect_text(site, "/", "<h1>home</h1>");
    expect_text(site, "/dir/", "<h1>dir</h1>");
    expect_text(site, "/empty.txt", "");
    expect_text(site, "/a%20b%26c.txt?x=/../y", "space");
    expect_text(site, "//bare/./y/../x.txt", "x");
}

static void test_files_head_has_the_length_and_no_body(void **state)
{
    struct site *site = *state;

    for (int i = 0; i < 2; i++) {
        struct answer answer = site_ask(site, "HEAD", "/a.txt", "range", "bytes=0-1");
        assert_int_equal(answer.status, 200);
        assert_int_equal(answer.content_length, 10);
        assert_null(answer.x->body);
        site_close_answer(site, &answer);
        site->now += NSEC_PER_SEC;
    }
}

static void test_files_other_methods(void **state)
{
    struct site *site = *state;
    struct answer answer = site_ask(site, "POST", "/a.txt");

    assert_int_equal(answer.status, 405);
    assert_string_equal(answer_field(&answer, "allow"), "GET, HEAD, OPTIONS");
    site_close_answer(site, &answer);
    answer = site_ask(site, "OPTIONS", "*");
    assert_int_equal(answer.status, 204);
    assert_string_equal(answer_field(&answer, "allow"), "GET, HEAD, OPTIONS");
    assert_null(answer.x->body);
    site_close_answer(site, &answer);
}

static void test_files_outside_of_the_root_stay_there(void **state)
{
    struct site *site = *state;

    assert_status(site, 400, "/../etc/passwd");
    assert_status(site, 400, "/dir/../../etc/passwd");
    assert_status(site, 400, "/%2e%2e/%2e%2e/etc/passwd");
    assert_status(site, 400, "/..%2fetc/passwd");
    assert_status(site, 400, "/a.txt%00.html");
    assert_status(site, 404, "/..%5cetc%5cpasswd");
    assert_status(site, 404, "/%252e%252e/etc/passwd");
    assert_status(site, 404, "/etc/passwd");
    assert_status(site, 404, "//etc/passwd");
}

static void test_files_symlinks_may_not_lead_out(void **state)
{
    struct site *site = *state;

    assert_int_equal(symlink("/etc", site_path(site, "/abs")), 0);
    assert_int_equal(symlink("../../../../../../etc/passwd", site_path(site, "/rel")), 0);
    assert_int_equal(symlink("a.txt", site_path(site, "/inside")), 0);
    assert_int_equal(symlink("../a.txt", site_path(site, "/dir/up")), 0);
    assert_int_equal(symlink("loop", site_path(site, "/loop")), 0);
    assert_int_equal(symlink("/proc/self/root", site_path(site, "/magic")), 0);
    assert_status(site, 404, "/abs/passwd");
    assert_status(site, 404, "/abs/");
    assert_status(site, 404, "/abs");
    assert_status(site, 404, "/rel");
    assert_string_equal(site->context.reason, "a symbolic link leads out of the root");
    assert_status(site, 404, "/loop");
    assert_status(site, 404, "/magic/etc/passwd");
    expect_text(site, "/inside", "0123456789");
    expect_text(site, "/dir/up", "0123456789");
}

static void test_files_hidden_names_are_not_there(void **state)
{
    struct site *site = *state;

    assert_status(site, 404, "/.env");
    assert_status(site, 404, "/.git/config");
    assert_status(site, 404, "/%2egit/config");
    assert_status(site, 404, "/dir/.x");
    assert_status(site, 404, "/.well-known/.hidden");
    assert_status(site, 404, "/dir/.well-known/x");
    expect_text(site, "/.well-known/security.txt", "contact");
}

static void test_files_dot_files_by_choice(void **state)
{
    struct site *site = *state;

    site->settings.dot_files = true;
    expect_text(site, "/.env", "SECRET=1");
}

static void test_files_only_regular_ones_are_sent(void **state)
{
    struct site *site = *state;

    assert_int_equal(mkfifo(site_path(site, "/fifo"), 0644), 0);
    assert_status(site, 404, "/fifo");
    assert_status(site, 404, "/a.txt/");
    assert_status(site, 404, "/a.txt/b");
    char *long_name = mem_zalloc(9000);
    memset(long_name, 'a', 8999);
    long_name[0] = '/';
    assert_status(site, 404, long_name);
    free(long_name);
}

static void test_files_unreadable_is_forbidden(void **state)
{
    struct site *site = *state;

    if (geteuid() == 0)
        skip(); /* root may read all */
    chmod(site_path(site, "/a.txt"), 0);
    assert_status(site, 403, "/a.txt");
    assert_int_equal(site->context.error, -EACCES);
}

static void test_files_folder_without_slash_redirects(void **state)
{
    struct site *site = *state;
    struct answer answer = site_get(site, "/dir?a=b&c");

    assert_int_equal(answer.status, 308);
    assert_string_equal(answer_field(&answer, "location"), "/dir/?a=b&c");
    site_close_answer(site, &answer);
}

static void test_files_redirect_is_never_open(void **state)
{
    struct site *site = *state;

    site_write(site, "/evil.example/", NULL, 0);
    site_write(site, "/\\evil.example/", NULL, 0);
    static const char *const targets[][2] = {
        {"//evil.example", "/evil.example/"},       {"///evil.example", "/evil.example/"},
        {"/./%2e//evil.example", "/evil.example/"}, {"/\\evil.example", "/%5Cevil.example/"},
        {"/%5cevil.example", "/%5Cevil.example/"},  {"/dir?", "/dir/?"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
        struct answer answer = site_get(site, targets[i][0]);
        assert_int_equal(answer.status, 308);
        assert_string_equal(answer_field(&answer, "location"), targets[i][1]);
        site_close_answer(site, &answer);
    }
}

static void test_files_folder_without_index_is_forbidden(void **state)
{
    struct site *site = *state;

    assert_status(site, 403, "/bare/");
    assert_string_equal(site->context.reason, "a folder without index file, and listing is off");
    assert_status(site, 404, "/nowhere/");
}

static void test_files_conditions(void **state)
{
    struct site *site = *state;
    struct answer first = site_get(site, "/a.txt");
    char etag[64], modified[64];

    snprintf(etag, sizeof etag, "%s", answer_field(&first, "etag"));
    snprintf(modified, sizeof modified, "%s", answer_field(&first, "last-modified"));
    site_close_answer(site, &first);
    struct answer same = site_get(site, "/a.txt", "if-none-match", etag);
    assert_int_equal(same.status, 304);
    assert_null(same.x->body);
    assert_string_equal(answer_field(&same, "etag"), etag);
    assert_null(answer_field(&same, "content-type"));
    site_close_answer(site, &same);
    assert_status(site, 304, "/a.txt", "if-modified-since", modified);
    assert_status(site, 200, "/a.txt", "if-none-match", "\"other\"", "if-modified-since", modified);
    assert_status(site, 412, "/a.txt", "if-match", "\"other\"");
    assert_status(site, 200, "/a.txt", "if-match", etag);
    assert_status(site, 412, "/a.txt", "if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_status(site, 206, "/a.txt", "range", "bytes=0-1", "if-range", etag);
    assert_status(site, 200, "/a.txt", "range", "bytes=0-1", "if-range", "\"other\"");
    assert_status(site, 304, "/a.txt", "range", "bytes=0-1", "if-none-match", etag);
}

static void expect_range(struct site *site, const char *target, const char *range,
                         const char *content_range, const char *text)
{
    struct answer answer = site_get(site, target, "range", range);

    assert_int_equal(answer.status, 206);
    assert_string_equal(answer_field(&answer, "content-range"), content_range);
    assert_string_equal(answer.bytes, text);
    assert_int_equal(answer.content_length, strlen(text));
    site_close_answer(site, &answer);
}

/* Once out of memory and once from the descriptor. */
static void each_way(struct site *site, void (*run)(struct site *site))
{
    run(site);
    run(site);
    files_destroy(site->files);
    site->files = NULL;
    site->settings.cache.max_file_size = 0;
    run(site);
    site->chunk = 3;
    run(site);
}

static void run_ranges(struct site *site)
{
    expect_range(site, "/a.txt", "bytes=0-3", "bytes 0-3/10", "0123");
    expect_range(site, "/a.txt", "bytes=-3", "bytes 7-9/10", "789");
    expect_range(site, "/a.txt", "bytes=5-", "bytes 5-9/10", "56789");
    struct answer answer = site_get(site, "/a.txt", "range", "bytes=10-");
    assert_int_equal(answer.status, 416);
    assert_string_equal(answer_field(&answer, "content-range"), "bytes */10");
    site_close_answer(site, &answer);
    assert_status(site, 200, "/a.txt", "range", "bytes=3-1");
    assert_status(site, 200, "/a.txt", "range", "bytes=0-1", "range", "bytes=2-3");
    assert_status(site, 200, "/empty.txt", "range", "bytes=-1");
}

static void test_files_ranges(void **state)
{
    each_way(*state, run_ranges);
}

static void run_multipart(struct site *site)
{
    struct answer answer = site_get(site, "/a.txt", "range", "bytes=0-1, -2");
    char boundary[64], wanted[1024];

    assert_int_equal(answer.status, 206);
    assert_null(answer_field(&answer, "content-range"));
    assert_int_equal(sscanf(answer_field(&answer, "content-type"),
                            "multipart/byteranges; boundary=%60s", boundary),
                     1);
    snprintf(wanted, sizeof wanted,
             "--%s\r\ncontent-type: text/plain; charset=utf-8\r\n"
             "content-range: bytes 0-1/10\r\n\r\n01\r\n"
             "--%s\r\ncontent-type: text/plain; charset=utf-8\r\n"
             "content-range: bytes 8-9/10\r\n\r\n89\r\n--%s--\r\n",
             boundary, boundary, boundary);
    assert_string_equal(answer.bytes, wanted);
    assert_int_equal(answer.content_length, strlen(wanted));
    site_close_answer(site, &answer);
}

static void test_files_several_ranges(void **state)
{
    each_way(*state, run_multipart);
}

static void test_files_large_one_is_sent_whole(void **state)
{
    struct site *site = *state;
    size_t len = 5 << 20;
    char *bytes = mem_alloc(len);

    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(i * 2654435761u >> 13);
    site_write(site, "/large.bin", bytes, len);
    struct answer answer = site_get(site, "/large.bin");
    assert_int_equal(answer.len, len);
    assert_memory_equal(answer.bytes, bytes, len);
    site_close_answer(site, &answer);
    answer = site_get(site, "/large.bin", "range", "bytes=2000000-3999999");
    assert_int_equal(answer.len, 2000000);
    assert_memory_equal(answer.bytes, bytes + 2000000, 2000000);
    site_close_answer(site, &answer);
    free(bytes);
}

static void test_files_truncated_while_sent_is_cut_off(void **state)
{
    struct site *site = *state;
    char *bytes = mem_zalloc(1 << 20);

    site_write(site, "/large.bin", bytes, 1 << 20);
    free(bytes);
    struct answer answer = site_begin(site, "GET", "/large.bin", NULL);
    assert_int_equal(answer.content_length, 1 << 20);
    assert_int_equal(truncate(site_path(site, "/large.bin"), 100000), 0);
    site_drain(site, &answer);
    assert_true(answer.end < 0);
    assert_int_equal(answer.len, 100000);
    site_close_answer(site, &answer);
}

static void test_files_growing_or_deleted_while_sent_keeps_its_length(void **state)
{
    struct site *site = *state;
    char *bytes = mem_zalloc(1 << 20);

    site_write(site, "/large.bin", bytes, 1 << 20);
    struct answer answer = site_begin(site, "GET", "/large.bin", NULL);
    site_write(site, "/large.bin", bytes, 1 << 20);
    assert_int_equal(truncate(site_path(site, "/large.bin"), 2 << 20), 0);
    unlink(site_path(site, "/large.bin"));
    site_drain(site, &answer);
    assert_int_equal(answer.end, 0);
    assert_int_equal(answer.len, 1 << 20);
    site_close_answer(site, &answer);
    free(bytes);
    assert_status(site, 404, "/large.bin");
}

static void test_files_fallback_answers_for_pages_only(void **state)
{
    struct site *site = *state;

    site->settings.fallback = (char *)"/index.html";
    expect_text(site, "/users/7", "<h1>home</h1>");
    expect_text(site, "/users/john.doe", "<h1>home</h1>");
    expect_text(site, "/bare/", "<h1>home</h1>");
    assert_status(site, 404, "/missing.js");
    assert_status(site, 404, "/img/missing.png");
    assert_status(site, 404, "/.env");
}

static void test_files_missing_fallback_is_not_found(void **state)
{
    struct site *site = *state;

    site->settings.fallback = (char *)"/nope.html";
    assert_status(site, 404, "/users/7");
    assert_string_equal(site->context.reason, "the fallback cannot be read");
}

static void test_files_error_pages_of_the_site(void **state)
{
    struct site *site = *state;
    struct config_pair pages[] = {{(char *)"4xx", (char *)"/any.html"},
                                  {(char *)"404", (char *)"/404.html"},
                                  {(char *)"403", (char *)"/missing.html"}};

    site->settings.error_pages = (struct config_pairs){pages, 3};
    site_text(site, "/404.html", "own 404");
    site_text(site, "/any.html", "own 4xx");
    for (int i = 0; i < 3; i++) {
        struct answer answer = site_get(site, "/nope");
        assert_int_equal(answer.status, 404);
        assert_string_equal(answer.bytes, "own 404");
        assert_string_equal(answer_field(&answer, "content-type"), "text/html; charset=utf-8");
        assert_null(answer_field(&answer, "etag"));
        site_close_answer(site, &answer);
        answer = site_ask(site, "PUT", "/a.txt");
        assert_int_equal(answer.status, 405);
        assert_string_equal(answer.bytes, "own 4xx");
        assert_non_null(answer_field(&answer, "allow"));
        site_close_answer(site, &answer);
        answer = site_get(site, "/bare/");
        assert_int_equal(answer.status, 403);
        assert_non_null(strstr(answer.bytes, "403 Forbidden"));
        site_close_answer(site, &answer);
        site->now += NSEC_PER_SEC;
    }
}

static void test_files_own_error_page_fits_the_client(void **state)
{
    struct site *site = *state;

    site->context.request_id = SPAN("0123abc");
    struct answer answer = site_get(site, "/nope", "accept", "text/html,*/*;q=0.8");
    assert_string_equal(answer_field(&answer, "content-type"), "text/html; charset=utf-8");
    assert_non_null(strstr(answer.bytes, "404 Not Found"));
    assert_non_null(strstr(answer.bytes, "Request 0123abc"));
    site_close_answer(site, &answer);
    answer = site_get(site, "/nope", "accept", "application/json");
    assert_string_equal(answer_field(&answer, "content-type"), "text/plain; charset=utf-8");
    assert_null(strchr(answer.bytes, '<'));
    assert_non_null(strstr(answer.bytes, "Request 0123abc"));
    site_close_answer(site, &answer);
    site->context.request_id = SPAN("<script>");
    answer = site_get(site, "/nope");
    assert_null(strstr(answer.bytes, "<script>"));
    site_close_answer(site, &answer);
}

static void test_files_error_without_a_site(void **state)
{
    struct site *site = *state;
    struct http_exchange *x = http_exchange_take(site->pool);

    site_adopt(site, x);
    x->request.method = HTTP_GET;
    files_error(NULL, x, 421, &site->context, site->now);
    assert_int_equal(x->response.status, 421);
    assert_non_null(x->body);
    http_exchange_give(site->pool, x);
}

static void test_files_refused_request_gets_its_status(void **state)
{
    struct site *site = *state;
    struct answer warm = site_get(site, "/a.txt");
    struct http_exchange *x = http_exchange_take(site->pool);

    site_close_answer(site, &warm);
    site_adopt(site, x);
    x->request.refusal = 431;
    x->request.refusal_reason = "too many fields";
    files_answer(site->files, x, &site->context, site->now);
    assert_int_equal(x->response.status, 431);
    assert_string_equal(site->context.reason, "too many fields");
    http_exchange_give(site->pool, x);
}

static void test_files_site_fields_are_applied(void **state)
{
    struct site *site = *state;
    const struct files_field fields[] = {
        {SPAN("cache-control"), SPAN("max-age=3600"), FILES_FIELD_SET},
        {SPAN("x-content-type-options"), SPAN("nosniff"), FILES_FIELD_SET},
        {SPAN("content-type"), SPAN("text/x-own"), FILES_FIELD_SET},
        {SPAN("link"), SPAN("<a>"), FILES_FIELD_ADD},
        {SPAN("link"), SPAN("<b>"), FILES_FIELD_ADD},
        {SPAN("last-modified"), {NULL, 0}, FILES_FIELD_REMOVE},
    };

    site->context.fields = fields;
    site->context.field_count = ARRAY_SIZE(fields);
    struct answer answer = site_get(site, "/a.txt");
    unsigned links = 0, types = 0;
    for (unsigned i = 0; i < answer.x->response.fields.count; i++) {
        links += span_equal(answer.x->response.fields.items[i].name, SPAN("link"));
        types += span_equal(answer.x->response.fields.items[i].name, SPAN("content-type"));
    }
    assert_int_equal(links, 2);
    assert_int_equal(types, 1);
    assert_string_equal(answer_field(&answer, "content-type"), "text/x-own");
    assert_string_equal(answer_field(&answer, "cache-control"), "max-age=3600");
    assert_null(answer_field(&answer, "last-modified"));
    assert_non_null(answer_field(&answer, "etag"));
    site_close_answer(site, &answer);
    answer = site_get(site, "/nope");
    assert_null(answer_field(&answer, "cache-control"));
    assert_string_equal(answer_field(&answer, "x-content-type-options"), "nosniff");
    site_close_answer(site, &answer);
}

static void test_files_without_descriptors_say_come_back(void **state)
{
    struct site *site = *state;
    struct rlimit was, none;

    assert_status(site, 200, "/a.txt");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    none = was;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    struct answer answer = site_get(site, "/index.html");
    struct answer hot = site_get(site, "/a.txt");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    assert_int_equal(answer.status, 503);
    assert_string_equal(answer_field(&answer, "retry-after"), "1");
    assert_int_equal(hot.status, 200);
    site_close_answer(site, &answer);
    site_close_answer(site, &hot);
    assert_status(site, 200, "/index.html");
}

static void test_files_full_arena_still_answers(void **state)
{
    struct site *site = *state;
    struct http_pool *roomy = site->pool;

    assert_status(site, 200, "/a.txt");
    site->pool = http_pool_create(0);
    struct http_exchange *x = http_exchange_take(site->pool);
    while (arena_alloc(&x->arena, 16))
        ;
    site_adopt(site, x);
    x->request.method = HTTP_GET;
    x->request.path = SPAN("/a.txt");
    files_answer(site->files, x, &site->context, site->now);
    assert_int_equal(x->response.status, 500);
    assert_null(x->body);
    http_exchange_give(site->pool, x);
    http_pool_destroy(site->pool);
    site->pool = roomy;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_files_get_answers_with_the_file),
        TEST(test_files_head_has_the_length_and_no_body),
        TEST(test_files_other_methods),
        TEST(test_files_outside_of_the_root_stay_there),
        TEST(test_files_symlinks_may_not_lead_out),
        TEST(test_files_hidden_names_are_not_there),
        TEST(test_files_dot_files_by_choice),
        TEST(test_files_only_regular_ones_are_sent),
        TEST(test_files_unreadable_is_forbidden),
        TEST(test_files_folder_without_slash_redirects),
        TEST(test_files_redirect_is_never_open),
        TEST(test_files_folder_without_index_is_forbidden),
        TEST(test_files_conditions),
        TEST(test_files_ranges),
        TEST(test_files_several_ranges),
        TEST(test_files_large_one_is_sent_whole),
        TEST(test_files_truncated_while_sent_is_cut_off),
        TEST(test_files_growing_or_deleted_while_sent_keeps_its_length),
        TEST(test_files_fallback_answers_for_pages_only),
        TEST(test_files_missing_fallback_is_not_found),
        TEST(test_files_error_pages_of_the_site),
        TEST(test_files_own_error_page_fits_the_client),
        TEST(test_files_error_without_a_site),
        TEST(test_files_refused_request_gets_its_status),
        TEST(test_files_site_fields_are_applied),
        TEST(test_files_without_descriptors_say_come_back),
        TEST(test_files_full_arena_still_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
