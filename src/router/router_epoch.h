/* Whether a NAT-PMP router still has its mappings. Each of its packets says for how many seconds it
 * has had them; it announces by multicast that it begins anew. Source: RFC 6886 sections 3.2.1, 3.6
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "base/nsec.h"
#include "base/span.h"

enum {
    ROUTER_EPOCH_PORT = 5350, /**< UDP: where announcements arrive */
    ROUTER_NATPMP_PORT = 5351,
};

/** Zeroed memory: nothing is known. */
struct router_epoch {
    bool known;
    uint32_t seconds; /**< what the router said, or at least that, at: */
    nsec_t at;
};

/** A mapping was made now: the router has it for at least no time. */
void router_epoch_begin(struct router_epoch *epoch, nsec_t now);
/** A packet of the router, an announcement or an answer.
 *  @param now  monotonic
 *  @return 1 when it has lost its mappings; 0; ERR_PROTOCOL for another packet, which changes
 *  nothing */
must_check int router_epoch_hear(struct router_epoch *epoch, struct span packet, nsec_t now);
