/* The tree's memory and its look-ups. Reading is load.c's and parse.c's, meaning is decode.c's. */
#include "config/tree.h"

#include <stdlib.h>

#include "base/mem.h"

struct config_tree *tree_create(bool trusted)
{
    struct config_tree *tree = mem_new(struct config_tree);

    arena_init(&tree->arena, tree->first, sizeof tree->first, SIZE_MAX / 8);
    tree->sources_end = &tree->sources;
    tree->trusted = trusted;
    return tree;
}

void config_tree_destroy(struct config_tree *tree)
{
    if (!tree)
        return;
    arena_reset(&tree->arena, tree->first, sizeof tree->first);
    free(tree);
}

void *tree_alloc(struct config_tree *tree, size_t size)
{
    void *memory = arena_alloc(&tree->arena, size);

    if (!memory)
        abort(); /* the arena's ceiling is out of reach: the counts above are checked first */
    memset(memory, 0, size);
    return memory;
}

const char *tree_copy(struct config_tree *tree, struct span s)
{
    char *copy = tree_alloc(tree, s.len + 1);

    if (s.len)
        memcpy(copy, s.ptr, s.len);
    return copy;
}

struct source *tree_add_source(struct config_tree *tree, const char *name, const char *dir,
                               struct span text)
{
    struct source *source = tree_alloc(tree, sizeof *source);

    if (span_starts(text, SPAN("\xef\xbb\xbf")))
        text = span_from(text, 3);
    source->name = tree_copy(tree, span_str(name));
    source->dir = tree_copy(tree, span_str(dir));
    source->text = span_of(tree_copy(tree, text), text.len);
    *tree->sources_end = source;
    tree->sources_end = &source->next;
    tree->source_count++;
    tree->file_bytes += text.len;
    return source;
}

struct node *tree_add_node(struct config_tree *tree, const struct source *source,
                           enum node_kind kind)
{
    if (tree->node_count == TREE_NODES_MAX)
        return NULL;
    tree->node_count++;
    struct node *node = tree_alloc(tree, sizeof *node);
    node->kind = kind;
    node->source = source;
    return node;
}

void node_append(struct node *parent, struct node *child)
{
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
    parent->count++;
}

struct node *node_find(const struct node *mapping, struct span key)
{
    for (struct node *child = mapping->first; child; child = child->next)
        if (child->key && span_equal(span_str(child->key), key))
            return child;
    return NULL;
}

void node_remove(struct node *parent, struct node *child)
{
    struct node *before = NULL;

    for (struct node *at = parent->first; at != child; at = at->next)
        before = at;
    if (before)
        before->next = child->next;
    else
        parent->first = child->next;
    if (parent->last == child)
        parent->last = before;
    child->next = NULL;
    parent->count--;
}

static int compare_keys(const void *a, const void *b)
{
    const struct node *left = *(struct node *const *)a;
    const struct node *right = *(struct node *const *)b;
    return strcmp(left->key, right->key);
}

struct node_index node_index(const struct node *mapping)
{
    struct node_index index = {
        .sorted = mem_resize(NULL, mapping->count, sizeof(struct node *)),
        .count = mapping->count,
    };
    size_t at = 0;

    for (struct node *child = mapping->first; child; child = child->next)
        index.sorted[at++] = child;
    qsort(index.sorted, index.count, sizeof *index.sorted, compare_keys);
    return index;
}

struct node *node_index_find(const struct node_index *index, const char *key)
{
    const struct node wanted = {.key = key};
    const struct node *pointer = &wanted;
    struct node **found =
        bsearch(&pointer, index->sorted, index->count, sizeof *index->sorted, compare_keys);
    return found ? *found : NULL;
}

void node_index_finish(struct node_index *index)
{
    free(index->sorted);
}
