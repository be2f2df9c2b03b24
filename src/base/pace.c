/* A pace is looked at when something may have changed, never at each byte. */
#include "base/pace.h"

#include "base/macros.h"

enum { SECONDS_MAX = 1000000 }; /* that bytes can add: no sum overflows */

void pace_update(struct pace *pace, bool waiting, uint64_t moved, nsec_t now)
{
    if (!waiting) {
        if (pace->since)
            pace->spent += now - pace->since;
        pace->since = 0;
    } else if (!pace->since) {
        pace->since = pace->progress = now;
    } else if (moved != pace->moved) {
        pace->progress = now;
    }
    pace->moved = moved;
}

nsec_t pace_deadline(const struct pace *pace, const struct pace_bounds *bounds)
{
    nsec_t allowed = bounds->timeout;

    if (bounds->timeout == 0 || pace->since == 0)
        return NSEC_NEVER;
    if (bounds->rate) {
        uint64_t seconds = pace->moved / bounds->rate;
        allowed += (nsec_t)(seconds < SECONDS_MAX ? seconds : SECONDS_MAX) * NSEC_PER_SEC;
    }
    if (bounds->timeout_max && allowed > bounds->timeout_max)
        allowed = bounds->timeout_max;
    nsec_t in_all = pace->since + allowed - pace->spent;
    nsec_t stalled = pace->progress + bounds->timeout;
    return in_all < stalled ? in_all : stalled;
}
