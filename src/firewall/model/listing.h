/* One chain as `nft -a list chain` prints it: its hook, and the text of each rule by its handle. */
#pragma once

#include <stdint.h>

#include "base/macros.h"
#include "base/span.h"

struct listing_rule {
    uint64_t handle;
    char *text; /**< on one line, without the handle */
};

/** All zero is empty. */
struct listing {
    char *hook;   /**< "input"; NULL for a chain that others jump to */
    int priority; /**< with a hook */
    struct listing_rule *rules;
    size_t count;
};

/** Reads what nft printed; lines that it does not know are passed over. At most 100,000 rules. */
void listing_read(struct span printed, struct listing *ret_listing);
/** Asks nft for a chain. @return 0 with a listing to be finished; ERR_SYNTAX for names that nft
 * would not take; as nft_run() */
must_check int listing_of(const char *family, const char *table, const char *chain,
                          struct listing *ret_listing);
/** The part of a whole ruleset, as `nft -a -t list ruleset` prints it, that is one chain, for
 *  listing_read(). Empty when it is not there. */
struct span listing_find(struct span ruleset, const char *family, const char *table,
                         const char *chain);
/** The rule's text, or NULL. @param ret_index  its place in the chain, from 0; may be NULL */
const char *listing_rule_text(const struct listing *listing, uint64_t handle, size_t *ret_index);
void listing_finish(struct listing *listing);
