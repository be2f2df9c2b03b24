/* Reads target, host, lengths and connection options, and refuses whatever two parties could read
 * in two ways: that is what request smuggling lives on. */
#include "http/h1/request.h"

#include "base/error.h"

/** The fields that matter here, found in one pass. */
struct noted {
    struct span host;
    struct span content_length;
    unsigned hosts;
    unsigned content_lengths;
    unsigned transfer_encodings;
    bool close;
    bool keep_alive;
    bool expects;
    bool upgrades; /* connection: upgrade */
    unsigned upgrade_fields;
    struct span upgrade;
};

void h1_request_refuse(struct http_request *request, int status, const char *reason)
{
    request->refusal = status;
    request->refusal_reason = reason;
    request->has_body = false;
    if (request->version == 0)
        request->version = HTTP_1_1;
    if (request->path.len == 0)
        request->path = SPAN("/");
}

static void note_connection(struct noted *noted, struct span value)
{
    struct span token;

    while (span_next(&value, ',', &token)) {
        token = span_trim(token);
        if (span_equal_nocase(token, SPAN("close")))
            noted->close = true;
        else if (span_equal_nocase(token, SPAN("keep-alive")))
            noted->keep_alive = true;
        else if (span_equal_nocase(token, SPAN("upgrade")))
            noted->upgrades = true;
    }
}

static inline bool is(struct span name, const char *literal, size_t len)
{
    return memcmp(name.ptr, literal, len) == 0;
}

#define NAME_IS(name, literal) is(name, literal, sizeof(literal) - 1)

static void note(struct noted *noted, const struct http_fields *fields)
{
    for (unsigned i = 0; i < fields->count; i++) {
        struct span name = fields->items[i].name, value = fields->items[i].value;

        switch (name.len) {
        case sizeof("host") - 1:
            if (NAME_IS(name, "host") && noted->hosts++ == 0)
                noted->host = value;
            break;
        case sizeof("expect") - 1:
            if (NAME_IS(name, "expect"))
                noted->expects |= span_equal_nocase(value, SPAN("100-continue"));
            break;
        case sizeof("upgrade") - 1:
            if (NAME_IS(name, "upgrade") && noted->upgrade_fields++ == 0)
                noted->upgrade = value;
            break;
        case sizeof("connection") - 1:
            if (NAME_IS(name, "connection"))
                note_connection(noted, value);
            break;
        case sizeof("content-length") - 1:
            if (NAME_IS(name, "content-length") && noted->content_lengths++ == 0)
                noted->content_length = value;
            break;
        case sizeof("transfer-encoding") - 1:
            noted->transfer_encodings += NAME_IS(name, "transfer-encoding");
            break;
        default:
            break;
        }
    }
}

/* Each reader below returns 0, or the status to refuse with and *ret_reason. */

static int refuse(const char **ret_reason, int status, const char *reason)
{
    *ret_reason = reason;
    return status;
}

/** What the codings of all fields together are: several lines are one list (RFC 9110 section 5.3).
 */
struct codings {
    bool chunked; /**< the last so far */
    bool unknown; /**< some other */
    bool malformed;
};

static void note_codings(struct codings *codings, struct span value)
{
    struct span coding;

    codings->malformed |= value.len == 0;
    while (span_next(&value, ',', &coding)) {
        coding = span_trim(coding);
        codings->malformed |= coding.len == 0 || codings->chunked;
        codings->chunked = span_equal_nocase(coding, SPAN("chunked"));
        codings->unknown |= !codings->chunked;
    }
}

/** Exactly one coding, "chunked": RFC 9112 sections 6.1 and 6.3. */
static int read_codings(const struct noted *noted, const struct http_request *request,
                        const char **ret_reason)
{
    const struct http_fields *fields = &request->fields;
    struct codings codings = {0};

    if (request->version == HTTP_1_0)
        return refuse(ret_reason, 400, "transfer-encoding in HTTP/1.0");
    if (noted->content_lengths)
        return refuse(ret_reason, 400, "content-length with transfer-encoding");
    for (unsigned i = 0; i < fields->count; i++)
        if (span_equal(fields->items[i].name, SPAN("transfer-encoding")))
            note_codings(&codings, fields->items[i].value);
    if (codings.malformed)
        return refuse(ret_reason, 400, "malformed transfer-encoding");
    if (codings.unknown)
        return refuse(ret_reason, 501, "unknown transfer-coding");
    return 0;
}

static int read_framing(const struct noted *noted, struct http_request *request,
                        uint64_t body_bytes, const char **ret_reason)
{
    uint64_t length;

    if (noted->transfer_encodings) {
        request->has_body = true;
        return read_codings(noted, request, ret_reason);
    }
    if (noted->content_lengths == 0)
        return 0;
    if (noted->content_lengths > 1)
        return refuse(ret_reason, 400, "several content-length fields");
    if (span_to_uint(noted->content_length, &length) < 0)
        return refuse(ret_reason, 400, "malformed content-length");
    request->content_length = (int64_t)length;
    request->has_body = length > 0;
    if (length > body_bytes)
        return refuse(ret_reason, 413, "body too large");
    return 0;
}

/** Cuts "http://authority/path" into authority and the rest; other schemes are not served here. */
static int read_absolute(struct http_request *request, struct span *ret_rest,
                         const char **ret_reason)
{
    struct span target = request->target;
    size_t scheme;

    if (target.len > 7 && span_equal_nocase(span_of(target.ptr, 7), SPAN("http://")))
        scheme = 7;
    else if (target.len > 8 && span_equal_nocase(span_of(target.ptr, 8), SPAN("https://")))
        scheme = 8;
    else
        return refuse(ret_reason, 400, "invalid target form");
    struct span rest = span_from(target, scheme);
    size_t end = 0;
    while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?')
        end++;
    request->authority = span_of(rest.ptr, end);
    if (!http_authority_valid(request->authority)) {
        request->authority = (struct span){0};
        return refuse(ret_reason, 400, "invalid authority in target");
    }
    *ret_rest = span_from(rest, end);
    return 0;
}

/** Origin-form, absolute-form and "*": RFC 9112 section 3.2. */
static int read_target(struct http_request *request, const char **ret_reason)
{
    struct span rest = request->target;

    if (request->method == HTTP_CONNECT)
        return refuse(ret_reason, 501, "CONNECT is not served");
    if (unlikely(rest.ptr[0] != '/')) {
        if (rest.len == 1 && rest.ptr[0] == '*' && request->method == HTTP_OPTIONS) {
            request->path = rest;
            return 0;
        }
        int status = read_absolute(request, &rest, ret_reason);
        if (status)
            return status;
    }
    ptrdiff_t question = span_find(rest, '?');
    request->path = question < 0 ? rest : span_of(rest.ptr, (size_t)question);
    if (question >= 0)
        request->query = span_from(rest, (size_t)question + 1);
    if (request->path.len == 0) /* "http://host" and "http://host?query" */
        request->path = request->method == HTTP_OPTIONS && question < 0 ? SPAN("*") : SPAN("/");
    return 0;
}

/** RFC 9112 section 3.2: one valid Host; the target's authority wins over it (section 3.2.2). */
static int read_host(const struct noted *noted, struct http_request *request, struct arena *arena,
                     const char **ret_reason)
{
    if (noted->hosts > 1)
        return refuse(ret_reason, 400, "several host fields");
    if (noted->hosts == 0 && request->version != HTTP_1_0)
        return refuse(ret_reason, 400, "no host field");
    if (noted->hosts && !http_authority_valid(noted->host))
        return refuse(ret_reason, 400, "invalid host field");
    if (!request->authority.ptr && noted->hosts)
        request->authority = noted->host;
    if (!request->authority.ptr)
        return 0;
    request->host = http_authority_host(arena, request->authority);
    return request->host.ptr ? 0 : refuse(ret_reason, 431, "header fields use too much memory");
}

static int read_all(const struct noted *noted, struct http_request *request, struct arena *arena,
                    const struct http_limits *limits, const char **ret_reason)
{
    int status = read_target(request, ret_reason);

    if (!status)
        status = read_host(noted, request, arena, ret_reason);
    if (!status)
        status = read_framing(noted, request, limits->body_bytes, ret_reason);
    return status;
}

/** RFC 6455 section 4.1: nothing else than one GET for WebSocket can become a tunnel. */
static void read_upgrade(const struct noted *noted, struct http_request *request)
{
    if (noted->upgrades && noted->upgrade_fields == 1 && request->version == HTTP_1_1 &&
        request->method == HTTP_GET && !request->has_body &&
        span_equal_nocase(noted->upgrade, SPAN("websocket")))
        request->upgrade = SPAN("websocket");
}

void h1_request_read(struct http_request *request, struct arena *arena,
                     const struct http_limits *limits, struct h1_framing *ret_framing)
{
    struct noted noted = {0};
    const char *reason = NULL;

    request->method = http_method_of(request->method_text);
    note(&noted, &request->fields);
    int status = read_all(&noted, request, arena, limits, &reason);
    if (unlikely(status))
        h1_request_refuse(request, status, reason);
    else if (unlikely(noted.upgrades))
        read_upgrade(&noted, request);
    *ret_framing = (struct h1_framing){
        .chunked = noted.transfer_encodings > 0,
        .keep_alive = !noted.close && (request->version == HTTP_1_1 || noted.keep_alive) && !status,
        .expects = noted.expects && request->has_body && request->version == HTTP_1_1,
    };
}
