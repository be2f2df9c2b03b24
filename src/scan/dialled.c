/* From errno and ICMP to a port's state. */
#include "scan/asker.h"

#include <errno.h>

static enum scan_reason reason_of_errno(int error)
{
    switch (error) {
    case ENETUNREACH:
        return SCAN_NET_UNREACH;
    case EACCES:
        return SCAN_ADMIN_PROHIBITED;
    case EPERM:
    case EINVAL:
    case EADDRNOTAVAIL:
        return SCAN_NOT_SENT;
    default:
        return SCAN_HOST_UNREACH;
    }
}

void scan_dialled(struct scan_answer *answer, struct scan_boxes *boxes, int result,
                  const struct dial_failure *failure)
{
    struct scan_address box;

    if (result == 0) {
        answer->state = SCAN_OPEN;
        answer->reason = SCAN_SYN_ACK;
    } else if (result == -ETIMEDOUT) {
        answer->reason = SCAN_NO_RESPONSE;
    } else if (failure->icmp) {
        answer->state = SCAN_FILTERED;
        answer->reason = (uint8_t)scan_reason_of_icmp(
            failure->has_offender && failure->offender.storage.ss_family == AF_INET6, failure->type,
            failure->code);
        if (failure->has_offender &&
            scan_address_of((const struct sockaddr *)&failure->offender.storage, &box))
            answer->by = scan_boxes_number(boxes, &box);
    } else if (result == -ECONNREFUSED || result == -ECONNRESET) {
        answer->state = SCAN_CLOSED;
        answer->reason = SCAN_CONN_REFUSED;
    } else {
        answer->state = SCAN_FILTERED;
        answer->reason = (uint8_t)reason_of_errno(-result);
    }
}
