/* An intrusive doubly linked list, circular around its head. It owns nothing. */
#pragma once

#include <stdbool.h>

#include "base/macros.h"

struct list {
    struct list *prev;
    struct list *next;
};

static inline void list_init(struct list *head)
{
    head->prev = head->next = head;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_append(struct list *head, struct list *item)
{
    item->prev = head->prev;
    item->next = head;
    head->prev->next = item;
    head->prev = item;
}

static inline void list_prepend(struct list *head, struct list *item)
{
    list_append(head->next, item);
}

/** Takes the item out and leaves it an empty list of its own, so that it may be removed twice. */
static inline void list_remove(struct list *item)
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
    list_init(item);
}

#define list_first(head, type, member) container_of((head)->next, type, member)
#define list_last(head, type, member) container_of((head)->prev, type, member)

/** `item` may be removed or freed inside the loop. */
#define list_for_each(item, spare, head, type, member)                                             \
    for (type *item = list_first(head, type, member),                                              \
              *spare = container_of((item)->member.next, type, member);                            \
         &(item)->member != (head);                                                                \
         (item) = (spare), (spare) = container_of((item)->member.next, type, member))
