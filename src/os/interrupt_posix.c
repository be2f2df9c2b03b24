/* By signals. */
#include "os/interrupt.h"

#include <stddef.h>

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
