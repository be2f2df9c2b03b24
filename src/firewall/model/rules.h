/* Where a chain ends a new connection: a walk over rules of either language, nft's and iptables',
 * that answers yes, no or perhaps for each match. It serves planning: what is true for everybody
 * counts, what holds for some (a list of banned addresses, a rate) is passed over and told. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/macros.h"
#include "firewall/plan/facts.h"
#include "os/ports.h"

/** The first packet of a connection from outside. */
struct flow {
    int family;                 /**< 4 or 6 */
    struct port port;           /**< as the chain sees it: after DNAT */
    uint16_t asked;             /**< the port that the client named */
    bool translated;            /**< DNAT changed the port or the host */
    bool forwarded;             /**< DNAT sends it to another host or a container */
    char destination[64];       /**< where to, "" when unknown */
    const struct network *from; /**< family 0: everybody */
    const char *interface;      /**< NULL: any */
};

enum truth { TRUTH_NO, TRUTH_MAYBE, TRUTH_YES };

static inline enum truth truth_and(enum truth a, enum truth b)
{
    return a < b ? a : b;
}

static inline enum truth truth_or(enum truth a, enum truth b)
{
    return a > b ? a : b;
}

static inline enum truth truth_of(bool truth)
{
    return truth ? TRUTH_YES : TRUTH_NO;
}

static inline enum truth truth_not(enum truth truth)
{
    return (enum truth)(TRUTH_YES - truth);
}

enum rule_does {
    RULE_GOES_ON,
    RULE_ACCEPTS,
    RULE_DROPS, /**< or rejects */
    RULE_JUMPS,
    RULE_GOES_TO,
    RULE_RETURNS,
    RULE_FORWARDS,  /**< DNAT */
    RULE_REDIRECTS, /**< DNAT to this host */
};

/** A rule as it looks to one flow. Strings are borrowed from the rule. */
struct rule_view {
    enum truth matches;
    enum rule_does does;
    const char *target;      /**< of jumps */
    unsigned port;           /**< of DNAT; 0: unchanged */
    struct span destination; /**< of DNAT; may be empty */
};

struct rules_chain {
    const char *family, *table, *name; /**< borrowed */
    const char *hook;                  /**< NULL: no base chain */
    const char *type;                  /**< "filter", "nat" */
    bool drops;                        /**< by its policy */
    const void **rules;                /**< each as its language's judge takes it */
    size_t count;
};

struct rules {
    struct rules_chain *chains;
    size_t count;
    void (*judge)(const struct rules *rules, const struct rules_chain *chain, const void *rule,
                  const struct flow *flow, struct rule_view *ret_view);
    const json_t *ruleset; /**< for sets that rules name */
    bool without_ufw;
    char *text; /**< that the rules point into, owned; may be NULL */
};

enum rules_outcome { OUTCOME_OPEN, OUTCOME_CLOSED, OUTCOME_UNKNOWN };

struct rules_end {
    enum rules_outcome outcome;
    size_t before;     /**< closed: the base chain's rule that leads to it; `count`: its policy */
    bool some_dropped; /**< a rule before that drops some senders */
    struct rule_view decided; /**< the last view: of DNAT rules */
};

/** Walks a base chain with a flow. */
void rules_walk(const struct rules *rules, const struct rules_chain *chain, const struct flow *flow,
                struct rules_end *ret_end);
struct rules_chain *rules_add_chain(struct rules *rules);
void rules_add(struct rules_chain *chain, const void *rule);
struct rules_chain *rules_find(const struct rules *rules, const char *family, const char *table,
                               const char *name);
void rules_finish(struct rules *rules);

/** Is an address of the flow's sender in a network written as text? */
enum truth flow_is_from(const struct flow *flow, const char *network, unsigned prefix);
/** Does it come in by the interface? @param name  "eth0", or "eth+" and "eth*" for all such */
enum truth flow_comes_by(const struct flow *flow, const char *name);

/** The chains of the facts' ruleset. The facts must outlive them. */
void rules_of_nft(const struct firewall_facts *facts, struct rules *ret_rules);
/** The chains of a table, from what `iptables -S` printed.
 *  @param text    NULL gives none
 *  @param family  "ip" or "ip6"; it and `table` outlive the result
 *  @param without_ufw  as if ufw had left its jumps and policies out, since it looks after them */
void rules_of_xt(const char *text, const char *family, const char *table, bool without_ufw,
                 struct rules *ret_rules);
/** Cuts the next word off a line of `iptables -S`, without its quotes. @return false at the end */
bool xt_next_word(const char **at, char *out, size_t room);
/** What DNAT makes of the flow, by the base chains at prerouting. */
void rules_translate(const struct rules *rules, struct flow *flow);
