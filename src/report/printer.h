/* Where text for people goes: whether it may have colours and symbols, how wide it is, and how
 * words are laid out there. On anything but a terminal lines stay whole and plain. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/span.h"

enum printer_style {
    STYLE_PLAIN,
    STYLE_BOLD,
    STYLE_DIM,
    STYLE_RED,
    STYLE_YELLOW,
    STYLE_GREEN,
    STYLE_CYAN,
};

struct printer {
    FILE *out;
    bool terminal;  /**< a person watches: progress may be shown and overwritten */
    bool colour;    /**< off with NO_COLOR, TERM=dumb and where no terminal is */
    bool unicode;   /**< the locale's characters are UTF-8 */
    unsigned width; /**< columns; 0: unlimited */
};

/** Looks at the stream and the environment (NO_COLOR, TERM, COLUMNS, LC_ALL, LC_CTYPE, LANG). */
struct printer printer_of(FILE *out);
/** Switches to a style, or back with STYLE_PLAIN; nothing without colours. */
void printer_style(const struct printer *printer, enum printer_style style);
/** Text in a style, escaped. */
void printer_styled(const struct printer *printer, enum printer_style style, const char *text);
/** Text that somebody else wrote, escaped (base/escape.h), as all that follows is. */
void printer_foreign(const struct printer *printer, struct span text);
/** Columns that a text takes: code points, control characters not counted. */
size_t printer_columns(struct span text);
/** Prints words that start in column `column`, breaking lines at blanks so that they end before the
 *  width, and indenting those that follow by `indent`. Ends with a newline. */
void printer_wrap(const struct printer *printer, unsigned column, unsigned indent,
                  const char *text);
/** The same without the newline at the end. @return the column where it ended */
unsigned printer_flow(const struct printer *printer, unsigned column, unsigned indent,
                      struct span text);
/** Prints the hint from column `column` on. Where it does not fit, each command in it
 *  gets a line of its own without breaks, so that it can be copied as it is. Ends with a newline.
 */
void printer_hint(const struct printer *printer, unsigned column, const char *text);
