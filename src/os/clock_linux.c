/* The kernel's own word, or that of systemd-timesyncd where a filter keeps the call from us, as
 * ProtectClock= of a unit does. */
#include "os/clock.h"

#include <sys/timex.h>
#include <unistd.h>

bool clock_is_synchronised(void)
{
    struct timex timex = {.modes = 0};
    int state = adjtimex(&timex);

    if (state >= 0)
        return state != TIME_ERROR && !(timex.status & STA_UNSYNC);
    return access("/run/systemd/timesync/synchronized", F_OK) == 0;
}
