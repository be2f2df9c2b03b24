/* Which server gets a request, for each way to choose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macros.h"
#include "serve/proxy/balance.h"

enum { SERVERS = 5, KEYS = 10000 };

static const struct health_settings health = {
    .failures = 1, .window = NSEC_PER_SEC, .pause = NSEC_PER_SEC, .pause_max = NSEC_PER_SEC};

struct group {
    struct balance_server servers[SERVERS];
    struct balance_server *list[SERVERS];
    uint64_t random;
};

static void group_init(struct group *group, const unsigned weights[SERVERS])
{
    *group = (struct group){.random = 1};
    for (size_t i = 0; i < SERVERS; i++) {
        group->servers[i] = (struct balance_server){.id = 1000 + i * 77, .weight = weights[i]};
        group->list[i] = &group->servers[i];
    }
}

/** @return the chosen one's index, or -1 */
static int choose(struct group *group, enum balance_kind kind, uint64_t hash)
{
    group->random = group->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    struct balance_question question = {.kind = kind,
                                        .health = &health,
                                        .now = NSEC_PER_SEC,
                                        .hash = hash,
                                        .random = group->random >> 16 ^ group->random << 48};
    struct balance_server *chosen = balance_choose(group->list, SERVERS, &question);

    return chosen ? (int)(chosen - group->servers) : -1;
}

static const enum balance_kind kinds[] = {BALANCE_ROUND_ROBIN, BALANCE_LEAST, BALANCE_TWO,
                                          BALANCE_HASH};

static void test_weights_are_kept(void **state)
{
    static const unsigned weights[SERVERS] = {1, 2, 3, 0, 4};

    (void)state;
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        unsigned counts[SERVERS] = {0};
        struct group group;
        group_init(&group, weights);
        for (int i = 0; i < KEYS; i++) {
            int n = choose(&group, kinds[k], (uint64_t)i);
            assert_true(n >= 0);
            counts[n]++;
            if (kinds[k] != BALANCE_HASH) /* requests that never end */
                group.servers[n].in_flight++;
        }
        for (size_t n = 0; n < SERVERS; n++)
            assert_in_range(counts[n], weights[n] * KEYS / 10 * 9 / 10,
                            weights[n] * KEYS / 10 * 11 / 10);
    }
}

static void test_round_robin_is_smooth(void **state)
{
    static const unsigned weights[SERVERS] = {4, 1, 1, 0, 0};
    static const int order[] = {0, 0, 1, 0, 2, 0};
    struct group group;

    (void)state;
    group_init(&group, weights);
    for (size_t i = 0; i < ARRAY_SIZE(order); i++)
        assert_int_equal(choose(&group, BALANCE_ROUND_ROBIN, 0), order[i]);
}

static void test_servers_that_are_down_or_tried_are_left_out(void **state)
{
    static const unsigned weights[SERVERS] = {1, 1, 1, 1, 1};

    (void)state;
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        struct group group;
        group_init(&group, weights);
        for (int i = 0; i < 4; i++)
            health_failed(&group.servers[i].health, &health, NSEC_PER_SEC);
        for (int i = 0; i < 100; i++)
            assert_int_equal(choose(&group, kinds[k], (uint64_t)i), 4);
        const struct balance_server *tried[] = {&group.servers[4]};
        struct balance_question question = {.kind = kinds[k],
                                            .health = &health,
                                            .now = NSEC_PER_SEC,
                                            .tried = tried,
                                            .tried_count = 1};
        assert_null(balance_choose(group.list, SERVERS, &question));
        health_failed(&group.servers[4].health, &health, NSEC_PER_SEC);
        assert_int_equal(choose(&group, kinds[k], 0), -1);
        assert_int_equal(balance_usable(group.list, SERVERS, NSEC_PER_SEC), 0);
        assert_int_equal(balance_usable(group.list, SERVERS, 2 * NSEC_PER_SEC), SERVERS);
        assert_int_equal(balance_retry_at(group.list, SERVERS, NSEC_PER_SEC), 2 * NSEC_PER_SEC);
        assert_null(balance_choose(group.list, 0, &question));
    }
}

static void test_least_prefers_those_with_less_to_do(void **state)
{
    static const unsigned weights[SERVERS] = {1, 1, 2, 1, 1};
    static const unsigned loads[SERVERS] = {5, 3, 4, 9, 9};
    struct group group;

    (void)state;
    group_init(&group, weights);
    for (size_t i = 0; i < SERVERS; i++)
        group.servers[i].in_flight = loads[i];
    assert_int_equal(choose(&group, BALANCE_LEAST, 0), 2);
}

static void test_a_hash_moves_only_keys_of_the_server_that_went(void **state)
{
    static const unsigned weights[SERVERS] = {1, 2, 1, 3, 1};
    int before[KEYS];
    struct group group;

    (void)state;
    group_init(&group, weights);
    for (int i = 0; i < KEYS; i++)
        before[i] = choose(&group, BALANCE_HASH, (uint64_t)i);
    health_failed(&group.servers[3].health, &health, NSEC_PER_SEC);
    for (int i = 0; i < KEYS; i++) {
        int now = choose(&group, BALANCE_HASH, (uint64_t)i);
        assert_int_not_equal(now, 3);
        if (before[i] != 3)
            assert_int_equal(now, before[i]);
    }
}

static void test_a_hash_has_bounded_loads(void **state)
{
    static const unsigned weights[SERVERS] = {1, 1, 1, 1, 1};
    struct group group;

    (void)state;
    group_init(&group, weights);
    for (int i = 0; i < 1000; i++) { /* one key for all */
        int n = choose(&group, BALANCE_HASH, 42);
        assert_true(n >= 0);
        group.servers[n].in_flight++;
    }
    for (size_t i = 0; i < SERVERS; i++)
        assert_true(group.servers[i].in_flight <= 1000 / SERVERS * 5 / 4 + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights_are_kept),
        cmocka_unit_test(test_round_robin_is_smooth),
        cmocka_unit_test(test_servers_that_are_down_or_tried_are_left_out),
        cmocka_unit_test(test_least_prefers_those_with_less_to_do),
        cmocka_unit_test(test_a_hash_moves_only_keys_of_the_server_that_went),
        cmocka_unit_test(test_a_hash_has_bounded_loads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
