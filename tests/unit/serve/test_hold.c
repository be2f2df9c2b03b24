/* The hold buffer: order, bound, and the account of the client's window. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "serve/hold.h"

enum { OVERRUN = 4096 };

static void test_hold_keeps_the_order(void **state)
{
    (void)state;
    struct hold *hold = hold_create(HOLD_LIMIT, OVERRUN);
    uint64_t credit;

    assert_int_equal(hold_add(hold, SPAN("abc"), &credit), 0);
    assert_int_equal(hold_add(hold, SPAN("def"), &credit), 0);
    assert_true(span_equal(hold_front(hold, 4), SPAN("abcd")));
    hold_advance(hold, 4);
    assert_int_equal(hold_add(hold, SPAN("gh"), &credit), 0);
    assert_true(span_equal(hold_front(hold, 100), SPAN("efgh")));
    hold_advance(hold, 4);
    assert_int_equal(hold_waiting(hold), 0);
    assert_int_equal(hold_front(hold, 100).len, 0);
    hold_destroy(hold);
    hold_destroy(NULL);
}

static void test_hold_gives_credit_up_to_its_limit(void **state)
{
    (void)state;
    struct hold *hold = hold_create(HOLD_LIMIT, OVERRUN);
    char *bytes = calloc(1, HOLD_LIMIT);
    uint64_t credit;

    assert_int_equal(hold_add(hold, span_of(bytes, HOLD_LIMIT - 10), &credit), 0);
    assert_int_equal(credit, HOLD_LIMIT - 10);
    assert_int_equal(hold_add(hold, span_of(bytes, 100), &credit), 0);
    assert_int_equal(credit, 10);
    assert_int_equal(hold_add(hold, span_of(bytes, 100), &credit), 0);
    assert_int_equal(credit, 0);
    hold_destroy(hold);
    free(bytes);
}

static void test_hold_gives_back_what_was_not_given_before(void **state)
{
    (void)state;
    struct hold *hold = hold_create(HOLD_LIMIT, OVERRUN);
    char *bytes = calloc(1, HOLD_LIMIT);
    uint64_t credit, given = 0;

    for (int i = 0; i < 2; i++) {
        assert_int_equal(hold_add(hold, span_of(bytes, HOLD_LIMIT / 2 + 100), &credit), 0);
        given += credit;
    }
    assert_int_equal(given, HOLD_LIMIT);
    given += hold_settle(hold, 1000);
    assert_int_equal(given, HOLD_LIMIT); /* those had been given */
    given += hold_settle(hold, HOLD_LIMIT - 1000 + 200);
    assert_int_equal(given, HOLD_LIMIT + 200);
    assert_int_equal(hold_settle(hold, 7), 7);
    hold_destroy(hold);
    free(bytes);
}

static void test_hold_is_bounded(void **state)
{
    (void)state;
    struct hold *hold = hold_create(HOLD_LIMIT, OVERRUN);
    char *bytes = calloc(1, HOLD_LIMIT + OVERRUN);
    uint64_t credit;

    assert_int_equal(hold_add(hold, span_of(bytes, HOLD_LIMIT + OVERRUN), &credit), 0);
    assert_int_equal(hold_add(hold, SPAN("x"), &credit), ERR_LIMIT);
    hold_destroy(hold);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hold_keeps_the_order),
        cmocka_unit_test(test_hold_gives_credit_up_to_its_limit),
        cmocka_unit_test(test_hold_gives_back_what_was_not_given_before),
        cmocka_unit_test(test_hold_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
