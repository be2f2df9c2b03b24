/* The list of bans, its journal and the table that workers read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "protect/protect.h"

#define MINUTE (60 * NSEC_PER_SEC)
#define DAY (1440 * MINUTE)
#define NOW (1000 * DAY)

static const uint64_t secret[2] = {3, 4};

static struct peer_network network_of(const char *text)
{
    struct peer_network network;

    assert_int_equal(peer_network_parse(span_str(text), &network), 0);
    return network;
}

static struct peer_address address_of(const char *text)
{
    struct peer_address address;

    assert_int_equal(peer_address_parse(span_str(text), &address), 0);
    return address;
}

static const struct ban *ban(struct ban_list *list, const char *text, enum ban_cause cause,
                             nsec_t now)
{
    struct ban wanted = {.network = network_of(text), .cause = cause};

    snprintf(wanted.why, sizeof wanted.why, "because of %s", text);
    return ban_list_add(list, &wanted, 10 * MINUTE, now);
}

static int ends;

static void on_end(void *context, const struct ban *ended)
{
    (void)context, (void)ended;
    ends++;
}

static void test_bans_escalate_end_and_are_forgotten(void **state)
{
    struct ban_list list;

    (void)state;
    ends = 0;
    ban_list_init(&list, secret);
    list.max = 30 * MINUTE;
    const struct ban *first = ban(&list, "192.0.2.1", BAN_BY_NOT_FOUND, NOW);
    assert_int_equal(first->until - NOW, 10 * MINUTE);
    assert_int_equal(ban(&list, "192.0.2.1", BAN_BY_WAF, NOW + MINUTE)->strikes, 1);
    assert_non_null(ban_list_find(&list, address_of("192.0.2.1"), NOW + MINUTE));
    assert_null(ban_list_find(&list, address_of("192.0.2.2"), NOW + MINUTE));
    ban_list_expire(&list, NOW + 11 * MINUTE, on_end, NULL);
    ban_list_expire(&list, NOW + 12 * MINUTE, on_end, NULL);
    assert_int_equal(ends, 1);
    assert_null(ban_list_find(&list, address_of("192.0.2.1"), NOW + 11 * MINUTE));
    const struct ban *second = ban(&list, "192.0.2.1", BAN_BY_WAF, NOW + 12 * MINUTE);
    assert_int_equal(second->until - second->since, 20 * MINUTE);
    const struct ban *third = ban(&list, "192.0.2.1", BAN_BY_WAF, NOW + 60 * MINUTE);
    assert_int_equal(third->until - third->since, 30 * MINUTE); /* max */
    const struct ban *by_hand = ban(&list, "192.0.2.1", BAN_BY_HAND, NOW + 61 * MINUTE);
    assert_int_equal(by_hand->until - by_hand->since, 10 * MINUTE);
    ban_list_expire(&list, NOW + 3 * DAY, on_end, NULL);
    assert_int_equal(list.bans.used, 0);
    ban_list_finish(&list);
}

static void test_a_full_list_takes_no_more(void **state)
{
    struct ban_list list;

    (void)state;
    ban_list_init(&list, secret);
    list.limit = 2;
    assert_non_null(ban(&list, "192.0.2.1", BAN_BY_WAF, NOW));
    assert_non_null(ban(&list, "2001:db8::/64", BAN_BY_WAF, NOW));
    assert_null(ban(&list, "192.0.2.3", BAN_BY_WAF, NOW));
    struct peer_network lifted = network_of("2001:db8::9/64");
    assert_true(ban_list_lift(&list, &lifted));
    assert_false(ban_list_lift(&list, &lifted));
    assert_non_null(ban(&list, "192.0.2.3", BAN_BY_WAF, NOW));
    /* what is done on purpose finds room, and bans that ended make some */
    assert_null(ban(&list, "192.0.2.4", BAN_BY_WAF, NOW));
    assert_non_null(ban(&list, "192.0.2.4", BAN_BY_HAND, NOW));
    assert_null(ban(&list, "192.0.2.5", BAN_BY_WAF, NOW + MINUTE / 2));
    ban_list_expire(&list, NOW + DAY / 2, on_end, NULL);
    assert_non_null(ban(&list, "192.0.2.5", BAN_BY_WAF, NOW + DAY / 2));
    ban_list_finish(&list);
}

/* ---- the journal ---- */

static struct ban_journal new_journal(void)
{
    struct ban_journal journal = {
        .fds = {memfd_create("0", MFD_CLOEXEC), memfd_create("1", MFD_CLOEXEC)}};

    assert_true(journal.fds[0] >= 0 && journal.fds[1] >= 0);
    return journal;
}

static size_t load(const struct ban_journal *from, struct ban_list *list)
{
    struct ban_journal journal = {.fds = {from->fds[0], from->fds[1]}};

    ban_list_init(list, secret);
    int r = ban_journal_load(&journal, list);
    assert_true(r >= 0);
    return (size_t)r;
}

static void test_what_is_written_down_comes_back_as_it_was(void **state)
{
    struct ban_journal journal = new_journal();
    struct ban_list list, again;

    (void)state;
    assert_int_equal(load(&journal, &list), 0);
    assert_int_equal(ban_journal_rewrite(&journal, &list), 0);
    assert_int_equal(ban_journal_add(&journal, ban(&list, "192.0.2.1", BAN_BY_WAF, NOW)), 0);
    assert_int_equal(ban_journal_add(&journal, ban(&list, "2001:db8::/32", BAN_BY_HAND, NOW)), 0);
    assert_int_equal(ban_journal_add(&journal, ban(&list, "192.0.2.3", BAN_BY_RATE, NOW)), 0);
    struct peer_network lifted = network_of("192.0.2.3");
    assert_int_equal(ban_journal_lift(&journal, &lifted), 0);
    assert_int_equal(load(&journal, &again), 2);
    const struct ban *got = ban_list_find(&again, address_of("192.0.2.1"), NOW);
    assert_int_equal(got->until, NOW + 10 * MINUTE);
    assert_int_equal(got->cause, BAN_BY_WAF);
    assert_string_equal(got->why, "because of 192.0.2.1");
    assert_non_null(ban_list_find(&again, address_of("2001:db8:1::1"), NOW));
    ban_list_finish(&again);
    assert_int_equal(ban_journal_rewrite(&journal, &list), 0);
    assert_int_equal(load(&journal, &again), 3);
    ban_list_finish(&again);
    ban_list_finish(&list);
}

/** Whatever is cut off or damaged: what was complete before is read, and writing goes on. */
static void test_a_write_that_was_cut_off_loses_its_own_line_only(void **state)
{
    struct ban_journal journal = new_journal();
    struct ban_list list, again;

    (void)state;
    ban_list_init(&list, secret);
    assert_int_equal(ban_journal_rewrite(&journal, &list), 0);
    assert_int_equal(ban_journal_add(&journal, ban(&list, "192.0.2.1", BAN_BY_WAF, NOW)), 0);
    off_t whole = lseek(journal.fds[0], 0, SEEK_END);
    assert_int_equal(ban_journal_add(&journal, ban(&list, "192.0.2.2", BAN_BY_WAF, NOW)), 0);
    off_t end = lseek(journal.fds[0], 0, SEEK_END);
    for (off_t at = whole; at < end; at++) {
        assert_int_equal(ftruncate(journal.fds[0], at), 0);
        assert_int_equal(load(&journal, &again), 1);
        ban_list_finish(&again);
    }
    assert_int_equal(ban_journal_add(&journal, ban(&list, "192.0.2.3", BAN_BY_WAF, NOW)), 0);
    assert_true(load(&journal, &again) >= 2);
    assert_non_null(ban_list_find(&again, address_of("192.0.2.3"), NOW));
    ban_list_finish(&again);

    /* The rewriting of the other file, cut off at each byte. */
    assert_int_equal(ban_journal_rewrite(&journal, &list), 0);
    end = lseek(journal.fds[1], 0, SEEK_END);
    for (off_t at = end - 1; at >= 0; at--) {
        assert_int_equal(ftruncate(journal.fds[1], at), 0);
        assert_true(load(&journal, &again) >= 2);
        ban_list_finish(&again);
    }
    ban_list_finish(&list);
}

/* ---- the table ---- */

static void test_workers_see_bans_and_cannot_write_them(void **state)
{
    struct protect_shared *shared;
    struct peer_network network = network_of("192.0.2.0/24"), six = network_of("2001:db8::/48");
    nsec_t now = 5 * NSEC_PER_SEC;
    int status;

    (void)state;
    assert_int_equal(protect_shared_create(1, 65536, &shared), 0);
    assert_int_equal(ban_table_find(shared->bans, address_of("192.0.2.9"), now), 0);
    uint64_t generation = ban_table_generation(shared->bans);
    assert_int_equal(ban_table_set(shared->bans, &network, now + MINUTE), 0);
    assert_int_equal(ban_table_set(shared->bans, &six, now + MINUTE), 0);
    assert_true(ban_table_generation(shared->bans) != generation);
    pid_t worker = fork();
    assert_true(worker >= 0);
    if (worker == 0) {
        bool fine = protect_shared_read_bans(shared) == 0 &&
                    ban_table_find(shared->bans, address_of("192.0.2.9"), now) == now + MINUTE &&
                    ban_table_find(shared->bans, address_of("2001:db8::9"), now) == now + MINUTE &&
                    ban_table_find(shared->bans, address_of("192.0.3.9"), now) == 0 &&
                    ban_table_find(shared->bans, address_of("192.0.2.9"), now + MINUTE) == 0 &&
                    mprotect(shared->ban_view, ban_table_size(), PROT_READ | PROT_WRITE) < 0;
        _exit(fine ? 0 : 1);
    }
    assert_int_equal(waitpid(worker, &status, 0), worker);
    assert_int_equal(status, 0);
    ban_table_remove(shared->bans, &network);
    assert_int_equal(ban_table_find(shared->bans, address_of("192.0.2.9"), now), 0);
    assert_true(ban_table_find(shared->bans, address_of("2001:db8::9"), now) > 0);
    ban_table_clear(shared->bans);
    assert_int_equal(ban_table_find(shared->bans, address_of("2001:db8::9"), now), 0);
    protect_shared_destroy(shared);
}

static void test_the_table_has_room_for_a_hundred_thousand(void **state)
{
    struct protect_shared *shared;
    struct peer_network network = network_of("2001:db8::/64");
    size_t missing = 0;

    (void)state;
    assert_int_equal(protect_shared_create(1, 65536, &shared), 0);
    for (uint32_t i = 0; i < 100000; i++) {
        memcpy(network.address.bytes + 4, &i, sizeof i);
        missing += ban_table_set(shared->bans, &network, MINUTE) < 0;
    }
    assert_int_equal(missing, 0);
    for (uint32_t i = 0; i < 100000; i++) {
        memcpy(network.address.bytes + 4, &i, sizeof i);
        missing += ban_table_find(shared->bans, network.address, 1) == 0;
    }
    assert_int_equal(missing, 0);
    protect_shared_destroy(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bans_escalate_end_and_are_forgotten),
        cmocka_unit_test(test_a_full_list_takes_no_more),
        cmocka_unit_test(test_what_is_written_down_comes_back_as_it_was),
        cmocka_unit_test(test_a_write_that_was_cut_off_loses_its_own_line_only),
        cmocka_unit_test(test_workers_see_bans_and_cannot_write_them),
        cmocka_unit_test(test_the_table_has_room_for_a_hundred_thousand),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
