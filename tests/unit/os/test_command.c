/* Running programs: exit codes, input, bounds in time and output, what a child inherits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/command.h"

static int run_shell(const char *script, struct span input, nsec_t timeout,
                     struct command_result *ret_result)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    struct command command = {.argv = argv, .input = input, .timeout = timeout};

    return command_run(&command, ret_result);
}

static void test_command_gives_exit_code_and_both_outputs(void **state)
{
    struct command_result result;

    assert_int_equal(
        run_shell("echo out; echo err >&2; exit 7", SPAN(""), 10 * NSEC_PER_SEC, &result), 0);
    assert_int_equal(result.exit_code, 7);
    assert_true(span_equal(buffer_span(&result.output), SPAN("out\nerr\n")));
    assert_false(result.cut);
    command_result_finish(&result);
}

static void test_command_feeds_its_input(void **state)
{
    struct command_result result;

    assert_int_equal(run_shell("tr a-z A-Z", SPAN("hello"), 10 * NSEC_PER_SEC, &result), 0);
    assert_true(span_equal(buffer_span(&result.output), SPAN("HELLO")));
    command_result_finish(&result);
}

static void test_command_reports_a_signal_as_shells_do(void **state)
{
    struct command_result result;

    assert_int_equal(run_shell("kill -TERM $$", SPAN(""), 10 * NSEC_PER_SEC, &result), 0);
    assert_int_equal(result.exit_code, 128 + 15);
    command_result_finish(&result);
}

static void test_command_that_does_not_exist_is_an_error(void **state)
{
    const char *argv[] = {"no-such-program-here", NULL};
    struct command command = {.argv = argv, .timeout = NSEC_PER_SEC};
    struct command_result result;

    assert_int_equal(command_run(&command, &result), -ENOENT);
    assert_false(command_exists("no-such-program-here"));
    assert_true(command_exists("sh"));
    assert_true(command_exists("/bin/sh"));
}

static void test_command_that_hangs_is_killed_with_its_children(void **state)
{
    struct command_result result;
    nsec_t start = nsec_monotonic();

    assert_int_equal(run_shell("sleep 50 & sleep 50", SPAN(""), 200 * NSEC_PER_MSEC, &result),
                     ERR_TIMEOUT);
    assert_true(nsec_monotonic() - start < 10 * NSEC_PER_SEC);
}

static void test_command_does_not_wait_for_what_it_leaves_behind(void **state)
{
    struct command_result result;
    nsec_t start = nsec_monotonic();

    assert_int_equal(run_shell("sleep 5 & echo done", SPAN(""), 20 * NSEC_PER_SEC, &result), 0);
    assert_true(nsec_monotonic() - start < 4 * NSEC_PER_SEC);
    assert_true(span_equal(buffer_span(&result.output), SPAN("done\n")));
    command_result_finish(&result);
}

static void test_command_output_is_bounded(void **state)
{
    struct command_result result;

    assert_int_equal(
        run_shell("head -c 1000000 /dev/zero; exit 3", SPAN(""), 20 * NSEC_PER_SEC, &result), 0);
    assert_int_equal(result.exit_code, 3);
    assert_int_equal(result.output.len, 64 * 1024);
    assert_true(result.cut);
    command_result_finish(&result);
}

static void test_command_inherits_no_descriptor_and_no_terminal(void **state)
{
    struct command_result result;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int leak = fcntl(null, F_DUPFD, 50); /* deliberately without O_CLOEXEC */
    char *script = mem_format("test -e /proc/$$/fd/%d && echo leaked; : < /dev/tty", leak);

    assert_true(leak >= 50);
    assert_int_equal(run_shell(script, SPAN(""), 10 * NSEC_PER_SEC, &result), 0);
    char *text = mem_string(buffer_span(&result.output));
    assert_null(strstr(text, "leaked"));
    assert_non_null(strstr(text, "/dev/tty")); /* the shell's complaint about it */
    assert_int_not_equal(result.exit_code, 0);
    free(text);
    free(script);
    close(leak);
    close(null);
    command_result_finish(&result);
}

static void test_command_uses_the_given_environment(void **state)
{
    const char *argv[] = {"/usr/bin/env", NULL};
    const char *env[] = {"HOME=/nowhere", NULL};
    struct command command = {.argv = argv, .env = env, .timeout = 10 * NSEC_PER_SEC};
    struct command_result result;

    assert_int_equal(command_run(&command, &result), 0);
    assert_true(span_equal(buffer_span(&result.output), SPAN("HOME=/nowhere\n")));
    command_result_finish(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_command_gives_exit_code_and_both_outputs),
        cmocka_unit_test(test_command_feeds_its_input),
        cmocka_unit_test(test_command_reports_a_signal_as_shells_do),
        cmocka_unit_test(test_command_that_does_not_exist_is_an_error),
        cmocka_unit_test(test_command_that_hangs_is_killed_with_its_children),
        cmocka_unit_test(test_command_does_not_wait_for_what_it_leaves_behind),
        cmocka_unit_test(test_command_output_is_bounded),
        cmocka_unit_test(test_command_inherits_no_descriptor_and_no_terminal),
        cmocka_unit_test(test_command_uses_the_given_environment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
