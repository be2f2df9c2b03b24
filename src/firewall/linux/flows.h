/* The flows that a request is about: one for each port and IP version. */
#pragma once

#include "firewall/model/rules.h"
#include "firewall/plan/manager.h"

/** Sets up the flow of a port, with what DNAT of nftables and iptables makes of it.
 *  @param nft   the chains of the facts' ruleset
 *  @param flow  its `family` is given; the request must outlive it
 *  @return false when the request is not about this IP version */
bool flow_make(const struct firewall_facts *facts, const struct rules *nft,
               const struct firewall_request *request, struct port port, struct flow *flow);
/** The same as chains see it that come before DNAT. */
struct flow flow_before_nat(const struct flow *flow);
