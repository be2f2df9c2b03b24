/* Static files as a client sees them: what is found, what is refused, conditions, ranges, errors.
 */
#include "files_folder.h"

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
    struct folder *folder = folder_create();

    folder_text(folder, "/index.html", "<h1>home</h1>");
    folder_text(folder, "/a.txt", "0123456789");
    folder_text(folder, "/empty.txt", "");
    folder_text(folder, "/dir/index.htm", "<h1>dir</h1>");
    folder_text(folder, "/bare/x.txt", "x");
    folder_text(folder, "/.env", "SECRET=1");
    folder_text(folder, "/.git/config", "secret");
    folder_text(folder, "/.well-known/security.txt", "contact");
    folder_text(folder, "/.well-known/.hidden", "secret");
    folder_text(folder, "/a b&c.txt", "space");
    *state = folder;
    return 0;
}

static int teardown(void **state)
{
    folder_destroy(*state);
    return 0;
}

static void expect_text(struct folder *folder, const char *target, const char *text)
{
    struct answer answer = folder_get(folder, target);

    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.bytes, text);
    assert_int_equal(answer.end, 0);
    folder_close_answer(folder, &answer);
}

static void test_files_get_answers_with_the_file(void **state)
{
    struct folder *folder = *state;
    struct answer answer = folder_get(folder, "/a.txt");

    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.bytes, "0123456789");
    assert_int_equal(answer.content_length, 10);
    assert_string_equal(answer_field(&answer, "content-type"), "text/plain; charset=utf-8");
    assert_string_equal(answer_field(&answer, "accept-ranges"), "bytes");
    assert_int_equal(answer_field(&answer, "etag")[0], '"');
    assert_int_equal(strlen(answer_field(&answer, "last-modified")), HTTP_DATE_SIZE);
    folder_close_answer(folder, &answer);
    expect_text(folder, "/", "<h1>home</h1>");
    expect_text(folder, "/dir/", "<h1>dir</h1>");
    expect_text(folder, "/empty.txt", "");
    expect_text(folder, "/a%20b%26c.txt?x=/../y", "space");
    expect_text(folder, "//bare/./y/../x.txt", "x");
}

static void test_files_dates_of_reproducible_builds_are_not_sent(void **state)
{
    struct folder *folder = *state;
    const struct timespec times[2] = {{1, 0}, {1, 0}};

    folder_text(folder, "/built.txt", "one");
    assert_int_equal(utimensat(AT_FDCWD, folder_path(folder, "/built.txt"), times, 0), 0);
    struct answer answer =
        folder_get(folder, "/built.txt", "if-modified-since", "Thu, 01 Jan 1970 00:00:01 GMT");
    assert_int_equal(answer.status, 200);
    assert_null(answer_field(&answer, "last-modified"));
    assert_non_null(answer_field(&answer, "etag"));
    folder_close_answer(folder, &answer);
}

static void test_files_text_that_is_not_utf8_claims_no_charset(void **state)
{
    struct folder *folder = *state;

    for (int i = 0; i < 2; i++) { /* from memory, then from disk */
        folder_text(folder, "/latin.html", "caf\xe9 au lait");
        struct answer answer = folder_get(folder, "/latin.html");
        assert_string_equal(answer_field(&answer, "content-type"), "text/html");
        folder_close_answer(folder, &answer);
        folder->settings.cache.max_file_size = 0;
        folder_forget(folder);
    }
}

static void test_files_head_has_the_length_and_no_body(void **state)
{
    struct folder *folder = *state;

    for (int i = 0; i < 2; i++) {
        struct answer answer = folder_ask(folder, "HEAD", "/a.txt", "range", "bytes=0-1");
        assert_int_equal(answer.status, 200);
        assert_int_equal(answer.content_length, 10);
        assert_null(answer.x->body);
        folder_close_answer(folder, &answer);
        folder->now += NSEC_PER_SEC;
    }
}

static void test_files_other_methods(void **state)
{
    struct folder *folder = *state;
    struct answer answer = folder_ask(folder, "POST", "/a.txt");

    assert_int_equal(answer.status, 405);
    assert_string_equal(answer_field(&answer, "allow"), "GET, HEAD, OPTIONS");
    folder_close_answer(folder, &answer);
    answer = folder_ask(folder, "OPTIONS", "*");
    assert_int_equal(answer.status, 204);
    assert_string_equal(answer_field(&answer, "allow"), "GET, HEAD, OPTIONS");
    assert_null(answer.x->body);
    folder_close_answer(folder, &answer);
}

static void test_files_outside_of_the_root_stay_there(void **state)
{
    struct folder *folder = *state;

    assert_status(folder, 400, "/../etc/passwd");
    assert_status(folder, 400, "/dir/../../etc/passwd");
    assert_status(folder, 400, "/%2e%2e/%2e%2e/etc/passwd");
    assert_status(folder, 400, "/..%2fetc/passwd");
    assert_status(folder, 400, "/a.txt%00.html");
    assert_status(folder, 404, "/..%5cetc%5cpasswd");
    assert_status(folder, 404, "/%252e%252e/etc/passwd");
    assert_status(folder, 404, "/etc/passwd");
    assert_status(folder, 404, "//etc/passwd");
}

static void test_files_symlinks_may_not_lead_out(void **state)
{
    struct folder *folder = *state;

    assert_int_equal(symlink("/etc", folder_path(folder, "/abs")), 0);
    assert_int_equal(symlink("../../../../../../etc/passwd", folder_path(folder, "/rel")), 0);
    assert_int_equal(symlink("a.txt", folder_path(folder, "/inside")), 0);
    assert_int_equal(symlink("../a.txt", folder_path(folder, "/dir/up")), 0);
    assert_int_equal(symlink("loop", folder_path(folder, "/loop")), 0);
    assert_int_equal(symlink("/proc/self/root", folder_path(folder, "/magic")), 0);
    assert_status(folder, 404, "/abs/passwd");
    assert_status(folder, 404, "/abs/");
    assert_status(folder, 404, "/abs");
    assert_status(folder, 404, "/rel");
    assert_string_equal(folder->reason, "a symbolic link leads out of the root");
    assert_status(folder, 404, "/loop");
    assert_status(folder, 404, "/magic/etc/passwd");
    expect_text(folder, "/inside", "0123456789");
    expect_text(folder, "/dir/up", "0123456789");
}

static void test_files_hidden_names_are_not_there(void **state)
{
    struct folder *folder = *state;

    assert_status(folder, 404, "/.env");
    assert_status(folder, 404, "/.git/config");
    assert_status(folder, 404, "/%2egit/config");
    assert_status(folder, 404, "/dir/.x");
    assert_status(folder, 404, "/.well-known/.hidden");
    assert_status(folder, 404, "/dir/.well-known/x");
    expect_text(folder, "/.well-known/security.txt", "contact");
}

static void test_files_dot_files_by_choice(void **state)
{
    struct folder *folder = *state;

    folder->settings.dot_files = true;
    expect_text(folder, "/.env", "SECRET=1");
}

static void test_files_only_regular_ones_are_sent(void **state)
{
    struct folder *folder = *state;

    assert_int_equal(mkfifo(folder_path(folder, "/fifo"), 0644), 0);
    assert_status(folder, 404, "/fifo");
    assert_status(folder, 404, "/a.txt/");
    assert_status(folder, 404, "/a.txt/b");
    char *long_name = mem_zalloc(9000);
    memset(long_name, 'a', 8999);
    long_name[0] = '/';
    assert_status(folder, 404, long_name);
    free(long_name);
}

static void test_files_unreadable_is_forbidden(void **state)
{
    struct folder *folder = *state;

    if (geteuid() == 0)
        skip(); /* root may read all */
    chmod(folder_path(folder, "/a.txt"), 0);
    assert_status(folder, 403, "/a.txt");
    assert_int_equal(folder->error, -EACCES);
}

static void test_files_folder_without_slash_redirects(void **state)
{
    struct folder *folder = *state;
    struct answer answer = folder_get(folder, "/dir?a=b&c");

    assert_int_equal(answer.status, 308);
    assert_string_equal(answer_field(&answer, "location"), "/dir/?a=b&c");
    folder_close_answer(folder, &answer);
}

static void test_files_redirect_is_never_open(void **state)
{
    struct folder *folder = *state;

    folder_write(folder, "/evil.example/", NULL, 0);
    folder_write(folder, "/\\evil.example/", NULL, 0);
    static const char *const targets[][2] = {
        {"//evil.example", "/evil.example/"},       {"///evil.example", "/evil.example/"},
        {"/./%2e//evil.example", "/evil.example/"}, {"/\\evil.example", "/%5Cevil.example/"},
        {"/%5cevil.example", "/%5Cevil.example/"},  {"/dir?", "/dir/?"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
        struct answer answer = folder_get(folder, targets[i][0]);
        assert_int_equal(answer.status, 308);
        assert_string_equal(answer_field(&answer, "location"), targets[i][1]);
        folder_close_answer(folder, &answer);
    }
}

static void test_files_folder_without_index_is_forbidden(void **state)
{
    struct folder *folder = *state;

    assert_status(folder, 403, "/bare/");
    assert_string_equal(folder->reason, "a folder without index file, and listing is off");
    assert_status(folder, 404, "/nowhere/");
}

static void test_files_conditions(void **state)
{
    struct folder *folder = *state;
    struct answer first = folder_get(folder, "/a.txt");
    char etag[64], modified[64];

    snprintf(etag, sizeof etag, "%s", answer_field(&first, "etag"));
    snprintf(modified, sizeof modified, "%s", answer_field(&first, "last-modified"));
    folder_close_answer(folder, &first);
    struct answer same = folder_get(folder, "/a.txt", "if-none-match", etag);
    assert_int_equal(same.status, 304);
    assert_null(same.x->body);
    assert_string_equal(answer_field(&same, "etag"), etag);
    assert_null(answer_field(&same, "content-type"));
    folder_close_answer(folder, &same);
    assert_status(folder, 304, "/a.txt", "if-modified-since", modified);
    assert_status(folder, 200, "/a.txt", "if-none-match", "\"other\"", "if-modified-since",
                  modified);
    assert_status(folder, 412, "/a.txt", "if-match", "\"other\"");
    assert_status(folder, 200, "/a.txt", "if-match", etag);
    assert_status(folder, 412, "/a.txt", "if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_status(folder, 206, "/a.txt", "range", "bytes=0-1", "if-range", etag);
    assert_status(folder, 200, "/a.txt", "range", "bytes=0-1", "if-range", "\"other\"");
    assert_status(folder, 304, "/a.txt", "range", "bytes=0-1", "if-none-match", etag);
}

static void expect_range(struct folder *folder, const char *target, const char *range,
                         const char *content_range, const char *text)
{
    struct answer answer = folder_get(folder, target, "range", range);

    assert_int_equal(answer.status, 206);
    assert_string_equal(answer_field(&answer, "content-range"), content_range);
    assert_string_equal(answer.bytes, text);
    assert_int_equal(answer.content_length, strlen(text));
    folder_close_answer(folder, &answer);
}

/* Once out of memory and once from the descriptor. */
static void each_way(struct folder *folder, void (*run)(struct folder *folder))
{
    run(folder);
    run(folder);
    folder_forget(folder);
    folder->settings.cache.max_file_size = 0;
    run(folder);
    folder->chunk = 3;
    run(folder);
}

static void run_ranges(struct folder *folder)
{
    expect_range(folder, "/a.txt", "bytes=0-3", "bytes 0-3/10", "0123");
    expect_range(folder, "/a.txt", "bytes=-3", "bytes 7-9/10", "789");
    expect_range(folder, "/a.txt", "bytes=5-", "bytes 5-9/10", "56789");
    struct answer answer = folder_get(folder, "/a.txt", "range", "bytes=10-");
    assert_int_equal(answer.status, 416);
    assert_string_equal(answer_field(&answer, "content-range"), "bytes */10");
    folder_close_answer(folder, &answer);
    assert_status(folder, 200, "/a.txt", "range", "bytes=3-1");
    assert_status(folder, 200, "/a.txt", "range", "bytes=0-1", "range", "bytes=2-3");
    assert_status(folder, 200, "/empty.txt", "range", "bytes=-1");
}

static void test_files_ranges(void **state)
{
    each_way(*state, run_ranges);
}

static void run_multipart(struct folder *folder)
{
    struct answer answer = folder_get(folder, "/a.txt", "range", "bytes=0-1, -2");
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
    folder_close_answer(folder, &answer);
}

static void test_files_several_ranges(void **state)
{
    each_way(*state, run_multipart);
}

static void test_files_large_one_is_sent_whole(void **state)
{
    struct folder *folder = *state;
    size_t len = 5 << 20;
    char *bytes = mem_alloc(len);

    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(i * 2654435761u >> 13);
    folder_write(folder, "/large.bin", bytes, len);
    struct answer answer = folder_get(folder, "/large.bin");
    assert_int_equal(answer.len, len);
    assert_memory_equal(answer.bytes, bytes, len);
    folder_close_answer(folder, &answer);
    answer = folder_get(folder, "/large.bin", "range", "bytes=2000000-3999999");
    assert_int_equal(answer.len, 2000000);
    assert_memory_equal(answer.bytes, bytes + 2000000, 2000000);
    folder_close_answer(folder, &answer);
    free(bytes);
}

static void test_files_truncated_while_sent_is_cut_off(void **state)
{
    struct folder *folder = *state;
    char *bytes = mem_zalloc(1 << 20);

    folder_write(folder, "/large.bin", bytes, 1 << 20);
    free(bytes);
    struct answer answer = folder_begin(folder, "GET", "/large.bin", NULL);
    assert_int_equal(answer.content_length, 1 << 20);
    assert_int_equal(truncate(folder_path(folder, "/large.bin"), 100000), 0);
    folder_drain(folder, &answer);
    assert_true(answer.end < 0);
    assert_int_equal(answer.len, 100000);
    folder_close_answer(folder, &answer);
}

static void test_files_growing_or_deleted_while_sent_keeps_its_length(void **state)
{
    struct folder *folder = *state;
    char *bytes = mem_zalloc(1 << 20);

    folder_write(folder, "/large.bin", bytes, 1 << 20);
    struct answer answer = folder_begin(folder, "GET", "/large.bin", NULL);
    folder_write(folder, "/large.bin", bytes, 1 << 20);
    assert_int_equal(truncate(folder_path(folder, "/large.bin"), 2 << 20), 0);
    unlink(folder_path(folder, "/large.bin"));
    folder_drain(folder, &answer);
    assert_int_equal(answer.end, 0);
    assert_int_equal(answer.len, 1 << 20);
    folder_close_answer(folder, &answer);
    free(bytes);
    assert_status(folder, 404, "/large.bin");
}

static void test_files_fallback_answers_for_pages_only(void **state)
{
    struct folder *folder = *state;

    folder->settings.fallback = (char *)"/index.html";
    expect_text(folder, "/users/7", "<h1>home</h1>");
    expect_text(folder, "/users/john.doe", "<h1>home</h1>");
    expect_text(folder, "/bare/", "<h1>home</h1>");
    assert_status(folder, 404, "/missing.js");
    assert_status(folder, 404, "/img/missing.png");
    assert_status(folder, 404, "/.env");
}

static void test_files_missing_fallback_is_not_found(void **state)
{
    struct folder *folder = *state;

    folder->settings.fallback = (char *)"/nope.html";
    assert_status(folder, 404, "/users/7");
    assert_string_equal(folder->reason, "the fallback cannot be read");
}

static void test_files_error_pages_of_the_site(void **state)
{
    struct folder *folder = *state;
    struct config_pair pages[] = {{(char *)"4xx", (char *)"/any.html"},
                                  {(char *)"404", (char *)"/404.html"},
                                  {(char *)"403", (char *)"/missing.html"}};

    folder->settings.error_pages = (struct config_pairs){pages, 3};
    folder_text(folder, "/404.html", "own 404");
    folder_text(folder, "/any.html", "own 4xx");
    for (int i = 0; i < 3; i++) {
        struct answer answer = folder_get(folder, "/nope");
        assert_int_equal(answer.status, 404);
        assert_string_equal(answer.bytes, "own 404");
        assert_string_equal(answer_field(&answer, "content-type"), "text/html; charset=utf-8");
        assert_null(answer_field(&answer, "etag"));
        folder_close_answer(folder, &answer);
        answer = folder_ask(folder, "PUT", "/a.txt");
        assert_int_equal(answer.status, 405);
        assert_string_equal(answer.bytes, "own 4xx");
        assert_non_null(answer_field(&answer, "allow"));
        folder_close_answer(folder, &answer);
        answer = folder_get(folder, "/bare/");
        assert_int_equal(answer.status, 403);
        assert_non_null(strstr(answer.bytes, "403 Forbidden"));
        folder_close_answer(folder, &answer);
        folder->now += NSEC_PER_SEC;
    }
}

static void test_files_own_error_page_fits_the_client(void **state)
{
    struct folder *folder = *state;

    char id[64];
    struct answer answer = folder_get(folder, "/nope", "accept", "text/html,*/*;q=0.8");
    snprintf(id, sizeof id, "Request %s", request_of(answer.x)->id);
    assert_string_equal(answer_field(&answer, "content-type"), "text/html; charset=utf-8");
    assert_non_null(strstr(answer.bytes, "404 Not Found"));
    assert_non_null(strstr(answer.bytes, id));
    folder_close_answer(folder, &answer);
    answer = folder_get(folder, "/nope", "accept", "application/json");
    snprintf(id, sizeof id, "Request %s", request_of(answer.x)->id);
    assert_string_equal(answer_field(&answer, "content-type"), "text/plain; charset=utf-8");
    assert_null(strchr(answer.bytes, '<'));
    assert_non_null(strstr(answer.bytes, id));
    folder_close_answer(folder, &answer);
}

static void test_files_header_rules_are_applied(void **state)
{
    struct folder *folder = *state;
    const struct header_rule rules[] = {
        {SPAN("cache-control"), SPAN("max-age=3600"), HEADER_SET},
        {SPAN("x-content-type-options"), SPAN("nosniff"), HEADER_SET},
        {SPAN("content-type"), SPAN("text/x-own"), HEADER_SET},
        {SPAN("link"), SPAN("<a>"), HEADER_ADD},
        {SPAN("link"), SPAN("<b>"), HEADER_ADD},
        {SPAN("last-modified"), {NULL, 0}, HEADER_REMOVE},
    };

    folder->rules = rules;
    folder->rule_count = ARRAY_SIZE(rules);
    struct answer answer = folder_get(folder, "/a.txt");
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
    folder_close_answer(folder, &answer);
    answer = folder_get(folder, "/nope");
    assert_null(answer_field(&answer, "cache-control"));
    assert_string_equal(answer_field(&answer, "x-content-type-options"), "nosniff");
    folder_close_answer(folder, &answer);
}

static void test_files_without_descriptors_say_come_back(void **state)
{
    struct folder *folder = *state;
    struct rlimit was, none;

    assert_status(folder, 200, "/a.txt");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    none = was;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    struct answer answer = folder_get(folder, "/index.html");
    struct answer hot = folder_get(folder, "/a.txt");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    assert_int_equal(answer.status, 503);
    assert_string_equal(answer_field(&answer, "retry-after"), "1");
    assert_int_equal(hot.status, 200);
    folder_close_answer(folder, &answer);
    folder_close_answer(folder, &hot);
    assert_status(folder, 200, "/index.html");
}

static void test_files_full_arena_still_answers(void **state)
{
    struct folder *folder = *state;
    struct http_pool *roomy = folder->pool;

    assert_status(folder, 200, "/a.txt");
    folder->pool = http_pool_create(0);
    struct http_exchange *x = http_exchange_take(folder->pool);
    while (arena_alloc(&x->arena, 16))
        ;
    folder_adopt(folder, x);
    x->request.method = HTTP_GET;
    x->request.path = SPAN("/a.txt");
    request_on_request(&folder->source, x);
    assert_int_equal(x->response.status, 503);
    assert_null(x->body);
    http_exchange_give(folder->pool, x);
    http_pool_destroy(folder->pool);
    folder->pool = roomy;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_files_get_answers_with_the_file),
        TEST(test_files_head_has_the_length_and_no_body),
        TEST(test_files_dates_of_reproducible_builds_are_not_sent),
        TEST(test_files_text_that_is_not_utf8_claims_no_charset),
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
        TEST(test_files_header_rules_are_applied),
        TEST(test_files_without_descriptors_say_come_back),
        TEST(test_files_full_arena_still_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
