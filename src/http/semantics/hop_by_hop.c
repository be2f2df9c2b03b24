/* Which fields belong to one connection only and are never forwarded (RFC 9110 section 7.6.1), and
 * which may not stand in trailers (section 6.5.1). */
#include "http/http.h"

enum { NOMINATED_MAX = 32 };

/** Fields of the connection, whether its Connection names them or not. */
static bool is_connection_field(struct span name)
{
    static const struct span fields[] = {
        {"connection", 10},
        {"keep-alive", 10},
        {"proxy-connection", 16},
        {"transfer-encoding", 17},
        {"te", 2},
        {"trailer", 7},
        {"upgrade", 7},
        {"proxy-authenticate", 18},
        {"proxy-authorization", 19},
        {"http2-settings", 14},
    };

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        if (span_equal(fields[i], name))
            return true;
    return false;
}

static bool is_nominated(const struct span *nominated, unsigned count, struct span name)
{
    for (unsigned i = 0; i < count; i++)
        if (span_equal_nocase(nominated[i], name))
            return true;
    return false;
}

/** What the Connection fields name; more than NOMINATED_MAX nobody sends, and the rest is kept. */
static unsigned nominate(const struct http_fields *fields, struct span nominated[NOMINATED_MAX])
{
    unsigned count = 0;

    for (unsigned i = 0; i < fields->count; i++) {
        struct span value = fields->items[i].value, token;
        if (!span_equal(fields->items[i].name, SPAN("connection")))
            continue;
        while (count < NOMINATED_MAX && span_next(&value, ',', &token))
            nominated[count++] = span_trim(token);
    }
    return count;
}

int http_forwardable(struct arena *arena, const struct http_fields *fields,
                     struct http_fields *ret_fields)
{
    struct span nominated[NOMINATED_MAX];
    unsigned count = nominate(fields, nominated);
    struct http_fields kept = {0};

    for (unsigned i = 0; i < fields->count; i++) {
        const struct http_field *field = &fields->items[i];
        if (is_connection_field(field->name) || is_nominated(nominated, count, field->name))
            continue;
        if (http_add(arena, &kept, field->name, field->value) < 0)
            return ERR_LIMIT;
    }
    *ret_fields = kept;
    return 0;
}

void http_trailers_filter(struct http_fields *trailers)
{
    static const struct span forbidden[] = {
        {"authorization", 13},  {"cache-control", 13}, {"content-encoding", 16},
        {"content-length", 14}, {"content-range", 13}, {"content-type", 12},
        {"cookie", 6},          {"expect", 6},         {"host", 4},
        {"max-forwards", 12},   {"range", 5},          {"set-cookie", 10},
    };
    unsigned kept = 0;

    for (unsigned i = 0; i < trailers->count; i++) {
        struct span name = trailers->items[i].name;
        bool drop = is_connection_field(name);
        for (size_t n = 0; !drop && n < ARRAY_SIZE(forbidden); n++)
            drop = span_equal(forbidden[n], name);
        if (!drop)
            trailers->items[kept++] = trailers->items[i];
    }
    trailers->count = kept;
}
