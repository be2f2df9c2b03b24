/* Asking TCP ports by connecting to them, which needs no rights. */
#include <errno.h>

#include "scan/asker.h"

enum {
    IN_FLIGHT_MAX = 4096, /* connections at once */
    IN_FLIGHT_MIN = 64,
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

int scan_connect(struct scan_job *job)
{
    const struct scan_asker_kind kind = {
        .rounds = 2,
        .in_flight_max = dial_max(IN_FLIGHT_MIN, IN_FLIGHT_MAX),
        .patience_first = NSEC_PER_SEC,
        .patience_min = 250 * NSEC_PER_MSEC,
        .patience_max = 3 * NSEC_PER_SEC,
        .ask = ask,
        .hear = hear,
    };

    return scan_ask(job, &kind);
}
