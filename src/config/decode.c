/* From the tree to a feature's struct by its rows, every mistake told on the way. Reading scalars
 * is values.c's; what values mean to each other is the features'. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/rows.h"
#include "config/values.h"

enum { KNOWN_KEYS_MAX = 64, CORRECTIONS_MAX = 16 /* of one mapping */ };

static void decode_rows(const struct config_row *rows, const struct node *mapping,
                        const struct node *owner, void *into, struct diags *diags);
static void decode_value(const struct config_row *row, const struct node *node, void *into,
                         struct diags *diags);

static const char *kind_text(const struct node *node)
{
    return node->kind == NODE_LIST ? "a list" : node->kind == NODE_MAPPING ? "a mapping" : "a text";
}

/** The value is of another kind than the row takes. */
static void complain_kind(const struct config_row *row, const struct node *node,
                          struct diags *diags)
{
    char *title scoped(mem_release) = row_title(row, node);

    if (node->broken || node->cut)
        return;
    row_hint(
        node_complain(node, diags, "%s takes %s, not %s", title, row_takes(row), kind_text(node)),
        row, node);
}

/** The same for an item of a list, which has `takes` for its kind. */
static void complain_item(const struct config_row *row, const struct node *item, const char *takes,
                          struct diags *diags)
{
    char *title scoped(mem_release) = row_title(row, item);

    if (item->broken)
        return;
    if (item->null)
        node_complain(item, diags, "an item of %s has no value", title);
    else
        row_hint(node_complain(item, diags, "an item of %s takes %s, not %s", title, takes,
                               kind_text(item)),
                 row, item);
}

/** @return whether the node is a scalar; else it has been complained about */
static bool is_scalar(const struct config_row *row, const struct node *node, struct diags *diags)
{
    char *title scoped(mem_release) = row_title(row, node);

    if (node->kind != NODE_SCALAR) {
        complain_kind(row, node, diags);
        return false;
    }
    if (node->null) {
        row_hint(node_complain(node, diags, "%s has no value", title), row, node);
        return false;
    }
    return !node->broken;
}

/** A text or path after its check. @return for free(), or NULL with the mistake told */
static char *decode_text(const struct config_row *row, const struct node *node, struct diags *diags)
{
    char *title scoped(mem_release) = row_title(row, node);
    bool path = row->type == CONFIG_PATH || row->type == CONFIG_PATHS;
    bool list = row->type == CONFIG_STRINGS || row->type == CONFIG_PATHS;
    bool fine = false;

    if (list && (node->kind != NODE_SCALAR || node->null))
        complain_item(row, node, path ? "a path" : "a text", diags);
    else
        fine = is_scalar(row, node, diags);
    if (!fine)
        return NULL;
    if (path && !node->text[0]) {
        row_hint(node_complain(node, diags, "%s is an empty path", title), row, node);
        return NULL;
    }
    if (path && path_is_for_shells(node, diags))
        return NULL;
    bool flag = true; /* `off` is a boolean to programs that write YAML 1.1: false, no */
    bool off = row->off && value_parse_bool(span_str(node->text), &flag) == 0 && !flag;
    char *text = path  ? path_join(node->source->dir, node->text)
                 : off ? mem_string(SPAN("off"))
                       : mem_string(span_str(node->text));
    const char *wrong = row->check ? row->check(text) : NULL;
    if (!wrong)
        return text;
    char *shown scoped(mem_release) = text_cut(span_str(text), ROW_SHOWN_MAX);
    row_hint(node_complain(node, diags, "%s: \"%s\" %s", title, shown, wrong), row, node);
    free(text);
    return NULL;
}

static void check_count(const struct config_row *row, const struct node *node, size_t count,
                        struct diags *diags)
{
    char *title scoped(mem_release) = row_title(row, node);

    if (row->min > 0 && count < (uint64_t)row->min && !node->cut)
        row_hint(node_complain(node, diags, "%s needs at least %" PRId64 " item%s", title, row->min,
                               row->min == 1 ? "" : "s"),
                 row, node);
    else if (row->max > 0 && count > (uint64_t)row->max)
        node_complain(node, diags, "%s takes at most %" PRId64 " item%s, not %zu", title, row->max,
                      row->max == 1 ? "" : "s", count);
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
    else if (row->type == CONFIG_LIST)
        complain_item(row, node, "keys with values", diags);
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

/** The name of an item, after its check. @return for free(), never NULL */
static char *decode_name(const struct config_row *row, const struct node *node, struct diags *diags)
{
    const char *wrong = row->check ? row->check(node->key) : NULL;

    if (wrong) {
        char *shown scoped(mem_release) = text_cut(span_str(node->key), ROW_SHOWN_MAX);
        key_complain(node, diags, "the name \"%s\" in \"%s\" %s", shown, row->name, wrong);
    }
    return mem_string(span_str(node->key));
}

static void decode_named(const struct config_row *row, const struct node *node,
                         struct config_list *into, struct diags *diags)
{
    const struct config_row item = {.name = row->name,
                                    .type = CONFIG_OPTIONAL,
                                    .rows = row->rows,
                                    .size = row->size,
                                    .scalar = row->scalar,
                                    .example = row->example};

    if (node->kind != NODE_MAPPING) {
        complain_kind(row, node, diags);
        return;
    }
    check_count(row, node, node->count, diags);
    into->items = mem_zalloc(node->count * row->size);
    for (const struct node *child = node->first; child; child = child->next) {
        void *at = (char *)into->items + into->count++ * row->size;
        *(char **)at = decode_name(row, child, diags);
        decode_struct(&item, child, at, diags);
    }
}

static void decode_scalar(const struct config_row *row, const struct node *node, void *slot,
                          struct diags *diags)
{
    if (row->type == CONFIG_STRING || row->type == CONFIG_PATH)
        *(char **)slot = decode_text(row, node, diags);
    else if (!is_scalar(row, node, diags))
        return;
    else if (row->type == CONFIG_BOOL)
        scalar_decode_bool(row, node, slot, diags);
    else if (row->type == CONFIG_ENUM)
        scalar_decode_choice(row, node, slot, diags);
    else
        scalar_decode_number(row, node, slot, diags);
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
    case CONFIG_NAMED:
        decode_named(row, node, slot, diags);
        break;
    default:
        decode_scalar(row, node, slot, diags);
    }
}

/** The key of these rows that an unknown one was meant to be, or NULL. */
static const char *meant_key(const struct config_row *rows, const char *key)
{
    const char *names[KNOWN_KEYS_MAX];
    size_t count = 0;

    for (; rows[count].name && count < KNOWN_KEYS_MAX; count++)
        names[count] = rows[count].name;
    return config_nearest(key, names, count);
}

/** The row beneath which such a key has its place, one level further in, or NULL: what was indented
 * too little. */
static const struct config_row *row_around(const struct config_row *rows, const char *key)
{
    for (; rows->name; rows++)
        if (row_has_rows(rows) && row_find(rows->rows, key))
            return rows;
    return NULL;
}

/** Hints at all keys that may stand here. */
static void hint_keys(struct diag *diag, const struct config_row *rows)
{
    char *list = mem_string(SPAN(""));

    for (const struct config_row *row = rows; row->name; row++) {
        char *longer = mem_format("%s%s%s", list, row == rows ? "" : ", ", row->name);
        free(list);
        list = longer;
    }
    diag_hint(diag, "allowed here: %s", list);
    free(list);
}

/** What is said of a key that is planned, or NULL. */
static const char *planned_key(const struct config_row *rows, const char *key)
{
    while (rows->name)
        rows++;
    for (const struct config_planned *at = rows->planned; at && at->name; at++)
        if (strcmp(at->name, key) == 0)
            return at->instead;
    return NULL;
}

static void complain_unknown(const struct config_row *rows, const struct node *child,
                             struct diags *diags)
{
    char *shown scoped(mem_release) = text_cut(span_str(child->key), ROW_SHOWN_MAX);
    struct diag *diag = key_complain(child, diags, "unknown key \"%s\"", shown);

    if (diags->dropped) /* nobody will read it, and there may be many */
        return;
    const struct config_row *around = row_around(rows, child->key);
    const char *planned = planned_key(rows, child->key);
    const char *meant = planned ? NULL : meant_key(rows, child->key);
    if (around)
        diag_hint(diag, "it is a key of %s\"%s\": indent it to stand there",
                  around->type == CONFIG_LIST || around->type == CONFIG_NAMED ? "an item of " : "",
                  around->name);
    else if (meant)
        diag_hint(diag, "did you mean \"%s\"?", meant);
    else if (strcmp(child->key, "include") == 0)
        diag_hint(diag, "include stands at the top level of a file only");
    else if (planned)
        diag_hint(diag, "it is planned, but not in this version of gardien yet: %s", planned);
    else
        hint_keys(diag, rows);
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
    bool nothing = !owner->key && owner->kind == NODE_MAPPING && owner->count == 0;
    struct diag *diag =
        named     ? key_complain(owner, diags, "\"%s\" is missing in \"%s\"", row->name, owner->key)
        : nothing ? node_complain(owner, diags, "there are no settings here: \"%s\" is missing",
                                  row->name)
                  : node_complain(owner, diags, "\"%s\" is missing", row->name);
    row_hint(diag, row, owner);
}

/** An unknown key that was most likely meant to be another one takes its name, unless that is
 * there: one mistake is told then, not two, and what stands beneath is checked as well.
 *  @return the row of that name, or NULL */
static const struct config_row *correct_key(const struct config_row *rows,
                                            const struct node *mapping, const struct node *child)
{
    const char *meant = row_around(rows, child->key) || planned_key(rows, child->key)
                            ? NULL
                            : meant_key(rows, child->key);

    if (!meant || node_find(mapping, span_str(meant)))
        return NULL;
    ((struct node *)child)->key = meant; /* rows outlive the tree */
    return row_find(rows, meant);
}

/** @param mapping  NULL when nothing was written
 *  @param owner    stands for the place where missing keys belong; NULL: nobody asks for them */
static void decode_rows(const struct config_row *rows, const struct node *mapping,
                        const struct node *owner, void *into, struct diags *diags)
{
    size_t corrections = CORRECTIONS_MAX;

    for (const struct node *child = mapping ? mapping->first : NULL; child; child = child->next) {
        const struct config_row *row = row_find(rows, child->key);
        if (!row)
            complain_unknown(rows, child, diags);
        if (!row && corrections && corrections--)
            row = correct_key(rows, mapping, child);
        if (row)
            decode_value(row, child, into, diags);
    }
    for (const struct config_row *row = rows; row->name; row++) {
        if (mapping && node_find(mapping, span_str(row->name)))
            continue;
        if (row->required && owner) {
            if (!(mapping && mapping->cut))
                complain_missing(row, owner, diags);
        } else {
            decode_default(row, owner, into, diags);
        }
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
