/* Frees what decoding allocated, by the same rows. */
#include <stdlib.h>

#include "config/config.h"

static void release_strings(struct config_strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        free(strings->items[i]);
    free(strings->items);
    *strings = (struct config_strings){0};
}

static void release_pairs(struct config_pairs *pairs)
{
    for (size_t i = 0; i < pairs->count; i++) {
        free(pairs->items[i].key);
        free(pairs->items[i].value);
    }
    free(pairs->items);
    *pairs = (struct config_pairs){0};
}

static void release_list(const struct config_row *row, struct config_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        config_release(row->rows, (char *)list->items + i * row->size);
    free(list->items);
    *list = (struct config_list){0};
}

static void release_named(const struct config_row *row, struct config_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(*(char **)((char *)list->items + i * row->size));
    release_list(row, list);
}

static void release_value(const struct config_row *row, void *slot)
{
    switch (row->type) {
    case CONFIG_STRING:
    case CONFIG_PATH:
        free(*(char **)slot);
        *(char **)slot = NULL;
        break;
    case CONFIG_STRINGS:
    case CONFIG_PATHS:
        release_strings(slot);
        break;
    case CONFIG_PAIRS:
        release_pairs(slot);
        break;
    case CONFIG_TABLE:
        config_release(row->rows, slot);
        break;
    case CONFIG_OPTIONAL:
        if (*(void **)slot)
            config_release(row->rows, *(void **)slot);
        free(*(void **)slot);
        *(void **)slot = NULL;
        break;
    case CONFIG_LIST:
        release_list(row, slot);
        break;
    case CONFIG_NAMED:
        release_named(row, slot);
        break;
    default:
        break;
    }
}

void config_release(const struct config_row *rows, void *from)
{
    for (; rows->name; rows++)
        release_value(rows, (char *)from + rows->offset);
}
