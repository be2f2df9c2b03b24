/* The bound on descriptors. */
#include <sys/resource.h>

#include "os/dial.h"

unsigned dial_max(unsigned min, unsigned max)
{
    enum { KEPT = 64 }; /* for everything else */
    rlim_t wanted = (rlim_t)max + KEPT;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return min;
    struct rlimit raised = {.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted,
                            .rlim_max = limit.rlim_max};
    if (raised.rlim_cur > limit.rlim_cur && setrlimit(RLIMIT_NOFILE, &raised) == 0)
        limit = raised;
    if (limit.rlim_cur >= wanted)
        return max;
    return limit.rlim_cur > (rlim_t)min + KEPT ? (unsigned)limit.rlim_cur - KEPT : min;
}
