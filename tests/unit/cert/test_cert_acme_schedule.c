/* When certificates are renewed, how long failures wait, and which names are public. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macros.h"
#include "cert/acme/names.h"
#include "cert/acme/schedule.h"

#define DAY ((nsec_t)86400 * NSEC_PER_SEC)
#define HOUR ((nsec_t)3600 * NSEC_PER_SEC)
#define BIRTH (20000 * DAY)

static const uint64_t randoms[] = {0, 1, 1u << 31, UINT32_MAX, UINT64_MAX};

static void test_without_a_window_renewal_is_at_two_thirds_of_the_life(void **state)
{
    const struct acme_lifetime life = {.not_before = BIRTH, .not_after = BIRTH + 90 * DAY};

    for (size_t i = 0; i < ARRAY_SIZE(randoms); i++) {
        nsec_t at = acme_renew_at(&life, randoms[i]);
        assert_in_range(at - BIRTH, 60 * DAY, 62 * DAY);
    }
}

static void test_a_life_under_ten_days_is_renewed_at_half(void **state)
{
    const struct acme_lifetime life = {.not_before = BIRTH, .not_after = BIRTH + 160 * HOUR};

    for (size_t i = 0; i < ARRAY_SIZE(randoms); i++)
        assert_in_range(acme_renew_at(&life, randoms[i]) - BIRTH, 80 * HOUR, 84 * HOUR);
}

static void test_a_suggested_window_is_followed(void **state)
{
    const struct acme_lifetime life = {.not_before = BIRTH,
                                       .not_after = BIRTH + 90 * DAY,
                                       .window_start = BIRTH + 10 * DAY,
                                       .window_end = BIRTH + 11 * DAY};

    for (size_t i = 0; i < ARRAY_SIZE(randoms); i++)
        assert_in_range(acme_renew_at(&life, randoms[i]) - BIRTH, 10 * DAY, 11 * DAY);
}

static void test_a_window_in_the_past_means_now_and_absurd_ones_are_not_believed(void **state)
{
    struct acme_lifetime life = {.not_before = BIRTH,
                                 .not_after = BIRTH + 90 * DAY,
                                 .window_start = BIRTH - 10 * DAY,
                                 .window_end = BIRTH - 9 * DAY};

    assert_int_equal(acme_renew_at(&life, 5), BIRTH);
    life.window_start = BIRTH + 200 * DAY; /* after its end */
    life.window_end = BIRTH + 300 * DAY;
    assert_in_range(acme_renew_at(&life, 0) - BIRTH, 60 * DAY, 62 * DAY);
    life.window_start = BIRTH + 89 * DAY;
    assert_in_range(acme_renew_at(&life, UINT32_MAX) - BIRTH, 89 * DAY, 90 * DAY);
}

static void test_failures_wait_ever_longer_and_as_long_as_the_server_says(void **state)
{
    static const nsec_t minutes[] = {1, 1, 10, 100, 1440, 1440};

    for (unsigned failures = 0; failures < ARRAY_SIZE(minutes); failures++)
        for (size_t i = 0; i < ARRAY_SIZE(randoms); i++) {
            nsec_t wait = acme_retry_at(failures, BIRTH, 0, randoms[i]) - BIRTH;
            nsec_t least = minutes[failures] * 60 * NSEC_PER_SEC;
            assert_in_range(wait, least, least + least / 10);
        }
    assert_int_equal(acme_retry_at(1, BIRTH, BIRTH + 3 * HOUR, 0), BIRTH + 3 * HOUR);
    assert_int_equal(acme_retry_at(1, BIRTH, BIRTH + 400 * DAY, 0), BIRTH + 7 * DAY);
    assert_true(acme_retry_at(1, BIRTH, BIRTH - DAY, 0) > BIRTH);
}

static void test_urgency_grows_towards_the_end(void **state)
{
    const struct acme_lifetime life = {.not_before = BIRTH, .not_after = BIRTH + 90 * DAY};

    assert_int_equal(acme_urgency(&life, BIRTH + 61 * DAY), ACME_CALM);
    assert_int_equal(acme_urgency(&life, BIRTH + 72 * DAY), ACME_WARN);
    assert_int_equal(acme_urgency(&life, BIRTH + 82 * DAY), ACME_URGENT);
    assert_int_equal(acme_urgency(&life, BIRTH + 90 * DAY), ACME_OVER);
}

static void test_only_public_names_are_ordered(void **state)
{
    static const struct {
        struct span name;
        bool is_public;
    } rows[] = {
        {SPAN("example.com"), true},  {SPAN("*.example.com"), true}, {SPAN("localhost"), false},
        {SPAN("a.localhost"), false}, {SPAN("printer"), false},      {SPAN("site.test"), false},
        {SPAN("db.internal"), false}, {SPAN("*.home.arpa"), false},  {SPAN("x.onion"), false},
        {SPAN("latest"), false},      {SPAN("contest.de"), true},    {SPAN("192.168.1.1"), false},
        {SPAN("127.0.0.1"), false},   {SPAN("100.64.1.1"), false},   {SPAN("9.9.9.9"), true},
        {SPAN("::1"), false},         {SPAN("fd00::1"), false},      {SPAN("fe80::1"), false},
        {SPAN("2620:fe::9"), true},   {SPAN("2001:db8::1"), false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *why = NULL;
        if (acme_name_is_public(rows[i].name, &why) != rows[i].is_public)
            fail_msg("%.*s", SPAN_ARGS(rows[i].name));
        assert_true(rows[i].is_public == (why == NULL));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_window_renewal_is_at_two_thirds_of_the_life),
        cmocka_unit_test(test_a_life_under_ten_days_is_renewed_at_half),
        cmocka_unit_test(test_a_suggested_window_is_followed),
        cmocka_unit_test(test_a_window_in_the_past_means_now_and_absurd_ones_are_not_believed),
        cmocka_unit_test(test_failures_wait_ever_longer_and_as_long_as_the_server_says),
        cmocka_unit_test(test_urgency_grows_towards_the_end),
        cmocka_unit_test(test_only_public_names_are_ordered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
