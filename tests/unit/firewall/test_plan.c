/* Plans: how they read, and that a failed step leaves nothing of those before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "firewall/firewall.h"
#include "report/printer.h"

static char folder[] = "/tmp/test_plan_XXXXXX";

static int make_folder(void **state)
{
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    return rmdir(folder);
}

static void test_commands_are_quoted_for_a_shell(void **state)
{
    struct plan plan = {0};
    struct plan_step *step = plan_add(&plan, "test", "because");

    plan_command(&step->action, "echo", "a b", "it's", "", "443/tcp", (char *)NULL);
    plan_nft(&step->undo, "%s", "delete rule inet f input handle 4");
    plan_spell(step);
    assert_string_equal(step->typed, "echo 'a b' 'it'\\''s' '' 443/tcp");
    assert_string_equal(step->untyped, "nft 'delete rule inet f input handle 4'");
    plan_finish(&plan);
}

static void test_a_plan_reads_in_order_with_its_reasons(void **state)
{
    struct plan plan = {0};
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    struct printer printer = {.out = out};

    for (int i = 0; i < 2; i++) {
        struct plan_step *step = plan_add(&plan, "test", "reason %d", i);
        plan_command(&step->action, i ? "false" : "true", (char *)NULL);
        plan_spell(step);
    }
    plan_print(&printer, &plan);
    fclose(out);
    assert_string_equal(text, "   1. test: reason 0\n       true\n"
                              "   2. test: reason 1\n       false\n");
    free(text);
    plan_finish(&plan);
}

static void test_json_has_steps_and_notes(void **state)
{
    struct plan plan = {0};
    struct plan_step *step = plan_add(&plan, "test", "reason");
    const char *typed = NULL, *kind = NULL;

    plan_command(&step->action, "true", (char *)NULL);
    plan_spell(step);
    findings_add(&plan.notes, FINDING_NOTE, "test", "a word");
    json_t *json = plan_json(&plan);
    assert_int_equal(json_unpack(json, "{s:[{s:s, s:s}]}", "steps", "typed", &typed, "kind", &kind),
                     0);
    assert_string_equal(typed, "true");
    assert_string_equal(kind, "command");
    assert_int_equal(json_array_size(json_object_get(json, "notes")), 1);
    json_decref(json);
    plan_finish(&plan);
}

static void test_a_failed_step_undoes_those_before_it_in_reverse(void **state)
{
    struct plan plan = {0};
    struct diags diags = {0};
    scoped(mem_release) char *path = mem_format("%s/file", folder);
    scoped(mem_release) char *log = mem_format("%s/log", folder);
    scoped(mem_release) char *first = mem_format("echo saved >>%s", log);
    scoped(mem_release) char *third = mem_format("test ! -e %s && echo gone >>%s", path, log);
    struct plan_step *step = plan_add(&plan, "test", "saved after all others");

    plan_command(&step->action, "true", (char *)NULL);
    plan_command(&step->undo, "sh", "-c", first, (char *)NULL);
    step->undo_last = true;
    step = plan_add(&plan, "test", "its undo comes after the file is removed");
    plan_command(&step->action, "true", (char *)NULL);
    plan_command(&step->undo, "sh", "-c", third, (char *)NULL);
    step = plan_add(&plan, "test", "a file");
    plan_write(&step->action, path, SPAN("x\n"), 0644);
    plan_remove(&step->undo, path);
    step = plan_add(&plan, "test", "fails");
    plan_command(&step->action, "sh", "-c", "echo why; exit 3", (char *)NULL);

    assert_true(plan_apply(&plan, NULL, &diags) < 0);
    assert_int_equal(diags.errors, 1);
    assert_string_equal(diags.items[0].sentence, "sh failed with exit code 3: why");
    assert_int_not_equal(access(path, F_OK), 0);
    FILE *file = fopen(log, "r");
    char lines[64] = "";
    assert_non_null(file);
    assert_int_equal(fread(lines, 1, sizeof lines - 1, file), 11);
    assert_string_equal(lines, "gone\nsaved\n");
    fclose(file);
    unlink(log);
    diags_finish(&diags);
    plan_finish(&plan);
}

static void test_a_missing_program_is_told_with_its_name(void **state)
{
    struct plan plan = {0};
    struct diags diags = {0};

    plan_command(&plan_add(&plan, "test", "x")->action, "/nonexistent/program", (char *)NULL);
    assert_true(plan_apply(&plan, NULL, &diags) < 0);
    assert_non_null(strstr(diags.items[0].sentence, "/nonexistent/program"));
    diags_finish(&diags);
    plan_finish(&plan);
}

static void test_tags_are_read_back(void **state)
{
    char out[TAG_TEXT];
    struct port port = {443, PORT_UDP}, back;

    assert_string_equal(tag_text(port, out), "gardien:443/udp");
    assert_true(tag_parse(out, &back));
    assert_true(port_equal(port, back));
    assert_false(tag_parse("gardien:", &back));
    assert_false(tag_parse("web", &back));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tags_are_read_back),
        cmocka_unit_test(test_commands_are_quoted_for_a_shell),
        cmocka_unit_test(test_a_plan_reads_in_order_with_its_reasons),
        cmocka_unit_test(test_json_has_steps_and_notes),
        cmocka_unit_test(test_a_failed_step_undoes_those_before_it_in_reverse),
        cmocka_unit_test(test_a_missing_program_is_told_with_its_name),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
