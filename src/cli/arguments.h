/* The words after a verb, read against the verb's table of options. What they mean is the verb's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/diag.h"

/** One option; a table ends with a row without name. */
struct option {
    const char *name;  /**< without dashes */
    const char *value; /**< what it takes, "ADDR:PORT"; NULL: nothing */
    bool repeatable;
    const char *help;
    const char *brief; /**< its short form with the dash, "-p"; NULL: none */
};

struct option_given {
    const struct option *option;
    const char *value; /**< NULL for one that takes none */
};

struct arguments {
    struct option_given *given;
    size_t given_count;
    const char **words;
    size_t word_count;
};

/** Reads `--name value`, `--name=value`, `--name`, the short forms `-n value`, `-nvalue` and `-n`
 *  of options that have one, words, and `--`, after which all are words. A value that begins with a
 *  hyphen is taken from `--name=value` and `-nvalue` only, so that a forgotten one does not swallow
 *  the next option. An option that is unknown, given twice or lacks its value goes to diags; all
 * are found.
 *  @param args  strings that outlive the result
 *  @return 0, or ERR_SYNTAX; finish it in both cases */
must_check int arguments_parse(const struct option *options, int count, const char *const *args,
                               struct diags *diags, struct arguments *ret_arguments);
void arguments_finish(struct arguments *arguments);
/** The value of an option, "" for one that takes none, NULL when it was not given. */
const char *arguments_get(const struct arguments *arguments, const char *name);
