/* By the console's events, which come in a thread of their own. */
#include <windows.h>

#include "os/interrupt.h"

static volatile sig_atomic_t *interrupted;
static HANDLE came; /* NULL where the system has no event to spare: then pauses are not cut short */

static BOOL WINAPI on_event(DWORD event)
{
    *interrupted = 1;
    if (came)
        SetEvent(came);
    return event == CTRL_C_EVENT || event == CTRL_BREAK_EVENT;
}

void interrupt_watch(volatile sig_atomic_t *flag)
{
    interrupted = flag;
    came = CreateEventA(NULL, TRUE, FALSE, NULL);
    SetConsoleCtrlHandler(on_event, TRUE);
}

void interrupt_pause(nsec_t pause)
{
    DWORD milliseconds = (DWORD)(pause / NSEC_PER_MSEC);

    if (came)
        WaitForSingleObject(came, milliseconds);
    else
        Sleep(milliseconds);
}
