/* For builds without libnatpmp: no router answers over NAT-PMP. */
#include "router/router_protocols.h"

void router_natpmp(const struct router_task *task, struct router_answer *answer)
{
}
