/* The cache of small files: how stale it may be, how much it may hold. */
#include "files_site.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

static int setup(void **state)
{
    *state = site_create();
    return 0;
}

static int teardown(void **state)
{
    site_destroy(*state);
    return 0;
}

static void expect(struct site *site, const char *target, const char *text)
{
    struct answer answer = site_get(site, target);

    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.bytes, text);
    site_close_answer(site, &answer);
}

static uint64_t misses(struct site *site)
{
    struct files_stats stats;

    files_stats(site->files, &stats);
    return stats.misses;
}

/* Lets the kernel's clock tick, so that identities tell versions apart. */
static void let_time_pass(void)
{
    usleep(60000);
}

static void test_cache_serves_without_looking_within_its_staleness(void **state)
{
    struct site *site = *state;

    site_text(site, "/a.txt", "one");
    expect(site, "/a.txt", "one");
    site_text(site, "/a.txt", "two");
    site->now += 99 * NSEC_PER_MSEC;
    expect(site, "/a.txt", "one");
    site->now += 1 * NSEC_PER_MSEC;
    expect(site, "/a.txt", "two");
}

static void test_cache_keeps_what_did_not_change(void **state)
{
    struct site *site = *state;

    site_text(site, "/a.css", "one");
    let_time_pass();
    expect(site, "/a.css", "one");
    uint64_t before = misses(site);
    for (int i = 0; i < 5; i++) {
        site->now += NSEC_PER_SEC;
        expect(site, "/a.css", "one");
    }
    assert_int_equal(misses(site), before);
}

static void test_cache_reads_anew_what_changed_just_before(void **state)
{
    struct site *site = *state;

    /* Same size, and perhaps within one tick of the kernel's clock. */
    for (char c = 'a'; c < 'z'; c++) {
        char text[] = {c, '\0'};
        site_text(site, "/a.txt", text);
        site->now += NSEC_PER_SEC;
        expect(site, "/a.txt", text);
    }
}

static void test_cache_trusts_no_identity_that_is_younger_than_a_tick(void **state)
{
    struct site *site = *state;

    site_text(site, "/a.txt", "x");
    site->wall_ahead = -3600 * NSEC_PER_SEC; /* the file was changed "just now" */
    expect(site, "/a.txt", "x");
    uint64_t before = misses(site);
    site->now += NSEC_PER_SEC;
    expect(site, "/a.txt", "x");
    assert_int_equal(misses(site), before + 1);
}

static void test_cache_sees_replacement_by_rename(void **state)
{
    struct site *site = *state;

    site_text(site, "/a.txt", "old");
    site_text(site, "/b.txt", "new");
    let_time_pass();
    expect(site, "/a.txt", "old");
    char *from = mem_string(span_str(site_path(site, "/b.txt")));
    assert_int_equal(rename(from, site_path(site, "/a.txt")), 0);
    free(from);
    site->now += NSEC_PER_SEC;
    expect(site, "/a.txt", "new");
}

static void test_cache_sees_change_that_keeps_date_and_size(void **state)
{
    struct site *site = *state;
    struct stat st;
    struct answer answer;
    char before[64];

    site_text(site, "/a.txt", "old");
    let_time_pass();
    answer = site_get(site, "/a.txt");
    snprintf(before, sizeof before, "%s", answer_field(&answer, "etag"));
    site_close_answer(site, &answer);
    assert_int_equal(stat(site_path(site, "/a.txt"), &st), 0);
    site_text(site, "/a.txt", "new");
    struct timespec times[2] = {st.st_atim, st.st_mtim};
    assert_int_equal(utimensat(AT_FDCWD, site_path(site, "/a.txt"), times, 0), 0);
    site->now += NSEC_PER_SEC;
    answer = site_get(site, "/a.txt");
    assert_string_equal(answer.bytes, "new");
    assert_string_not_equal(answer_field(&answer, "etag"), before);
    site_close_answer(site, &answer);
}

static void test_cache_sees_deletion(void **state)
{
    struct site *site = *state;

    site_text(site, "/a.txt", "x");
    let_time_pass();
    expect(site, "/a.txt", "x");
    unlink(site_path(site, "/a.txt"));
    site->now += NSEC_PER_SEC;
    assert_status(site, 404, "/a.txt");
    site_text(site, "/a.txt", "back");
    expect(site, "/a.txt", "back"); /* that it was not there is never kept */
}

static void test_cache_sees_a_better_index_file(void **state)
{
    struct site *site = *state;

    site_text(site, "/index.htm", "second");
    let_time_pass();
    expect(site, "/", "second");
    site_text(site, "/index.html", "first");
    site->now += NSEC_PER_SEC;
    expect(site, "/", "first");
}

static void test_cache_sees_neighbours_come_and_go(void **state)
{
    struct site *site = *state;
    struct answer answer;

    site_text(site, "/a.css", "plain");
    let_time_pass();
    expect(site, "/a.css", "plain");
    site_text(site, "/a.css.br", "PACKED");
    let_time_pass();
    site->now += NSEC_PER_SEC;
    answer = site_get(site, "/a.css", "accept-encoding", "br");
    assert_string_equal(answer.bytes, "PACKED");
    site_close_answer(site, &answer);
    unlink(site_path(site, "/a.css.br"));
    site->now += NSEC_PER_SEC;
    answer = site_get(site, "/a.css", "accept-encoding", "br");
    assert_string_equal(answer.bytes, "plain");
    site_close_answer(site, &answer);
}

static void test_cache_is_bounded(void **state)
{
    struct site *site = *state;
    char bytes[1000] = {0}, name[32];
    struct files_stats stats;

    site->settings.cache.total = 100000;
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 300; i++) {
            snprintf(name, sizeof name, "/%d.bin", i);
            if (!round)
                site_write(site, name, bytes, sizeof bytes);
            assert_status(site, 200, name);
            files_stats(site->files, &stats);
            assert_true(stats.cache_bytes <= 100000);
        }
    assert_true(stats.cache_entries > 20);
}

static void test_cache_keeps_the_hot_file(void **state)
{
    struct site *site = *state;
    char bytes[1000] = {0}, name[32];

    site->settings.cache.total = 100000;
    site_text(site, "/hot.txt", "hot");
    expect(site, "/hot.txt", "hot");
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "/%d.bin", i);
        site_write(site, name, bytes, sizeof bytes);
        assert_status(site, 200, name);
        uint64_t before = misses(site);
        expect(site, "/hot.txt", "hot");
        assert_int_equal(misses(site), before);
    }
}

static void test_cache_bound_holds_while_bodies_are_sent(void **state)
{
    struct site *site = *state;
    struct answer answers[50];
    char bytes[10000] = {0}, name[32];
    struct files_stats stats;

    site->settings.cache.total = 100000;
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "/%d.bin", i);
        site_write(site, name, bytes, sizeof bytes);
        answers[i] = site_begin(site, "GET", name, NULL);
        site->now += NSEC_PER_SEC;
        files_stats(site->files, &stats);
        assert_true(stats.cache_bytes <= 100000);
    }
    for (int i = 0; i < 50; i++) {
        site_drain(site, &answers[i]);
        assert_int_equal(answers[i].len, sizeof bytes);
        site_close_answer(site, &answers[i]);
    }
}

static void test_cache_does_not_evict_what_is_being_sent(void **state)
{
    struct site *site = *state;
    char bytes[10000] = {0}, name[32];

    site->settings.cache.total = 100000;
    site_text(site, "/sent.txt", "sent");
    struct answer answer = site_begin(site, "GET", "/sent.txt", NULL);
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "/%d.bin", i);
        site_write(site, name, bytes, sizeof bytes);
        assert_status(site, 200, name);
    }
    uint64_t before = misses(site);
    expect(site, "/sent.txt", "sent");
    assert_int_equal(misses(site), before);
    site_close_answer(site, &answer);
}

static void test_cache_file_being_sent_survives_its_replacement(void **state)
{
    struct site *site = *state;

    site_text(site, "/a.txt", "old");
    struct answer answer = site_begin(site, "GET", "/a.txt", NULL);
    site_text(site, "/a.txt", "new");
    site->now += NSEC_PER_SEC;
    expect(site, "/a.txt", "new");
    site_drain(site, &answer);
    assert_string_equal(answer.bytes, "old");
    site_close_answer(site, &answer);
}

static void test_cache_off_by_choice(void **state)
{
    struct site *site = *state;
    struct files_stats stats;

    site->settings.cache.total = 0;
    site_text(site, "/a.txt", "one");
    expect(site, "/a.txt", "one");
    site_text(site, "/a.txt", "two");
    expect(site, "/a.txt", "two");
    files_stats(site->files, &stats);
    assert_int_equal(stats.cache_entries, 0);
    assert_int_equal(stats.cache_bytes, 0);
}

static void test_cache_counts_are_right_after_all(void **state)
{
    struct site *site = *state;
    struct files_stats stats;

    site_text(site, "/a.txt", "one");
    expect(site, "/a.txt", "one");
    unlink(site_path(site, "/a.txt"));
    site->now += NSEC_PER_SEC;
    assert_status(site, 404, "/a.txt");
    files_stats(site->files, &stats);
    assert_int_equal(stats.cache_bytes, 0);
    assert_int_equal(stats.cache_entries, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_cache_serves_without_looking_within_its_staleness),
        TEST(test_cache_keeps_what_did_not_change),
        TEST(test_cache_reads_anew_what_changed_just_before),
        TEST(test_cache_trusts_no_identity_that_is_younger_than_a_tick),
        TEST(test_cache_sees_replacement_by_rename),
        TEST(test_cache_sees_change_that_keeps_date_and_size),
        TEST(test_cache_sees_deletion),
        TEST(test_cache_sees_a_better_index_file),
        TEST(test_cache_sees_neighbours_come_and_go),
        TEST(test_cache_is_bounded),
        TEST(test_cache_keeps_the_hot_file),
        TEST(test_cache_bound_holds_while_bodies_are_sent),
        TEST(test_cache_does_not_evict_what_is_being_sent),
        TEST(test_cache_file_being_sent_survives_its_replacement),
        TEST(test_cache_off_by_choice),
        TEST(test_cache_counts_are_right_after_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
