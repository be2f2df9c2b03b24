/* The detectors of SQL injection and cross-site scripting: what they find, and ordinary text that
 * they must leave alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macros.h"
#include "protect/waf/detect.h"

static const char *const sql_attacks[] = {
    "1 or 1=1",
    "1 or true",
    "1' or '1'='1",
    "' or 1=1#",
    "admin'--",
    "admin') --",
    "-1 union select 1,2,3",
    "-1 UNION/**/ALL/**/SELECT user FROM t",
    "1;drop table users",
    "1; shutdown",
    "x' and sleep(5) and 'a'='a",
    ")-sleep(9999",
    "1 and benchmark(1000000,md5(1))",
    "foo')waitfor delay'5:0:20'--",
    "\" or \"\"=\"",
    "1 and 1=1",
    "1 || pg_sleep(3)",
    "select load_file('/etc/passwd')",
    "'; exec xp_cmdshell('dir')--",
};

static const char *const sql_texts[] = {
    "rock and roll",
    "O'Brien",
    "John and Mary's",
    "1 or 2",
    "80% cotton and 20% wool",
    "1 1/2 inch and 3",
    "please select a colour; then go on",
    "it's 5 o'clock and I'm here",
    "union of workers",
    "a -- b",
    "\"quoted\" text and more",
    "1 < 2 and it is fine",
    "SELECT",
    "drop me a line",
    "C#",
    "http://a.example/?x=1&y=2",
    "tel: +49 (0) 30 / 123-456",
};

static const char *const script_attacks[] = {
    "<script>alert(1)</script>",
    "<SCRIPT src=//evil>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "\" onmouseover=\"alert(1)",
    "' onfocus='alert(1)' x='",
    "<a href=\"javascript:alert(1)\">",
    "<a href=\" java\tscript:alert(1)\">",
    "<a href=\"&#106;avascript:alert(1)\">",
    "<iframe src=x>",
    "<x style=\"a:expression(1)\">",
    "\"><script>",
    "<!ENTITY x>",
};

static const char *const script_texts[] = {
    "1 < 2 and 3 > 2",         "<b>bold</b>", "I <3 you",         "a=b c=d",
    "<p class=\"x\">text</p>", "online=yes",  "once upon=a time", "if (a<b) c();",
};

#define CHECK(list, detect, wanted)                                                                \
    for (size_t i = 0; i < ARRAY_SIZE(list); i++) {                                                \
        struct waf_captures captures = {.count = 0};                                               \
        if (detect(span_str(list[i]), &captures) != (wanted))                                      \
            fail_msg("%s: not %d", list[i], wanted);                                               \
    }

static void test_sql_is_found(void **state)
{
    CHECK(sql_attacks, waf_detect_sqli, 1);
}

static void test_ordinary_text_is_no_sql(void **state)
{
    CHECK(sql_texts, waf_detect_sqli, 0);
}

static void test_scripts_are_found(void **state)
{
    CHECK(script_attacks, waf_detect_xss, 1);
}

static void test_ordinary_text_is_no_script(void **state)
{
    CHECK(script_texts, waf_detect_xss, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sql_is_found),
        cmocka_unit_test(test_ordinary_text_is_no_sql),
        cmocka_unit_test(test_scripts_are_found),
        cmocka_unit_test(test_ordinary_text_is_no_script),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
