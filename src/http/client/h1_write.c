/* Writes a request's head anew from its parts, so that nothing of what a client sent reaches the
 * server but what was understood. */
#include "http/client/h1.h"

enum {
    OWN_BYTES = 160, /* what is written at its longest, without method, target, host and fields */
    LINE_EXTRA = 4,
};

static char *put(char *at, struct span s)
{
    if (s.len)
        memcpy(at, s.ptr, s.len);
    return at + s.len;
}

/** Fields that the engine alone decides. */
static bool is_ours(struct span name)
{
    static const struct span ours[] = {
        {"host", 4},        {"connection", 10}, {"content-length", 14},   {"transfer-encoding", 17},
        {"keep-alive", 10}, {"upgrade", 7},     {"proxy-connection", 16},
    };

    for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
        if (ours[i].len == name.len && memcmp(ours[i].ptr, name.ptr, name.len) == 0)
            return true;
    return false;
}

size_t h1_request_size(const struct http_call *call)
{
    size_t size =
        OWN_BYTES + call->method.len + call->target.len + call->authority.len + call->upgrade.len;

    for (unsigned i = 0; i < call->fields->count; i++)
        size += call->fields->items[i].name.len + call->fields->items[i].value.len + LINE_EXTRA;
    return size;
}

/** RFC 9110 section 8.6: a method that usually has a body says that it has none. */
static bool expects_length(struct span method)
{
    return span_equal(method, SPAN("POST")) || span_equal(method, SPAN("PUT")) ||
           span_equal(method, SPAN("PATCH"));
}

static char *put_framing(char *at, const struct http_call *call, bool chunked)
{
    if (chunked)
        return put(at, SPAN("transfer-encoding: chunked\r\n"));
    if (!call->body && !expects_length(call->method))
        return at;
    at = put(at, SPAN("content-length: "));
    at = h1_number_write(at, call->body ? (uint64_t)call->content_length : 0);
    return put(at, SPAN("\r\n"));
}

size_t h1_request_write(char *out, const struct http_call *call, bool chunked)
{
    char *at = put(out, call->method);

    at = put(at, SPAN(" "));
    at = put(at, call->target);
    at = put(at, SPAN(" HTTP/1.1\r\nhost: "));
    at = put(at, call->authority);
    at = put(at, SPAN("\r\n"));
    if (call->upgrade.len) {
        at = put(at, SPAN("connection: upgrade\r\nupgrade: "));
        at = put(at, call->upgrade);
        at = put(at, SPAN("\r\n"));
    }
    at = put_framing(at, call, chunked);
    for (unsigned i = 0; i < call->fields->count; i++)
        if (!is_ours(call->fields->items[i].name))
            at = h1_field_write(at, &call->fields->items[i]);
    at = put(at, SPAN("\r\n"));
    return (size_t)(at - out);
}
