/* A packet on its way through the hooks, and the answer to it on its way back. What a chain does to
 * it is walk.h's; what is said about it simulate.h's and passage.h's. */
#pragma once

#include "firewall/model/simulate.h"
#include "firewall/model/walk.h"

struct journey;

/** Told of each base chain, before its outcome counts. @return what shall count instead */
typedef unsigned journey_watch(struct journey *journey, const struct ruleset_chain *chain,
                               const struct packet_state *state, unsigned may);

struct journey {
    struct walk walk;
    const struct simulate_host *host; /**< may be NULL */
    struct packet_state state;
    bool answer;             /**< it is the answer */
    bool out;                /**< this host sends it; `local`: to itself, by lo */
    struct value tracked;    /**< conntrack's state once it has seen the packet */
    bool local, forwarded;   /**< it got there */
    journey_watch *on_chain; /**< NULL: nobody looks on */
    void *context;           /**< of on_chain */
};

/** Sets out with the path's probe. To be ended by journey_finish(). */
void journey_begin(struct journey *journey, const struct ruleset *ruleset,
                   const struct simulate_host *host, struct firewall_path *path);
/** Ingress, prerouting, then input or forward and postrouting.
 *  @return MAY_ACCEPT and MAY_END bits */
unsigned journey_arrive(struct journey *journey);
/** The way of a packet that this host sends: output, postrouting, egress, and what comes in by lo
 *  when it is for this host. @return as above */
unsigned journey_leave(struct journey *journey);
/** The way of the answer to it. @return as above */
unsigned journey_return(struct journey *journey);
/** The way of the answer, after the packet arrived: output, postrouting and egress, or those that a
 *  forwarded one passes. @return as above */
unsigned journey_answer(struct journey *journey);
/** The interface of the smallest network of ours that the destination is in, or NULL. */
const char *journey_route_out(const struct simulate_host *host, const struct packet *packet);
void journey_finish(struct journey *journey);
