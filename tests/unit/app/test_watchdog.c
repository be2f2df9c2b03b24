/* When a process counts as hanging, and when it is only slow. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/watchdog.h"

static const nsec_t step = NSEC_PER_SEC, deadline = 5 * NSEC_PER_SEC;

/* @return how many looks it took, or 0 when it was never said to hang */
static int looks(struct pulse *pulse, char state, nsec_t cpu_a_step, nsec_t passed)
{
    nsec_t cpu = 70 * NSEC_PER_SEC; /* from its life before */

    for (int i = 1; i <= 100; i++, cpu += cpu_a_step) {
        const struct process_activity activity = {state, cpu};
        if (watchdog_judge(pulse, &activity, passed, deadline))
            return i;
    }
    return 0;
}

static void test_one_that_sleeps_or_is_stopped_hangs_after_the_deadline(void **state)
{
    (void)state;
    assert_int_equal(looks(&(struct pulse){0}, 'S', 0, step), 6);
    assert_int_equal(looks(&(struct pulse){0}, 'T', 0, step), 6);
}

static void test_one_that_computes_hangs_after_a_deadline_of_cpu(void **state)
{
    (void)state;
    assert_int_equal(looks(&(struct pulse){0}, 'R', step, step), 6);
    assert_int_equal(looks(&(struct pulse){0}, 'R', step / 10, step), 51);
}

static void test_one_that_waits_for_a_cpu_or_a_disk_does_not_hang(void **state)
{
    (void)state;
    assert_int_equal(looks(&(struct pulse){0}, 'R', 0, step), 0);
    assert_int_equal(looks(&(struct pulse){0}, 'D', 0, step), 0);
    assert_int_equal(looks(&(struct pulse){0}, 'Z', 0, step), 0);
}

static void test_time_in_which_the_guardian_was_late_does_not_count(void **state)
{
    (void)state;
    assert_int_equal(looks(&(struct pulse){0}, 'S', 0, 0), 0);
}

static void test_an_answer_begins_anew(void **state)
{
    struct child child = {.pulse = {.asked = true, .missed = true, .silent = 4 * NSEC_PER_SEC}};
    struct ipc_message message = {.kind = IPC_STATS};

    (void)state;
    watchdog_hear(&child, &message);
    assert_true(child.pulse.asked);
    message.kind = IPC_PONG;
    watchdog_hear(&child, &message);
    assert_false(child.pulse.asked);
    assert_int_equal(looks(&child.pulse, 'S', 0, step), 6);
}

static void test_what_a_process_does_is_read_from_the_kernel(void **state)
{
    struct process_activity activity;
    pid_t pid = fork();

    (void)state;
    if (pid == 0) {
        raise(SIGSTOP);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
    assert_int_equal(process_activity(pid, &activity), 0);
    assert_int_equal(activity.state, 'T');
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(process_activity(pid, &activity), -ENOENT);
    assert_int_equal(process_activity(getpid(), &activity), 0);
    assert_int_equal(activity.state, 'R');
    nsec_t before = activity.cpu;
    for (nsec_t until = nsec_monotonic() + 5 * NSEC_PER_SEC;
         activity.cpu == before && nsec_monotonic() < until;)
        assert_int_equal(process_activity(getpid(), &activity), 0);
    assert_true(activity.cpu > before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_that_sleeps_or_is_stopped_hangs_after_the_deadline),
        cmocka_unit_test(test_one_that_computes_hangs_after_a_deadline_of_cpu),
        cmocka_unit_test(test_one_that_waits_for_a_cpu_or_a_disk_does_not_hang),
        cmocka_unit_test(test_time_in_which_the_guardian_was_late_does_not_count),
        cmocka_unit_test(test_an_answer_begins_anew),
        cmocka_unit_test(test_what_a_process_does_is_read_from_the_kernel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
