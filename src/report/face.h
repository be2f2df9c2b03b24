/* Where text for people goes: whether it may have colours and symbols, how wide it is, and how
 * words are laid out there. On anything but a terminal lines stay whole and plain. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/span.h"

enum face_style {
    FACE_PLAIN,
    FACE_BOLD,
    FACE_DIM,
    FACE_RED,
    FACE_YELLOW,
    FACE_GREEN,
    FACE_CYAN,
};

struct face {
    FILE *out;
    bool terminal;  /**< a person watches: progress may be shown and overwritten */
    bool colour;    /**< off with NO_COLOR, TERM=dumb and where no terminal is */
    bool unicode;   /**< the locale's characters are UTF-8 */
    unsigned width; /**< columns; 0: unlimited */
};

/** Looks at the stream and the environment (NO_COLOR, TERM, COLUMNS, LC_ALL, LC_CTYPE, LANG). */
struct face face_of(FILE *out);
/** Switches to a style, or back with FACE_PLAIN; nothing without colours. */
void face_style(const struct face *face, enum face_style style);
/** Text in a style. The text is ours: it is not escaped. */
void face_styled(const struct face *face, enum face_style style, const char *text);
/** Text that somebody else wrote: control characters and bytes that are no UTF-8 are printed as
 *  \xNN, so that a terminal obeys none of it. */
void face_foreign(const struct face *face, struct span text);
/** The same as a string for free(). */
char *face_escape(struct span text);
/** Columns that a text takes: code points, control characters not counted. */
size_t face_columns(struct span text);
/** Prints words that start in column `column`, breaking lines at blanks so that they end before the
 *  width, and indenting those that follow by `indent`. Ends with a newline. */
void face_wrap(const struct face *face, unsigned column, unsigned indent, const char *text);
/** The same without the newline at the end. @return the column where it ended */
unsigned face_flow(const struct face *face, unsigned column, unsigned indent, struct span text);
/** Prints the hint from column `column` on. Where it does not fit, each command in it
 *  gets a line of its own without breaks, so that it can be copied as it is. Ends with a newline.
 */
void face_hint(const struct face *face, unsigned column, const char *text);
