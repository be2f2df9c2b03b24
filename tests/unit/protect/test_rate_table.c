/* Rates in shared memory: exact against a reference, also with several processes; bounded; and what
 * garbage in the memory can do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "protect/protect.h"

enum { MEMORY = 1 << 16 };

static const uint64_t secret[2] = {1, 2};
static const struct rate ten_a_second = {NSEC_PER_SEC / 10, 5};

struct rig {
    void *memory;
    struct rate_table *table;
};

static int setup(void **state)
{
    struct rig *rig = mem_new(struct rig);

    rig->memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(rig->memory, MAP_FAILED);
    rig->table = rate_table_create(rig->memory, MEMORY, secret);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    rate_table_destroy(rig->table);
    munmap(rig->memory, MEMORY);
    free(rig);
    return 0;
}

static uint64_t key_of(struct rig *rig, uint32_t client)
{
    return rate_key(rig->table, 7, span_of((const char *)&client, sizeof client));
}

static void test_a_burst_passes_and_then_the_rate(void **state)
{
    struct rig *rig = *state;
    nsec_t now = 1000 * NSEC_PER_SEC;
    uint64_t key = key_of(rig, 1);

    for (uint32_t i = 0; i < 5; i++) {
        struct rate_state got = rate_take(rig->table, key, &ten_a_second, now);
        assert_true(got.allowed);
        assert_int_equal(got.left, 4 - i);
    }
    struct rate_state refused = rate_take(rig->table, key, &ten_a_second, now);
    assert_false(refused.allowed);
    assert_int_equal(refused.wait, NSEC_PER_SEC / 10);
    assert_true(rate_take(rig->table, key_of(rig, 2), &ten_a_second, now).allowed);
    now += NSEC_PER_SEC / 10;
    assert_true(rate_look(rig->table, key, &ten_a_second, now).allowed);
    assert_true(rate_take(rig->table, key, &ten_a_second, now).allowed);
    assert_false(rate_take(rig->table, key, &ten_a_second, now).allowed);
    now += 10 * NSEC_PER_SEC;
    assert_int_equal(rate_take(rig->table, key, &ten_a_second, now).left, 4);
}

/** What a single process with exact numbers would allow. */
static unsigned reference(const struct rate *rate, unsigned requests, nsec_t step)
{
    nsec_t full = 0;
    unsigned allowed = 0;

    for (unsigned i = 0; i < requests; i++) {
        nsec_t now = (nsec_t)i * step;
        nsec_t ahead = full > now ? full - now : 0;
        if (ahead > (nsec_t)(rate->burst - 1) * rate->interval)
            continue;
        full = now + ahead + rate->interval;
        allowed++;
    }
    return allowed;
}

static void test_counts_are_within_two_percent_of_a_reference(void **state)
{
    static const struct rate rates[] = {{NSEC_PER_SEC / 7, 3},
                                        {NSEC_PER_SEC / 3000, 50},
                                        {NSEC_PER_SEC / 7000, 1},
                                        {60 * NSEC_PER_SEC / 100, 100},
                                        {3600 * NSEC_PER_SEC / 1000, 10}};
    struct rig *rig = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
        unsigned requests = 20000, allowed = 0;
        nsec_t step = rates[i].interval / 3 + 17;
        for (unsigned n = 0; n < requests; n++)
            allowed += rate_take(rig->table, key_of(rig, 100 + (uint32_t)i), &rates[i],
                                 5000 * NSEC_PER_SEC + (nsec_t)n * step)
                           .allowed;
        unsigned exact = reference(&rates[i], requests, step);
        assert_true(abs((int)allowed - (int)exact) * 50 <= (int)exact);
    }
}

/** Four processes take as fast as they can from one key at one time: the burst is what passes. */
static void test_processes_share_one_count(void **state)
{
    const struct rate rate = {NSEC_PER_SEC, 1000};
    struct rig *rig = *state;
    _Atomic unsigned *allowed =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t key = key_of(rig, 9);
    pid_t children[4];

    for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            for (int n = 0; n < 2000; n++)
                *allowed += rate_take(rig->table, key, &rate, 50 * NSEC_PER_SEC).allowed;
            _exit(0);
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(children); i++)
        waitpid(children[i], NULL, 0);
    assert_in_range(*allowed, 980, 1020);
    munmap((void *)allowed, 4096);
}

static void test_a_full_table_forgets_those_who_have_least_to_wait(void **state)
{
    const struct rate slow = {100 * NSEC_PER_SEC, 1};
    struct rig *rig = *state;
    nsec_t now = 1000 * NSEC_PER_SEC;
    unsigned kept = 0;

    for (uint32_t i = 0; i < 100; i++)
        assert_true(rate_take(rig->table, key_of(rig, i), &slow, now).allowed);
    for (uint32_t i = 1000; i < 200000; i++) /* twenty times what has room, with less to say */
        assert_true(rate_take(rig->table, key_of(rig, i), &ten_a_second, now).allowed);
    for (uint32_t i = 0; i < 100; i++)
        kept += !rate_take(rig->table, key_of(rig, i), &slow, now).allowed;
    assert_int_equal(kept, 100);
}

static void test_garbage_delays_nobody_beyond_the_burst(void **state)
{
    struct rig *rig = *state;
    nsec_t now = 1000 * NSEC_PER_SEC;
    uint64_t *words = rig->memory, random = 88172645463325252;

    for (size_t i = 0; i < MEMORY / sizeof *words; i++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        words[i] = random;
    }
    for (uint32_t i = 0; i < 2000; i++) {
        struct rate_state got = rate_take(rig->table, key_of(rig, i), &ten_a_second, now);
        assert_true(got.wait <= 5 * ten_a_second.interval);
        assert_true(rate_take(rig->table, key_of(rig, i), &ten_a_second, now + got.wait).allowed ||
                    got.allowed);
    }
}

/* Another worker's clock was read a moment, or a request's minutes, before. */
static void test_an_older_now_erases_nothing(void **state)
{
    static const nsec_t older[] = {NSEC_PER_SEC / 1000, 40 * NSEC_PER_SEC, 300 * NSEC_PER_SEC};
    struct rig *rig = *state;
    nsec_t now = 1000 * NSEC_PER_SEC;

    for (uint32_t i = 0; i < ARRAY_SIZE(older); i++) {
        uint64_t key = key_of(rig, i);
        for (int n = 0; n < 5; n++)
            assert_true(rate_take(rig->table, key, &ten_a_second, now).allowed);
        assert_false(rate_take(rig->table, key, &ten_a_second, now - older[i]).allowed);
        assert_false(rate_look(rig->table, key, &ten_a_second, now - older[i]).allowed);
        assert_false(rate_take(rig->table, key, &ten_a_second, now).allowed);
    }
}

static void test_rates_are_read_from_text(void **state)
{
    uint32_t count;
    nsec_t window;

    (void)state;
    assert_int_equal(rate_parse("20/s", &count, &window), 0);
    assert_int_equal(count, 20);
    assert_int_equal(window, NSEC_PER_SEC);
    assert_int_equal(rate_parse("5 / m", &count, &window), 0);
    assert_int_equal(window, 60 * NSEC_PER_SEC);
    assert_int_equal(rate_parse("20000/s", &count, &window), 0);
    assert_true(rate_parse("20001/s", &count, &window) < 0);
    assert_true(rate_parse("0/s", &count, &window) < 0);
    assert_true(rate_parse("20", &count, &window) < 0);
    assert_true(rate_parse("20/w", &count, &window) < 0);
    assert_true(rate_parse("-1/s", &count, &window) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_burst_passes_and_then_the_rate, setup, teardown),
        cmocka_unit_test_setup_teardown(test_counts_are_within_two_percent_of_a_reference, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_processes_share_one_count, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_full_table_forgets_those_who_have_least_to_wait,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_garbage_delays_nobody_beyond_the_burst, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_an_older_now_erases_nothing, setup, teardown),
        cmocka_unit_test(test_rates_are_read_from_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
