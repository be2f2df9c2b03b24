/* Options and words of the command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "cli/arguments.h"

static const struct option options[] = {
    {"https", "ADDR", true, ""},       {"state", "DIR", false, ""},
    {"json", NULL, false, ""},         {"ports", "PORTS", false, "", "-p"},
    {"xml", "FILE", false, "", "-oX"}, {"ipv4", NULL, false, "", "-4"},
    {NULL, NULL, false, NULL},
};

struct parsed {
    struct arguments arguments;
    struct diags diags;
    int result;
};

static struct parsed parse(const char *const *args)
{
    struct parsed p = {.diags = {0}};
    int count = 0;

    while (args[count])
        count++;
    p.result = arguments_parse(options, count, args, &p.diags, &p.arguments);
    return p;
}

static void finish(struct parsed *p)
{
    arguments_finish(&p->arguments);
    diags_finish(&p->diags);
}

#define ARGS(...)                                                                                  \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

static void test_options_and_words_in_any_order(void **state)
{
    struct parsed p =
        parse(ARGS("a", "--https", ":1", "--json", "b", "--https=:2", "--", "--state", "-"));

    (void)state;
    assert_int_equal(p.result, 0);
    assert_int_equal(p.arguments.word_count, 4);
    assert_string_equal(p.arguments.words[2], "--state");
    assert_string_equal(p.arguments.words[3], "-");
    assert_int_equal(p.arguments.given_count, 3);
    assert_string_equal(arguments_get(&p.arguments, "https"), ":1");
    assert_string_equal(p.arguments.given[2].value, ":2");
    assert_string_equal(arguments_get(&p.arguments, "json"), "");
    assert_null(arguments_get(&p.arguments, "state"));
    finish(&p);
}

static void test_short_forms_take_glued_and_separate_values(void **state)
{
    struct parsed p = parse(ARGS("-p443", "-4", "host", "-oX", "out.xml"));

    assert_int_equal(p.result, 0);
    assert_string_equal(arguments_get(&p.arguments, "ports"), "443");
    assert_string_equal(arguments_get(&p.arguments, "xml"), "out.xml");
    assert_string_equal(arguments_get(&p.arguments, "ipv4"), "");
    assert_string_equal(p.arguments.words[0], "host");
    finish(&p);
    p = parse(ARGS("-p", "1-3", "-46", "-o", "-p"));
    assert_int_equal(p.diags.errors, 3);
    assert_string_equal(p.diags.items[0].sentence, "there is no option -46");
    assert_string_equal(p.diags.items[1].sentence, "there is no option -o");
    assert_string_equal(p.diags.items[2].sentence,
                        "the option --ports lacks its value: --ports PORTS");
    finish(&p);
}

static void test_an_empty_value_is_a_value(void **state)
{
    struct parsed p = parse(ARGS("--state="));

    (void)state;
    assert_int_equal(p.result, 0);
    assert_string_equal(arguments_get(&p.arguments, "state"), "");
    finish(&p);
}

static void test_every_mistake_is_found(void **state)
{
    struct parsed p =
        parse(ARGS("--htps", "x", "--json=1", "-v", "--state", "a", "--state", "b", "--https"));

    (void)state;
    assert_int_equal(p.result, ERR_SYNTAX);
    assert_int_equal(p.diags.errors, 5);
    assert_string_equal(p.diags.items[0].sentence, "there is no option --htps");
    assert_string_equal(p.diags.items[0].hint, "did you mean --https?");
    assert_string_equal(p.diags.items[1].sentence, "the option --json takes no value");
    assert_string_equal(p.diags.items[2].sentence, "there is no option -v");
    assert_string_equal(p.diags.items[3].sentence, "the option --state is given twice");
    assert_string_equal(p.diags.items[4].sentence,
                        "the option --https lacks its value: --https ADDR");
    finish(&p);
}

static void test_a_forgotten_value_does_not_swallow_the_next_option(void **state)
{
    struct parsed p = parse(ARGS("--https", "--state", "/x"));

    (void)state;
    assert_int_equal(p.result, ERR_SYNTAX);
    assert_int_equal(p.diags.errors, 1);
    assert_string_equal(p.diags.items[0].sentence,
                        "the option --https lacks its value: --https ADDR");
    assert_non_null(strstr(p.diags.items[0].hint, "--https=--state"));
    assert_string_equal(arguments_get(&p.arguments, "state"), "/x");
    finish(&p);
    p = parse(ARGS("--https=--state", "--state", "-"));
    assert_int_equal(p.result, 0);
    assert_string_equal(arguments_get(&p.arguments, "https"), "--state");
    finish(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_and_words_in_any_order),
        cmocka_unit_test(test_short_forms_take_glued_and_separate_values),
        cmocka_unit_test(test_an_empty_value_is_a_value),
        cmocka_unit_test(test_every_mistake_is_found),
        cmocka_unit_test(test_a_forgotten_value_does_not_swallow_the_next_option),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
