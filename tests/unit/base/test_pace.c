/* Whether a transfer keeps up: waits, earlier waits, bytes that add time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/pace.h"

#define S(n) ((nsec_t)(n)*NSEC_PER_SEC)

static const struct pace_bounds bounds = {.timeout = S(10), .rate = 100};

static void test_pace_has_no_deadline_while_nobody_waits(void **state)
{
    struct pace pace = {0};

    assert_int_equal(pace_deadline(&pace, &bounds), NSEC_NEVER);
    pace_update(&pace, false, 5000, S(7));
    assert_int_equal(pace_deadline(&pace, &bounds), NSEC_NEVER);
    pace_update(&pace, true, 0, S(8));
    assert_int_equal(pace_deadline(&pace, &(struct pace_bounds){0}), NSEC_NEVER);
}

static void test_pace_without_a_byte_ends_after_the_timeout(void **state)
{
    struct pace pace = {0};

    pace_update(&pace, true, 0, S(5));
    assert_int_equal(pace_deadline(&pace, &bounds), S(15));
    pace_update(&pace, true, 0, S(14));
    assert_int_equal(pace_deadline(&pace, &bounds), S(15));
}

static void test_pace_below_the_rate_ends_though_bytes_come(void **state)
{
    struct pace pace = {0};

    for (int second = 5; second <= 14; second++) /* 10 bytes a second: 1 second for 10 */
        pace_update(&pace, true, (uint64_t)(second - 5) * 10, S(second));
    assert_int_equal(pace_deadline(&pace, &bounds), S(15));
    pace_update(&pace, true, 100, S(15));
    assert_int_equal(pace_deadline(&pace, &bounds), S(16));
}

static void test_pace_above_the_rate_stalls_after_the_timeout(void **state)
{
    struct pace pace = {0};

    pace_update(&pace, true, 0, S(5));
    pace_update(&pace, true, 100000, S(6)); /* 1,000 seconds, but not without a byte */
    assert_int_equal(pace_deadline(&pace, &bounds), S(16));
}

static void test_pace_counts_earlier_waits(void **state)
{
    struct pace pace = {0};

    pace_update(&pace, true, 0, S(5));
    pace_update(&pace, false, 0, S(9)); /* 4 seconds are spent */
    assert_int_equal(pace_deadline(&pace, &bounds), NSEC_NEVER);
    pace_update(&pace, true, 0, S(100));
    assert_int_equal(pace_deadline(&pace, &bounds), S(106));
}

static void test_pace_has_an_end_however_many_bytes_move(void **state)
{
    const struct pace_bounds capped = {.timeout = S(10), .timeout_max = S(15), .rate = 1};
    struct pace pace = {0};

    pace_update(&pace, true, 0, S(5));
    pace_update(&pace, true, UINT64_MAX, S(12));
    assert_int_equal(pace_deadline(&pace, &capped), S(20));
}

static void test_pace_without_a_rate_gives_no_time_for_bytes(void **state)
{
    const struct pace_bounds strict = {.timeout = S(10)};
    struct pace pace = {0};

    pace_update(&pace, true, 0, S(5));
    pace_update(&pace, true, 1 << 20, S(14));
    assert_int_equal(pace_deadline(&pace, &strict), S(15));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pace_has_no_deadline_while_nobody_waits),
        cmocka_unit_test(test_pace_without_a_byte_ends_after_the_timeout),
        cmocka_unit_test(test_pace_below_the_rate_ends_though_bytes_come),
        cmocka_unit_test(test_pace_above_the_rate_stalls_after_the_timeout),
        cmocka_unit_test(test_pace_counts_earlier_waits),
        cmocka_unit_test(test_pace_has_an_end_however_many_bytes_move),
        cmocka_unit_test(test_pace_without_a_rate_gives_no_time_for_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
