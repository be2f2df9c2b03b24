/* The two clocks. Calendars and formats belong to whoever prints them. */
#include "base/nsec.h"

#include <time.h>

static nsec_t read_clock(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

nsec_t nsec_monotonic(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

nsec_t nsec_coarse(void)
{
#ifdef CLOCK_MONOTONIC_COARSE
    return read_clock(CLOCK_MONOTONIC_COARSE);
#else
    return nsec_monotonic();
#endif
}

nsec_t nsec_realtime(void)
{
    return read_clock(CLOCK_REALTIME);
}
