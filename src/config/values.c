/* Scalars: bool, whole numbers, sizes and durations, from text and back. Who may write which, and
 * what is said when they do not, is decode.c's. */
#include "config/values.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/mem.h"

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit size_units[] = {
    {"TiB", INT64_C(1) << 40}, {"GiB", INT64_C(1) << 30},      {"MiB", INT64_C(1) << 20},
    {"KiB", INT64_C(1) << 10}, {"TB", INT64_C(1000000000000)}, {"GB", INT64_C(1000000000)},
    {"MB", INT64_C(1000000)},  {"KB", INT64_C(1000)},          {"B", 1},
};
enum { BINARY_UNITS = 4 };

static const struct unit time_units[] = {
    {"w", 7 * 86400 * NSEC_PER_SEC},
    {"d", 86400 * NSEC_PER_SEC},
    {"h", 3600 * NSEC_PER_SEC},
    {"m", 60 * NSEC_PER_SEC},
    {"s", NSEC_PER_SEC},
    {"ms", NSEC_PER_MSEC},
    {"us", NSEC_PER_USEC},
    {"ns", 1},
};

/** Cuts the digits off the front. */
static int take_number(struct span *rest, int64_t *ret_number)
{
    size_t digits = 0;
    uint64_t number;

    while (digits < rest->len && rest->ptr[digits] >= '0' && rest->ptr[digits] <= '9')
        digits++;
    if (digits == 0)
        return ERR_SYNTAX;
    if (span_to_uint(span_of(rest->ptr, digits), &number) < 0 || number > INT64_MAX)
        return ERR_LIMIT;
    *rest = span_from(*rest, digits);
    *ret_number = (int64_t)number;
    return 0;
}

int value_parse_bool(struct span text, bool *ret_value)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"true", true},   {"on", true},   {"yes", true},
                 {"false", false}, {"off", false}, {"no", false}};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (span_equal_nocase(text, span_str(words[i].word))) {
            *ret_value = words[i].value;
            return 0;
        }
    }
    return ERR_SYNTAX;
}

int value_parse_int(struct span text, int64_t *ret_value)
{
    bool negative = text.len && text.ptr[0] == '-';
    int64_t number;

    if (text.len && (text.ptr[0] == '-' || text.ptr[0] == '+'))
        text = span_from(text, 1);
    int r = take_number(&text, &number);
    if (r < 0)
        return r;
    if (text.len)
        return ERR_SYNTAX;
    *ret_value = negative ? -number : number;
    return 0;
}

int value_parse_choice(struct span text, const char *const *choices)
{
    for (int i = 0; choices[i]; i++)
        if (span_equal(text, span_str(choices[i])))
            return i;
    return -1;
}

int config_parse_size(struct span text, int64_t *ret_bytes)
{
    int64_t number;
    int r = take_number(&text, &number);

    if (r < 0)
        return r;
    if (text.len == 0) {
        *ret_bytes = number;
        return 0;
    }
    if (text.ptr[0] == ' ')
        text = span_from(text, 1);
    for (size_t i = 0; i < ARRAY_SIZE(size_units); i++) {
        if (!span_equal_nocase(text, span_str(size_units[i].name)))
            continue;
        return __builtin_mul_overflow(number, size_units[i].factor, ret_bytes) ? ERR_LIMIT : 0;
    }
    return ERR_SYNTAX;
}

/** The index of the unit that the text begins with, the longer name first; -1 for none. */
static int take_time_unit(struct span *rest)
{
    int found = -1;

    for (int i = 0; i < (int)ARRAY_SIZE(time_units); i++) {
        struct span name = span_str(time_units[i].name);
        if (span_starts(*rest, name) && (found < 0 || name.len > strlen(time_units[found].name)))
            found = i;
    }
    if (found >= 0)
        *rest = span_from(*rest, strlen(time_units[found].name));
    return found;
}

int config_parse_duration(struct span text, int64_t *ret_nsec)
{
    int64_t sum = 0;
    int before = -1;

    if (span_equal(text, SPAN("0"))) {
        *ret_nsec = 0;
        return 0;
    }
    do {
        int64_t number, part;
        int r = take_number(&text, &number);
        if (r < 0)
            return r;
        int unit = take_time_unit(&text);
        if (unit <= before) /* none, or 5m1h */
            return ERR_SYNTAX;
        if (__builtin_mul_overflow(number, time_units[unit].factor, &part) ||
            __builtin_add_overflow(sum, part, &sum))
            return ERR_LIMIT;
        before = unit;
    } while (text.len);
    *ret_nsec = sum;
    return 0;
}

char *value_format_size(int64_t bytes)
{
    for (size_t i = 0; bytes > 0 && i < BINARY_UNITS; i++)
        if (bytes % size_units[i].factor == 0)
            return mem_format("%" PRId64 "%s", bytes / size_units[i].factor, size_units[i].name);
    return mem_format("%" PRId64, bytes);
}

char *value_format_duration(nsec_t time)
{
    char *text = mem_string(SPAN(""));

    if (time <= 0) { /* negative ones cannot be written, so none is ever shown */
        free(text);
        return mem_string(SPAN("0"));
    }
    for (size_t i = time % time_units[0].factor ? 1 : 0; i < ARRAY_SIZE(time_units); i++) {
        if (time < time_units[i].factor)
            continue;
        char *longer =
            mem_format("%s%" PRId64 "%s", text, time / time_units[i].factor, time_units[i].name);
        free(text);
        text = longer;
        time %= time_units[i].factor;
    }
    return text;
}

char *value_format(const struct config_row *row, int64_t value)
{
    if (row->type == CONFIG_SIZE)
        return value_format_size(value);
    if (row->type == CONFIG_DURATION)
        return value_format_duration(value);
    return mem_format("%" PRId64, value);
}

char *value_format_range(const struct config_row *row)
{
    bool number =
        row->type == CONFIG_INT || row->type == CONFIG_SIZE || row->type == CONFIG_DURATION;

    if (!number || (row->min == 0 && row->max == 0))
        return NULL;
    char *min scoped(mem_release) = value_format(row, row->min);
    char *max scoped(mem_release) = value_format(row, row->max);
    if (row->max == INT64_MAX)
        return mem_format("at least %s", min);
    if (row->min == INT64_MIN)
        return mem_format("at most %s", max);
    return mem_format("from %s to %s", min, max);
}

char *value_format_choices(const struct config_row *row)
{
    char *text = mem_string(SPAN(""));

    for (size_t i = 0; row->choices[i]; i++) {
        const char *joint = i == 0 ? "" : row->choices[i + 1] ? ", " : " or ";
        char *longer = mem_format("%s%s%s", text, joint, row->choices[i]);
        free(text);
        text = longer;
    }
    return text;
}

char *text_cut(struct span text, size_t room)
{
    char *copy = mem_alloc((text.len < room ? text.len : room) + 1);
    size_t len = 0;

    for (size_t step; text.len; text = span_from(text, step)) {
        size_t bytes = utf8_length(text);
        step = bytes ? bytes : 1;
        if (len + step > room)
            break;
        memcpy(copy + len, text.ptr, step);
        if (!copy[len])
            copy[len] = '?';
        len += step;
    }
    copy[len] = '\0';
    return copy;
}
