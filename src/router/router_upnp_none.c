/* For builds without libminiupnpc: no router answers over UPnP. */
#include "router/router_protocols.h"

void router_upnp(const struct router_task *task, struct router_answer *answer)
{
}
