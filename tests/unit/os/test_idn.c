/* International host names in the form of the wire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "os/idn.h"

static void test_names_become_what_browsers_ask_for(void **state)
{
    static const char *const pairs[][2] = {
        {"bücher.example", "xn--bcher-kva.example"},
        {"Bücher.Example", "xn--bcher-kva.example"},
        {"bu\xcc\x88"
         "cher.example",
         "xn--bcher-kva.example"}, /* u and a combining diaeresis */
        {"*.bücher.example", "*.xn--bcher-kva.example"},
        {"faß.example", "xn--fa-hia.example"}, /* not fass: non-transitional */
        {"例え。テスト", "xn--r8jz45g.xn--zckzah"},
        {"plain.example", "plain.example"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        char *ascii = NULL;
        assert_int_equal(idn_to_ascii(pairs[i][0], &ascii), 0);
        assert_string_equal(ascii, pairs[i][1]);
        free(ascii);
    }
}

static void test_what_is_no_name_is_refused(void **state)
{
    static const char *const wrong[] = {"a\342\200\256b.example", /* a change of direction */
                                        "\xff\xfe.example", "☃.example", "-ü.example"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        char *ascii = NULL;
        if (idn_to_ascii(wrong[i], &ascii) >= 0)
            fail_msg("%s became %s", wrong[i], ascii);
        assert_null(ascii);
    }
}

static void test_only_what_is_not_ascii_is_international(void **state)
{
    (void)state;
    assert_true(idn_is_international("ü.example"));
    assert_false(idn_is_international("xn--bcher-kva.example"));
    assert_false(idn_is_international(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_become_what_browsers_ask_for),
        cmocka_unit_test(test_what_is_no_name_is_refused),
        cmocka_unit_test(test_only_what_is_not_ascii_is_international),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
