/* Formatting of log lines. Sinks (standard error, a file, another process) are given from above. */
#include "base/log.h"

#include <stdio.h>
#include <time.h>

#include "base/escape.h"
#include "base/nsec.h"

enum { ESCAPED_MAX = 8 * 1024 + 16 /* bytes: each byte of a line may become four */ };

static const char *const level_names[] = {"error", "warning", "notice", "debug"};

/* The line with its newline; `line` has room for one byte more. Fields of foreign text are quoted
 * by log_quote(); what else slipped in is escaped here. */
static void write_line(const struct log *log, char *line, size_t len)
{
    struct buffer escaped = buffer_make(ESCAPED_MAX);

    if (escape_append(&escaped, span_of(line, len), NULL) == 0 && escaped.len != len) {
        if (buffer_append(&escaped, "\n", 1) == 0)
            log->sink(log->context, buffer_span(&escaped));
    } else {
        line[len++] = '\n';
        log->sink(log->context, span_of(line, len));
    }
    buffer_finish(&escaped);
}

void log_event(const struct log *log, enum log_level level, const char *event, const char *fields,
               ...)
{
    char line[2048];
    struct tm tm;
    va_list args;

    if (!log || !log->sink || level > log->level)
        return;
    nsec_t now = nsec_realtime();
    time_t seconds = (time_t)(now / NSEC_PER_SEC);
    gmtime_r(&seconds, &tm);
    size_t len = strftime(line, sizeof line, "time=%Y-%m-%dT%H:%M:%S", &tm);
    len += (size_t)snprintf(
        line + len, sizeof line - len, ".%03dZ level=%s process=%s event=\"%s\"",
        (int)(now / NSEC_PER_MSEC % 1000), level_names[level], log->process, event);
    if (len < sizeof line - 2 && fields && *fields) {
        line[len++] = ' ';
        va_start(args, fields);
        int more = vsnprintf(line + len, sizeof line - len - 1, fields, args);
        va_end(args);
        if (more > 0)
            len += (size_t)more;
        else
            len--;
    }
    if (len > sizeof line - 2)
        len = sizeof line - 2;
    write_line(log, line, len);
}

/* Writes the escaped form of one byte. @return its length, 1..4 */
static size_t escape_byte(unsigned char c, char out[4])
{
    static const char hex[] = "0123456789abcdef";

    if (c == '"' || c == '\\') {
        out[0] = '\\';
        out[1] = (char)c;
        return 2;
    }
    if (c >= 0x20 && c < 0x7f) {
        out[0] = (char)c;
        return 1;
    }
    out[0] = '\\';
    out[1] = 'x';
    out[2] = hex[c >> 4];
    out[3] = hex[c & 15];
    return 4;
}

int log_quote(struct buffer *out, struct span text)
{
    char piece[4];
    int r = buffer_append(out, "\"", 1);

    for (size_t i = 0; r >= 0 && i < text.len; i++)
        r = buffer_append(out, piece, escape_byte((unsigned char)text.ptr[i], piece));
    return r < 0 ? r : buffer_append(out, "\"", 1);
}

const char *log_quoted(char *out, size_t room, struct span text)
{
    char piece[4];
    size_t len = 0;

    if (room < 3)
        return room ? (out[0] = '\0', out) : "";
    out[len++] = '"';
    for (size_t i = 0; i < text.len; i++) {
        size_t n = escape_byte((unsigned char)text.ptr[i], piece);
        if (len + n + 2 > room)
            break;
        memcpy(out + len, piece, n);
        len += n;
    }
    out[len++] = '"';
    out[len] = '\0';
    return out;
}
