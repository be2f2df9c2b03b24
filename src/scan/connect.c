/* Asking TCP ports by connecting to them, which needs no rights. */
#include <errno.h>
#include <sys/resource.h>

#include "scan/asker.h"

enum {
    FLYING_MOST = 4096, /* connections at once */
    FLYING_LEAST = 64,
    DESCRIPTORS_KEPT = 64, /* for everything else */
};

static int ask(const struct scan_address *host, uint16_t port)
{
    struct socket_address to = {0};

    to.len = scan_address_to(host, port, &to.storage);
    return dial_tcp(&to, 0);
}

static bool hear(int fd, int *ret_result, struct dial_failure *ret_failure)
{
    *ret_result = dial_result(fd, ret_failure);
    return *ret_result != -EINPROGRESS;
}

/* As many connections at once as this process may have descriptors. */
static unsigned flying_most(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return FLYING_LEAST;
    struct rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    if (raised.rlim_cur > FLYING_MOST + DESCRIPTORS_KEPT)
        raised.rlim_cur = FLYING_MOST + DESCRIPTORS_KEPT;
    if (raised.rlim_cur > limit.rlim_cur && setrlimit(RLIMIT_NOFILE, &raised) == 0)
        limit = raised;
    if (limit.rlim_cur >= FLYING_MOST + DESCRIPTORS_KEPT)
        return FLYING_MOST;
    return limit.rlim_cur > FLYING_LEAST + DESCRIPTORS_KEPT
               ? (unsigned)limit.rlim_cur - DESCRIPTORS_KEPT
               : FLYING_LEAST;
}

int scan_connect(struct scan_job *job)
{
    const struct scan_asker_kind kind = {
        .rounds = 2,
        .flying_most = flying_most(),
        .patience_first = NSEC_PER_SEC,
        .patience_least = 250 * NSEC_PER_MSEC,
        .patience_most = 3 * NSEC_PER_SEC,
        .ask = ask,
        .hear = hear,
    };

    return scan_ask(job, &kind);
}
