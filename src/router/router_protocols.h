/* The two ways of speaking with a router; called in the asking process only. */
#pragma once

#include <netinet/in.h>

#include "router/router.h"

struct router_task {
    const struct router_request *request;
    struct in_addr router, address;
    nsec_t until; /**< monotonic ns at which finding a router ends */
};

/** Each fills what it learns, and the ports that are not settled yet. */
void router_natpmp(const struct router_task *task, struct router_answer *answer);
void router_upnp(const struct router_task *task, struct router_answer *answer);
