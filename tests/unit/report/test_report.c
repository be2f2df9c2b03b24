/* Findings, tables and text as a terminal or a file gets them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "report/finding.h"
#include "report/printer.h"
#include "report/table.h"

struct page {
    char *text;
    size_t size;
    struct printer printer;
};

static struct page page_open(unsigned width, bool colour)
{
    struct page page = {0};
    return page.printer = (struct printer){.terminal = width > 0, .colour = colour, .width = width},
           page;
}

static void page_start(struct page *page)
{
    page->printer.out = open_memstream(&page->text, &page->size);
}

static void page_is(struct page *page, const char *expected)
{
    fclose(page->printer.out);
    assert_string_equal(page->text, expected);
    free(page->text);
}

static void test_all_that_is_printed_is_escaped(void **state)
{
    struct findings findings = {0};
    char *text;
    size_t size;
    struct printer printer = {.out = open_memstream(&text, &size)};

    (void)state;
    finding_hint(findings_add(&findings, FINDING_NOTE, "name", "said \033[2J \342\200\256x"),
                 "stop \302\233m");
    findings_print(&printer, &findings);
    printer_styled(&printer, STYLE_BOLD, "\177");
    fclose(printer.out);
    assert_non_null(strstr(text, "said \\x1b[2J \\u202ex\n"));
    assert_non_null(strstr(text, "stop \\u009bm\n\\x7f"));
    findings_finish(&findings);
    free(text);
}

static void test_a_finding_that_is_not_utf8_becomes_json(void **state)
{
    struct findings findings = {0};

    (void)state;
    findings_add(&findings, FINDING_NOTE, "name", "said \377");
    json_t *json = findings_json(&findings);
    assert_string_equal(json_string_value(json_object_get(json_array_get(json, 0), "sentence")),
                        "said \\xff");
    json_decref(json);
    findings_finish(&findings);
}

static void test_wrap_breaks_at_blanks_and_indents(void **state)
{
    struct page page = page_open(24, false);

    page_start(&page);
    printer_wrap(&page.printer, 0, 2, "one two three four five six seven");
    page_is(&page, "one two three four five\n  six seven\n");
}

static void test_wrap_leaves_a_file_alone_and_keeps_long_words(void **state)
{
    struct page page = page_open(0, false);

    page_start(&page);
    printer_wrap(&page.printer, 0, 2, "one two three four five six seven eight nine ten");
    page_is(&page, "one two three four five six seven eight nine ten\n");
    page = page_open(24, false);
    page_start(&page);
    printer_wrap(&page.printer, 0, 0, "x https://example.com/a/very/long/path y");
    page_is(&page, "x\nhttps://example.com/a/very/long/path\ny\n");
}

static void test_commands_are_never_broken(void **state)
{
    static const struct {
        unsigned width, column;
        const char *text, *printed;
    } cases[] = {
        {40, 3, "ufw delete deny 443/tcp", "ufw delete deny 443/tcp\n"},
        {40, 3, "iptables-legacy -I INPUT 1 -p tcp --dport 443 -j ACCEPT",
         "iptables-legacy -I INPUT 1 -p tcp --dport 443 -j ACCEPT\n"},
        {40, 3, "gardien open 443/tcp, or by hand: nft insert rule inet f c tcp dport 443 accept",
         "gardien open 443/tcp\n   or by hand:\n"
         "   nft insert rule inet f c tcp dport 443 accept\n"},
        {40, 3, "start the server, for example: gardien serve ./public --https :443",
         "start the server, for example:\n   gardien serve ./public --https :443\n"},
        {40, 3, "let that program listen on 192.0.2.1, or on all addresses (0.0.0.0 and [::])",
         "let that program listen on 192.0.2.1,\n   or on all addresses (0.0.0.0 and\n   [::])\n"},
        {0, 3, "run it as root: sudo gardien why 443/tcp and so on and on and on and on",
         "run it as root: sudo gardien why 443/tcp and so on and on and on and on\n"},
        {24, 17, "ask as root: sudo gardien status 443/tcp",
         "ask as\nroot:\nsudo gardien status 443/tcp\n"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct page page = page_open(cases[i].width, false);
        page_start(&page);
        printer_hint(&page.printer, cases[i].column, cases[i].text);
        page_is(&page, cases[i].printed);
    }
}

static void test_a_pipe_gets_no_colours(void **state)
{
    FILE *out = tmpfile();
    struct printer printer = printer_of(out);

    assert_false(printer.terminal || printer.colour || printer.unicode || printer.width);
    printer_styled(&printer, STYLE_RED, "red");
    assert_int_equal(ftell(out), 3);
    fclose(out);
}

static void test_findings_print_with_hint_and_time(void **state)
{
    struct findings findings = {0};
    struct page page = page_open(0, false);

    struct finding *finding = findings_add(&findings, FINDING_GOOD, "tcp", "connects");
    finding_subject(finding, "%s:%d", "192.0.2.1", 443);
    finding->took = 1500000;
    finding = findings_add(&findings, FINDING_BAD, "firewall", "drops it");
    finding_hint(finding, "gardien open %d", 443);
    page_start(&page);
    findings_print(&page.printer, &findings);
    page_is(&page, "ok tcp        192.0.2.1:443: connects (1.5 ms)\n"
                   "XX firewall   drops it\n"
                   "              -> gardien open 443\n");
    assert_int_equal(findings_worst(&findings), FINDING_BAD);
    assert_ptr_equal(findings_first(&findings, FINDING_WARNING), &findings.items[1]);
    findings_finish(&findings);
}

static void test_findings_are_bounded(void **state)
{
    struct findings findings = {0};

    for (int i = 0; i < 1500; i++)
        finding_hint(findings_add(&findings, FINDING_NOTE, "scan", "%d", i), "%d", i);
    assert_int_equal(findings.count, 1000);
    assert_int_equal(findings.dropped, 500);
    findings_finish(&findings);
}

static void test_findings_json_holds_what_programs_need(void **state)
{
    struct findings findings = {0};

    struct finding *finding = findings_add(&findings, FINDING_WARNING, "tls", "ends in %d days", 3);
    finding_fact(finding, "days", json_integer(3));
    json_t *list = findings_json(&findings), *first = json_array_get(list, 0);
    assert_string_equal(json_string_value(json_object_get(first, "grade")), "warning");
    assert_string_equal(json_string_value(json_object_get(first, "sentence")), "ends in 3 days");
    assert_null(json_object_get(first, "hint"));
    assert_null(json_object_get(first, "milliseconds"));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(first, "facts"), "days")),
                     3);
    json_decref(list);
    findings_finish(&findings);
}

static void add_row(struct table *table, const char *a, const char *b, const char *c)
{
    table_add(table, STYLE_PLAIN, a);
    table_add(table, STYLE_PLAIN, b);
    if (c)
        table_add(table, STYLE_PLAIN, c);
    table_end_row(table);
}

static void test_table_columns_are_as_wide_as_their_widest_cell(void **state)
{
    struct table table = {.columns = 3};
    struct page page = page_open(0, false);

    add_row(&table, "PORT", "WHO", "SAYS");
    add_row(&table, "443/tcp", "B\303\274ro", "open");
    add_row(&table, "80", "", NULL);
    page_start(&page);
    table_print(&page.printer, &table);
    page_is(&page, "PORT     WHO   SAYS\n443/tcp  B\303\274ro  open\n80\n");
    table_finish(&table);
}

static void test_table_stacked_says_which_column_a_cell_is_of(void **state)
{
    static const char *const labels[] = {"PORT", "WHO", "SAYS"};
    struct table table = {.columns = 3, .labels = labels, .headed = true};
    struct page page = page_open(30, false);

    add_row(&table, "PORT", "WHO", "SAYS");
    add_row(&table, "443/tcp", "somebody with a long name", "all is well here");
    add_row(&table, "80/tcp", "", "nothing");
    page_start(&page);
    table_print(&page.printer, &table);
    page_is(&page, "443/tcp\n  WHO: somebody with a long\n    name\n  SAYS: all is well here\n"
                   "80/tcp\n  SAYS: nothing\n");
    table_finish(&table);
}

static void test_table_on_a_narrow_terminal_stacks_its_cells(void **state)
{
    struct table table = {.columns = 2};
    struct page page = page_open(24, false);

    add_row(&table, "a long first column", "and a second one that is longer still", NULL);
    page_start(&page);
    table_print(&page.printer, &table);
    page_is(&page, "a long first column\n  and a second one that\n    is longer still\n");
    table_finish(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_that_is_printed_is_escaped),
        cmocka_unit_test(test_a_finding_that_is_not_utf8_becomes_json),
        cmocka_unit_test(test_wrap_breaks_at_blanks_and_indents),
        cmocka_unit_test(test_wrap_leaves_a_file_alone_and_keeps_long_words),
        cmocka_unit_test(test_a_pipe_gets_no_colours),
        cmocka_unit_test(test_findings_print_with_hint_and_time),
        cmocka_unit_test(test_findings_are_bounded),
        cmocka_unit_test(test_findings_json_holds_what_programs_need),
        cmocka_unit_test(test_commands_are_never_broken),
        cmocka_unit_test(test_table_stacked_says_which_column_a_cell_is_of),
        cmocka_unit_test(test_table_columns_are_as_wide_as_their_widest_cell),
        cmocka_unit_test(test_table_on_a_narrow_terminal_stacks_its_cells),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
