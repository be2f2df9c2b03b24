/* Keys that a mapping has twice. Values that two files set are include.c's. */
#include <stdlib.h>

#include "config/tree.h"

static int compare_places(const void *a, const void *b)
{
    const struct node *left = *(struct node *const *)a;
    const struct node *right = *(struct node *const *)b;
    int order = strcmp(left->key, right->key);

    if (order)
        return order;
    if (left->key_line != right->key_line)
        return left->key_line < right->key_line ? -1 : 1;
    return left->key_column < right->key_column ? -1 : left->key_column > right->key_column;
}

static void drop_nameless(struct node *mapping)
{
    struct node *child = mapping->first;

    mapping->first = mapping->last = NULL;
    mapping->count = 0;
    for (struct node *next; child; child = next) {
        next = child->next;
        child->next = NULL;
        if (child->key)
            node_append(mapping, child);
    }
}

void refuse_duplicates(struct config_tree *tree, struct node *mapping, struct diags *diags)
{
    struct node_index index = node_index(mapping);
    bool any = false;

    qsort(index.sorted, index.count, sizeof *index.sorted, compare_places);
    for (size_t i = 0, first = 0; i < index.count; i++) {
        struct node *again = index.sorted[i];
        if (strcmp(index.sorted[first]->key, again->key) != 0)
            first = i;
        if (i == first)
            continue;
        diag_hint(key_complain(again, diags, "the key \"%s\" is given twice", again->key),
                  "it is given first at %s:%u:%u; keep one of the two", again->source->name,
                  index.sorted[first]->key_line, index.sorted[first]->key_column);
        again->key = NULL;
        index.sorted[i] = index.sorted[first];
        any = tree->broken = true;
    }
    node_index_finish(&index);
    if (any)
        drop_nameless(mapping);
}
