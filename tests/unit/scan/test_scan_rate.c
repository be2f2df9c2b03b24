/* The rate against a line of which the test knows what it can carry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scan/rate.h"

/* Sends for `span` over a line that carries `capacity` packets a second, a canary in fifty.
 * @return packets sent */
static uint64_t run(struct scan_rate *rate, nsec_t from, nsec_t span, double capacity)
{
    uint64_t sent = 0, canaries = 0;

    for (nsec_t now = from; now < from + span; now += NSEC_PER_MSEC / 4) {
        sent += scan_rate_take(rate, now, 64);
        double share = rate->now > capacity ? capacity / rate->now : 1;
        while (canaries < sent / 50) {
            canaries++;
            scan_rate_canary(rate, (double)(canaries % 100) < share * 100);
        }
        scan_rate_adapt(rate, now);
    }
    return sent;
}

static void test_rate_reaches_its_ceiling_and_no_more(void **state)
{
    struct scan_rate rate;

    scan_rate_init(&rate, 30000, false, true);
    uint64_t sent = run(&rate, NSEC_PER_SEC, NSEC_PER_SEC, 1e9);
    assert_in_range(sent, 29000, 30200);
}

static void test_rate_grows_only_where_answers_prove_it(void **state)
{
    struct scan_rate rate;

    scan_rate_init(&rate, 0, false, false);
    for (nsec_t now = NSEC_PER_SEC; now < 3 * NSEC_PER_SEC; now += NSEC_PER_MSEC)
        scan_rate_adapt(&rate, now);
    double silent = rate.now;
    scan_rate_canary(&rate, true);
    for (nsec_t now = 3 * NSEC_PER_SEC; now < 5 * NSEC_PER_SEC; now += NSEC_PER_MSEC)
        scan_rate_adapt(&rate, now);
    assert_true(rate.now > silent * 2);
}

static void test_rate_settles_near_what_the_line_carries(void **state)
{
    struct scan_rate rate;

    scan_rate_init(&rate, 0, true, false);
    run(&rate, NSEC_PER_SEC, 3 * NSEC_PER_SEC, 20000);
    assert_true(rate.now > 8000 && rate.now < 32000);
}

static void test_rate_never_falls_below_its_floor(void **state)
{
    struct scan_rate rate;

    scan_rate_init(&rate, 0, true, false);
    for (int i = 0; i < 100; i++)
        scan_rate_slow_down(&rate);
    assert_true(rate.now == rate.floor && rate.floor > 0);
    scan_rate_init(&rate, 5, true, true);
    scan_rate_slow_down(&rate);
    assert_true(rate.now == 5);
}

static void test_rate_does_not_catch_up_after_a_pause(void **state)
{
    struct scan_rate rate;

    scan_rate_init(&rate, 1000, true, true);
    scan_rate_take(&rate, NSEC_PER_SEC, 64);
    assert_in_range(scan_rate_take(&rate, 60 * NSEC_PER_SEC, 64), 1, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rate_reaches_its_ceiling_and_no_more),
        cmocka_unit_test(test_rate_grows_only_where_answers_prove_it),
        cmocka_unit_test(test_rate_settles_near_what_the_line_carries),
        cmocka_unit_test(test_rate_never_falls_below_its_floor),
        cmocka_unit_test(test_rate_does_not_catch_up_after_a_pause),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
