/* A GET over HTTP/2, by nghttp2: the preface, one stream, the answer's head. */
#include "base/error.h"
#include "http/fetch_internal.h"

enum { WINDOW = 65535 };

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *user)
{
    struct http_fetch *fetch = user;
    struct span key = span_of((const char *)name, name_len);
    struct span text = span_of((const char *)value, value_len);
    uint64_t status;

    (void)session;
    (void)flags;
    if (frame->hd.stream_id != fetch->stream || fetch->complete)
        return 0;
    fetch->head_bytes += name_len + value_len + 32;
    if (fetch->head_bytes > HTTP_FETCH_HEAD_MAX ||
        fetch->answer.fields.count == HTTP_FETCH_FIELDS_MAX) {
        fetch->error = ERR_LIMIT;
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (span_equal(key, SPAN(":status")) && span_to_uint(text, &status) == 0) {
        fetch->answer.status = (int)status;
        return 0;
    }
    const char *own_name = arena_copy(&fetch->arena, key);
    const char *own_value = arena_copy(&fetch->arena, text);
    if (own_name && own_value &&
        http_add(&fetch->arena, &fetch->answer.fields, span_of(own_name, name_len),
                 span_of(own_value, value_len)) == 0)
        return 0;
    fetch->error = ERR_LIMIT;
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct http_fetch *fetch = user;

    (void)session;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->hd.stream_id != fetch->stream)
        return 0;
    if (fetch->answer.status < 200) /* informational: the real one follows */
        fetch->answer.fields.count = 0;
    else
        fetch->complete = true;
    return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t code, void *user)
{
    struct http_fetch *fetch = user;

    (void)session;
    (void)code;
    if (stream == fetch->stream && !fetch->complete)
        fetch->error = ERR_CLOSED;
    return 0;
}

static int make_session(struct http_fetch *fetch)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *options = NULL;

    if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&options) != 0) {
        nghttp2_session_callbacks_del(callbacks);
        return ERR_PROTOCOL;
    }
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_option_set_max_send_header_block_length(options, HTTP_FETCH_OUT);
    int r = nghttp2_session_client_new2(&fetch->h2, callbacks, fetch, options);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(options);
    return r == 0 ? 0 : ERR_PROTOCOL;
}

static nghttp2_nv pair(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .value = (uint8_t *)(uintptr_t)value,
                        .namelen = strlen(name),
                        .valuelen = strlen(value)};
}

int fetch_h2_begin(struct http_fetch *fetch, const struct http_fetch_request *request)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP_FETCH_HEAD_MAX},
    };
    nghttp2_nv fields[7] = {
        pair(":method", "GET"),
        pair(":scheme", request->scheme),
        pair(":authority", request->authority),
        pair(":path", request->path),
        pair("user-agent", request->user_agent),
        pair("accept", "*/*"),
    };
    size_t count = 6;

    if (make_session(fetch) < 0 ||
        nghttp2_submit_settings(fetch->h2, NGHTTP2_FLAG_NONE, settings, ARRAY_SIZE(settings)) != 0)
        return ERR_PROTOCOL;
    if (request->cookie)
        fields[count++] = pair("cookie", request->cookie);
    fetch->stream = nghttp2_submit_request(fetch->h2, NULL, fields, count, NULL, NULL);
    return fetch->stream > 0 ? 0 : ERR_PROTOCOL;
}

int fetch_h2_input(struct http_fetch *fetch, struct span bytes)
{
    ssize_t used = nghttp2_session_mem_recv(fetch->h2, (const uint8_t *)bytes.ptr, bytes.len);

    if (fetch->complete)
        return 1;
    if (fetch->error)
        return fetch->error;
    if (used < 0)
        return ERR_SYNTAX;
    /* GOAWAY, or an error of the peer's that nghttp2 answers with one */
    return nghttp2_session_want_read(fetch->h2) ? 0 : ERR_CLOSED;
}

ssize_t fetch_h2_output(struct http_fetch *fetch, char *out, size_t cap)
{
    size_t total = 0;
    const uint8_t *bytes;
    ssize_t len;

    while ((len = nghttp2_session_mem_send(fetch->h2, &bytes)) > 0) {
        if ((size_t)len > cap - total)
            return ERR_PROTOCOL; /* a flood of acknowledgements */
        memcpy(out + total, bytes, (size_t)len);
        total += (size_t)len;
    }
    return len < 0 ? ERR_PROTOCOL : (ssize_t)total;
}
