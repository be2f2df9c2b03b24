/* The tree as JSON that is YAML as well: what crosses to the workers. Reading it back is
 * config_parse()'s. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/escape.h"
#include "base/mem.h"
#include "config/rows.h"
#include "config/values.h"

static void write_node(FILE *out, const struct config_row *row, const struct node *node);

/** Characters that YAML does not take literally in double quotes: escaped as \uXXXX. */
static uint32_t special(struct span text, size_t len)
{
    const unsigned char *c = (const unsigned char *)text.ptr;

    if (len == 1)
        return c[0] < 0x20 || c[0] == 0x7f ? c[0] : 0;
    if (len == 2 && c[0] == 0xc2 && c[1] < 0xa0)
        return c[1];
    if (len != 3)
        return 0;
    uint32_t code = (uint32_t)(c[0] & 0xf) << 12 | (uint32_t)(c[1] & 0x3f) << 6 | (c[2] & 0x3f);
    bool breaks = code == 0x2028 || code == 0x2029;
    return breaks || code == 0xfeff || code >= 0xfffe ? code : 0;
}

static void write_string(FILE *out, const char *string)
{
    struct span text = span_str(string);

    fputc('"', out);
    for (size_t len; text.len; text = span_from(text, len)) {
        len = utf8_length(text);
        len = len ? len : 1;
        uint32_t code = special(text, len);
        if (code)
            fprintf(out, "\\u%04" PRIx32, code);
        else if (text.ptr[0] == '"' || text.ptr[0] == '\\')
            fprintf(out, "\\%c", text.ptr[0]);
        else
            fwrite(text.ptr, 1, len, out);
    }
    fputc('"', out);
}

static void write_scalar(FILE *out, const struct config_row *row, const struct node *node)
{
    while (row && row_has_rows(row)) /* the scalar stands for one of its keys */
        row = row->scalar ? row_find(row->rows, row->scalar) : NULL;
    enum config_type type = row ? row->type : CONFIG_STRING;
    int64_t number;
    bool flag;

    if (node->null) {
        fputs("null", out);
    } else if (type == CONFIG_INT && value_parse_int(span_str(node->text), &number) == 0) {
        fprintf(out, "%" PRId64, number);
    } else if (type == CONFIG_BOOL && value_parse_bool(span_str(node->text), &flag) == 0) {
        fputs(flag ? "true" : "false", out);
    } else if ((type == CONFIG_PATH || type == CONFIG_PATHS) && node->text[0]) {
        char *path scoped(mem_release) = path_join(node->source->dir, node->text);
        write_string(out, path);
    } else {
        write_string(out, node->text);
    }
}

static void write_mapping(FILE *out, const struct config_row *rows, const struct node *mapping)
{
    fputc('{', out);
    for (const struct node *child = mapping->first; child; child = child->next) {
        write_string(out, child->key);
        fputs(": ", out);
        write_node(out, rows ? row_find(rows, child->key) : NULL, child);
        fputs(child->next ? ", " : "", out);
    }
    fputc('}', out);
}

static void write_named(FILE *out, const struct config_row *row, const struct node *mapping)
{
    const struct config_row item = {
        .name = row->name, .type = CONFIG_TABLE, .rows = row->rows, .scalar = row->scalar};

    fputc('{', out);
    for (const struct node *child = mapping->first; child; child = child->next) {
        write_string(out, child->key);
        fputs(": ", out);
        write_node(out, &item, child);
        fputs(child->next ? ", " : "", out);
    }
    fputc('}', out);
}

static void write_list(FILE *out, const struct config_row *row, const struct node *list)
{
    fputc('[', out);
    for (const struct node *item = list->first; item; item = item->next) {
        write_node(out, row, item);
        fputs(item->next ? ", " : "", out);
    }
    fputc(']', out);
}

/** @param row  of the value, or of the list that it is an item of; NULL for an unknown key */
static void write_node(FILE *out, const struct config_row *row, const struct node *node)
{
    if (node->kind == NODE_MAPPING && row && row->type == CONFIG_NAMED)
        write_named(out, row, node);
    else if (node->kind == NODE_MAPPING)
        write_mapping(out, row && row_has_rows(row) ? row->rows : NULL, node);
    else if (node->kind == NODE_LIST)
        write_list(out, row, node);
    else
        write_scalar(out, row, node);
}

char *row_flatten(const struct config_row *row, const struct node *node)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        abort();
    write_node(out, row, node);
    if (fclose(out) != 0)
        abort(); /* out of memory */
    return text;
}

char *config_tree_flatten(const struct config_tree *tree, const struct config_row *rows)
{
    const struct config_row root = {.name = "", .type = CONFIG_TABLE, .rows = rows};

    return row_flatten(&root, tree->root);
}
