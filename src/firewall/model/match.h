/* Expressions of rules against one packet. Verdicts, chains and hooks are simulate.c's. */
#pragma once

#include "firewall/model/packet.h"
#include "firewall/model/ruleset.h"
#include "firewall/model/simulate.h"

/** A doubt about the elements of a set that a listing left out */
#define MATCH_ELEMENTS "the elements of set"

enum { KEY_PARTS = 16, UPDATED_MAX = 8 };

/** What rules may change on the packet's way. */
struct packet_state {
    struct packet packet;
    struct value mark;
    struct value ct_mark;
    struct value ct_state;
    struct value ct_status;
    struct value translated; /**< one bit: a nat chain has fixed the destination */
    struct value local;      /**< one bit: the destination is an address of this host */
};

/** What is looked at, and why an answer is unknown. */
struct match_context {
    const struct ruleset *ruleset;
    const struct ruleset_table *table; /**< of the rule */
    enum ruleset_hook hook;
    const char *interface;  /**< "": not known */
    const char *out;        /**< interface that the packet is forwarded to; NULL: not known */
    bool reply;             /**< it is the answer: it goes in the other direction */
    bool local_output;      /**< this host sent it: it came in nowhere */
    struct value user;      /**< of the program that sent the answer */
    struct value redirect;  /**< the address that "redirect" sends to */
    struct packet original; /**< before its destination was changed */
    const char *doubt[2];   /**< words for what was not known: {"meta", "skuid"} */
    const char *updated[UPDATED_MAX]; /**< sets that the packet itself may have changed */
    size_t updated_count;
};

/** The parts of a value that is looked up. */
struct match_key {
    struct value parts[KEY_PARTS];
    size_t count;
    enum tri absent;
};

/** @param hint  type and width that words and numbers are to have */
struct value match_eval(struct match_context *context, const struct packet_state *state,
                        const struct expr *expr, struct value hint);
void match_key(struct match_context *context, const struct packet_state *state,
               const struct expr *expr, struct match_key *ret_key);
/** A statement of kind STATEMENT_MATCH. */
enum tri match_statement(struct match_context *context, const struct packet_state *state,
                         const struct statement *statement);

/** The elements of a set expression or of the named set; NULL when there is none of that name, or
 *  its elements are not known. */
const struct expr *match_set(const struct match_context *context, const struct expr *expr);
/** Notes that the answer depends on a set whose elements are not known. */
void match_doubt_set(struct match_context *context, const struct expr *expr);
/** Walks the elements that a key may be: start with *cursor = 0. The last that comes is TRI_YES, or
 *  all are TRI_MAYBE and the key may be none of them.
 *  @return the element, or NULL at the end */
const struct expr *match_next(struct match_context *context, const struct packet_state *state,
                              const struct expr *set, const struct match_key *key, size_t *cursor,
                              enum tri *ret_match);
/** The rule's table's set of that name was changed by the packet. */
void match_updated(struct match_context *context, const char *name);
