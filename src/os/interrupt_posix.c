/* By signals. */
#include "os/interrupt.h"

#include <stddef.h>
#include <sys/select.h>

static volatile sig_atomic_t *interrupted;

static void on_signal(int number)
{
    *interrupted = 1;
}

void interrupt_watch(volatile sig_atomic_t *flag)
{
    struct sigaction act = {.sa_handler = on_signal};

    interrupted = flag;
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    signal(SIGPIPE, SIG_IGN);
}

void interrupt_pause(nsec_t pause)
{
    struct timespec rest = {pause / NSEC_PER_SEC, pause % NSEC_PER_SEC};
    sigset_t both, before;

    sigemptyset(&both);
    sigaddset(&both, SIGINT);
    sigaddset(&both, SIGTERM);
    sigprocmask(SIG_BLOCK, &both, &before); /* so that none falls between question and wait */
    if (!*interrupted)
        (void)!pselect(0, NULL, NULL, NULL, &rest, &before);
    sigprocmask(SIG_SETMASK, &before, NULL);
}
