/* What came of a chain for one state of the packet, so that rules which jump to the same chains
 * again and again are walked once: without it, chains that each jump twice to the next take
 * exponential time. */
#pragma once

#include "firewall/model/walk.h"

/** What one walk through a chain left behind, beside its steps. */
struct walk_result {
    unsigned may;
    struct packet_state back;     /**< of packets that leave it at its end or by return */
    struct packet_state accepted; /**< of packets that are accepted in it */
    bool any_accepted;
    struct walk_cause drop, reject;
    unsigned depth; /**< jumps beneath it */
};

struct walk_memo;

/** All chains of the ruleset, of which nothing is known. */
struct walk_memo *walk_memo_create(size_t chain_count);
void walk_memo_destroy(struct walk_memo *memo);
/** Forgets all: another base chain begins, at another hook. */
void walk_memo_clear(struct walk_memo *memo);
/** What came of the chain for this state, or NULL. */
const struct walk_result *walk_memo_find(const struct walk_memo *memo,
                                         const struct ruleset_chain *chain,
                                         const struct packet_state *state);
/** Keeps it; at most 8 states a chain and 2,048 in all. */
void walk_memo_add(struct walk_memo *memo, const struct ruleset_chain *chain,
                   const struct packet_state *state, const struct walk_result *result);
