/* What a stranger may say of itself stops here: X-Forwarded-* and Forwarded are ours, unless a
 * proxy that is trusted stands in front. */
#include "serve/proxy/rewrite.h"

#include "base/error.h"
#include "serve/access_log.h"

enum { ADDRESS_ROOM = 46 };

/** Fields by which proxies say whom they speak for. */
static bool is_forwarded(struct span name)
{
    static const struct span fields[] = {
        {"forwarded", 9},
        {"x-real-ip", 9},
        {"x-request-id", 12},
        {"x-forwarded-for", 15},
        {"x-forwarded-proto", 17},
        {"x-forwarded-host", 16},
        {"x-forwarded-port", 16},
        {"x-forwarded-server", 18},
        {"x-forwarded-prefix", 18},
        {"x-forwarded-scheme", 18},
        {"x-forwarded-ssl", 15},
        {"x-forwarded-by", 14},
        {"x-scheme", 8},
        {"x-client-ip", 11},
    };

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        if (span_equal(fields[i], name))
            return true;
    return false;
}

static const struct span prefix_field = {"x-forwarded-prefix", 18};

/** Fields that are written anew in every case. */
static bool is_rewritten(struct span name)
{
    static const struct span fields[] = {
        {"host", 4},
        {"content-length", 14},
        {"expect", 6},
        {"via", 3},
        {"x-forwarded-for", 15},
        {"x-forwarded-proto", 17},
        {"x-forwarded-host", 16},
        {"forwarded", 9},
    };

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        if (span_equal(fields[i], name))
            return true;
    return false;
}

/** All values of a field behind each other, comma-separated, and `more` behind them.
 *  @return ptr NULL when the arena is full */
static struct span append_to(struct arena *arena, const struct http_fields *fields,
                             struct span name, struct span more)
{
    struct span list = {0};

    for (unsigned i = 0; fields && i < fields->count; i++) {
        const struct http_field *field = &fields->items[i];
        if (!span_equal(field->name, name) || field->value.len == 0)
            continue;
        list = list.ptr
                   ? arena_printf(arena, "%.*s, %.*s", SPAN_ARGS(list), SPAN_ARGS(field->value))
                   : field->value;
        if (!list.ptr)
            return list;
    }
    return list.ptr ? arena_printf(arena, "%.*s, %.*s", SPAN_ARGS(list), SPAN_ARGS(more)) : more;
}

static int add(struct arena *arena, struct http_fields *fields, struct span name, struct span value)
{
    return value.ptr ? http_add(arena, fields, name, value) : ERR_LIMIT;
}

/** RFC 7239: an IPv6 address stands in brackets, so in quotes. */
static struct span forwarded(struct arena *arena, const struct http_request *request,
                             const char *address, bool secure)
{
    bool ipv6 = strchr(address, ':') != NULL;

    return arena_printf(arena, "for=%s%s%s;host=\"%.*s\";proto=%s", ipv6 ? "\"[" : "", address,
                        ipv6 ? "]\"" : "", SPAN_ARGS(request->authority),
                        secure ? "https" : "http");
}

static struct span version_text(enum http_version version)
{
    static const struct span texts[] = {
        {"1.0 gardien", 11}, {"1.1 gardien", 11}, {"2.0 gardien", 11}, {"3.0 gardien", 11}};

    switch (version) {
    case HTTP_1_0:
        return texts[0];
    case HTTP_2:
        return texts[2];
    case HTTP_3:
        return texts[3];
    default:
        return texts[1];
    }
}

/** What the trusted proxy in front said of a field with one value; else what we know. */
static struct span said_or(const struct http_fields *said, struct span name, struct span known)
{
    struct span value = said ? http_value(said, name) : (struct span){0};

    return value.len ? value : known;
}

static int add_ours(struct arena *arena, const struct http_request *request,
                    const struct rewrite_facts *facts, struct http_fields *fields)
{
    const struct http_fields *said = facts->trusted ? &request->fields : NULL;
    char address[ADDRESS_ROOM];

    peer_address_text(facts->peer, address);
    const char *copy = arena_copy(arena, span_str(address));
    if (!copy)
        return ERR_LIMIT;
    int r = add(arena, fields, SPAN("x-forwarded-for"),
                append_to(arena, said, SPAN("x-forwarded-for"), span_str(copy)));
    if (r >= 0)
        r = add(
            arena, fields, SPAN("x-forwarded-proto"),
            said_or(said, SPAN("x-forwarded-proto"), facts->secure ? SPAN("https") : SPAN("http")));
    if (r >= 0 && request->authority.len)
        r = add(arena, fields, SPAN("x-forwarded-host"),
                said_or(said, SPAN("x-forwarded-host"), request->authority));
    if (r >= 0)
        r = add(arena, fields, SPAN("forwarded"),
                append_to(arena, said, SPAN("forwarded"),
                          forwarded(arena, request, address, facts->secure)));
    if (r >= 0)
        r = add(arena, fields, SPAN("via"),
                append_to(arena, &request->fields, SPAN("via"), version_text(request->version)));
    if (r >= 0 && facts->prefix.len) {
        struct span before = said_or(said, prefix_field, SPAN(""));
        r = add(arena, fields, prefix_field,
                arena_printf(arena, "%.*s%.*s", SPAN_ARGS(before), SPAN_ARGS(facts->prefix)));
    }
    if (r >= 0 && !(said && http_find(said, SPAN("x-request-id"))))
        r = add(arena, fields, SPAN("x-request-id"), facts->id);
    return r;
}

/** CGI turns "-" into "_": "remote_user" would pose as the "remote-user" that a proxy sets. */
static bool is_ambiguous(struct span name)
{
    return span_find(name, '_') >= 0;
}

int rewrite_request(struct arena *arena, const struct http_request *request,
                    const struct rewrite_facts *facts, struct http_fields *ret_fields)
{
    struct http_fields fields;
    unsigned kept = 0;

    int r = http_forwardable(arena, &request->fields, &fields);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < fields.count; i++) {
        struct span name = fields.items[i].name;
        if (is_rewritten(name) || (facts->prefix.len && span_equal(name, prefix_field)) ||
            (!facts->trusted && is_forwarded(name)) || is_ambiguous(name))
            continue;
        fields.items[kept++] = fields.items[i];
    }
    fields.count = kept;
    r = add_ours(arena, request, facts, &fields);
    if (r >= 0)
        *ret_fields = fields;
    return r;
}

int rewrite_answer(struct arena *arena, const struct http_fields *fields,
                   struct http_fields *ret_fields)
{
    struct http_fields kept;
    unsigned count = 0;

    int r = http_forwardable(arena, fields, &kept);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < kept.count; i++) {
        struct span name = kept.items[i].name;
        /* the engine writes the length; orders to other proxies mean nothing to clients */
        if (span_equal(name, SPAN("content-length")) || span_starts(name, SPAN("x-accel-")))
            continue;
        kept.items[count++] = kept.items[i];
    }
    kept.count = count;
    *ret_fields = kept;
    return 0;
}
