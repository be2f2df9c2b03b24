/* One packet's way through chains: what may happen to it there. Which chains it meets is
 * simulate.c's. */
#pragma once

#include "firewall/model/match.h"

/** What may happen, one bit each. */
enum {
    MAY_ACCEPT = 1 << 0,
    MAY_DROP = 1 << 1,
    MAY_REJECT = 1 << 2,
    MAY_QUEUE = 1 << 3, /**< a program, or something else than the rules, decides */
    MAY_RETURN = 1 << 4,
    MAY_NEXT = 1 << 5,
    MAY_END = MAY_DROP | MAY_REJECT | MAY_QUEUE,
};

#define WALK_EXTENSION "iptables' extension" /**< a doubt about one */

/** Rules that lead to one verdict. */
struct walk_cause {
    size_t count;
    size_t step;     /**< of the last, an index of the path */
    uint64_t handle; /**< of the last */
};

struct walk {
    struct match_context context;
    struct firewall_path *path;
    bool tracked;                 /**< the kernel tracks connections of the packet's family */
    bool met;                     /**< the packet surely meets the base chain that is walked */
    struct packet_state accepted; /**< of packets that the base chain accepts */
    bool any_accepted;
    struct walk_cause drop, reject;
    size_t doubt_step; /**< of the first rule that may or may not end the way, or NO_CULPRIT */
    char *doubt;       /**< what could not be known there */
    size_t budget;     /**< rules that may still be looked at */
    size_t matches;    /**< of them, rules that may still match */
    bool too_deep;     /**< jumps nested beyond what the kernel allows, or the budget spent */
};

/** Runs a base chain, its policy included. *state becomes that of accepted packets.
 *  @param certain  the packet surely meets the chain
 *  @return MAY_ACCEPT and MAY_END bits */
unsigned walk_base_chain(struct walk *walk, const struct ruleset_chain *chain, bool certain,
                         struct packet_state *state);
/** Makes *state what is known when it is one or the other. */
void packet_state_join(struct packet_state *state, const struct packet_state *other);
/** Adds a step for something that is no rule of nftables. */
struct firewall_step *walk_step(struct walk *walk, const struct ruleset_chain *chain,
                                enum firewall_action action);
/** Keeps the first doubt and the step that it stands in. */
void walk_doubt(struct walk *walk, const char *what, const char *which);
