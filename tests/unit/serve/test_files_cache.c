/* The cache of small files: how stale it may be, how much it may hold. */
#include "files_folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

static int setup(void **state)
{
    *state = folder_create();
    return 0;
}

static int teardown(void **state)
{
    folder_destroy(*state);
    return 0;
}

static void expect(struct folder *folder, const char *target, const char *text)
{
    struct answer answer = folder_get(folder, target);

    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.bytes, text);
    folder_close_answer(folder, &answer);
}

static uint64_t misses(struct folder *folder)
{
    struct files_stats stats;

    files_stats(folder->files, &stats);
    return stats.misses;
}

/* Lets the kernel's clock tick, so that identities tell versions apart. */
static void let_time_pass(void)
{
    usleep(60000);
}

static void test_cache_serves_without_looking_within_its_staleness(void **state)
{
    struct folder *folder = *state;

    folder_text(folder, "/a.txt", "one");
    expect(folder, "/a.txt", "one");
    folder_text(folder, "/a.txt", "two");
    folder->now += 99 * NSEC_PER_MSEC;
    expect(folder, "/a.txt", "one");
    folder->now += 1 * NSEC_PER_MSEC;
    expect(folder, "/a.txt", "two");
}

static void test_cache_keeps_what_did_not_change(void **state)
{
    struct folder *folder = *state;

    folder_text(folder, "/a.css", "one");
    let_time_pass();
    expect(folder, "/a.css", "one");
    uint64_t before = misses(folder);
    for (int i = 0; i < 5; i++) {
        folder->now += NSEC_PER_SEC;
        expect(folder, "/a.css", "one");
    }
    assert_int_equal(misses(folder), before);
}

static void test_cache_reads_anew_what_changed_just_before(void **state)
{
    struct folder *folder = *state;

    /* Same size, and perhaps within one tick of the kernel's clock. */
    for (char c = 'a'; c < 'z'; c++) {
        char text[] = {c, '\0'};
        folder_text(folder, "/a.txt", text);
        folder->now += NSEC_PER_SEC;
        expect(folder, "/a.txt", text);
    }
}

static void test_cache_trusts_no_identity_that_is_younger_than_a_tick(void **state)
{
    struct folder *folder = *state;

    folder_text(folder, "/a.txt", "x");
    folder->wall_ahead = -3600 * NSEC_PER_SEC; /* the file was changed "just now" */
    expect(folder, "/a.txt", "x");
    uint64_t before = misses(folder);
    folder->now += NSEC_PER_SEC;
    expect(folder, "/a.txt", "x");
    assert_int_equal(misses(folder), before + 1);
}

static void test_cache_sees_replacement_by_rename(void **state)
{
    struct folder *folder = *state;

    folder_text(folder, "/a.txt", "old");
    folder_text(folder, "/b.txt", "new");
    let_time_pass();
    expect(folder, "/a.txt", "old");
    char *from = mem_string(span_str(folder_path(folder, "/b.txt")));
    assert_int_equal(rename(from, folder_path(folder, "/a.txt")), 0);
    free(from);
    folder->now += NSEC_PER_SEC;
    expect(folder, "/a.txt", "new");
}

static void test_cache_sees_change_that_keeps_date_and_size(void **state)
{
    struct folder *folder = *state;
    struct stat st;
    struct answer answer;
    char before[64];

    folder_text(folder, "/a.txt", "old");
    let_time_pass();
    answer = folder_get(folder, "/a.txt");
    snprintf(before, sizeof before, "%s", answer_field(&answer, "etag"));
    folder_close_answer(folder, &answer);
    assert_int_equal(stat(folder_path(folder, "/a.txt"), &st), 0);
    folder_text(folder, "/a.txt", "new");
    struct timespec times[2] = {st.st_atim, st.st_mtim};
    assert_int_equal(utimensat(AT_FDCWD, folder_path(folder, "/a.txt"), times, 0), 0);
    folder->now += NSEC_PER_SEC;
    answer = folder_get(folder, "/a.txt");
    assert_string_equal(answer.bytes, "new");
    assert_string_not_equal(answer_field(&answer, "etag"), before);
    folder_close_answer(folder, &answer);
}

static void test_cache_sees_deletion(void **state)
{
    struct folder *folder = *state;

    folder_text(folder, "/a.txt", "x");
    let_time_pass();
    expect(folder, "/a.txt", "x");
    unlink(folder_path(folder, "/a.txt"));
    folder->now += NSEC_PER_SEC;
    assert_status(folder, 404, "/a.txt");
    folder_text(folder, "/a.txt", "back");
    expect(folder, "/a.txt", "back"); /* that it was not there is never kept */
}

static void test_cache_sees_a_better_index_file(void **state)
{
    struct folder *folder = *state;

    folder_text(folder, "/index.htm", "second");
    let_time_pass();
    expect(folder, "/", "second");
    folder_text(folder, "/index.html", "first");
    folder->now += NSEC_PER_SEC;
    expect(folder, "/", "first");
}

static void test_cache_sees_neighbours_come_and_go(void **state)
{
    struct folder *folder = *state;
    struct answer answer;

    folder_text(folder, "/a.css", "plain");
    let_time_pass();
    expect(folder, "/a.css", "plain");
    folder_text(folder, "/a.css.br", "PACKED");
    let_time_pass();
    folder->now += NSEC_PER_SEC;
    answer = folder_get(folder, "/a.css", "accept-encoding", "br");
    assert_string_equal(answer.bytes, "PACKED");
    folder_close_answer(folder, &answer);
    unlink(folder_path(folder, "/a.css.br"));
    folder->now += NSEC_PER_SEC;
    answer = folder_get(folder, "/a.css", "accept-encoding", "br");
    assert_string_equal(answer.bytes, "plain");
    folder_close_answer(folder, &answer);
}

static void test_cache_is_bounded(void **state)
{
    struct folder *folder = *state;
    char bytes[1000] = {0}, name[32];
    struct files_stats stats;

    folder->settings.cache.total = 100000;
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 300; i++) {
            snprintf(name, sizeof name, "/%d.bin", i);
            if (!round)
                folder_write(folder, name, bytes, sizeof bytes);
            assert_status(folder, 200, name);
            files_stats(folder->files, &stats);
            assert_true(stats.cache_bytes <= 100000);
        }
    assert_true(stats.cache_entries > 20);
}

static void test_cache_keeps_the_hot_file(void **state)
{
    struct folder *folder = *state;
    char bytes[1000] = {0}, name[32];

    folder->settings.cache.total = 100000;
    folder_text(folder, "/hot.txt", "hot");
    expect(folder, "/hot.txt", "hot");
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "/%d.bin", i);
        folder_write(folder, name, bytes, sizeof bytes);
        assert_status(folder, 200, name);
        uint64_t before = misses(folder);
        expect(folder, "/hot.txt", "hot");
        assert_int_equal(misses(folder), before);
    }
}

static void test_cache_bound_holds_while_bodies_are_sent(void **state)
{
    struct folder *folder = *state;
    struct answer answers[50];
    char bytes[10000] = {0}, name[32];
    struct files_stats stats;

    folder->settings.cache.total = 100000;
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "/%d.bin", i);
        folder_write(folder, name, bytes, sizeof bytes);
        answers[i] = folder_begin(folder, "GET", name, NULL);
        folder->now += NSEC_PER_SEC;
        files_stats(folder->files, &stats);
        assert_true(stats.cache_bytes <= 100000);
    }
    for (int i = 0; i < 50; i++) {
        folder_drain(folder, &answers[i]);
        assert_int_equal(answers[i].len, sizeof bytes);
        folder_close_answer(folder, &answers[i]);
    }
}

static void test_cache_does_not_evict_what_is_being_sent(void **state)
{
    struct folder *folder = *state;
    char bytes[10000] = {0}, name[32];

    folder->settings.cache.total = 100000;
    folder_text(folder, "/sent.txt", "sent");
    struct answer answer = folder_begin(folder, "GET", "/sent.txt", NULL);
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "/%d.bin", i);
        folder_write(folder, name, bytes, sizeof bytes);
        assert_status(folder, 200, name);
    }
    uint64_t before = misses(folder);
    expect(folder, "/sent.txt", "sent");
    assert_int_equal(misses(folder), before);
    folder_close_answer(folder, &answer);
}

static void test_cache_file_being_sent_survives_its_replacement(void **state)
{
    struct folder *folder = *state;

    folder_text(folder, "/a.txt", "old");
    struct answer answer = folder_begin(folder, "GET", "/a.txt", NULL);
    folder_text(folder, "/a.txt", "new");
    folder->now += NSEC_PER_SEC;
    expect(folder, "/a.txt", "new");
    folder_drain(folder, &answer);
    assert_string_equal(answer.bytes, "old");
    folder_close_answer(folder, &answer);
}

static void test_cache_off_by_choice(void **state)
{
    struct folder *folder = *state;
    struct files_stats stats;

    folder->settings.cache.total = 0;
    folder_text(folder, "/a.txt", "one");
    expect(folder, "/a.txt", "one");
    folder_text(folder, "/a.txt", "two");
    expect(folder, "/a.txt", "two");
    files_stats(folder->files, &stats);
    assert_int_equal(stats.cache_entries, 0);
    assert_int_equal(stats.cache_bytes, 0);
}

static void test_cache_counts_are_right_after_all(void **state)
{
    struct folder *folder = *state;
    struct files_stats stats;

    folder_text(folder, "/a.txt", "one");
    expect(folder, "/a.txt", "one");
    unlink(folder_path(folder, "/a.txt"));
    folder->now += NSEC_PER_SEC;
    assert_status(folder, 404, "/a.txt");
    files_stats(folder->files, &stats);
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
