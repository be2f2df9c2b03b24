/* The flows that a wish is about: one for each port and IP version. */
#pragma once

#include "firewall/manager.h"
#include "firewall/rules.h"

/** Sets up the flow of a port, with what DNAT of nftables and iptables makes of it.
 *  @param nft   the chains of the look's ruleset
 *  @param flow  its `family` is given; the wish must outlive it
 *  @return false when the wish is not about this IP version */
bool flow_make(const struct look *look, const struct rules *nft, const struct wish *wish,
               struct port port, struct flow *flow);
/** The same as chains see it that come before DNAT. */
struct flow flow_before_nat(const struct flow *flow);
