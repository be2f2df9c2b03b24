/* Decoding of one number, flag or choice, and what is said when it is none. Texts and everything
 * with structure are decode.c's. */
#include "base/mem.h"
#include "config/rows.h"
#include "config/values.h"

static void complain_size(struct diag *diag, const char *text)
{
    int64_t number;
    size_t digits = strspn(text, "0123456789");
    const char *unit = text + digits + (text[digits] == ' ');
    struct span start = span_of(text, digits);

    if (unit[0] && !unit[1] && strchr("kKmMgGtT", unit[0]) &&
        config_parse_size(start, &number) == 0)
        diag_hint(diag, "write %.*s%ciB (by 1024) or %.*s%cB (by 1000)", SPAN_ARGS(start),
                  unit[0] & ~0x20, SPAN_ARGS(start), unit[0] & ~0x20);
    else
        diag_hint(diag, "write a whole number and a unit, such as 64KiB or 10MB");
}

static void complain_duration(struct diag *diag, const char *text)
{
    size_t digits = strspn(text, "0123456789");

    if (digits && digits < 10 && !text[digits])
        diag_hint(diag, "the unit is missing: %ss, %sm or %sh", text, text, text);
    else
        diag_hint(diag, "write whole numbers with units, such as 500ms, 30s, 5m, 1h30m or 7d");
}

/** @return 0, ERR_SYNTAX or ERR_LIMIT */
static int parse_number(const struct config_row *row, const char *text, int64_t *ret_value)
{
    if (row->type == CONFIG_SIZE)
        return config_parse_size(span_str(text), ret_value);
    if (row->type == CONFIG_DURATION)
        return config_parse_duration(span_str(text), ret_value);
    return value_parse_int(span_str(text), ret_value);
}

void scalar_decode_number(const struct config_row *row, const struct node *node, int64_t *into,
                          struct diags *diags)
{
    char *title scoped(mem_release) = row_title(row, node);
    static const char *const nouns[] = {[CONFIG_INT] = "a whole number",
                                        [CONFIG_SIZE] = "a size",
                                        [CONFIG_DURATION] = "a duration"};
    char *shown scoped(mem_release) = text_cut(span_str(node->text), ROW_SHOWN_MAX);
    char *range scoped(mem_release) = value_format_range(row);
    int64_t value = 0;
    int r = parse_number(row, node->text, &value);

    if (r == ERR_SYNTAX) {
        struct diag *diag =
            node_complain(node, diags, "%s must be %s, not \"%s\"", title, nouns[row->type], shown);
        if (row->type == CONFIG_SIZE)
            complain_size(diag, node->text);
        else if (row->type == CONFIG_DURATION)
            complain_duration(diag, node->text);
        else
            row_hint(diag, row, node);
    } else if (range && (r < 0 || value < row->min || value > row->max)) {
        row_hint(node_complain(node, diags, "%s must be %s, not %s", title, range, shown), row,
                 node);
    } else if (r < 0) {
        row_hint(node_complain(node, diags, "%s is too large: %s", title, shown), row, node);
    } else {
        *into = value;
    }
}

void scalar_decode_bool(const struct config_row *row, const struct node *node, bool *into,
                        struct diags *diags)
{
    char *title scoped(mem_release) = row_title(row, node);
    char *shown scoped(mem_release) = text_cut(span_str(node->text), ROW_SHOWN_MAX);

    if (value_parse_bool(span_str(node->text), into) < 0)
        diag_hint(node_complain(node, diags, "%s must be on or off, not \"%s\"", title, shown),
                  "true, yes, false and no are understood too");
}

void scalar_decode_choice(const struct config_row *row, const struct node *node, int *into,
                          struct diags *diags)
{
    char *title scoped(mem_release) = row_title(row, node);
    int choice = value_parse_choice(span_str(node->text), row->choices);
    size_t count = 0;

    bool flag;
    if (choice < 0 && value_parse_bool(span_str(node->text), &flag) == 0)
        choice = value_parse_choice(flag ? SPAN("on") : SPAN("off"), row->choices);
    if (choice >= 0) {
        *into = choice;
        return;
    }
    while (row->choices[count])
        count++;
    char *shown scoped(mem_release) = text_cut(span_str(node->text), ROW_SHOWN_MAX);
    char *choices scoped(mem_release) = value_format_choices(row);
    const char *nearest = diags->dropped ? NULL : config_nearest(node->text, row->choices, count);
    struct diag *diag =
        node_complain(node, diags, "%s must be %s, not \"%s\"", title, choices, shown);
    if (nearest)
        diag_hint(diag, "did you mean \"%s\"?", nearest);
    else
        row_hint(diag, row, node);
}
