/* The process that waits, and the file by which it is told. */
#include "cli/confirm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "os/self.h"

static char *file_in(const char *state)
{
    return mem_format("%s/firewall.confirm", state);
}

/* ---- the process that waits ---- */

/* Whoever removes the file first decides: the person, or we at the end of the time. */
static bool nobody_confirmed(const char *file, nsec_t deadline)
{
    const struct timespec pause = {.tv_nsec = 200 * NSEC_PER_MSEC};

    while (nsec_monotonic() < deadline) {
        if (access(file, F_OK) < 0)
            return false;
        nanosleep(&pause, NULL);
    }
    return unlink(file) == 0;
}

/* Keeps nothing that the one who started us holds, its lock above all, but `mine`. */
static void let_go(int mine)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    setsid();
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    for (int fd = 0; null >= 0 && fd <= 2; fd++)
        dup2(null, fd);
    if (dup2(mine, 3) == 3) /* nothing else that is open is needed any more */
        self_close_from(4);
}

static void wait_and_undo(const struct confirm *confirm, const char *state, const struct plan *plan,
                          int mine)
{
    nsec_t deadline = nsec_monotonic() + confirm->wait;
    struct diags diags = {0};

    let_go(mine);
    if (nobody_confirmed(confirm->held, deadline)) {
        int lock = confirm_lock(state); /* without it, undoing is still better than not */
        int r = plan_undo(plan, NULL, &diags);
        (void)lock;
        if (r >= 0)
            r = journal_record(state, plan, true, &diags);
        _exit(r < 0);
    }
    _exit(0);
}

/* A child of ours that ends at once leaves the waiting one to init: no session ends it. */
int confirm_start(const char *state, const struct plan *plan, nsec_t wait,
                  struct confirm *ret_confirm)
{
    struct confirm confirm = {.held = file_in(state), .wait = wait};
    int fd = open(confirm.held, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int error = -errno;
        print_error("see whether the state folder can be written",
                    "the waiting process cannot be started: %s", error_text(error));
        if (fd >= 0)
            close(fd);
        free(confirm.held);
        return error;
    }
    pid_t pid = fork();
    if (pid == 0)
        wait_and_undo(&confirm, state, plan, fd);
    close(fd); /* its lock lives as long as the process that waits */
    if (pid < 0) {
        unlink(confirm.held);
        free(confirm.held);
        print_error("try again", "the waiting process cannot be started: %s", error_text(-errno));
        return -EAGAIN;
    }
    *ret_confirm = confirm;
    return 0;
}

/* ---- this side ---- */

static void say_waiting(void)
{
    fputs("gardien: another gardien changes the firewall now; waiting for it\n", stderr);
}

int confirm_lock(const char *state)
{
    return opening_lock(state, say_waiting);
}

bool confirm_waits(const char *state)
{
    scoped(mem_release) char *file = file_in(state);
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    bool gone = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;

    if (gone)
        unlink(file);
    if (fd >= 0)
        close(fd);
    return fd >= 0 && !gone;
}

bool confirm_keep(struct confirm *confirm)
{
    return unlink(confirm->held) == 0;
}

bool confirm_ask(const struct confirm *confirm)
{
    nsec_t deadline = nsec_monotonic() + confirm->wait;
    char line[32] = "";

    printf("It is taken back in %lld seconds. Type \"yes\" to keep it: ",
           (long long)(confirm->wait / NSEC_PER_SEC));
    fflush(stdout);
    for (nsec_t left; (left = deadline - nsec_monotonic()) > 0;) {
        struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
        int ready = poll(&in, 1, (int)(left / NSEC_PER_MSEC) + 1);
        if (ready < 0 && errno != EINTR)
            return false;
        if (ready <= 0)
            continue;
        if (!fgets(line, sizeof line, stdin))
            return false;
        if (strcmp(line, "yes\n") == 0)
            return true;
        printf("Type \"yes\" to keep it: ");
        fflush(stdout);
    }
    putchar('\n');
    return false;
}

void confirm_finish(struct confirm *confirm)
{
    free(confirm->held);
    *confirm = (struct confirm){0};
}

int confirm_from_elsewhere(const char *state)
{
    scoped(mem_release) char *file = file_in(state);

    if (unlink(file) == 0) {
        puts("confirmed: what was opened stays open");
        return APP_OK;
    }
    print_error("`gardien open --confirm 60s` opens anew; the time may have been over",
                "nothing waits to be confirmed in %s", state);
    return APP_FAILED;
}
