/* Questions to a row that decoding, flattening and the manual all ask. The rows themselves are the
 * features'. */
#include "config/rows.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/values.h"

const struct config_row *row_find(const struct config_row *rows, const char *name)
{
    for (; rows->name; rows++)
        if (strcmp(rows->name, name) == 0)
            return rows;
    return NULL;
}

bool row_has_rows(const struct config_row *row)
{
    return row->type == CONFIG_TABLE || row->type == CONFIG_OPTIONAL || row->type == CONFIG_LIST ||
           row->type == CONFIG_NAMED;
}

const char *row_takes(const struct config_row *row)
{
    static const char *const words[] = {
        [CONFIG_BOOL] = "on or off",
        [CONFIG_INT] = "a whole number",
        [CONFIG_SIZE] = "a size such as 64KiB",
        [CONFIG_DURATION] = "a duration such as 30s",
        [CONFIG_STRING] = "a text",
        [CONFIG_PATH] = "a path",
        [CONFIG_ENUM] = "one word",
        [CONFIG_STRINGS] = "a text or a list of texts",
        [CONFIG_PATHS] = "a path or a list of paths",
        [CONFIG_PAIRS] = "names with values",
        [CONFIG_TABLE] = "keys with values",
        [CONFIG_OPTIONAL] = "keys with values",
        [CONFIG_LIST] = "a list of keys with values",
        [CONFIG_NAMED] = "names, each with keys and values",
    };

    return words[row->type];
}

char *row_example(const struct config_row *row)
{
    bool number =
        row->type == CONFIG_INT || row->type == CONFIG_SIZE || row->type == CONFIG_DURATION;

    if (row->example)
        return mem_string(span_str(row->example));
    if (row->def && row->def[0])
        return mem_string(span_str(row->def));
    if (number && row->min != INT64_MIN && (row->min || row->max))
        return value_format(row, row->min);
    return NULL;
}

static bool is_option(const struct config_row *row, const struct node *node)
{
    return row->option && node->source && strcmp(node->source->name, DIAG_COMMAND_LINE) == 0;
}

char *row_title(const struct config_row *row, const struct node *node)
{
    if (is_option(row, node))
        return mem_string(span_of(row->option, strcspn(row->option, " ")));
    return mem_format("\"%s\"", row->name);
}

void row_hint(struct diag *diag, const struct config_row *row, const struct node *node)
{
    char *example scoped(mem_release) = row_example(row);

    if (is_option(row, node))
        diag_hint(diag, "for example %s", row->option);
    else if (example)
        diag_hint(diag, "for example %s: %s", row->name, example);
}

const struct node *row_expand(const struct config_row *row, const struct node *node,
                              struct shorthand *made)
{
    if (node->kind != NODE_SCALAR || node->null || !row->scalar)
        return node;
    made->value = *node;
    made->value.key = row->scalar;
    made->value.next = NULL;
    made->mapping = *node;
    made->mapping.kind = NODE_MAPPING;
    made->mapping.next = NULL;
    made->mapping.first = made->mapping.last = &made->value;
    made->mapping.count = 1;
    made->mapping.broken = false;
    return &made->mapping;
}

void row_default_is_wrong(const struct config_row *row, const struct diags *diags)
{
    fprintf(stderr, "gardien: the default of \"%s\" is wrong: %s\n", row->name,
            diags->count ? diags->items[0].sentence : "it is not YAML");
    abort();
}

void row_default_init(struct row_default *value, const struct config_row *row)
{
    static const struct source nowhere = {.name = "", .dir = ""};
    struct diags diags = {0};

    /* A default such as :443 or *.key is text, whatever YAML would make of it. */
    if (row->type < CONFIG_STRINGS || !strpbrk(row->def, "[{\n")) {
        *value = (struct row_default){
            .scalar = {.kind = NODE_SCALAR, .text = row->def, .source = &nowhere},
        };
        value->node = &value->scalar;
        return;
    }
    struct config_tree *tree = tree_create(true);
    struct source *source = tree_add_source(tree, "", "", span_str(row->def));
    if (tree_parse(tree, source, &diags, &tree->root) < 0 || !tree->root || tree->broken)
        row_default_is_wrong(row, &diags);
    *value = (struct row_default){.tree = tree, .node = tree->root};
}

void row_default_finish(struct row_default *value)
{
    config_tree_destroy(value->tree);
}
