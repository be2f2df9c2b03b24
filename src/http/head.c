/* What HTTP/2 and HTTP/3 make of a header section in the same way (RFC 9113 and RFC 9114). */
#include "http/head.h"

void http_refuse(struct http_request *request, int status, const char *reason)
{
    if (request->refusal)
        return;
    request->refusal = status;
    request->refusal_reason = reason;
}

bool http_keep(struct http_exchange *x, struct span *name, struct span *value)
{
    char *copy = arena_alloc(&x->arena, name->len + value->len);

    if (!copy)
        return false;
    memcpy(copy, name->ptr, name->len);
    if (value->len)
        memcpy(copy + name->len, value->ptr, value->len);
    *name = span_of(copy, name->len);
    *value = span_of(copy + name->len, value->len);
    return true;
}

bool http_join_cookies(struct http_exchange *x)
{
    struct http_fields *fields = &x->request.fields;
    unsigned kept = 0;
    size_t len = 0;
    struct span *joined = NULL;

    for (unsigned i = 0; i < fields->count; i++)
        if (span_equal(fields->items[i].name, SPAN("cookie")))
            len += fields->items[i].value.len + 2;
    char *text = arena_alloc(&x->arena, len);
    if (!text)
        return false;
    for (unsigned i = 0; i < fields->count; i++) {
        struct http_field field = fields->items[i];
        if (!span_equal(field.name, SPAN("cookie"))) {
            fields->items[kept++] = field;
            continue;
        }
        size_t at = joined ? joined->len + 2 : 0;
        if (joined)
            memcpy(text + joined->len, "; ", 2);
        memcpy(text + at, field.value.ptr, field.value.len);
        if (!joined) {
            fields->items[kept] = field;
            joined = &fields->items[kept++].value;
        }
        *joined = span_of(text, at + field.value.len);
    }
    fields->count = kept;
    return true;
}

void http_settle_authority(struct http_exchange *x, struct span host)
{
    struct http_request *request = &x->request;

    if (!request->authority.ptr)
        request->authority = host;
    else if (host.ptr && !span_equal_nocase(host, request->authority))
        http_refuse(request, 400, ":authority and host differ");
    if (!http_authority_valid(request->authority)) {
        http_refuse(request, 400, "malformed authority");
        request->authority = (struct span){0};
        return;
    }
    request->host = http_authority_host(&x->arena, request->authority);
    if (!request->host.ptr)
        http_refuse(request, 431, "header section too large");
}

static bool has_bad_byte(struct span target)
{
    for (size_t i = 0; i < target.len; i++) {
        uint8_t c = (uint8_t)target.ptr[i];
        if (c <= ' ' || c >= 0x7f || c == '#')
            return true;
    }
    return false;
}

void http_settle_path(struct http_request *request, uint32_t max)
{
    bool asterisk = span_equal(request->target, SPAN("*"));

    request->path = SPAN("/"); /* what a refused request shows */
    if (request->method == HTTP_CONNECT) {
        request->target = request->authority;
        return;
    }
    if (request->target.len > max) {
        http_refuse(request, 414, "request target too long");
        request->target.len = max;
        return;
    }
    if (asterisk ? request->method != HTTP_OPTIONS
                 : request->target.len == 0 || request->target.ptr[0] != '/' ||
                       has_bad_byte(request->target)) {
        http_refuse(request, 400, "malformed path");
        return;
    }
    const char *mark = memchr(request->target.ptr, '?', request->target.len);
    request->path = request->target;
    if (!mark)
        return;
    request->path.len = (size_t)(mark - request->target.ptr);
    request->query = span_from(request->target, request->path.len + 1);
}

void http_settle_scheme(struct http_request *request, bool secure)
{
    if (span_equal_nocase(request->scheme, SPAN("https"))) {
        request->scheme = SPAN("https");
        if (!secure)
            http_refuse(request, 421, "https without TLS");
    } else if (span_equal_nocase(request->scheme, SPAN("http"))) {
        request->scheme = SPAN("http");
    } else {
        request->scheme = secure ? SPAN("https") : SPAN("http");
        if (request->method != HTTP_CONNECT)
            http_refuse(request, 400, "unknown scheme");
    }
}
