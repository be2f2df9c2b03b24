/* A role's steps taken together, in a forked child. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "os/sandbox.h"

/* @return the wait status of a child that runs the body; its exit code is the body's */
static int run(int (*body)(void))
{
    const struct rlimit none = {0, 0};
    int status = -1;

    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &none);
        _exit(body());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static int enter(enum sandbox_role role, const int *folders, size_t count)
{
    const struct sandbox_place place = {.folders = folders, .folder_count = count};
    const char *step = "";

    return sandbox_enter(role, &place, &step);
}

/* Datagrams to an address, as HTTP/3 needs them. */
static int send_datagram(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET};
    socklen_t len = sizeof to;

    if (bind(fd, (struct sockaddr *)&to, sizeof to) < 0 ||
        getsockname(fd, (struct sockaddr *)&to, &len) < 0)
        return 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (enter(SANDBOX_WORKER, NULL, 0) < 0)
        return 2;
    return sendto(fd, "x", 1, MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof to) == 1 ? 0 : 3;
}

static void test_a_worker_may_send_datagrams(void **state)
{
    (void)state;
    assert_int_equal(run(send_datagram), 0);
}

static int read_beneath_and_beside(void)
{
    int folder = open("/etc", O_PATH | O_DIRECTORY);

    if (enter(SANDBOX_WORKER, &folder, 1) < 0)
        return 1;
    if (openat(folder, "passwd", O_RDONLY) < 0)
        return 2;
    return openat(AT_FDCWD, "/proc/self/status", O_RDONLY) < 0 && errno == EACCES ? 0 : 3;
}

static int open_socket(void)
{
    return enter(SANDBOX_WORKER, NULL, 0) < 0 ? 1 : socket(AF_INET, SOCK_STREAM, 0);
}

static void test_sandbox_enter_takes_all_steps_of_a_role(void **state)
{
    (void)state;
    if (sandbox_is_instrumented())
        skip();
    assert_int_equal(run(read_beneath_and_beside), 0);
    int status = run(open_socket);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

static int enter_as_nobody_known(void)
{
    const struct sandbox_place place = {.user = "no such account"};
    const char *step = "";

    if (sandbox_enter(SANDBOX_LOGS, &place, &step) != ERR_NOT_FOUND)
        return 1;
    return strstr(step, "become another account") ? 0 : 2;
}

static void test_sandbox_enter_says_which_step_failed(void **state)
{
    (void)state;
    assert_int_equal(run(enter_as_nobody_known), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_worker_may_send_datagrams),
        cmocka_unit_test(test_sandbox_enter_takes_all_steps_of_a_role),
        cmocka_unit_test(test_sandbox_enter_says_which_step_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
