/* What of others' text is shown by its number, one table for all that is printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/escape.h"
#include "base/log.h"
#include "base/mem.h"

static void test_escape_leaves_nothing_for_a_terminal_to_obey(void **state)
{
    static const struct {
        const char *raw, *escaped;
    } cases[] = {
        {"plain text, \303\274 and \342\234\223", "plain text, \303\274 and \342\234\223"},
        {"\344\270\255\343\200\200\346\226\207", "\344\270\255\343\200\200\346\226\207"},
        {"\360\237\220\242", "\360\237\220\242"},
        {"back\\slash", "back\\slash"},
        {"\033[2Jgone", "\\x1b[2Jgone"},
        {"a\r\nb\tc", "a\\x0d\\x0ab\\x09c"},
        {"\177", "\\x7f"},
        {"\302\233m", "\\u009bm"},                    /* C1's CSI */
        {"\302\240", "\\u00a0"},                      /* no-break space */
        {"\302\255", "\\u00ad"},                      /* soft hyphen */
        {"\342\200\213", "\\u200b"},                  /* zero width space */
        {"\342\200\256evil", "\\u202eevil"},          /* right-to-left override */
        {"\342\201\246", "\\u2066"},                  /* left-to-right isolate */
        {"\330\234", "\\u061c"},                      /* Arabic letter mark */
        {"\342\200\250", "\\u2028"},                  /* line separator */
        {"\357\273\277", "\\ufeff"},                  /* byte order mark */
        {"\343\205\244", "\\u3164"},                  /* Hangul filler */
        {"\363\240\201\201", "\\U000e0041"},          /* tag letter */
        {"\357\277\277", "\\uffff"},                  /* no character */
        {"\377\300\257", "\\xff\\xc0\\xaf"},          /* no UTF-8 */
        {"\355\240\200", "\\xed\\xa0\\x80"},          /* a surrogate */
        {"\303", "\\xc3"},                            /* cut */
        {"\360\237\220", "\\xf0\\x9f\\x90"},          /* cut */
        {"\364\220\200\200", "\\xf4\\x90\\x80\\x80"}, /* past U+10FFFF */
        {"\340\200\200", "\\xe0\\x80\\x80"},          /* longer than need be */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        scoped(mem_release) char *escaped = escape_text(span_str(cases[i].raw));
        scoped(mem_release) char *twice = escape_text(span_str(escaped));
        assert_string_equal(escaped, cases[i].escaped);
        assert_string_equal(twice, escaped);
    }
}

static void test_escape_keeps_what_it_is_told_to(void **state)
{
    (void)state;
    scoped(mem_release) char *kept = escape_keeping(SPAN("a\tb\nc\0d"), "\t\n");
    assert_string_equal(kept, "a\tb\nc\\x00d");
}

static void test_escape_is_bounded(void **state)
{
    enum { SIZE = 100000 };
    scoped(mem_release) char *raw = mem_alloc(SIZE);

    (void)state;
    memset(raw, 0x1b, SIZE);
    scoped(mem_release) char *escaped = escape_text(span_of(raw, SIZE));
    assert_in_range(strlen(escaped), 65000, 65540);
    assert_string_equal(escaped + strlen(escaped) - 3, "...");
}

static void test_escaped_json_means_the_same(void **state)
{
    (void)state;
    scoped(mem_release) char *json =
        escape_json(SPAN("{\n  \"\303\274\": \"\302\233\177\342\200\256\363\240\201\201\"\n}"));
    assert_string_equal(json, "{\n  \"\303\274\": \"\\u009b\\u007f\\u202e\\udb40\\udc41\"\n}");
}

/* ---- log lines ---- */

static void keep_line(void *context, struct span line)
{
    char **kept = context;

    *kept = mem_string(line);
}

static void test_no_log_line_holds_control_characters(void **state)
{
    scoped(mem_release) char *line = NULL;
    const struct log log = {
        .level = LOG_NOTICE, .process = "test", .sink = keep_line, .context = &line};

    (void)state;
    log_event(&log, LOG_NOTICE, "said", "by=%s", "a\nb\302\233m\377");
    assert_non_null(strstr(line, "by=a\\x0ab\\u009bm\\xff\n"));
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void test_a_long_log_line_is_cut(void **state)
{
    scoped(mem_release) char *line = NULL;
    const struct log log = {
        .level = LOG_NOTICE, .process = "test", .sink = keep_line, .context = &line};
    char text[4096];

    (void)state;
    memset(text, 1, sizeof text - 1);
    text[sizeof text - 1] = '\0';
    log_event(&log, LOG_NOTICE, "said", "by=%s", text);
    assert_non_null(line);
    assert_in_range(strlen(line), 7000, 8192);
    assert_int_equal(line[strlen(line) - 1], '\n');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escape_leaves_nothing_for_a_terminal_to_obey),
        cmocka_unit_test(test_escape_keeps_what_it_is_told_to),
        cmocka_unit_test(test_escape_is_bounded),
        cmocka_unit_test(test_escaped_json_means_the_same),
        cmocka_unit_test(test_no_log_line_holds_control_characters),
        cmocka_unit_test(test_a_long_log_line_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
