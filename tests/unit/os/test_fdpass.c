/* Packets with descriptors: none is lost, none arrives where there is no room. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "os/fdpass.h"
#include "os/process.h"

static size_t open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t count = 0;

    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static int receive(int socket, char *bytes, size_t cap, int *fds, size_t fd_cap, size_t *ret_fds)
{
    struct fdpass_packet packet = {.bytes = bytes, .cap = cap, .fds = fds, .fd_cap = fd_cap};

    int r = fdpass_receive(socket, &packet);
    *ret_fds = packet.fd_count;
    return r > 0 ? (int)packet.len : r;
}

static void test_descriptors_arrive_with_their_packet(void **state)
{
    int pair[2], sent[FDPASS_MAX], got[FDPASS_MAX];
    char bytes[16];
    size_t count;

    (void)state;
    assert_int_equal(fdpass_pair(pair), 0);
    for (size_t i = 0; i < FDPASS_MAX; i++)
        sent[i] = 0;
    assert_int_equal(fdpass_send(pair[0], SPAN("abc"), sent, FDPASS_MAX), 0);
    assert_int_equal(receive(pair[1], bytes, sizeof bytes, got, FDPASS_MAX, &count), 3);
    assert_int_equal(count, FDPASS_MAX);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(fcntl(got[i], F_GETFD), FD_CLOEXEC);
        close(got[i]);
    }
    assert_int_equal(fdpass_send(pair[0], SPAN("abc"), sent, FDPASS_MAX + 1), -EINVAL);
    assert_int_equal(fdpass_send(pair[0], SPAN(""), sent, 1), -EINVAL);
    close(pair[0]);
    close(pair[1]);
}

static void test_what_does_not_fit_is_closed(void **state)
{
    int pair[2], sent[8] = {0}, got[8];
    char bytes[16];
    size_t before, count;

    (void)state;
    assert_int_equal(fdpass_pair(pair), 0);
    before = open_descriptors();
    assert_int_equal(fdpass_send(pair[0], SPAN("x"), sent, 8), 0);
    assert_int_equal(receive(pair[1], bytes, sizeof bytes, got, 7, &count), ERR_LIMIT);
    assert_int_equal(count, 0);
    assert_int_equal(fdpass_send(pair[0], SPAN("longer than the room"), sent, 2), 0);
    assert_int_equal(receive(pair[1], bytes, sizeof bytes, got, 8, &count), ERR_LIMIT);
    assert_int_equal(count, 0);
    assert_int_equal(open_descriptors(), before);
    assert_int_equal(fdpass_send(pair[0], SPAN("next"), NULL, 0), 0);
    assert_int_equal(receive(pair[1], bytes, sizeof bytes, got, 8, &count), 4);
    close(pair[0]);
    assert_int_equal(receive(pair[1], bytes, sizeof bytes, got, 8, &count), 0);
    close(pair[1]);
}

static void test_a_child_has_only_what_it_was_given(void **state)
{
    int pair[2], status;
    char name[64], bytes[16];
    size_t count;

    (void)state;
    assert_int_equal(fdpass_pair(pair), 0);
    int other = open("/dev/null", O_RDONLY);
    pid_t pid = process_fork("a child", &pair[1], 1);
    assert_true(pid >= 0);
    if (pid == 0) {
        bool fine = fcntl(3, F_GETFD) == FD_CLOEXEC && fcntl(4, F_GETFD) < 0;
        fine = fine && open_descriptors() == 3 + 1 + 3; /* . and .. and that of the listing */
        fine = fine && fdpass_send(3, span_str(process_name(getpid(), name)), NULL, 0) == 0;
        _exit(fine ? 0 : 1);
    }
    close(pair[1]);
    assert_int_equal(receive(pair[0], bytes, sizeof bytes, NULL, 0, &count), 7);
    assert_memory_equal(bytes, "a child", 7);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(pair[0]);
    close(other);
}

static void test_a_child_dies_with_its_parent(void **state)
{
    int pipe_ends[2];
    char byte;

    (void)state;
    assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
    pid_t parent = fork();
    if (parent == 0) {
        pid_t child = process_fork("orphan", &pipe_ends[1], 1);
        if (child == 0) {
            for (;;)
                pause();
        }
        _exit(child > 0 ? 0 : 1);
    }
    close(pipe_ends[1]);
    /* The end of the pipe shows only when the child is gone, too. */
    assert_int_equal(read(pipe_ends[0], &byte, 1), 0);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    close(pipe_ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descriptors_arrive_with_their_packet),
        cmocka_unit_test(test_what_does_not_fit_is_closed),
        cmocka_unit_test(test_a_child_has_only_what_it_was_given),
        cmocka_unit_test(test_a_child_dies_with_its_parent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
