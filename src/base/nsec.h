/* Time: one unit, nanoseconds, and one type. Above the event loop, `now` is a parameter. */
#pragma once

#include <stdint.h>

typedef int64_t nsec_t;

#define NSEC_PER_USEC ((nsec_t)1000)
#define NSEC_PER_MSEC ((nsec_t)1000000)
#define NSEC_PER_SEC ((nsec_t)1000000000)
#define NSEC_NEVER INT64_MAX

/** Monotonic time. */
nsec_t nsec_monotonic(void);
/** The same clock as its last tick left it (at most 10 ms ago, on Linux): a fraction of the cost.
 */
nsec_t nsec_coarse(void);
/** Wall-clock time since 1970-01-01 UTC. */
nsec_t nsec_realtime(void);
