/* Paths are compared by whole segments, of which the encoded ones are decoded first. */
#include "serve/proxy/prefix.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/mem.h"

enum { PATH_MAX_ENCODED = 1 << 16 };

static struct span without_slash(struct span path)
{
    return span_ends(path, SPAN("/")) ? span_of(path.ptr, path.len - 1) : path;
}

static struct span encoded(struct span path)
{
    struct buffer out = buffer_make(PATH_MAX_ENCODED);
    size_t len = http_path_encode(&out, path) < 0 ? 0 : out.len;
    char *copy = mem_string(span_of(len ? out.data : "", len));

    buffer_finish(&out);
    return span_of(copy, len);
}

void prefix_create(struct span route, const char *server, struct prefix *ret_prefix)
{
    struct span given = encoded(span_str(server));

    route = without_slash(route);
    *ret_prefix = (struct prefix){
        .route = encoded(route),
        .server = without_slash(given),
        .plain = span_of(mem_string(route), route.len),
        .given = given,
    };
}

void prefix_finish(struct prefix *prefix)
{
    free((char *)prefix->route.ptr);
    free((char *)prefix->plain.ptr);
    free((char *)prefix->given.ptr);
    *prefix = (struct prefix){0};
}

static bool starts_nocase(struct span s, struct span prefix)
{
    return s.len >= prefix.len && span_equal_nocase(span_of(s.ptr, prefix.len), prefix);
}

/** One path behind another one; two slashes at the beginning would name a host. */
static struct span join(struct arena *arena, struct span front, struct span rest)
{
    while (front.len == 0 && span_starts(rest, SPAN("//")))
        rest = span_from(rest, 1);
    return arena_printf(arena, "%.*s%.*s", SPAN_ARGS(front), SPAN_ARGS(rest));
}

/** Where the part ends that has as many segments as `model`; runs of slashes count as one. */
static size_t end_of_part(struct span path, struct span model)
{
    size_t at = 0;

    for (size_t i = 0; i < model.len; i++) {
        if (model.ptr[i] != '/')
            continue;
        while (at < path.len && path.ptr[at] == '/')
            at++;
        while (at < path.len && path.ptr[at] != '/')
            at++;
    }
    return at;
}

struct span prefix_to_server(const struct prefix *prefix, struct arena *arena, struct span path)
{
    static const struct span unclear = {NULL, 0};
    size_t end = end_of_part(path, prefix->plain);
    struct span part;

    if (end) {
        if (http_path_resolve(arena, span_of(path.ptr, end), &part) < 0 ||
            !span_equal(part, prefix->plain))
            return unclear;
    }
    struct span rest = span_from(path, end);
    return rest.len ? join(arena, prefix->server, rest) : prefix->given;
}

static bool is_beneath(struct span path, struct span prefix)
{
    return span_starts(path, prefix) &&
           (path.len == prefix.len || strchr("/?#", path.ptr[prefix.len]));
}

struct span prefix_to_client(const struct prefix *prefix, struct arena *arena, struct span path)
{
    bool route_first = prefix->route.len >= prefix->server.len;

    if (!span_starts(path, SPAN("/")) || (route_first && is_beneath(path, prefix->route)) ||
        !is_beneath(path, prefix->server))
        return path;
    struct span rest = span_from(path, prefix->server.len);
    bool bare = prefix->route.len == 0 && !span_starts(rest, SPAN("/"));
    return join(arena, bare ? SPAN("/") : prefix->route, rest);
}

/* ---- fields ---- */

/** The path of a URL of this authority and of a path; what stands before goes to `ret_before`.
 *  @return ptr NULL for URLs of others and for paths that are relative */
static struct span own_path(struct span url, struct span authority, struct span *ret_before)
{
    static const struct span none = {NULL, 0};
    struct span rest = url;

    if (starts_nocase(rest, SPAN("https:")))
        rest = span_from(rest, 6);
    else if (starts_nocase(rest, SPAN("http:")))
        rest = span_from(rest, 5);
    if (span_starts(rest, SPAN("//"))) {
        rest = span_from(rest, 2);
        if (!starts_nocase(rest, authority) || authority.len == 0)
            return none;
        rest = span_from(rest, authority.len);
    }
    if (!span_starts(rest, SPAN("/")))
        return none;
    *ret_before = span_of(url.ptr, url.len - rest.len);
    return rest;
}

static int move_url(const struct prefix *prefix, struct arena *arena, struct span authority,
                    struct span *url)
{
    struct span before, path = own_path(*url, authority, &before);

    if (!path.ptr)
        return 0;
    struct span moved = prefix_to_client(prefix, arena, path);
    if (moved.ptr == path.ptr)
        return 0;
    if (moved.ptr)
        moved = arena_printf(arena, "%.*s%.*s", SPAN_ARGS(before), SPAN_ARGS(moved));
    if (!moved.ptr)
        return ERR_LIMIT;
    *url = moved;
    return 0;
}

/** RFC 6265 section 5.2: of several paths browsers take the last. */
static int move_cookie(const struct prefix *prefix, struct arena *arena, struct span *cookie)
{
    struct span rest = *cookie, attribute, path = {NULL, 0};

    while (span_next(&rest, ';', &attribute)) {
        attribute = span_trim(attribute);
        if (attribute.ptr > cookie->ptr && starts_nocase(attribute, SPAN("path=")))
            path = span_from(attribute, 5);
    }
    if (!path.ptr)
        return 0;
    struct span moved = prefix_to_client(prefix, arena, path);
    if (moved.ptr == path.ptr)
        return 0;
    struct span behind = span_from(*cookie, (size_t)(path.ptr - cookie->ptr) + path.len);
    if (moved.ptr)
        moved = arena_printf(arena, "%.*s%.*s%.*s", (int)(path.ptr - cookie->ptr), cookie->ptr,
                             SPAN_ARGS(moved), SPAN_ARGS(behind));
    if (!moved.ptr)
        return ERR_LIMIT;
    *cookie = moved;
    return 0;
}

int prefix_fields(const struct prefix *prefix, struct arena *arena, struct span authority,
                  struct http_fields *fields)
{
    int r = 0;

    for (unsigned i = 0; r >= 0 && i < fields->count; i++) {
        struct http_field *field = &fields->items[i];
        if (span_equal(field->name, SPAN("location")) ||
            span_equal(field->name, SPAN("content-location")))
            r = move_url(prefix, arena, authority, &field->value);
        else if (span_equal(field->name, SPAN("set-cookie")))
            r = move_cookie(prefix, arena, &field->value);
    }
    return r;
}
