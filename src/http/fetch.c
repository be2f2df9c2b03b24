/* Begins a fetch and passes its bytes to the engine that does it. */
#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"
#include "http/fetch_internal.h"

enum { COOKIES_MAX = 8 * 1024 /* bytes that are sent back */ };

int http_fetch_create(const struct http_fetch_request *request, struct http_fetch **ret_fetch)
{
    struct http_fetch *fetch = mem_new(struct http_fetch);

    fetch->answer.version = request->version;
    fetch->input = buffer_make(HTTP_FETCH_HEAD_MAX);
    fetch->output = buffer_make(HTTP_FETCH_OUT);
    arena_init(&fetch->arena, NULL, 0, 4 * HTTP_FETCH_HEAD_MAX);
    int r = request->version == HTTP_2 ? fetch_h2_begin(fetch, request)
                                       : fetch_h1_begin(fetch, request);
    if (r < 0) {
        http_fetch_destroy(fetch);
        return r;
    }
    *ret_fetch = fetch;
    return 0;
}

void http_fetch_destroy(struct http_fetch *fetch)
{
    if (!fetch)
        return;
    nghttp2_session_del(fetch->h2);
    buffer_finish(&fetch->input);
    buffer_finish(&fetch->output);
    arena_reset(&fetch->arena, NULL, 0);
    free(fetch);
}

int http_fetch_input(struct http_fetch *fetch, struct span bytes)
{
    if (fetch->error)
        return fetch->error;
    if (fetch->complete)
        return 1;
    int r = fetch->h2 ? fetch_h2_input(fetch, bytes) : fetch_h1_input(fetch, bytes);
    if (r < 0)
        fetch->error = r;
    return r;
}

ssize_t http_fetch_output(struct http_fetch *fetch, char *out, size_t cap)
{
    if (fetch->h2)
        return fetch_h2_output(fetch, out, cap);
    size_t len = fetch->output.len;
    if (len == 0)
        return 0;
    memcpy(out, fetch->output.data, len);
    buffer_finish(&fetch->output);
    return (ssize_t)len;
}

int http_fetch_status(const struct http_fetch *fetch)
{
    return fetch->answer.status;
}

int http_fetch_version(const struct http_fetch *fetch)
{
    return fetch->answer.version;
}

struct span http_fetch_value(const struct http_fetch *fetch, struct span name)
{
    return http_value(&fetch->answer.fields, name);
}

unsigned http_fetch_oddities(const struct http_fetch *fetch)
{
    return fetch->answer.oddities;
}

bool http_fetch_lengths_differ(const struct http_fetch *fetch)
{
    const struct http_fields *fields = &fetch->answer.fields;
    struct span first = {0};

    for (size_t i = 0; i < fields->count; i++) {
        struct span rest = fields->items[i].value, part;
        if (!span_equal(fields->items[i].name, SPAN("content-length")))
            continue;
        while (span_next(&rest, ',', &part)) { /* "5, 5" is two, RFC 9110 section 8.6 */
            part = span_trim(part);
            if (first.ptr && !span_equal(first, part))
                return true;
            first = part;
        }
    }
    return false;
}

char *http_fetch_cookies(const struct http_fetch *fetch)
{
    const struct http_fields *fields = &fetch->answer.fields;
    struct buffer out = buffer_make(COOKIES_MAX);
    char *text = NULL;

    for (size_t i = 0; i < fields->count; i++)
        if (span_equal(fields->items[i].name, SPAN("set-cookie")) &&
            buffer_printf(&out, "%s%.*s", out.len ? "\n" : "", SPAN_ARGS(fields->items[i].value)) <
                0)
            break;
    if (out.len)
        text = mem_string(buffer_span(&out));
    buffer_finish(&out);
    return text;
}
