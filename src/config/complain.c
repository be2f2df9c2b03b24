/* Mistakes shown at their place: the line, the column, and the way from a path such as
 * "sites[0].names" to it. What counts as a mistake is others'. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/tree.h"
#include "config/values.h"

/** How many bytes end a line here: 0 when none does. */
static size_t line_end(struct span rest)
{
    if (rest.len == 0)
        return 0;
    if (rest.ptr[0] == '\r')
        return rest.len > 1 && rest.ptr[1] == '\n' ? 2 : 1;
    if (rest.ptr[0] == '\n')
        return 1;
    if (span_starts(rest, SPAN("\xc2\x85")))
        return 2;
    if (span_starts(rest, SPAN("\xe2\x80\xa8")) || span_starts(rest, SPAN("\xe2\x80\xa9")))
        return 3;
    return 0;
}

struct span source_line(const struct source *source, unsigned line)
{
    size_t start = 0;
    size_t at = 0;

    for (; at < source->text.len; at++) {
        size_t end = line_end(span_from(source->text, at));
        if (end && line == 1)
            break;
        if (end) {
            start = at + end;
            at = start - 1;
            line--;
        }
    }
    return line == 1 ? span_of(source->text.ptr + start, at - start) : (struct span){0};
}

void source_locate(const struct source *source, size_t offset, unsigned *ret_line,
                   unsigned *ret_column)
{
    unsigned line = 1;
    unsigned column = 1;

    for (size_t at = 0; at < offset && at < source->text.len;) {
        size_t end = line_end(span_from(source->text, at));
        if (end) {
            line++;
            column = 1;
            at += end;
        } else {
            column += ((unsigned char)source->text.ptr[at] & 0xc0) != 0x80;
            at++;
        }
    }
    *ret_line = line;
    *ret_column = column;
}

/** A line that can be shown; NULL when the column is past what is shown. */
static char *line_to_show(const struct source *source, unsigned line, unsigned column)
{
    struct span text = source_line(source, line);

    if (!text.ptr || column > TREE_LINE_TEXT_MAX)
        return NULL;
    return text_cut(text, TREE_LINE_TEXT_MAX);
}

struct diag *source_complain(const struct source *source, unsigned line, unsigned column,
                             struct diags *diags, const char *sentence, ...)
{
    va_list args;
    char *text scoped(mem_release) = NULL;

    va_start(args, sentence);
    if (vasprintf(&text, sentence, args) < 0)
        abort();
    va_end(args);
    struct diag *diag = diags_add(diags, "%s", text);
    if (source && !diags->dropped) { /* past what is kept, looking for lines is lost work */
        char *shown scoped(mem_release) = line ? line_to_show(source, line, column) : NULL;
        diag_place(diag, source->name, line, column, shown);
    }
    return diag;
}

/** The child that the path begins with, the longest key first: keys may have dots of their own. */
static const struct node *step_key(const struct node *mapping, struct span *path)
{
    const struct node *best = NULL;
    size_t best_len = 0;

    for (const struct node *child = mapping->first; child; child = child->next) {
        struct span key = span_str(child->key);
        if (!span_starts(*path, key) || (best && key.len <= best_len))
            continue;
        if (path->len > key.len && path->ptr[key.len] != '.' && path->ptr[key.len] != '[')
            continue;
        best = child;
        best_len = key.len;
    }
    if (best)
        *path = span_from(*path, best_len);
    return best;
}

/** The item behind "[index]"; a value that is no list is a list of one. */
static const struct node *step_index(const struct node *list, struct span *path)
{
    ptrdiff_t end = span_find(*path, ']');
    uint64_t index;

    if (end < 0 || span_to_uint(span_of(path->ptr + 1, (size_t)end - 1), &index) < 0)
        return NULL;
    *path = span_from(*path, (size_t)end + 1);
    if (list->kind != NODE_LIST)
        return index == 0 ? list : NULL;
    const struct node *item = list->first;
    while (item && index-- > 0)
        item = item->next;
    return item;
}

/** The value at a path, or what is nearest above it.
 *  @param ret_exact  whether it is the value itself; may be NULL */
static const struct node *node_at(const struct node *root, struct span path, bool *ret_exact)
{
    const struct node *at = root;

    while (path.len) {
        const struct node *next = NULL;
        if (path.ptr[0] == '.')
            path = span_from(path, 1);
        if (path.len && path.ptr[0] == '[')
            next = step_index(at, &path);
        else if (at->kind == NODE_MAPPING)
            next = step_key(at, &path);
        if (!next)
            break;
        at = next;
    }
    if (ret_exact)
        *ret_exact = path.len == 0;
    return at;
}

bool config_has(const struct config_tree *tree, const char *path)
{
    bool exact;

    (void)node_at(tree->root, span_str(path), &exact);
    return exact;
}

char *config_place(const struct config_tree *tree, const char *path)
{
    const struct node *node = node_at(tree->root, span_str(path), NULL);

    return mem_format("%s:%u", node->source->name, node->line);
}

struct diag *config_complain(const struct config_tree *tree, struct diags *diags, const char *path,
                             const char *sentence, ...)
{
    char *text scoped(mem_release) = NULL;
    const struct node *node = node_at(tree->root, span_str(path), NULL);
    va_list args;

    va_start(args, sentence);
    if (vasprintf(&text, sentence, args) < 0)
        abort();
    va_end(args);
    return node_complain(node, diags, "%s", text);
}
