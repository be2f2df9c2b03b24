/* The values of a request's variables, from its bytes. */
#include "protect/waf/transaction.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "protect/waf/characters.h"
#include "protect/waf/engine.h"

/* ---- memory ---- */

struct span waf_copy(struct waf_transaction *t, struct span text)
{
    char *copy = arena_copy(&t->arena, text.ptr ? text : SPAN(""));

    t->full |= !copy;
    return copy ? span_of(copy, text.len) : SPAN("");
}

struct span waf_number(struct waf_transaction *t, long long number)
{
    struct span text = arena_printf(&t->arena, "%lld", number);

    t->full |= !text.ptr;
    return text.ptr ? text : SPAN("0");
}

void waf_add(struct waf_transaction *t, struct waf_collection *collection, struct span name,
             struct span value)
{
    if (collection->count == collection->room) {
        unsigned room = collection->room ? collection->room * 2 : 16;
        struct waf_member *items = arena_alloc(&t->arena, room * sizeof *items);
        if (!items) {
            t->full = true;
            return;
        }
        if (collection->count)
            memcpy(items, collection->items, collection->count * sizeof *items);
        collection->items = items;
        collection->room = room;
    }
    collection->items[collection->count++] = (struct waf_member){name, value};
}

void waf_set_scalar(struct waf_transaction *t, enum waf_variable variable, struct span value)
{
    t->scalars[variable] = value.ptr ? value : SPAN("");
}

struct waf_collection *waf_collection_of(struct waf_transaction *t, enum waf_variable variable)
{
    switch (variable) {
    case WAF_TX:
        return &t->tx;
    case WAF_IP:
        return &t->ip;
    case WAF_GLOBAL:
        return &t->global;
    case WAF_SESSION:
        return &t->session;
    case WAF_USER:
        return &t->user;
    case WAF_RESOURCE:
        return &t->resource;
    case WAF_ENV:
        return &t->env;
    default:
        return NULL;
    }
}

struct waf_member *waf_find(struct waf_collection *collection, struct span name)
{
    for (unsigned i = 0; i < collection->count; i++)
        if (span_equal_nocase(collection->items[i].name, name))
            return &collection->items[i];
    return NULL;
}

/* ---- arguments and cookies ---- */

void waf_read_arguments(struct waf_transaction *t, struct span text, bool post)
{
    struct waf_collection *to = post ? &t->args_post : &t->args_get;
    char separator = (char)t->rules->argument_separator;
    struct span part;
    unsigned bad = 0;

    while (span_next(&text, separator, &part)) {
        ptrdiff_t equals = span_find(part, '=');
        struct span name = equals < 0 ? part : span_of(part.ptr, (size_t)equals);
        struct span value = equals < 0 ? SPAN("") : span_from(part, (size_t)equals + 1);
        if (part.len == 0)
            continue;
        if (t->args_get.count + t->args_post.count >= t->rules->arguments_max) {
            waf_body_error(t, "too many arguments");
            break;
        }
        name = waf_copy(t, name);
        value = waf_copy(t, value);
        name.len = waf_url_decode(name, (char *)name.ptr, &bad);
        value.len = waf_url_decode(value, (char *)value.ptr, &bad);
        t->arguments_combined += (unsigned)(name.len + value.len);
        waf_add(t, to, name, value);
    }
    if (bad)
        waf_set_scalar(t, WAF_URLENCODED_ERROR, SPAN("1"));
}

static void read_cookies(struct waf_transaction *t, struct span text)
{
    struct span part;

    while (span_next(&text, ';', &part)) {
        while (part.len && waf_is_space(part.ptr[0]))
            part = span_from(part, 1);
        ptrdiff_t equals = span_find(part, '=');
        if (part.len == 0)
            continue;
        struct span name = equals < 0 ? part : span_of(part.ptr, (size_t)equals);
        struct span value = equals < 0 ? SPAN("") : span_from(part, (size_t)equals + 1);
        waf_add(t, &t->cookies, waf_copy(t, name), waf_copy(t, value));
    }
}

/* ---- the request ---- */

/** Fields of the same name become one, as Apache has them. */
static void add_header(struct waf_transaction *t, struct waf_collection *to, struct span name,
                       struct span value)
{
    struct waf_member *known = waf_find(to, name);

    if (!known) {
        waf_add(t, to, waf_copy(t, name), waf_copy(t, value));
        return;
    }
    struct span joined =
        arena_printf(&t->arena, "%.*s, %.*s", SPAN_ARGS(known->value), SPAN_ARGS(value));
    t->full |= !joined.ptr;
    if (joined.ptr)
        known->value = joined;
}

static struct span base_name(struct span path)
{
    for (size_t i = path.len; i > 0; i--)
        if (path.ptr[i - 1] == '/' || path.ptr[i - 1] == '\\')
            return span_from(path, i);
    return path;
}

/** Path and query of a target in any form. */
static void read_target(struct waf_transaction *t, struct span target)
{
    struct span rest = target;
    ptrdiff_t scheme = span_find_span(rest, SPAN("://"));

    waf_set_scalar(t, WAF_REQUEST_URI_RAW, target);
    if (scheme > 0 && rest.ptr[0] != '/') {
        rest = span_from(rest, (size_t)scheme + 3);
        ptrdiff_t slash = span_find(rest, '/');
        rest = slash < 0 ? SPAN("/") : span_from(rest, (size_t)slash);
    }
    ptrdiff_t hash = span_find(rest, '#');
    if (hash >= 0)
        rest.len = (size_t)hash;
    waf_set_scalar(t, WAF_REQUEST_URI, rest);
    ptrdiff_t question = span_find(rest, '?');
    struct span path = question < 0 ? rest : span_of(rest.ptr, (size_t)question);
    struct span query = question < 0 ? SPAN("") : span_from(rest, (size_t)question + 1);
    waf_set_scalar(t, WAF_REQUEST_FILENAME, path);
    waf_set_scalar(t, WAF_REQUEST_BASENAME, base_name(path));
    waf_set_scalar(t, WAF_QUERY_STRING, query);
    waf_read_arguments(t, query, false);
}

/** From phase 2 on the path is decoded. */
static void decode_path(struct waf_transaction *t)
{
    struct span path = waf_copy(t, t->scalars[WAF_REQUEST_FILENAME]);
    struct span query = t->scalars[WAF_QUERY_STRING];

    size_t n = 0;
    for (size_t i = 0; i < path.len; i++) { /* a plus sign is one in a path */
        bool escape = path.ptr[i] == '%' && i + 2 < path.len && waf_are_hex(path.ptr + i + 1, 2);
        ((char *)path.ptr)[n++] = escape ? (char)waf_hex(path.ptr + i + 1, 2) : path.ptr[i];
        i += escape ? 2 : 0;
    }
    path.len = n;
    waf_set_scalar(t, WAF_REQUEST_FILENAME, path);
    waf_set_scalar(t, WAF_REQUEST_BASENAME, base_name(path));
    struct span whole =
        query.len ? arena_printf(&t->arena, "%.*s?%.*s", SPAN_ARGS(path), SPAN_ARGS(query)) : path;
    if (whole.ptr && span_find(path, '\0') < 0)
        waf_set_scalar(t, WAF_REQUEST_URI, whole);
}

static void set_times(struct waf_transaction *t, nsec_t wall)
{
    time_t seconds = (time_t)(wall / NSEC_PER_SEC);
    struct tm tm;
    const struct {
        enum waf_variable variable;
        int value;
    } parts[] = {{WAF_TIME_DAY, 0}, {WAF_TIME_HOUR, 0}, {WAF_TIME_MIN, 0}, {WAF_TIME_MON, 0},
                 {WAF_TIME_SEC, 0}, {WAF_TIME_WDAY, 0}, {WAF_TIME_YEAR, 0}};

    if (!localtime_r(&seconds, &tm))
        return;
    const int values[] = {tm.tm_mday, tm.tm_hour, tm.tm_min,        tm.tm_mon + 1,
                          tm.tm_sec,  tm.tm_wday, tm.tm_year + 1900};
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        waf_set_scalar(t, parts[i].variable, waf_number(t, values[i]));
    waf_set_scalar(t, WAF_TIME_EPOCH, waf_number(t, seconds));
    struct span clock = arena_printf(&t->arena, "%02d:%02d:%02d", tm.tm_hour, tm.tm_min, tm.tm_sec);
    waf_set_scalar(t, WAF_TIME, clock);
}

static void set_request(struct waf_transaction *t, const struct waf_request *q)
{
    waf_set_scalar(t, WAF_REQUEST_METHOD, waf_copy(t, q->method));
    waf_set_scalar(t, WAF_REQUEST_PROTOCOL, waf_copy(t, q->protocol));
    struct span line = arena_printf(&t->arena, "%.*s %.*s %.*s", SPAN_ARGS(q->method),
                                    SPAN_ARGS(q->target), SPAN_ARGS(q->protocol));
    waf_set_scalar(t, WAF_REQUEST_LINE, line);
    waf_set_scalar(t, WAF_REMOTE_ADDR, waf_copy(t, q->client_address));
    waf_set_scalar(t, WAF_REMOTE_HOST, t->scalars[WAF_REMOTE_ADDR]);
    waf_set_scalar(t, WAF_REMOTE_PORT, waf_number(t, q->client_port));
    waf_set_scalar(t, WAF_SERVER_NAME, waf_copy(t, q->server_name));
    waf_set_scalar(t, WAF_SERVER_PORT, waf_number(t, q->server_port));
    waf_set_scalar(t, WAF_UNIQUE_ID, waf_copy(t, q->unique_id));
    waf_set_scalar(t, WAF_URLENCODED_ERROR, SPAN("0"));
    waf_set_scalar(t, WAF_REQBODY_ERROR, SPAN("0"));
    waf_set_scalar(t, WAF_REQBODY_PROCESSOR_ERROR, SPAN("0"));
    waf_set_scalar(t, WAF_INBOUND_DATA_ERROR, SPAN("0"));
    waf_set_scalar(t, WAF_OUTBOUND_DATA_ERROR, SPAN("0"));
    set_times(t, q->wall);
    for (unsigned i = 0; i < q->header_count; i++)
        add_header(t, &t->request_headers, q->headers[i].name, q->headers[i].value);
    struct waf_member *cookie = waf_find(&t->request_headers, SPAN("cookie"));
    if (cookie)
        read_cookies(t, cookie->value);
    read_target(t, waf_copy(t, q->target));
}

/** The processor that the content type leads to, unless a rule chooses another. */
static void choose_processor(struct waf_transaction *t)
{
    struct waf_member *type = waf_find(&t->request_headers, SPAN("content-type"));

    if (!type)
        return;
    struct span value = type->value;
    ptrdiff_t semicolon = span_find(value, ';');
    struct span bare = span_trim(semicolon < 0 ? value : span_of(value.ptr, (size_t)semicolon));
    if (span_equal_nocase(bare, SPAN("application/x-www-form-urlencoded")))
        t->body_processor = SPAN("URLENCODED");
    else if (span_equal_nocase(bare, SPAN("multipart/form-data")))
        t->body_processor = SPAN("MULTIPART");
    waf_set_scalar(t, WAF_REQBODY_PROCESSOR, t->body_processor);
}

struct waf_transaction *waf_transaction_create(const struct waf_rules *rules,
                                               const struct waf_request *request,
                                               const struct waf_ops *ops, size_t memory_max)
{
    struct waf_transaction *t = mem_new(struct waf_transaction);

    t->rules = rules;
    t->ops = *ops;
    t->engine = rules->engine;
    t->started = request->now;
    t->body_access = rules->request_body_access;
    t->response_access = rules->response_body_access;
    t->highest_severity = 255;
    arena_init(&t->arena, NULL, 0, memory_max);
    set_request(t, request);
    choose_processor(t);
    return t;
}

void waf_transaction_destroy(struct waf_transaction *t)
{
    if (!t)
        return;
    waf_removed_destroy(t->removed);
    arena_reset(&t->arena, NULL, 0);
    free(t);
}

/* ---- bodies ---- */

void waf_body_error(struct waf_transaction *t, const char *why)
{
    waf_set_scalar(t, WAF_REQBODY_ERROR, SPAN("1"));
    waf_set_scalar(t, WAF_REQBODY_PROCESSOR_ERROR, SPAN("1"));
    waf_set_scalar(t, WAF_REQBODY_ERROR_MSG, span_str(why));
    waf_set_scalar(t, WAF_REQBODY_PROCESSOR_ERROR_MSG, span_str(why));
}

void waf_transaction_body(struct waf_transaction *t, struct span body)
{
    struct waf_member *type = waf_find(&t->request_headers, SPAN("content-type"));

    decode_path(t);
    waf_set_scalar(t, WAF_REQBODY_PROCESSOR, t->body_processor);
    waf_set_scalar(t, WAF_REQUEST_BODY_LENGTH, waf_number(t, (long long)body.len));
    if (body.len == 0 || !t->body_access)
        return;
    if (t->force_body_variable || span_equal(t->body_processor, SPAN("URLENCODED")))
        waf_set_scalar(t, WAF_REQUEST_BODY_VARIABLE, body);
    if (span_equal(t->body_processor, SPAN("URLENCODED")))
        waf_read_arguments(t, body, true);
    else if (span_equal(t->body_processor, SPAN("MULTIPART")))
        waf_read_multipart(t, body, type ? type->value : SPAN(""));
    else if (span_equal(t->body_processor, SPAN("JSON")))
        waf_read_json(t, body);
    else if (span_equal(t->body_processor, SPAN("XML")))
        waf_read_xml(t, body);
    if (t->full)
        waf_body_error(t, "the request takes too much memory");
}

void waf_transaction_response(struct waf_transaction *t, int status,
                              const struct waf_member *headers, unsigned header_count)
{
    waf_set_scalar(t, WAF_RESPONSE_STATUS, waf_number(t, status));
    waf_set_scalar(t, WAF_RESPONSE_PROTOCOL, t->scalars[WAF_REQUEST_PROTOCOL]);
    for (unsigned i = 0; i < header_count; i++)
        add_header(t, &t->response_headers, headers[i].name, headers[i].value);
    struct waf_member *type = waf_find(&t->response_headers, SPAN("content-type"));
    struct waf_member *length = waf_find(&t->response_headers, SPAN("content-length"));
    waf_set_scalar(t, WAF_RESPONSE_CONTENT_TYPE, type ? type->value : SPAN(""));
    waf_set_scalar(t, WAF_RESPONSE_CONTENT_LENGTH, length ? length->value : SPAN("0"));
}

void waf_transaction_response_body(struct waf_transaction *t, struct span body)
{
    waf_set_scalar(t, WAF_RESPONSE_BODY_VARIABLE, body);
}
