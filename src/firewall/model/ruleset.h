/* The kernel's packet rules as nftables lists them, read into a model that can be walked: tables,
 * chains, rules, sets. What a packet meets on its way through them is simulate.h's. */
#pragma once

#include <jansson.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/error.h"
#include "base/span.h"

enum {
    RULESET_TEXT_MAX = 32 << 20,   /**< bytes of a listing */
    RULESET_MEMORY_MAX = 256 << 20 /**< bytes of the model, without the JSON behind it */
};

/** What names of tables begin with that a probe of ours puts up: they are no rules of the host. */
#define RULESET_PROBE "gardien_probe_"

enum ruleset_family {
    RULESET_IP,
    RULESET_IP6,
    RULESET_INET,
    RULESET_NETDEV,
    RULESET_BRIDGE,
    RULESET_ARP,
};

enum ruleset_hook {
    RULESET_NO_HOOK, /**< a regular chain: reached by jump and goto only */
    RULESET_INGRESS,
    RULESET_PREROUTING,
    RULESET_INPUT,
    RULESET_FORWARD,
    RULESET_OUTPUT,
    RULESET_POSTROUTING,
    RULESET_EGRESS,
};

enum expr_kind {
    EXPR_OPAQUE,    /**< not understood; `word` names it */
    EXPR_NUMBER,    /**< `number` */
    EXPR_WORD,      /**< `word`: an address, a name, a symbol */
    EXPR_BOOL,      /**< `number`: exists or is missing */
    EXPR_WILDCARD,  /**< "*", the element that takes what no other does */
    EXPR_NAMED_SET, /**< `word`: name of a set or map of the rule's table */
    EXPR_SET,       /**< items: elements */
    EXPR_PAIR,      /**< items: key, data; an element of a map */
    EXPR_LIST,      /**< items: flags */
    EXPR_CONCAT,    /**< items */
    EXPR_RANGE,     /**< items: first, last */
    EXPR_PREFIX,    /**< items: address; `number`: bits */
    EXPR_META,      /**< `word`: key */
    EXPR_CT,        /**< `word`: key; `more`: direction or NULL */
    EXPR_PAYLOAD,   /**< `word`: protocol; `more`: field */
    EXPR_RAW,       /**< `word`: base; `number`: first bit; `len`: bits */
    EXPR_EXTENSION, /**< a header of IPv6 or option of IPv4; `number`: whether it is there */
    EXPR_FIB,       /**< `word`: result; items: flags */
    EXPR_AND,       /**< items, two or more; so the following four */
    EXPR_OR,
    EXPR_XOR,
    EXPR_SHIFT_LEFT,
    EXPR_SHIFT_RIGHT,
    EXPR_MAP,     /**< items: key, map */
    EXPR_VERDICT, /**< `number`: an enum rule_verdict; `word`: the chain of jump and goto */
};

enum rule_verdict {
    VERDICT_ACCEPT,
    VERDICT_DROP,
    VERDICT_CONTINUE,
    VERDICT_RETURN,
    VERDICT_JUMP,
    VERDICT_GOTO,
};

/** An expression; strings and items live as long as the ruleset. */
struct expr {
    enum expr_kind kind;
    unsigned len;
    uint64_t number;
    const char *word;
    const char *more;
    struct expr *items;
    size_t count;
};

enum match_op {
    MATCH_EQUAL,
    MATCH_NOT_EQUAL,
    MATCH_LESS,
    MATCH_GREATER,
    MATCH_LESS_EQUAL,
    MATCH_GREATER_EQUAL,
    MATCH_ANY_BIT, /**< "in": one of the flags is set */
    MATCH_NO_BIT,  /**< "!": none of the flags is set */
};

enum statement_kind {
    STATEMENT_MATCH,    /**< left, op, right */
    STATEMENT_VERDICT,  /**< left: EXPR_VERDICT */
    STATEMENT_REJECT,   /**< ends the packet's way and tells its sender */
    STATEMENT_VMAP,     /**< left: key; right: a set or named set of verdicts */
    STATEMENT_MANGLE,   /**< left: what is changed; right: its new value */
    STATEMENT_DNAT,     /**< left: address; right: port; each may be missing */
    STATEMENT_REDIRECT, /**< right: port, may be missing */
    STATEMENT_SNAT,     /**< snat and masquerade */
    STATEMENT_NOTRACK,
    STATEMENT_UPDATE,  /**< adds to or deletes from the set `word` */
    STATEMENT_QUEUE,   /**< a program decides */
    STATEMENT_TAKEN,   /**< fwd, synproxy: something else answers or takes the packet */
    STATEMENT_QUIET,   /**< has no influence on the way: counter, log */
    STATEMENT_UNSURE,  /**< matches or not, by what a ruleset does not say: limit, quota */
    STATEMENT_FOREIGN, /**< an extension of iptables that may end the way or change the packet */
};

struct statement {
    enum statement_kind kind;
    enum match_op op;
    /** nftables' name of the statement; of a reject its type or ""; of an update its set */
    const char *word;
    bool extension;    /**< of iptables; nftables says what it does as text, not as JSON */
    struct expr *left; /**< NULL where the statement has none */
    struct expr *right;
    int family; /**< of dnat and snat: an enum ruleset_family, or -1 */
};

/** Who reads and writes a table, as far as that tells. */
enum ruleset_source {
    RULESET_NATIVE, /**< nft, or a program that speaks to nf_tables itself */
    RULESET_IPTABLES_NFT,
    RULESET_IPTABLES_LEGACY, /**< in the kernel's older tables: nftables does not see it */
};

struct ruleset_rule {
    struct ruleset_rule *next;
    size_t index;    /**< in its chain, from 0 */
    uint64_t handle; /**< 0: not listed */
    const char *comment;
    struct statement *statements;
    size_t count;
    const json_t *json; /**< the array that they were read from; NULL for iptables' own */
    const char *line;   /**< as iptables prints it: "-A INPUT -p tcp ..."; NULL: not known */
    const char *words;  /**< what of it stands behind its chain */
};

struct ruleset_chain {
    struct ruleset_chain *next;      /**< in the order of the listing */
    struct ruleset_chain *same_hash; /**< the next in its place of ruleset.chain_hash */
    const struct ruleset_table *table;
    const char *name;
    uint64_t handle;
    enum ruleset_hook hook;
    bool nat;          /**< of type nat: sees the first packet of a connection only */
    bool policy_drops; /**< base chains: what happens at the end */
    int priority;
    size_t order;         /**< position in the listing */
    const char **devices; /**< of ingress chains; none listed: not known */
    size_t device_count;
    struct ruleset_rule *rules;
    struct ruleset_rule *last;
    size_t rule_count;
};

struct ruleset_set {
    struct ruleset_set *next;
    struct ruleset_set *same_hash;
    const struct ruleset_table *table;
    const char *name;
    struct expr elements; /**< EXPR_SET */
};

struct ruleset_table {
    struct ruleset_table *next;
    enum ruleset_family family;
    const char *name;
    enum ruleset_source source;
    bool dormant; /**< its chains are not hooked in */
    bool ufw;     /**< ufw has chains in it */
};

enum { RULESET_HASH = 2048 };

struct ruleset {
    struct ruleset_table *tables;
    struct ruleset_chain *chains;
    struct ruleset_chain *last_chain;
    struct ruleset_set *sets;
    struct ruleset_chain *chain_hash[RULESET_HASH]; /**< by table and name */
    struct ruleset_set *set_hash[RULESET_HASH];
    size_t chain_count;
    size_t rule_count;
    bool handles_known; /**< the listing said them */
    /** The listing has sets and no element of any: `nft -t` leaves them out */
    bool elements_unknown;
    struct arena arena;
    json_t *json;
};

/** Reads what `nft -j list ruleset` printed. Objects that are no part of a packet's way (counters,
 *  quotas, helpers, flow tables) are passed over; statements and expressions that are not
 *  understood are kept as unsure.
 *  @param ret_why  a few words for free() when the text is wrong, with the place
 *  @return 0 (ruleset_destroy() it), ERR_SYNTAX, or ERR_LIMIT for one that is too large or nested
 *      too deeply */
must_check int ruleset_parse(struct span text, struct ruleset **ret_ruleset, char **ret_why);
/** Asks the kernel, in this network namespace.
 *  @return as above, or -errno (-EPERM: takes CAP_NET_ADMIN) */
must_check int ruleset_read_live(struct ruleset **ret_ruleset, char **ret_why);
/** Reads a file of `nft -j list ruleset` or of `nft list ruleset`. The latter is loaded by nftables
 *  into a network namespace of its own, which ends with the call; this takes root, or a system
 *  where everybody may make user namespaces. Handles are those of the file, or 0. Whether sets are
 *  empty, or `nft -t` left their elements out, a file does not say: see elements_unknown.
 *  @return as above; a mistake goes to `diags` too, with the way to fix it */
must_check int ruleset_read_file(const char *path, struct ruleset **ret_ruleset,
                                 struct diags *diags);
/** An empty one, to which tables can be added. */
struct ruleset *ruleset_create(void);
/** Reads the array "nftables" itself. @return as ruleset_parse() */
must_check int ruleset_read_array(json_t *array, struct ruleset **ret_ruleset, char **ret_why);
void ruleset_destroy(struct ruleset *ruleset);

/** The chain of a table by name, or NULL. */
const struct ruleset_chain *ruleset_chain_find(const struct ruleset *ruleset,
                                               const struct ruleset_table *table, const char *name);
const struct ruleset_set *ruleset_set_find(const struct ruleset *ruleset,
                                           const struct ruleset_table *table, const char *name);
/** Is there a statement of this kind in any rule? */
bool ruleset_has(const struct ruleset *ruleset, enum statement_kind kind);
/** "ip", "inet", ... */
const char *ruleset_family_name(enum ruleset_family family);
const char *ruleset_hook_name(enum ruleset_hook hook);
/** A rule's text as `nft list ruleset` prints it, comment included, packet counts left out. What
 *  has no known text is shown as its JSON. Cut after 4,096 bytes. @return for free() */
char *ruleset_rule_text(const struct ruleset_rule *rule);
