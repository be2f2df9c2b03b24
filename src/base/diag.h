/* What a user did wrong, where, and how to fix it. cli/ prints it, once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

/** As a file: text that the command line was turned into, a place in which tells nobody anything.
 */
#define DIAG_COMMAND_LINE "command line"

/** One mistake. Every string is owned; file and line_text may be NULL, line and column 0. */
struct diag {
    char *file;
    unsigned line;   /**< from 1 */
    unsigned column; /**< from 1, in characters */
    char *line_text; /**< the line as the user wrote it */
    char *sentence;  /**< what is wrong */
    char *hint;      /**< what to do; may be NULL */
    bool warning;    /**< does not stop the work */
    unsigned alike;  /**< how many warnings like it are not kept */
};

/** Everything found wrong in one pass, in the order of discovery. At most 100 are kept. */
struct diags {
    struct diag *items;
    size_t count;
    size_t dropped; /**< how many came after the hundredth */
    size_t errors;  /**< how many are not warnings, dropped ones included */
};

/** Adds a mistake with no place; the result (never NULL) can be given one. */
struct diag *diags_add(struct diags *diags, const char *sentence, ...) printf_like(2, 3);
/** Turns the mistake that was added last into a warning, which does not count as an error. One that
 *  says the same as three before it (quoted words, paths, names with dots and numbers aside)
 *  makes one of them, with a number.
 *  @return the mistake, for its hint */
struct diag *diags_warning(struct diags *diags, struct diag *diag);
/** Sets the hint of a mistake. */
void diag_hint(struct diag *diag, const char *hint, ...) printf_like(2, 3);
/** Sets the place; `file` and `line_text` are copied and may be NULL. */
void diag_place(struct diag *diag, const char *file, unsigned line, unsigned column,
                const char *line_text);
void diags_finish(struct diags *diags);
