/* Settings of the kernel that let a flood keep clients out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/kernel_limits.h"

static size_t judge(struct kernel_limits limits, const char *hint)
{
    struct findings findings = {0};

    kernel_limits_judge(&limits, &findings);
    size_t count = findings.count;
    if (hint) {
        assert_int_equal(count, 1);
        assert_int_equal(findings.items[0].grade, FINDING_WARNING);
        assert_non_null(strstr(findings.items[0].hint, hint));
    }
    findings_finish(&findings);
    return count;
}

static void test_each_limit_that_is_too_small_is_named_with_its_command(void **state)
{
    const struct kernel_limits fine = {1, 4096, 262144, 100}, unknown = {-1, -1, -1, -1};
    struct kernel_limits limits;

    (void)state;
    assert_int_equal(judge(fine, NULL), 0);
    assert_int_equal(judge(unknown, NULL), 0);
    limits = fine, limits.syn_cookies = 0;
    judge(limits, "net.ipv4.tcp_syncookies=1");
    limits = fine, limits.backlog = 128;
    judge(limits, "net.core.somaxconn=4096");
    limits = fine, limits.conntrack_max = 32768;
    judge(limits, "nf_conntrack_max=262144");
    limits = fine, limits.conntrack_count = 250000;
    judge(limits, "nf_conntrack_max=524288");
    assert_int_equal(judge((struct kernel_limits){0, 0, 100, 100}, NULL), 3);
}

static void test_what_a_root_does_not_have_is_unknown(void **state)
{
    struct kernel_limits limits;

    (void)state;
    kernel_limits_read("/nonexistent", &limits);
    assert_int_equal(limits.syn_cookies, -1);
    assert_int_equal(limits.conntrack_max, -1);
    kernel_limits_read("", &limits);
    assert_true(limits.backlog > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_limit_that_is_too_small_is_named_with_its_command),
        cmocka_unit_test(test_what_a_root_does_not_have_is_unknown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
