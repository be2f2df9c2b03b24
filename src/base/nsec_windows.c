/* The two clocks of Windows. */
#include <windows.h>

#include "base/nsec.h"

nsec_t nsec_monotonic(void)
{
    LARGE_INTEGER frequency, count;

    QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&count);
    nsec_t seconds = count.QuadPart / frequency.QuadPart,
           rest = count.QuadPart % frequency.QuadPart;
    return seconds * NSEC_PER_SEC + rest * NSEC_PER_SEC / frequency.QuadPart;
}

nsec_t nsec_coarse(void)
{
    return nsec_monotonic();
}

nsec_t nsec_realtime(void)
{
    static const nsec_t epoch = 116444736000000000; /* ticks from 1601 to 1970 */
    FILETIME time;

    GetSystemTimePreciseAsFileTime(&time);
    nsec_t ticks = (nsec_t)time.dwHighDateTime << 32 | time.dwLowDateTime; /* of 100 ns */
    return (ticks - epoch) * 100;
}
