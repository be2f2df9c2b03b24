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

enum {
    WALK_RULES_MAX = 200000,  /**< looked at for one packet */
    WALK_MATCHES_MAX = 10000, /**< of them, rules that match */
};

#define WALK_EXTENSION "iptables' extension" /**< a doubt about one */

/** Rules that lead to one verdict. */
struct walk_cause {
    size_t count;
    size_t step;     /**< of the last, an index of the path */
    uint64_t handle; /**< of the last */
};

struct walk_memo;

struct walk {
    struct match_context context;
    struct firewall_path *path;
    const struct ruleset_rule **rules; /**< of the path's steps; their text is made at the end */
    struct walk_memo *memo;
    bool sure_only; /**< what may or may not match does not: for whoever plans for everybody */
    /** In spite of that: rules that were seen to decide about such a packet; NULL for none */
    const struct ruleset_rule *const *decisive;
    size_t decisive_count;
    bool any_interface; /**< the packet came in by any: chains of all devices see it */
    bool without_ufw;   /**< as if ufw had left its jumps and policies out: it looks after them */
    size_t root;        /**< the base chain's rule that is run, an index; rule_count: its policy */
    size_t first_root;  /**< of the first that may end the way; SIZE_MAX: none does */
    unsigned depth;     /**< of jumps, the deepest since it was set to 0 */
    bool tracked;       /**< the kernel tracks connections of the packet's family */
    bool met;           /**< the packet surely meets the base chain that is walked */
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
bool packet_state_equal(const struct packet_state *a, const struct packet_state *b);
/** Memory for a walk, to be ended by walk_finish(). */
void walk_begin(struct walk *walk);
/** Gives the path's steps their text, which few of them are asked for. */
void walk_finish(struct walk *walk);
/** Adds a step; chain is NULL for something that is no rule of nftables. */
struct firewall_step *walk_step(struct walk *walk, const struct ruleset_chain *chain,
                                enum firewall_action action);
/** Keeps the first doubt and the step that it stands in. */
void walk_doubt(struct walk *walk, const char *what, const char *which);
