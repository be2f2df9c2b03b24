/* By the console's events, which come in a thread of their own. */
#include <windows.h>

#include "os/interrupt.h"

static volatile sig_atomic_t *interrupted;

static BOOL WINAPI on_event(DWORD event)
{
    *interrupted = 1;
    return event == CTRL_C_EVENT || event == CTRL_BREAK_EVENT;
}

void interrupt_watch(volatile sig_atomic_t *flag)
{
    interrupted = flag;
    SetConsoleCtrlHandler(on_event, TRUE);
}
