/* What people and monitoring see: mistakes with their place, exit codes of plugins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* cmocka has a print_error() of its own. */
#define print_error cmocka_print_error
#include <cmocka.h>
#undef print_error

#include "base/macros.h"
#include "cli/check_nagios.h"
#include "cli/print.h"

static void test_mistakes_are_printed_with_place_line_and_hint(void **state)
{
    static const struct {
        const char *file, *line_text, *sentence, *hint, *printed;
        unsigned line, column, alike;
        bool warning;
    } cases[] = {
        {NULL, NULL, "it fails", NULL, "gardien: it fails\n", 0, 0, 0, false},
        {NULL, NULL, "it fails", "do that", "gardien: it fails\n  -> do that\n", 0, 0, 0, false},
        {DIAG_COMMAND_LINE, "x", "it fails", NULL, "gardien: it fails\n", 1, 1, 0, false},
        {"a.yaml", NULL, "it fails", NULL, "a.yaml: it fails\n", 0, 0, 0, false},
        {"a.yaml", "key: value", "it fails", "do that",
         "a.yaml:3:6: it fails\n    key: value\n         ^\n  -> do that\n", 3, 6, 0, false},
        {"a.yaml", "\tx", "it fails", NULL, "a.yaml:1:2: it fails\n    \tx\n    \t^\n", 1, 2, 0,
         false},
        {"a.yaml", "x", "odd", NULL, "a.yaml:1:1: warning: odd\n    x\n    ^\n", 1, 1, 0, true},
        {NULL, NULL, "odd", NULL, "gardien: warning: odd (and 7 more like this)\n", 0, 0, 7, true},
        {NULL, NULL,
         "a\x1b[31mb \xe2\x80\xae"
         "c",
         NULL, "gardien: a\\x1b[31mb \\u202ec\n", 0, 0, 0, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct diags diags = {0};
        char *text = NULL;
        size_t len = 0;
        FILE *out = open_memstream(&text, &len);
        struct diag *diag = diags_add(&diags, "%s", cases[i].sentence);
        if (cases[i].file)
            diag_place(diag, cases[i].file, cases[i].line, cases[i].column, cases[i].line_text);
        if (cases[i].hint)
            diag_hint(diag, "%s", cases[i].hint);
        diag->alike = cases[i].alike;
        if (cases[i].warning)
            diags_warning(&diags, diag);
        print_diags(out, &diags);
        fclose(out);
        assert_string_equal(text, cases[i].printed);
        free(text);
        diags_finish(&diags);
    }
}

static void test_exit_codes_of_monitoring_plugins(void **state)
{
    static const struct {
        bool well, expected;
        enum finding_grade worst;
        enum nagios code;
    } cases[] = {
        {true, false, FINDING_GOOD, NAGIOS_OK},
        {true, false, FINDING_WARNING, NAGIOS_WARNING},
        {true, true, FINDING_WARNING, NAGIOS_OK},
        {true, false, FINDING_NOTE, NAGIOS_OK},
        {false, false, FINDING_BAD, NAGIOS_CRITICAL},
        {false, true, FINDING_BAD, NAGIOS_CRITICAL},
    };
    static const enum nagios order[] = {NAGIOS_OK, NAGIOS_WARNING, NAGIOS_UNKNOWN, NAGIOS_CRITICAL};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(nagios_judge(cases[i].well, cases[i].expected, cases[i].worst),
                         cases[i].code);
    for (size_t i = 0; i < ARRAY_SIZE(order); i++)
        for (size_t k = 0; k < ARRAY_SIZE(order); k++)
            assert_int_equal(nagios_worse(order[i], order[k]), order[i > k ? i : k]);
}

static void test_the_first_expectation_that_does_not_hold_is_named(void **state)
{
    struct findings findings = {0};

    (void)state;
    findings_add(&findings, FINDING_BAD, "tcp", "refused");
    findings_add(&findings, FINDING_GOOD, "expect", "status is 200");
    assert_null(nagios_unmet(&findings));
    findings_add(&findings, FINDING_BAD, "expect", "days are 3");
    findings_add(&findings, FINDING_BAD, "expect", "trusted is no");
    assert_string_equal(nagios_unmet(&findings)->sentence, "days are 3");
    findings_finish(&findings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mistakes_are_printed_with_place_line_and_hint),
        cmocka_unit_test(test_exit_codes_of_monitoring_plugins),
        cmocka_unit_test(test_the_first_expectation_that_does_not_hold_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
