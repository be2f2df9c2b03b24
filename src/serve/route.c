/* Matches decoded paths against the routes of a site. */
#include "serve/route.h"

#include <stdlib.h>

static bool matches(const struct route *route, struct span path)
{
    size_t len = route->path.len;

    if (!span_starts(path, route->path))
        return false;
    if (path.len == len)
        return true;
    return !route->exact && (route->path.ptr[len - 1] == '/' || path.ptr[len] == '/');
}

const struct route *routes_find(const struct route *routes, size_t count, struct span path)
{
    for (size_t i = 0; i < count; i++)
        if (matches(&routes[i], path))
            return &routes[i];
    return NULL;
}

struct span route_rest(const struct route *route, struct span path)
{
    size_t len = route->path.len;

    if (route->path.ptr[len - 1] == '/')
        len--;
    return path.len > len ? span_from(path, len) : SPAN("/");
}

static int compare(const struct route *a, const struct route *b)
{
    if (a->path.len != b->path.len)
        return a->path.len > b->path.len ? -1 : 1;
    return (int)b->exact - (int)a->exact;
}

/* By insertion, which keeps the order of equals; there are few. */
void routes_sort(struct route *routes, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct route moved = routes[i];
        size_t at = i;
        for (; at > 0 && compare(&moved, &routes[at - 1]) < 0; at--)
            routes[at] = routes[at - 1];
        routes[at] = moved;
    }
}

void routes_finish(struct route *routes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (routes[i].handler && routes[i].handler->release)
            routes[i].handler->release(routes[i].config);
        if (routes[i].otherwise)
            routes_finish(routes[i].otherwise, 1);
        free(routes[i].otherwise);
    }
}
