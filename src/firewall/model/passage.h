/* What a port needs to be open: the base chains that close it to the packets of a connection or to
 * their answers, each with the place where an accept has to stand. What may or may not match is
 * taken not to: what drops only some senders (a ban, a rate) is passed over and told. */
#pragma once

#include "firewall/model/simulate.h"
#include "os/ports.h"

enum { PASSAGE_BLOCKS_MAX = 32 };

/** A base chain that closes the port. */
struct passage_block {
    const struct ruleset_chain *chain;
    size_t before;     /**< index of the chain's rule that leads there; rule_count: its policy */
    bool answer;       /**< it is the answer that it drops */
    bool early;        /**< conntrack does not know the packet there yet */
    bool translated;   /**< the port or address is another one there than the client asked for */
    bool some_dropped; /**< a rule before that place drops some senders */
};

struct passage {
    struct passage_block blocks[PASSAGE_BLOCKS_MAX];
    size_t count;
    bool translated;                         /**< DNAT changes the port or the address */
    bool forwarded;                          /**< to another host or a container */
    char destination[FIREWALL_ADDRESS_TEXT]; /**< where to; "" where it is not known */
    uint16_t port;                           /**< there */
};

struct passage_question {
    const struct ruleset *ruleset;
    const struct simulate_host *host; /**< NULL: not known */
    /** An empty interface stands for any by which somebody comes from outside */
    struct firewall_probe probe;
    const struct network *from; /**< who may come; family 0: everybody */
    bool without_ufw;           /**< ufw's chains and policies are left to ufw */
    /** Rules that were seen to decide, although the model alone does not tell */
    const struct ruleset_rule *const *decisive;
    size_t decisive_count;
};

void passage_find(const struct passage_question *question, struct passage *ret_passage);
