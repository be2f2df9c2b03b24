/* Helpers of config's tests: read a text by the rich table, and hold one mistake to its words. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "rich.h"

/** One reading of a text. Zeroed memory is none. */
struct reading {
    struct config_tree *tree;
    struct diags diags;
    struct rich rich;
    int result; /**< of config_parse(), or of config_decode() when that was fine */
};

static inline struct reading reading_of(const char *text)
{
    struct reading reading = {0};

    reading.result =
        config_parse(span_str(text), "a.yaml", "/etc/x", false, &reading.diags, &reading.tree);
    if (reading.result == 0)
        reading.result = config_decode(reading.tree, rich_rows, &reading.rich, &reading.diags);
    return reading;
}

static inline void reading_finish(struct reading *reading)
{
    config_release(rich_rows, &reading->rich);
    config_tree_destroy(reading->tree);
    diags_finish(&reading->diags);
}

/** What a mistake must be. A NULL hint stands for none, "*" for any. */
struct expected {
    unsigned line, column;
    const char *sentence;
    const char *hint;
};

static inline void expect_diag(const struct diags *diags, size_t at, struct expected expected)
{
    if (at >= diags->count)
        fail_msg("no mistake was found, instead of: %s", expected.sentence);
    const struct diag *diag = &diags->items[at];
    assert_string_equal(diag->sentence, expected.sentence);
    assert_int_equal(diag->line, expected.line);
    assert_int_equal(diag->column, expected.column);
    if (!expected.hint)
        assert_null(diag->hint);
    else if (expected.hint[0] != '*')
        assert_string_equal(diag->hint ? diag->hint : "(none)", expected.hint);
}

/** The text has this one mistake. */
static inline void expect_mistake(const char *text, struct expected expected)
{
    struct reading reading = reading_of(text);

    expect_diag(&reading.diags, 0, expected);
    if (reading.diags.count > 1)
        fail_msg("a second mistake: %s", reading.diags.items[1].sentence);
    assert_int_equal(reading.result, ERR_SETTINGS);
    assert_string_equal(reading.diags.items[0].file, "a.yaml");
    assert_non_null(reading.diags.items[0].line_text);
    reading_finish(&reading);
}

static inline struct reading expect_fine(const char *text)
{
    struct reading reading = reading_of(text);

    if (reading.diags.count)
        fail_msg("%u:%u: %s", reading.diags.items[0].line, reading.diags.items[0].column,
                 reading.diags.items[0].sentence);
    assert_int_equal(reading.result, 0);
    return reading;
}
