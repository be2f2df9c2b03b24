/* Finding, adding, replacing and removing header fields. Their grammar is checked where they are
 * parsed; what they mean is semantics/'s. */
#include "http/http.h"

#include "base/error.h"

enum { ROOM_FIRST = 8 };

const struct http_field *http_find(const struct http_fields *fields, struct span name)
{
    for (unsigned i = 0; i < fields->count; i++)
        if (span_equal(fields->items[i].name, name))
            return &fields->items[i];
    return NULL;
}

struct span http_value(const struct http_fields *fields, struct span name)
{
    const struct http_field *field = http_find(fields, name);

    return field ? field->value : (struct span){0};
}

static int grow(struct arena *arena, struct http_fields *fields)
{
    unsigned room = fields->room ? fields->room * 2 : ROOM_FIRST;
    struct http_field *items = arena_alloc(arena, room * sizeof *items);

    if (!items)
        return ERR_LIMIT;
    if (fields->count)
        memcpy(items, fields->items, fields->count * sizeof *items);
    fields->items = items;
    fields->room = room;
    return 0;
}

int http_add(struct arena *arena, struct http_fields *fields, struct span name, struct span value)
{
    if (fields->count == fields->room) {
        int r = grow(arena, fields);
        if (r < 0)
            return r;
    }
    fields->items[fields->count++] = (struct http_field){name, value};
    return 0;
}

/** Removes the fields of that name from `from` on. */
static void unset_from(struct http_fields *fields, unsigned from, struct span name)
{
    unsigned kept = from;

    for (unsigned i = from; i < fields->count; i++)
        if (!span_equal(fields->items[i].name, name))
            fields->items[kept++] = fields->items[i];
    fields->count = kept;
}

int http_set(struct arena *arena, struct http_fields *fields, struct span name, struct span value)
{
    for (unsigned i = 0; i < fields->count; i++) {
        if (span_equal(fields->items[i].name, name)) {
            fields->items[i].value = value;
            unset_from(fields, i + 1, name);
            return 0;
        }
    }
    return http_add(arena, fields, name, value);
}

void http_unset(struct http_fields *fields, struct span name)
{
    unset_from(fields, 0, name);
}
