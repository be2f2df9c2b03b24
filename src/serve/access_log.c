/* Lines of the access log and their way to the logs process. Which file they end in, and when it is
 * opened anew, is the guardian's. */
#include "serve/access_log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"

enum {
    MESSAGE_MAX = 32 * 1024 - 1, /* behind the byte that names the stream */
    BACKLOG_MAX = 256 * 1024,
    /* Most bytes of a client's texts in a line, escaped, so that every line finds room: whoever
     * asks for something endless is logged all the same. */
    METHOD_MAX = 256,
    HOST_MAX = 1024,
    TARGET_MAX = 16 * 1024,
    FIELD_MAX = 2048, /* referer, user agent */
    LINE_MAX_BYTES = 24 * 1024,
};

struct access_log {
    enum access_format format;
    int fd;
    struct buffer lines;
    struct buffer line; /* the one being made */
    uint64_t dropped;
};

/* Appends a client's text, cut off at `max` escaped bytes. What is no printable ASCII, a quote or
 * a backslash becomes \\xHH as in nginx's variables, or U+00HH in JSON, which is then valid
 * whatever the client sent. */
static int add_escaped(struct buffer *out, struct span text, size_t max, bool json)
{
    size_t end = out->len + max, plain = 0, i = 0;
    int r = 0;

    for (; r >= 0 && i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (out->len + (i - plain) + sizeof "\\u0000" > end)
            break;
        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\')
            continue;
        r = buffer_append(out, text.ptr + plain, i - plain);
        plain = i + 1;
        if (r >= 0)
            r = json ? buffer_printf(out, "\\u%04x", c) : buffer_printf(out, "\\x%02X", c);
    }
    return r < 0 || i == plain ? r : buffer_append(out, text.ptr + plain, i - plain);
}

/* ---- query parameters that are secrets ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Whether a parameter's name, percent-encoded or not, is among those to redact. */
static bool is_secret(struct span name, const struct config_strings *redact)
{
    char plain[64];
    size_t len = 0;

    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (len == sizeof plain) /* longer than any name in the settings needs to be */
            return false;
        if (c == '%' && i + 2 < name.len && hex_digit(name.ptr[i + 1]) >= 0 &&
            hex_digit(name.ptr[i + 2]) >= 0) {
            c = (char)(hex_digit(name.ptr[i + 1]) << 4 | hex_digit(name.ptr[i + 2]));
            i += 2;
        }
        plain[len++] = c;
    }
    for (size_t i = 0; i < redact->count; i++)
        if (span_equal_nocase(span_of(plain, len), span_str(redact->items[i])))
            return true;
    return false;
}

static size_t parameter_length(struct span query)
{
    size_t len = 0;

    while (len < query.len && query.ptr[len] != '&' && query.ptr[len] != ';' &&
           query.ptr[len] != '#')
        len++;
    return len;
}

/* Appends a URL, its secret parameters' values left out, cut off at `max` escaped bytes. */
static int add_url(struct buffer *out, struct span url, size_t max, bool json,
                   const struct access_entry *entry)
{
    ptrdiff_t mark = entry->redact ? span_find(url, '?') : -1;
    size_t start = out->len, begun = 0, at = (size_t)(mark + 1);
    int r = 0;

    while (mark >= 0 && r >= 0 && at < url.len && out->len - start < max) {
        struct span parameter = span_of(url.ptr + at, parameter_length(span_from(url, at)));
        ptrdiff_t equals = span_find(parameter, '=');
        if (equals > 0 && is_secret(span_of(parameter.ptr, (size_t)equals), entry->redact)) {
            size_t value = at + (size_t)equals + 1;
            r = add_escaped(out, span_of(url.ptr + begun, value - begun), max - (out->len - start),
                            json);
            if (r >= 0)
                r = buffer_add(out, SPAN("[redacted]"));
            begun = at + parameter.len;
        }
        at += parameter.len + 1;
    }
    if (r < 0 || out->len - start >= max)
        return r;
    return add_escaped(out, span_from(url, begun), max - (out->len - start), json);
}

static const char *version_name(enum http_version version)
{
    switch (version) {
    case HTTP_1_0:
        return "HTTP/1.0";
    case HTTP_1_1:
        return "HTTP/1.1";
    case HTTP_2:
        return "HTTP/2.0";
    case HTTP_3:
        return "HTTP/3.0";
    }
    return "HTTP/?";
}

/* The status that the client saw; nginx's 499 for one that left before there was any. */
static int status_of(const struct access_entry *entry)
{
    const struct http_exchange *x = entry->exchange;

    return x->responded && x->first_byte   ? x->response.status
           : entry->end == HTTP_END_CLIENT ? 499
                                           : 500;
}

static double milliseconds(nsec_t from, nsec_t to)
{
    return from && to > from ? (double)(to - from) / (double)NSEC_PER_MSEC : 0;
}

/* ---- combined ---- */

static int add_field(struct buffer *out, struct span text)
{
    return text.len ? add_escaped(out, text, FIELD_MAX, false) : buffer_append(out, "-", 1);
}

static int add_referer(struct buffer *out, const struct access_entry *entry)
{
    struct span referer = http_value(&entry->exchange->request.fields, SPAN("referer"));

    return referer.len ? add_url(out, referer, FIELD_MAX, false, entry)
                       : buffer_append(out, "-", 1);
}

/* "GET /x HTTP/1.1"; "-" where no request line could be read. */
static int add_request_line(struct buffer *out, const struct access_entry *entry)
{
    const struct http_request *request = &entry->exchange->request;

    if (request->method_text.len == 0 && request->target.len == 0)
        return buffer_append(out, "-", 1);
    int r = add_escaped(out, request->method_text, METHOD_MAX, false);
    if (r >= 0)
        r = buffer_append(out, " ", 1);
    if (r >= 0)
        r = add_url(out, request->target, TARGET_MAX, false, entry);
    return r < 0 ? r : buffer_printf(out, " %s", version_name(request->version));
}

/* Behind the quote that closes a combined line: the host as the client wrote it, the request's id,
 * and the seconds from its first byte to the end of the answer. */
static int add_plus(const struct access_entry *entry, struct buffer *out)
{
    const struct http_exchange *x = entry->exchange;

    int r = buffer_append(out, "\" \"", 3);
    if (r >= 0)
        r = x->request.authority.len ? add_escaped(out, x->request.authority, HOST_MAX, false)
                                     : buffer_append(out, "-", 1);
    if (r >= 0)
        r = buffer_append(out, "\" ", 2);
    if (r >= 0)
        r = entry->request_id.len ? add_escaped(out, entry->request_id, HOST_MAX, false)
                                  : buffer_append(out, "-", 1);
    return r < 0 ? r : buffer_printf(out, " %.3f\n", milliseconds(x->started, entry->now) / 1000);
}

static int format_combined(const struct access_entry *entry, bool plus, struct buffer *out)
{
    const struct http_exchange *x = entry->exchange;
    char address[46], when[64];
    struct tm tm;

    time_t seconds = (time_t)(entry->wall / NSEC_PER_SEC);
    localtime_r(&seconds, &tm);
    strftime(when, sizeof when, "%d/%b/%Y:%H:%M:%S %z", &tm);
    peer_address_text(entry->client->address, address);
    int r = buffer_printf(out, "%s - - [%s] \"", address, when);
    if (r >= 0)
        r = add_request_line(out, entry);
    if (r >= 0)
        r = buffer_printf(out, "\" %d %llu \"", status_of(entry), (unsigned long long)x->body_sent);
    if (r >= 0)
        r = add_referer(out, entry);
    if (r >= 0)
        r = buffer_append(out, "\" \"", 3);
    if (r >= 0)
        r = add_field(out, http_value(&x->request.fields, SPAN("user-agent")));
    if (r < 0)
        return r;
    return plus ? add_plus(entry, out) : buffer_append(out, "\"\n", 2);
}

/* ---- JSON ---- */

static int add_json_text(struct buffer *out, const char *key, struct span text, size_t max)
{
    int r = buffer_printf(out, ",\"%s\":\"", key);

    if (r >= 0)
        r = add_escaped(out, text, max, true);
    return r < 0 ? r : buffer_append(out, "\"", 1);
}

static int add_json_url(struct buffer *out, const char *key, struct span url, size_t max,
                        const struct access_entry *entry)
{
    int r = buffer_printf(out, ",\"%s\":\"", key);

    if (r >= 0)
        r = add_url(out, url, max, true, entry);
    return r < 0 ? r : buffer_append(out, "\"", 1);
}

static int add_request(struct buffer *out, const struct access_entry *entry)
{
    const struct http_request *request = &entry->exchange->request;
    int r = add_json_text(out, "method", request->method_text, METHOD_MAX);

    if (r >= 0)
        r = add_json_text(out, "host", request->authority, HOST_MAX);
    if (r >= 0)
        r = add_json_url(out, "target", request->target, TARGET_MAX, entry);
    if (r >= 0)
        r = buffer_printf(out, ",\"protocol\":\"%s\"", version_name(request->version));
    if (r >= 0)
        r = add_json_url(out, "referer", http_value(&request->fields, SPAN("referer")), FIELD_MAX,
                         entry);
    if (r >= 0)
        r = add_json_text(out, "user_agent", http_value(&request->fields, SPAN("user-agent")),
                          FIELD_MAX);
    return r;
}

static int add_tls(struct buffer *out, const struct access_entry *entry)
{
    if (!entry->client->tls_version)
        return 0;
    return buffer_printf(out, ",\"tls\":\"%s\",\"cipher\":\"%s\",\"resumed\":%s",
                         entry->client->tls_version, entry->client->tls_cipher,
                         entry->client->tls_resumed ? "true" : "false");
}

static int format_json(const struct access_entry *entry, struct buffer *out)
{
    const struct http_exchange *x = entry->exchange;
    char address[46], when[64];
    struct tm tm;

    time_t seconds = (time_t)(entry->wall / NSEC_PER_SEC);
    gmtime_r(&seconds, &tm);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
    peer_address_text(entry->client->address, address);
    int r = buffer_printf(out,
                          "{\"time\":\"%s.%03dZ\",\"client\":\"%s\",\"client_port\":%u,\"port\":%u",
                          when, (int)(entry->wall / NSEC_PER_MSEC % 1000), address,
                          entry->client->port, entry->client->local_port);
    if (r >= 0)
        r = add_json_text(out, "request_id", entry->request_id, HOST_MAX);
    if (r >= 0)
        r = add_request(out, entry);
    if (r >= 0)
        r = buffer_printf(out,
                          ",\"status\":%d,\"bytes\":%llu,\"body_received\":%llu,"
                          "\"first_byte_ms\":%.3f,\"total_ms\":%.3f",
                          status_of(entry), (unsigned long long)x->body_sent,
                          (unsigned long long)x->body_received,
                          milliseconds(x->started, x->first_byte),
                          milliseconds(x->started, entry->now));
    if (r >= 0)
        r = add_tls(out, entry);
    if (r >= 0 && entry->end != HTTP_END_DONE)
        r = buffer_printf(out, ",\"cut_off_by\":\"%s\"",
                          entry->end == HTTP_END_CLIENT ? "client" : "server");
    if (r >= 0 && entry->reason)
        r = add_json_text(out, "reason", span_str(entry->reason), HOST_MAX);
    return r < 0 ? r : buffer_append(out, "}\n", 2);
}

int access_log_format(enum access_format format, const struct access_entry *entry,
                      struct buffer *out)
{
    return format == ACCESS_JSON ? format_json(entry, out)
                                 : format_combined(entry, format == ACCESS_COMBINED_PLUS, out);
}

/* ---- the way out ---- */

struct access_log *access_log_create(enum access_format format, int fd)
{
    struct access_log *log = mem_new(struct access_log);

    log->format = format;
    log->fd = fd;
    log->lines = buffer_make(BACKLOG_MAX);
    log->line = buffer_make(LINE_MAX_BYTES);
    return log;
}

void access_log_set_fd(struct access_log *log, int fd)
{
    log->fd = fd;
}

void access_log_destroy(struct access_log *log)
{
    if (!log)
        return;
    access_log_flush(log);
    buffer_finish(&log->lines);
    buffer_finish(&log->line);
    free(log);
}

void access_log_add(struct access_log *log, const struct access_entry *entry)
{
    log->line.len = 0;
    if (access_log_format(log->format, entry, &log->line) < 0 ||
        buffer_add(&log->lines, buffer_span(&log->line)) < 0)
        log->dropped++;
}

/* Sends one message. @return false when the logs process has no room, or is gone */
static bool send_lines(const struct access_log *log, char channel, struct span lines)
{
    struct iovec parts[2] = {{&channel, 1}, {(char *)lines.ptr, lines.len}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    ssize_t sent;

    do
        sent = sendmsg(log->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

static void on_dropped_line(void *context, struct span line)
{
    struct access_log *log = context;

    if (send_lines(log, 'e', line))
        log->dropped = 0;
}

static void tell_dropped(struct access_log *log)
{
    const struct log events = {LOG_WARNING, "worker", on_dropped_line, log};

    log_event(&events, LOG_WARNING, "access log lines dropped", "lines=%llu",
              (unsigned long long)log->dropped);
}

void access_log_flush(struct access_log *log)
{
    size_t done = 0;

    while (done < log->lines.len) {
        struct span rest = span_from(buffer_span(&log->lines), done);
        struct span part = span_of(rest.ptr, rest.len < MESSAGE_MAX ? rest.len : MESSAGE_MAX);
        if (part.len < rest.len)
            part.len = (size_t)(span_find_last(part, '\n') + 1); /* a line is shorter than that */
        if (!send_lines(log, 'a', part))
            break;
        done += part.len;
    }
    buffer_consume(&log->lines, done);
    if (log->dropped && log->lines.len == 0)
        tell_dropped(log);
}
