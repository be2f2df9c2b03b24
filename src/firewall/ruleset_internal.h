/* What the files that read a ruleset share. */
#pragma once

#include "firewall/ruleset.h"

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
