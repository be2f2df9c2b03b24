/* What people see: mistakes with their place, and answers as JSON for programs. */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "base/diag.h"

/** Prints each mistake as `file:line:column: sentence`, the line with a caret, and the hint.
 * Colours on a terminal without NO_COLOR. */
void print_diags(FILE *out, const struct diags *diags);
/** The same with the style of another stream, such as colours on a terminal. */
void print_diags_as(FILE *out, FILE *like, const struct diags *diags);
/** One mistake without a place, printed at once to standard error. */
void print_error(const char *hint, const char *sentence, ...) printf_like(2, 3);
/** Prints text for people, escaped (base/escape.h) but for its line ends. */
void print_escaped(FILE *out, const char *format, ...) printf_like(2, 3);
/** Prints an object on standard output, escaped, and drops the reference. */
void print_json(json_t *object);
/** The same on one line. */
void print_json_line(json_t *object);
