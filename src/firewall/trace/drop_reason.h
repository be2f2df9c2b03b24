/* A packet that no rule of nftables dropped and that came nowhere: who else lost it. */
#pragma once

#include "firewall/model/path.h"
#include "firewall/trace/prober.h"

/** Sends the probe again, under watch, and blames what is found: iptables-legacy, traffic control,
 *  XDP, the kernel's own checks. The verdict stays unknown, with a reason, when nothing is. */
void drop_reason_explain(struct prober *prober, const struct prober_trace *trace,
                         struct firewall_path *path);
/** Notes an XDP program that sees packets from outside before the place where the probe comes in.
 */
void drop_reason_warn_of_xdp(struct firewall_path *path);
/** Blames the rule of iptables-legacy that dropped it, told from the counters that a burst of
 * probes moves.
 *  @param exactly  only when the rule is found; else the table and chain where it must be will do
 *  @return whether something was blamed */
bool legacy_blame(struct prober *prober, enum prober_place place, bool exactly,
                  struct firewall_path *path);
/** Are there tables of iptables-legacy for this family? @return 1, 0, or -EACCES when it may not be
 *  asked */
int legacy_present(int family);
