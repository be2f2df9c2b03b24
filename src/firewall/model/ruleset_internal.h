/* What the files that read a ruleset share. */
#pragma once

#include "firewall/model/ruleset.h"

/** One reading under way; the first trouble ends it. */
struct ruleset_reader {
    struct ruleset *ruleset;
    int error; /**< 0, ERR_SYNTAX or ERR_LIMIT */
    char *why;
};

/** Notes the first trouble. @return its error */
int ruleset_fail(struct ruleset_reader *reader, int error, const char *sentence, ...)
    printf_like(3, 4);
/** Zeroed memory of the ruleset, or NULL once a trouble is noted. */
void *ruleset_alloc(struct ruleset_reader *reader, size_t count, size_t size);
/** A string member that must be there, or NULL once a trouble is noted. */
const char *ruleset_string(struct ruleset_reader *reader, const json_t *object, const char *key);
/** Adds an empty chain at the end of the list, or NULL once a trouble is noted. */
struct ruleset_chain *ruleset_add_chain(struct ruleset_reader *reader,
                                        const struct ruleset_table *table, struct span name);
/** Adds an empty rule at the end of a chain, likewise. */
struct ruleset_rule *ruleset_add_rule(struct ruleset_reader *reader, struct ruleset_chain *chain);
/** ruleset_chain_find() for who may change it. */
struct ruleset_chain *ruleset_chain_of(const struct ruleset *ruleset,
                                       const struct ruleset_table *table, const char *name);
/** The elements of a set or map. */
void ruleset_read_elements(struct ruleset_reader *reader, const json_t *elements, bool map,
                           struct expr *ret_set);
/** The statements of a rule, from the array `expr`. */
void ruleset_read_statements(struct ruleset_reader *reader, const json_t *array,
                             struct ruleset_rule *rule);
/** The prefix of a log that stands for an extension of iptables; before "match NAME". */
#define RULESET_EXTENSION "gardien: xt "
/** "match NAME" or "target NAME" of such a prefix, else NULL. */
const char *ruleset_extension(const char *prefix);
/** @return an enum ruleset_family, or -1 */
int ruleset_family_of(const char *name);

/** Gives rules the handles of `nft -a list ruleset`, or none where the text has none for each. */
void ruleset_take_handles(struct ruleset *ruleset, struct span text);
/** Gives ingress chains without devices those of the text. */
void ruleset_take_devices(struct ruleset *ruleset, struct span text);
/** The text as nftables can read it: a log statement in the place of each extension that it wrote
 *  but does not read, see ruleset_extension(). @return for free() */
char *ruleset_replace_extensions(struct span text);
/** The text without the flags that give a table to the program which loads it. @return for free()
 */
char *ruleset_without_owners(struct span text);
