/* What would become of a packet: the rules of a ruleset applied to it in user space, without rights
 * and without a packet. What the rules and the probe do not say is carried along as unknown; the
 * answer is unknown only where it depends on that. */
#pragma once

#include "firewall/model/path.h"
#include "firewall/model/ruleset.h"

struct simulate_address {
    int family; /**< AF_INET or AF_INET6 */
    unsigned char address[16];
    unsigned prefix; /**< bits of its network, whose hosts are reached by the interface */
    char interface[FIREWALL_INTERFACE];
};

/** What this machine knows beside its rules. All zero: nothing, as for rules from a file; then the
 *  probe's destination is taken as this host's, and every other address as another machine's. */
struct simulate_host {
    struct simulate_address *addresses; /**< NULL: not known */
    size_t count;
    bool forwards_ipv4, forwards_ipv6; /**< where addresses are known */
    bool user_known;
    unsigned user; /**< of the program that answers, where it is known */
};

/** Follows the probe through ingress, prerouting, and input or forward and postrouting, and its
 *  answer through output, postrouting and egress, whose steps are kept where one of them decides.
 *  Fills an empty path whose probe is set: steps, verdict, culprit (for an unknown verdict the
 * first rule that made it so) and reason. Where a step's action is FIREWALL_MAYBE the culprit is
 * one of those that may decide.
 *  A probe of this host's own (`out`) is followed through output, postrouting and egress, and its
 *  answer on the way in.
 *  @param host  NULL: nothing is known */
void simulate(const struct ruleset *ruleset, const struct simulate_host *host,
              struct firewall_path *path);

/** Where a packet arrived that was seen to get in. */
struct simulate_arrival {
    bool moved;                    /**< its destination was changed to the following */
    unsigned char destination[16]; /**< network order, the first 4 bytes for IPv4 */
    uint16_t port;
};

/** Follows the answer alone, after a trace that filled the path and whose verdict is accepted or
 *  forwarded. A verdict, culprit, reason and steps replace those of the path where the answer does
 *  not get out, or may not. */
void simulate_answer(const struct ruleset *ruleset, const struct simulate_host *host,
                     const struct simulate_arrival *arrival, struct firewall_path *path);

/** Looks at this machine's addresses and forwarding. @return 0, or -errno */
must_check int simulate_host_look(struct simulate_host *ret_host);
void simulate_host_finish(struct simulate_host *host);
