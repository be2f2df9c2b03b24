/* Listings of folders: order, escaping, links, bounds. */
#include "files_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "serve/files/internal.h"
#include "serve/files/listing.h"

static int setup(void **state)
{
    struct folder *folder = folder_create();

    folder->settings.listing = true;
    *state = folder;
    return 0;
}

static int teardown(void **state)
{
    folder_destroy(*state);
    return 0;
}

static void has(const struct answer *answer, const char *text)
{
    if (!strstr(answer->bytes, text))
        fail_msg("%s is not in %s", text, answer->bytes);
}

static void test_listing_shows_folders_first_then_names(void **state)
{
    struct folder *folder = *state;

    folder_text(folder, "/d/b.txt", "12345");
    folder_text(folder, "/d/A.txt", "1");
    folder_text(folder, "/d/zoo/x", "1");
    folder_text(folder, "/d/.hidden", "1");
    struct answer answer = folder_get(folder, "/d/");
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer_field(&answer, "content-type"), "text/html; charset=utf-8");
    assert_string_equal(answer_field(&answer, "content-security-policy"),
                        "default-src 'none'; style-src 'unsafe-inline'");
    has(&answer, "<a href=\"../\">");
    has(&answer, "<td>5 B<td><time datetime=\"20");
    const char *zoo = strstr(answer.bytes, "\"./zoo/\""), *a = strstr(answer.bytes, "\"./A.txt\""),
               *b = strstr(answer.bytes, "\"./b.txt\"");
    assert_true(zoo && a && b && zoo < a && a < b);
    assert_null(strstr(answer.bytes, "hidden"));
    folder_close_answer(folder, &answer);
}

static void test_listing_of_the_root_has_no_way_up(void **state)
{
    struct folder *folder = *state;

    folder_text(folder, "/a.txt", "1");
    struct answer answer = folder_get(folder, "/");
    has(&answer, "\"./a.txt\"");
    assert_null(strstr(answer.bytes, "../"));
    folder_close_answer(folder, &answer);
}

static void test_listing_index_file_goes_first(void **state)
{
    struct folder *folder = *state;

    folder_text(folder, "/d/index.html", "index");
    struct answer answer = folder_get(folder, "/d/");
    assert_string_equal(answer.bytes, "index");
    folder_close_answer(folder, &answer);
}

static void test_listing_escapes_names(void **state)
{
    struct folder *folder = *state;

    folder_text(folder, "/d<b>&/\"><script>alert('1')<", "x");
    folder_text(folder, "/d<b>&/javascript:alert(1)", "x");
    folder_text(folder, "/d<b>&/caf\xc3\xa9 \xff", "x");
    folder_text(folder, "/d<b>&/no\nrequest", "x"); /* may ask for such a name: it is not shown */
    struct answer answer = folder_get(folder, "/d%3Cb%3E&/");
    has(&answer, "<title>d&lt;b&gt;&amp; \xe2\x80\x93 /d&lt;b&gt;&amp;/</title>");
    has(&answer, "<a href=\"./%22%3E%3Cscript%3Ealert(%271%27)%3C\">"
                 "&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;</a>");
    has(&answer, "<a href=\"./javascript:alert(1)\">");
    has(&answer, "href=\"./caf%C3%A9%20%FF\"");
    assert_null(strstr(answer.bytes, "<script>"));
    folder_close_answer(folder, &answer);
    answer = folder_get(folder, "/d%3Cb%3E&/", "accept", "application/json");
    assert_string_equal(answer_field(&answer, "content-type"), "application/json");
    assert_string_equal(answer_field(&answer, "vary"), "accept");
    has(&answer, "{\"path\":\"/d<b>&/\",\"entries\":[\n");
    has(&answer,
        "{\"name\":\"\\\"><script>alert('1')<\",\"type\":\"file\",\"size\":1,\"modified\"");
    has(&answer, "{\"name\":\"caf\xc3\xa9 \\ufffd\"");
    has(&answer, "],\"cut\":false}\n");
    assert_null(strstr(answer.bytes, "request"));
    folder_close_answer(folder, &answer);
}

static void test_listing_shows_only_links_that_stay(void **state)
{
    struct folder *folder = *state;

    folder_text(folder, "/d/a.txt", "123");
    folder_text(folder, "/top.txt", "12345");
    assert_int_equal(symlink("/etc/passwd", folder_path(folder, "/d/out")), 0);
    assert_int_equal(symlink("../top.txt", folder_path(folder, "/d/in")), 0);
    assert_int_equal(symlink("nowhere", folder_path(folder, "/d/broken")), 0);
    assert_int_equal(mkfifo(folder_path(folder, "/d/fifo"), 0644), 0);
    struct answer answer = folder_get(folder, "/d/");
    has(&answer, "\"./in\">in</a><td>5 B<td>");
    assert_null(strstr(answer.bytes, "./out"));
    assert_null(strstr(answer.bytes, "./broken"));
    assert_null(strstr(answer.bytes, "./fifo"));
    folder_close_answer(folder, &answer);
}

static void test_listing_head_has_only_the_length(void **state)
{
    struct folder *folder = *state;

    folder_text(folder, "/d/a.txt", "123");
    struct answer get = folder_get(folder, "/d/"), head = folder_ask(folder, "HEAD", "/d/");
    assert_int_equal(head.content_length, get.len);
    assert_null(head.x->body);
    folder_close_answer(folder, &get);
    folder_close_answer(folder, &head);
}

static void test_listing_is_bounded_in_entries(void **state)
{
    struct folder *folder = *state;
    char name[32];

    for (int i = 0; i < LISTING_ENTRIES_MAX + 5; i++) {
        snprintf(name, sizeof name, "/d/%05d", i);
        folder_write(folder, name, "", 0);
    }
    struct answer answer = folder_get(folder, "/d/");
    has(&answer, "<p>Only 10000 entries are shown; there are more.</p>");
    folder_close_answer(folder, &answer);
}

static void test_listing_is_bounded_in_bytes(void **state)
{
    struct listing_entry entries[100];
    struct listing listing = {SPAN("/"), SPAN("share"), entries, 100, false};
    char name[200];

    memset(name, '<', sizeof name);
    for (size_t i = 0; i < 100; i++)
        entries[i] = (struct listing_entry){span_of(name, sizeof name), false, 1024, 0};
    struct buffer out = buffer_make(20000);
    assert_int_equal(listing_render_html(&listing, &out), 0);
    assert_int_equal(buffer_append(&out, "", 1), 0);
    assert_non_null(strstr(out.data, "1.0 KiB"));
    assert_non_null(strstr(out.data, "entries are shown; there are more."));
    buffer_finish(&out);
    assert_int_equal(listing_render_json(&listing, &out), 0);
    assert_int_equal(buffer_append(&out, "", 1), 0);
    assert_non_null(strstr(out.data, "\"}],\"cut\":true}\n"));
    buffer_finish(&out);
    out.ceiling = 100;
    assert_int_equal(listing_render_html(&listing, &out), ERR_LIMIT);
    buffer_finish(&out);
}

static void test_listing_leaves_out_what_is_never_served(void **state)
{
    struct folder *folder = *state;
    struct answer answer;
    struct stat st;

    folder_text(folder, "/g/in-use.txt", "bound by its inode");
    folder_text(folder, "/g/server.key", "-----BEGIN PRIVATE KEY-----\nx\n");
    folder_text(folder, "/g/chain.pem", "-----BEGIN CERTIFICATE-----\nx\n");
    folder_text(folder, "/g/state/ca", "x");
    answer = folder_get(folder, "/g/");
    has(&answer, "in-use.txt");
    folder_close_answer(folder, &answer);
    assert_int_equal(stat(folder_path(folder, "/g/in-use.txt"), &st), 0);
    struct file_number number = {st.st_dev, st.st_ino};
    assert_int_equal(stat(folder_path(folder, "/g/state"), &st), 0);
    const struct files_guard guard = {&number, 1, {st.st_dev, st.st_ino}};
    files_set_guard(folder->files, &guard);
    folder->now += 2 * NSEC_PER_SEC;
    answer = folder_get(folder, "/g/");
    has(&answer, "chain.pem");
    has(&answer, "<main><h1>/g/</h1>");
    assert_null(strstr(answer.bytes, "in-use.txt"));
    assert_null(strstr(answer.bytes, "server.key"));
    assert_null(strstr(answer.bytes, "state/"));
    folder_close_answer(folder, &answer);
}

static void test_listing_bodies_in_flight_are_bounded(void **state)
{
    struct folder *folder = *state;
    struct answer answers[100];
    char name[256];
    int count = 0;

    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "/d/%0200d", i);
        folder_write(folder, name, "", 0);
    }
    do {
        folder->now += 2 * NSEC_PER_SEC; /* each is made anew */
        answers[count++] = folder_begin(folder, "GET", "/d/", NULL);
    } while (answers[count - 1].status == 200 && count < 100);
    assert_in_range(count, 10, 99);
    assert_int_equal(answers[count - 1].status, 503);
    while (count > 0)
        folder_close_answer(folder, &answers[--count]);
    assert_status(folder, 200, "/d/");
}

static void test_listing_is_not_made_anew_for_each_request(void **state)
{
    struct folder *folder = *state;

    folder_text(folder, "/d/a", "");
    struct answer head = folder_ask(folder, "HEAD", "/d/");
    assert_int_equal(head.status, 200);
    assert_int_equal(head.content_length, -1); /* not known, and not worth making it */
    assert_true(list_empty(&folder->files->listings));
    folder_close_answer(folder, &head);
    struct answer first = folder_begin(folder, "GET", "/d/", NULL);
    struct answer second = folder_begin(folder, "GET", "/d/", NULL);
    assert_int_equal(folder->files->listing_bytes, first.content_length);
    assert_int_equal(second.content_length, first.content_length);
    folder_close_answer(folder, &first);
    folder_text(folder, "/d/b", "");
    folder_drain(folder, &second);
    assert_null(strstr(second.bytes, ">b<"));
    folder_close_answer(folder, &second);
    struct answer third = folder_get(folder, "/d/");
    assert_non_null(strstr(third.bytes, ">b<"));
    folder_close_answer(folder, &third);
}

static void test_listing_keeps_a_bounded_number(void **state)
{
    struct folder *folder = *state;
    char name[32];
    int kept = 0;

    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "/d%d/", i);
        folder_write(folder, name, "", 0);
        assert_status(folder, 200, name);
    }
    for (struct list *at = folder->files->listings.next; at != &folder->files->listings;
         at = at->next)
        kept++;
    assert_in_range(kept, 1, 16);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_listing_shows_folders_first_then_names),
        TEST(test_listing_of_the_root_has_no_way_up),
        TEST(test_listing_index_file_goes_first),
        TEST(test_listing_escapes_names),
        TEST(test_listing_shows_only_links_that_stay),
        TEST(test_listing_head_has_only_the_length),
        TEST(test_listing_is_bounded_in_entries),
        TEST(test_listing_is_bounded_in_bytes),
        TEST(test_listing_leaves_out_what_is_never_served),
        TEST(test_listing_bodies_in_flight_are_bounded),
        TEST(test_listing_is_not_made_anew_for_each_request),
        TEST(test_listing_keeps_a_bounded_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
