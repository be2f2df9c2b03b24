/* Scalars inside this module: reading them from text, and writing them as a user would. What a row
 * allows is decode.c's. */
#pragma once

#include "base/error.h"
#include "base/nsec.h"
#include "config/config.h"

/** @return 0; ERR_SYNTAX when it is none of true/false/on/off/yes/no */
must_check int value_parse_bool(struct span text, bool *ret_value);
/** A whole decimal number with an optional sign.
 *  @return 0; ERR_SYNTAX; ERR_LIMIT outside of int64_t */
must_check int value_parse_int(struct span text, int64_t *ret_value);
/** @return the index of the choice, or -1 */
int value_parse_choice(struct span text, const char *const *choices);

/** "64KiB", "1500" in the largest binary unit that leaves no rest. @return for free() */
char *value_format_size(int64_t bytes);
/** "1h30m", "500ms", "0". @return for free() */
char *value_format_duration(nsec_t time);
/** A number of a row of type INT, SIZE or DURATION. @return for free() */
char *value_format(const struct config_row *row, int64_t value);
/** The range of a row in words: "from 1KiB to 1MiB", "at least 1". @return for free(), or NULL when
 *  it has none */
char *value_format_range(const struct config_row *row);
/** The choices of a row: "a, b or c". @return for free() */
char *value_format_choices(const struct config_row *row);

/** At most `room` bytes of a text, cut between characters, NUL as "?". It is escaped where it is
 *  printed. @return for free() */
char *text_cut(struct span text, size_t room);

/** ECMAScript and PCRE patterns of what config_parse_size() and config_parse_duration() take. */
#define VALUE_SIZE_PATTERN "^[0-9]+( ?([KkMmGgTt][Ii]?)?[Bb])?$"
#define VALUE_DURATION_PATTERN "^(0|([0-9]+(ns|us|ms|s|m|h|d|w))+)$"
