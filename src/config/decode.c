/* From the tree to a feature's struct by its rows, every mistake told on the way. Reading scalars
 * is values.c's; what values mean to each other is the features'. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/rows.h"
#include "config/values.h"

enum { SHOWN_MAX = 80, KNOWN_KEYS_MAX = 64 };

static void decode_rows(const struct config_row *rows, const struct node *mapping,
                        const struct node *owner, void *into, struct diags *diags);
static void decode_value(const struct config_row *row, const struct node *node, void *into,
                         struct diags *diags);

static const char *kind_text(const struct node *node)
{
    return node->kind == NODE_LIST ? "a list" : node->kind == NODE_MAPPING ? "a mapping" : "a text";
}

static void hint_example(struct diag *diag, const struct config_row *row)
{
    char *example scoped(mem_release) = row_example(row);

    if (example)
        diag_hint(diag, "for example %s: %s", row->name, example);
}

/** The value is of another kind than the row takes. */
static void complain_kind(const struct config_row *row, const struct node *node,
                          struct diags *diags)
{
    hint_example(node_complain(node, diags, "\"%s\" takes %s, not %s", row->name, row_takes(row),
                               kind_text(node)),
                 row);
}

/** @return whether the node is a scalar; else it has been complained about */
static bool is_scalar(const struct config_row *row, const struct node *node, struct diags *diags)
{
    if (node->kind != NODE_SCALAR) {
        complain_kind(row, node, diags);
        return false;
    }
    if (node->null) {
        hint_example(node_complain(node, diags, "\"%s\" has no value", row->name), row);
        return false;
    }
    return !node->broken;
}

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

static void decode_number(const struct config_row *row, const struct node *node, int64_t *into,
                          struct diags *diags)
{
    static const char *const nouns[] = {[CONFIG_INT] = "a whole number",
                                        [CONFIG_SIZE] = "a size",
                                        [CONFIG_DURATION] = "a duration"};
    char *shown scoped(mem_release) = text_clean(span_str(node->text), SHOWN_MAX);
    char *range scoped(mem_release) = value_format_range(row);
    int64_t value = 0;
    int r = parse_number(row, node->text, &value);

    if (r == ERR_SYNTAX) {
        struct diag *diag = node_complain(node, diags, "\"%s\" must be %s, not \"%s\"", row->name,
                                          nouns[row->type], shown);
        if (row->type == CONFIG_SIZE)
            complain_size(diag, node->text);
        else if (row->type == CONFIG_DURATION)
            complain_duration(diag, node->text);
        else
            hint_example(diag, row);
    } else if (r < 0 || (range && (value < row->min || value > row->max))) {
        struct diag *diag = node_complain(node, diags, "\"%s\" must be %s, not %s", row->name,
                                          range ? range : "smaller", shown);
        hint_example(diag, row);
    } else {
        *into = value;
    }
}

static void decode_bool(const struct config_row *row, const struct node *node, bool *into,
                        struct diags *diags)
{
    char *shown scoped(mem_release) = text_clean(span_str(node->text), SHOWN_MAX);

    if (value_parse_bool(span_str(node->text), into) < 0)
        diag_hint(
            node_complain(node, diags, "\"%s\" must be on or off, not \"%s\"", row->name, shown),
            "true, yes, false and no are understood too");
}

static void decode_choice(const struct config_row *row, const struct node *node, int *into,
                          struct diags *diags)
{
    int choice = value_parse_choice(span_str(node->text), row->choices);
    size_t count = 0;

    if (choice >= 0) {
        *into = choice;
        return;
    }
    while (row->choices[count])
        count++;
    char *shown scoped(mem_release) = text_clean(span_str(node->text), SHOWN_MAX);
    char *choices scoped(mem_release) = value_format_choices(row);
    const char *nearest = diags->dropped ? NULL : config_nearest(node->text, row->choices, count);
    struct diag *diag =
        node_complain(node, diags, "\"%s\" must be %s, not \"%s\"", row->name, choices, shown);
    if (nearest)
        diag_hint(diag, "did you mean \"%s\"?", nearest);
    else
        hint_example(diag, row);
}

/** A text or path after its check. @return for free(), or NULL with the mistake told */
static char *decode_text(const struct config_row *row, const struct node *node, struct diags *diags)
{
    bool path = row->type == CONFIG_PATH || row->type == CONFIG_PATHS;

    if (!is_scalar(row, node, diags))
        return NULL;
    if (path && !node->text[0]) {
        hint_example(node_complain(node, diags, "\"%s\" is an empty path", row->name), row);
        return NULL;
    }
    char *text = path ? path_join(node->source->dir, node->text) : mem_string(span_str(node->text));
    const char *wrong = row->check ? row->check(text) : NULL;
    if (!wrong)
        return text;
    char *shown scoped(mem_release) = text_clean(span_str(text), SHOWN_MAX);
    hint_example(node_complain(node, diags, "\"%s\": \"%s\" %s", row->name, shown, wrong), row);
    free(text);
    return NULL;
}

static void check_count(const struct config_row *row, const struct node *node, size_t count,
                        struct diags *diags)
{
    if (row->min > 0 && count < (uint64_t)row->min)
        hint_example(node_complain(node, diags, "\"%s\" needs at least %" PRId64 " item%s",
                                   row->name, row->min, row->min == 1 ? "" : "s"),
                     row);
    else if (row->max > 0 && count > (uint64_t)row->max)
        node_complain(node, diags, "\"%s\" takes at most %" PRId64 " item%s, not %zu", row->name,
                      row->max, row->max == 1 ? "" : "s", count);
}

static void decode_texts(const struct config_row *row, const struct node *node,
                         struct config_strings *into, struct diags *diags)
{
    bool list = node->kind == NODE_LIST;
    size_t count = list ? node->count : 1;

    if (!list && !is_scalar(row, node, diags))
        return;
    check_count(row, node, count, diags);
    into->items = mem_zalloc(count * sizeof *into->items);
    const struct node *item = list ? node->first : node;
    for (size_t i = 0; i < count; i++, item = item->next) {
        char *text = decode_text(row, item, diags);
        if (text)
            into->items[into->count++] = text;
    }
}

static void decode_pairs(const struct config_row *row, const struct node *node,
                         struct config_pairs *into, struct diags *diags)
{
    if (node->kind == NODE_SCALAR && node->null)
        return;
    if (node->kind != NODE_MAPPING) {
        complain_kind(row, node, diags);
        return;
    }
    into->items = mem_zalloc(node->count * sizeof *into->items);
    for (const struct node *child = node->first; child; child = child->next) {
        const struct config_row text = {.name = child->key, .type = CONFIG_STRING};
        char *value = decode_text(&text, child, diags);
        if (value)
            into->items[into->count++] =
                (struct config_pair){.key = mem_string(span_str(child->key)), .value = value};
    }
}

/** A struct described by the row's rows, from a mapping or what a scalar stands for. */
static void decode_struct(const struct config_row *row, const struct node *node, void *into,
                          struct diags *diags)
{
    struct shorthand made;
    const struct node *mapping = row_expand(row, node, &made);

    if (mapping->kind == NODE_MAPPING)
        decode_rows(row->rows, mapping, node, into, diags);
    else if (!node->null)
        complain_kind(row, node, diags);
    else if (row->type == CONFIG_TABLE)
        decode_rows(row->rows, NULL, node, into, diags);
    else
        is_scalar(row, node, diags); /* says that there is no value */
}

static void decode_list(const struct config_row *row, const struct node *node,
                        struct config_list *into, struct diags *diags)
{
    bool list = node->kind == NODE_LIST;
    size_t count = list ? node->count : 1;

    if (node->kind == NODE_SCALAR && (node->null || !row->scalar)) {
        if (node->null)
            is_scalar(row, node, diags);
        else
            complain_kind(row, node, diags);
        return;
    }
    check_count(row, node, count, diags);
    into->items = mem_zalloc(count * row->size);
    into->count = count;
    const struct node *item = list ? node->first : node;
    for (size_t i = 0; i < count; i++, item = item->next)
        decode_struct(row, item, (char *)into->items + i * row->size, diags);
}

static void decode_scalar(const struct config_row *row, const struct node *node, void *slot,
                          struct diags *diags)
{
    if (row->type == CONFIG_STRING || row->type == CONFIG_PATH)
        *(char **)slot = decode_text(row, node, diags);
    else if (!is_scalar(row, node, diags))
        return;
    else if (row->type == CONFIG_BOOL)
        decode_bool(row, node, slot, diags);
    else if (row->type == CONFIG_ENUM)
        decode_choice(row, node, slot, diags);
    else
        decode_number(row, node, slot, diags);
}

static void decode_value(const struct config_row *row, const struct node *node, void *into,
                         struct diags *diags)
{
    void *slot = (char *)into + row->offset;

    switch (row->type) {
    case CONFIG_STRINGS:
    case CONFIG_PATHS:
        decode_texts(row, node, slot, diags);
        break;
    case CONFIG_PAIRS:
        decode_pairs(row, node, slot, diags);
        break;
    case CONFIG_TABLE:
        decode_struct(row, node, slot, diags);
        break;
    case CONFIG_OPTIONAL:
        *(void **)slot = mem_zalloc(row->size);
        decode_struct(row, node, *(void **)slot, diags);
        break;
    case CONFIG_LIST:
        decode_list(row, node, slot, diags);
        break;
    default:
        decode_scalar(row, node, slot, diags);
    }
}

static void complain_unknown(const struct config_row *rows, const struct node *child,
                             struct diags *diags)
{
    const char *names[KNOWN_KEYS_MAX];
    size_t count = 0;
    char *shown scoped(mem_release) = text_clean(span_str(child->key), SHOWN_MAX);
    struct diag *diag = key_complain(child, diags, "unknown key \"%s\"", shown);

    if (diags->dropped) /* nobody will read it, and there may be many */
        return;
    for (; rows[count].name && count < KNOWN_KEYS_MAX; count++)
        names[count] = rows[count].name;
    const char *nearest = config_nearest(child->key, names, count);
    if (nearest) {
        diag_hint(diag, "did you mean \"%s\"?", nearest);
        return;
    }
    char *list = mem_string(SPAN(""));
    for (size_t i = 0; i < count; i++) {
        char *longer = mem_format("%s%s%s", list, i ? ", " : "", names[i]);
        free(list);
        list = longer;
    }
    if (strcmp(child->key, "include") == 0)
        diag_hint(diag, "include stands at the top level of a file only");
    else
        diag_hint(diag, "here may stand: %s", list);
    free(list);
}

static void decode_default(const struct config_row *row, const struct node *owner, void *into,
                           struct diags *diags)
{
    struct diags own = {0};

    if (!row->def) {
        if (row->type == CONFIG_TABLE) /* its rows have defaults, or values that are required */
            decode_rows(row->rows, NULL, owner, (char *)into + row->offset, diags);
        return;
    }
    struct row_default value;
    row_default_init(&value, row);
    decode_value(row, value.node, into, &own);
    if (own.count)
        row_default_is_wrong(row, &own);
    row_default_finish(&value);
}

static void complain_missing(const struct config_row *row, const struct node *owner,
                             struct diags *diags)
{
    bool named = owner->key && owner->key_line;
    struct diag *diag =
        named ? key_complain(owner, diags, "\"%s\" is missing in \"%s\"", row->name, owner->key)
              : node_complain(owner, diags, "\"%s\" is missing", row->name);
    hint_example(diag, row);
}

/** @param mapping  NULL when nothing was written
 *  @param owner    stands for the place where missing keys belong; NULL: nobody asks for them */
static void decode_rows(const struct config_row *rows, const struct node *mapping,
                        const struct node *owner, void *into, struct diags *diags)
{
    for (const struct node *child = mapping ? mapping->first : NULL; child; child = child->next) {
        const struct config_row *row = row_find(rows, child->key);
        if (row)
            decode_value(row, child, into, diags);
        else
            complain_unknown(rows, child, diags);
    }
    for (const struct config_row *row = rows; row->name; row++) {
        if (mapping && node_find(mapping, span_str(row->name)))
            continue;
        if (row->required && owner)
            complain_missing(row, owner, diags);
        else
            decode_default(row, owner, into, diags);
    }
}

int config_decode(const struct config_tree *tree, const struct config_row *rows, void *into,
                  struct diags *diags)
{
    size_t before = diags->errors;

    decode_rows(rows, tree->root, tree->root, into, diags);
    return tree->broken || diags->errors > before ? ERR_SETTINGS : 0;
}

void config_defaults(const struct config_row *rows, void *into)
{
    struct diags none = {0};

    decode_rows(rows, NULL, NULL, into, &none);
    diags_finish(&none);
}
