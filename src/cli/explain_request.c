/* Reads requests from text. What curl adds by itself (Host, User-Agent, Accept, Content-Type of
 * data) is added here too. */
#include "cli/explain_request.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/error.h"

enum { WORDS_MAX = 256, FIELDS_MAX = 100 };

static int complain(struct diags *diags, const char *sentence)
{
    diags_add(diags, "%s", sentence);
    return ERR_SYNTAX;
}

static struct span keep(struct arena *arena, struct span text)
{
    char *copy = arena_copy(arena, text);

    return copy ? span_of(copy, text.len) : span_of("", 0);
}

static struct span keep_lower(struct arena *arena, struct span text)
{
    char *copy = arena_copy(arena, text);

    for (size_t i = 0; copy && i < text.len; i++)
        copy[i] = ascii_lower(copy[i]);
    return copy ? span_of(copy, text.len) : span_of("", 0);
}

static int add_field(struct arena *arena, struct explain_request *request, struct span name,
                     struct span value)
{
    if (request->message.fields.count == FIELDS_MAX)
        return ERR_LIMIT;
    return http_add(arena, &request->message.fields, keep_lower(arena, name), keep(arena, value));
}

static void set_method(struct arena *arena, struct explain_request *request, struct span method)
{
    request->message.method_text = keep(arena, method);
    request->message.method = http_method_of(method);
}

/* ---- targets ---- */

static void set_target(struct arena *arena, struct explain_request *request, struct span target)
{
    struct http_request *message = &request->message;
    ptrdiff_t fragment = span_find(target, '#');

    if (fragment >= 0)
        target.len = (size_t)fragment;
    message->target = message->path = target.len ? keep(arena, target) : SPAN("/");
    ptrdiff_t question = span_find(message->target, '?');
    if (question >= 0) {
        message->path.len = (size_t)question;
        message->query = span_from(message->target, (size_t)question + 1);
    }
}

static int set_host(struct arena *arena, struct explain_request *request, struct span authority,
                    struct diags *diags)
{
    if (!http_authority_valid(authority))
        return complain(diags, "the request names no valid host");
    request->message.authority = keep(arena, authority);
    request->message.host = http_authority_host(arena, request->message.authority);
    return 0;
}

static int set_url(struct arena *arena, struct explain_request *request, struct span url,
                   struct diags *diags)
{
    request->secure = !span_starts(url, SPAN("http://"));
    ptrdiff_t scheme = span_find_span(url, SPAN("://"));
    if (scheme >= 0)
        url = span_from(url, (size_t)scheme + 3);
    ptrdiff_t slash = span_find(url, '/'), question = span_find(url, '?');
    if (slash < 0 || (question >= 0 && question < slash))
        slash = question;
    size_t end = slash < 0 ? url.len : (size_t)slash;
    struct span target = span_from(url, end);
    if (target.len && target.ptr[0] == '?') {
        target = arena_printf(arena, "/%.*s", SPAN_ARGS(target));
        if (!target.ptr)
            return ERR_LIMIT;
    }
    set_target(arena, request, target);
    request->message.scheme = request->secure ? SPAN("https") : SPAN("http");
    return set_host(arena, request, span_of(url.ptr, end), diags);
}

static void begin(struct explain_request *request)
{
    *request = (struct explain_request){.secure = true};
    request->message.version = HTTP_1_1;
    request->message.content_length = -1;
    request->message.method = HTTP_GET;
    request->message.method_text = SPAN("GET");
}

/** What HTTP/1.1 demands, and so every client sends. */
static int add_host(struct arena *arena, struct explain_request *request)
{
    if (http_find(&request->message.fields, SPAN("host")))
        return 0;
    return add_field(arena, request, SPAN("host"), request->message.authority);
}

/** As a browser sends a URL that was typed: what may not stand in one is percent-encoded. */
static struct span typed(struct arena *arena, struct span url)
{
    char *out = arena_alloc(arena, 3 * url.len + 1);
    size_t len = 0;

    for (size_t i = 0; out && i < url.len; i++) {
        unsigned char c = (unsigned char)url.ptr[i];
        if (c > ' ' && c < 0x7f && !strchr("\"'<>`{}|\\^", c))
            out[len++] = (char)c;
        else
            len += (size_t)snprintf(out + len, 4, "%%%02X", c);
    }
    return out ? span_of(out, len) : SPAN("");
}

int explain_read_url(struct arena *arena, struct span url, struct diags *diags,
                     struct explain_request *ret_request)
{
    begin(ret_request);
    int r = set_url(arena, ret_request, typed(arena, url), diags);
    if (r >= 0)
        r = add_host(arena, ret_request);
    if (r >= 0)
        r = add_field(arena, ret_request, SPAN("user-agent"), SPAN("Mozilla/5.0"));
    return r < 0 ? r : add_field(arena, ret_request, SPAN("accept"), SPAN("*/*"));
}

/* ---- curl ---- */

/** Takes one word of a shell's command line off the front: quotes and backslashes as in sh.
 *  @return 1, 0 at the end, or ERR_SYNTAX */
static int next_word(struct arena *arena, struct span *rest, struct span *ret_word)
{
    char *word = arena_alloc(arena, rest->len + 1), quote = '\0';
    size_t len = 0;
    bool any = false;

    while (rest->len && strchr(" \t\r\n", rest->ptr[0]))
        *rest = span_from(*rest, 1);
    for (; word && rest->len; *rest = span_from(*rest, 1)) {
        char c = rest->ptr[0];
        if (!quote && strchr(" \t\r\n", c))
            break;
        any = true;
        if (!quote && (c == '\'' || c == '"')) {
            quote = c;
        } else if (quote && c == quote) {
            quote = '\0';
        } else {
            if (c == '\\' && quote != '\'' && rest->len > 1) {
                *rest = span_from(*rest, 1);
                c = rest->ptr[0];
                if (c == '\n')
                    continue;
            }
            word[len++] = c;
        }
    }
    if (!word || quote)
        return ERR_SYNTAX;
    *ret_word = span_of(word, len);
    return any;
}

enum curl_meaning {
    CURL_IGNORED,       /* says nothing about the request */
    CURL_IGNORED_VALUE, /* the same, and takes a value */
    CURL_METHOD,
    CURL_FIELD,
    CURL_DATA,
    CURL_AGENT,
    CURL_REFERER,
    CURL_COOKIE,
    CURL_HEAD,
    CURL_GET,
    CURL_URL,
};

static const struct {
    const char *brief, *name;
    enum curl_meaning meaning;
} curl_options[] = {
    {"-X", "--request", CURL_METHOD},
    {"-H", "--header", CURL_FIELD},
    {"-d", "--data", CURL_DATA},
    {"-A", "--user-agent", CURL_AGENT},
    {"-e", "--referer", CURL_REFERER},
    {"-b", "--cookie", CURL_COOKIE},
    {"-I", "--head", CURL_HEAD},
    {"-G", "--get", CURL_GET},
    {NULL, "--url", CURL_URL},
    {NULL, "--data-raw", CURL_DATA},
    {NULL, "--data-binary", CURL_DATA},
    {NULL, "--data-ascii", CURL_DATA},
    {"-o", "--output", CURL_IGNORED_VALUE},
    {"-D", "--dump-header", CURL_IGNORED_VALUE},
    {"-w", "--write-out", CURL_IGNORED_VALUE},
    {"-m", "--max-time", CURL_IGNORED_VALUE},
    {NULL, "--connect-timeout", CURL_IGNORED_VALUE},
    {NULL, "--resolve", CURL_IGNORED_VALUE},
    {NULL, "--cacert", CURL_IGNORED_VALUE},
    {"-k", "--insecure", CURL_IGNORED},
    {"-s", "--silent", CURL_IGNORED},
    {"-S", "--show-error", CURL_IGNORED},
    {"-L", "--location", CURL_IGNORED},
    {"-v", "--verbose", CURL_IGNORED},
    {"-i", "--include", CURL_IGNORED},
    {"-g", "--globoff", CURL_IGNORED},
    {"-f", "--fail", CURL_IGNORED},
    {NULL, "--compressed", CURL_IGNORED},
    {NULL, "--http1.1", CURL_IGNORED},
    {NULL, "--http2", CURL_IGNORED},
    {NULL, "--path-as-is", CURL_IGNORED},
};

struct curl {
    struct arena *arena;
    struct diags *diags;
    struct explain_request *request;
    bool has_url, has_method, has_data, as_query;
};

static int take_field(struct curl *curl, struct span text)
{
    ptrdiff_t colon = span_find(text, ':');

    if (colon <= 0)
        return complain(curl->diags, "a header of the command has no name with a colon");
    struct span name = span_of(text.ptr, (size_t)colon);
    struct span value = span_trim(span_from(text, (size_t)colon + 1));
    if (span_equal_nocase(name, SPAN("host")))
        return set_host(curl->arena, curl->request, value, curl->diags);
    return add_field(curl->arena, curl->request, name, value);
}

/** Several are joined as curl does. */
static int take_data(struct curl *curl, struct span data)
{
    struct span *body = &curl->request->body;

    if (data.len && data.ptr[0] == '@')
        return complain(curl->diags, "data from a file (@) is not read: write it in the command");
    *body = curl->has_data
                ? arena_printf(curl->arena, "%.*s&%.*s", SPAN_ARGS(*body), SPAN_ARGS(data))
                : keep(curl->arena, data);
    curl->has_data = true;
    return body->ptr ? 0 : ERR_LIMIT;
}

static int take_option(struct curl *curl, enum curl_meaning meaning, struct span value)
{
    switch (meaning) {
    case CURL_METHOD:
        set_method(curl->arena, curl->request, value);
        curl->has_method = true;
        return 0;
    case CURL_HEAD:
        set_method(curl->arena, curl->request, SPAN("HEAD"));
        curl->has_method = true;
        return 0;
    case CURL_FIELD:
        return take_field(curl, value);
    case CURL_DATA:
        return take_data(curl, value);
    case CURL_AGENT:
        return add_field(curl->arena, curl->request, SPAN("user-agent"), value);
    case CURL_REFERER:
        return add_field(curl->arena, curl->request, SPAN("referer"), value);
    case CURL_COOKIE:
        return add_field(curl->arena, curl->request, SPAN("cookie"), value);
    case CURL_GET:
        curl->as_query = true;
        return 0;
    case CURL_URL:
        curl->has_url = true;
        return set_url(curl->arena, curl->request, value, curl->diags);
    default:
        return 0;
    }
}

static bool takes_value(enum curl_meaning meaning)
{
    return meaning != CURL_IGNORED && meaning != CURL_HEAD && meaning != CURL_GET;
}

static int take_word(struct curl *curl, struct span word, struct span *rest)
{
    if (!span_starts(word, SPAN("-")))
        return take_option(curl, CURL_URL, word);
    for (size_t i = 0; i < ARRAY_SIZE(curl_options); i++) {
        struct span brief = span_str(curl_options[i].brief), value = {"", 0};
        bool short_form = brief.len && span_starts(word, brief);
        if (!short_form && !span_equal(word, span_str(curl_options[i].name)))
            continue;
        if (!takes_value(curl_options[i].meaning)) {
            if (short_form && word.len > 2) { /* -sS is -s and -S */
                struct span more =
                    arena_printf(curl->arena, "-%.*s", SPAN_ARGS(span_from(word, 2)));
                int r = take_option(curl, curl_options[i].meaning, value);
                return r < 0 || !more.ptr ? ERR_SYNTAX : take_word(curl, more, rest);
            }
        } else if (short_form && word.len > 2) {
            value = span_from(word, 2);
        } else if (next_word(curl->arena, rest, &value) <= 0) {
            return complain(curl->diags, "the last option of the command lacks its value");
        }
        return take_option(curl, curl_options[i].meaning, value);
    }
    diags_add(curl->diags, "the option %.*s of curl is not known here", SPAN_ARGS(word));
    return ERR_SYNTAX;
}

static int finish_curl(struct curl *curl)
{
    struct explain_request *request = curl->request;
    struct http_request *message = &request->message;
    int r = 0;

    if (!curl->has_url)
        return complain(curl->diags, "the command names no URL");
    r = add_host(curl->arena, request);
    if (r >= 0 && !http_find(&message->fields, SPAN("user-agent")))
        r = add_field(curl->arena, request, SPAN("user-agent"), SPAN("curl/8.0"));
    if (r >= 0 && !http_find(&message->fields, SPAN("accept")))
        r = add_field(curl->arena, request, SPAN("accept"), SPAN("*/*"));
    if (r < 0 || !curl->has_data)
        return r;
    if (curl->as_query) {
        struct span target = arena_printf(curl->arena, "%.*s%c%.*s", SPAN_ARGS(message->target),
                                          message->query.ptr ? '&' : '?', SPAN_ARGS(request->body));
        request->body = span_of("", 0);
        set_target(curl->arena, request, target);
        return target.ptr ? 0 : ERR_LIMIT;
    }
    if (!curl->has_method)
        set_method(curl->arena, request, SPAN("POST"));
    if (!http_find(&message->fields, SPAN("content-type")))
        r = add_field(curl->arena, request, SPAN("content-type"),
                      SPAN("application/x-www-form-urlencoded"));
    message->content_length = (int64_t)request->body.len;
    message->has_body = request->body.len > 0;
    return r;
}

int explain_read_curl(struct arena *arena, struct span command, struct diags *diags,
                      struct explain_request *ret_request)
{
    struct curl curl = {.arena = arena, .diags = diags, .request = ret_request};
    struct span word;
    int r = 1;

    begin(ret_request);
    for (int i = 0; r > 0 && i < WORDS_MAX; i++) {
        r = next_word(arena, &command, &word);
        if (r < 0)
            return complain(diags, "the command cannot be read: a quote is not closed");
        if (r == 0 || (i == 0 && span_equal(word, SPAN("curl"))))
            continue;
        int taken = take_word(&curl, word, &command);
        if (taken < 0)
            return diags->count ? taken : complain(diags, "the command is too long");
    }
    return finish_curl(&curl);
}

/* ---- the access log ---- */

/** The text up to a character, which is taken off too. */
static struct span take_until(struct span *rest, char end)
{
    struct span part = {"", 0};

    (void)span_next(rest, end, &part);
    return part;
}

static int take_request_line(struct arena *arena, struct explain_request *request, struct span line)
{
    struct span method = take_until(&line, ' '), target = take_until(&line, ' ');

    if (!method.len || !target.len || target.ptr[0] != '/')
        return ERR_SYNTAX;
    set_method(arena, request, method);
    set_target(arena, request, target);
    return 0;
}

static int add_known(struct arena *arena, struct explain_request *request, struct span name,
                     struct span value)
{
    return value.len == 0 || span_equal(value, SPAN("-")) ? 0
                                                          : add_field(arena, request, name, value);
}

/** ADDRESS - - [TIME] "METHOD TARGET HTTP/1.1" STATUS BYTES "REFERER" "AGENT" [HOST …] */
static int read_combined(struct arena *arena, struct span line, struct span *host,
                         struct explain_request *request)
{
    request->client = keep(arena, take_until(&line, ' '));
    (void)take_until(&line, '"');
    int r = take_request_line(arena, request, take_until(&line, '"'));
    (void)take_until(&line, '"');
    if (r >= 0)
        r = add_known(arena, request, SPAN("referer"), take_until(&line, '"'));
    (void)take_until(&line, '"');
    if (r >= 0)
        r = add_known(arena, request, SPAN("user-agent"), take_until(&line, '"'));
    line = span_trim(line);
    struct span named = take_until(&line, ' ');
    if (r >= 0 && named.len)
        *host = named;
    return r;
}

static struct span json_span(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return json_is_string(value) ? span_of(json_string_value(value), json_string_length(value))
                                 : span_of("", 0);
}

static int read_json(struct arena *arena, const json_t *object, struct span *host,
                     struct explain_request *request)
{
    struct span method = json_span(object, "method"), target = json_span(object, "target");

    if (!method.len || !target.len || target.ptr[0] != '/')
        return ERR_SYNTAX;
    request->client = keep(arena, json_span(object, "client"));
    set_method(arena, request, method);
    set_target(arena, request, target);
    int r = add_known(arena, request, SPAN("referer"), json_span(object, "referer"));
    if (r >= 0)
        r = add_known(arena, request, SPAN("user-agent"), json_span(object, "user_agent"));
    if (json_span(object, "host").len)
        *host = keep(arena, json_span(object, "host"));
    return r;
}

int explain_read_log(struct arena *arena, struct span line, struct span host, struct diags *diags,
                     struct explain_request *ret_request)
{
    json_t *object = json_loadb(line.ptr, line.len, 0, NULL);

    begin(ret_request);
    ret_request->message.scheme = SPAN("https");
    int r = json_is_object(object) ? read_json(arena, object, &host, ret_request)
                                   : read_combined(arena, line, &host, ret_request);
    json_decref(object);
    if (r < 0)
        return complain(diags, "this is no line of an access log: combined, combined_plus and json "
                               "are known");
    if (host.len == 0)
        return complain(diags, "the line names no host: name one with --host");
    r = set_host(arena, ret_request, host, diags);
    if (r >= 0)
        r = add_host(arena, ret_request);
    /* logs do not have it, and nearly every client sends it */
    return r < 0 ? r : add_field(arena, ret_request, SPAN("accept"), SPAN("*/*"));
}
