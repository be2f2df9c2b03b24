/* A GET over HTTP/1.1, and the head of its answer. Lines may end with a bare LF, as RFC 9112
 * section 2.2 lets a recipient have it, and odd lines are taken as browsers take them: who probes
 * others' servers meets them. */
#include "base/error.h"
#include "http/fetch_internal.h"

int fetch_h1_begin(struct http_fetch *fetch, const struct http_fetch_request *request)
{
    return buffer_printf(&fetch->output,
                         "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nAccept: */*\r\n"
                         "%s%s%sConnection: close\r\n\r\n",
                         request->path, request->authority, request->user_agent,
                         request->cookie ? "Cookie: " : "", request->cookie ? request->cookie : "",
                         request->cookie ? "\r\n" : "");
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The next line without its end. @return false when its end is not there yet */
static bool next_line(struct span bytes, size_t *at, struct span *ret_line)
{
    struct span rest = span_from(bytes, *at);
    ptrdiff_t end = span_find(rest, '\n');

    if (end < 0)
        return false;
    *ret_line = span_of(rest.ptr, (size_t)end);
    if (ret_line->len && ret_line->ptr[ret_line->len - 1] == '\r')
        ret_line->len--;
    *at += (size_t)end + 1;
    return true;
}

/* "HTTP/1.1 200 OK" */
static int status_line(struct span line, struct http_fetch_answer *answer)
{
    const char *p = line.ptr;

    if (line.len < 12 || !span_starts(line, SPAN("HTTP/1.")) || !is_digit(p[7]) || p[8] != ' ' ||
        !is_digit(p[9]) || !is_digit(p[10]) || !is_digit(p[11]) || (line.len > 12 && p[12] != ' '))
        return ERR_SYNTAX;
    answer->version = p[7] == '0' ? HTTP_1_0 : HTTP_1_1;
    answer->status = (p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0');
    return answer->status >= 100 ? 0 : ERR_SYNTAX;
}

static bool value_valid(struct span value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] == '\0' || value.ptr[i] == '\r')
            return false;
    return true;
}

/* obs-fold: the line belongs to the value above it, and the bytes between become spaces. */
static int join_fold(struct span line, char *bytes, struct http_fetch_answer *answer)
{
    answer->oddities |= HTTP_FETCH_FOLDED;
    if (answer->fields.count == 0)
        return 0; /* below the status line it belongs to nothing (RFC 9112 section 2.2) */
    struct span *value = &answer->fields.items[answer->fields.count - 1].value;
    struct span more = span_trim(line);
    if (!value_valid(more))
        return ERR_SYNTAX;
    if (more.len == 0)
        return 0;
    if (value->len == 0) {
        *value = more;
        return 0;
    }
    size_t end = (size_t)(value->ptr - bytes) + value->len;
    memset(bytes + end, ' ', (size_t)(more.ptr - bytes) - end);
    value->len = (size_t)(more.ptr - value->ptr) + more.len;
    return 0;
}

static int field_line(struct span line, char *bytes, struct arena *arena,
                      struct http_fetch_answer *answer)
{
    ptrdiff_t colon = span_find(line, ':');

    if (line.ptr[0] == ' ' || line.ptr[0] == '\t')
        return join_fold(line, bytes, answer);
    struct span key = span_trim(span_of(line.ptr, colon < 0 ? 0 : (size_t)colon));
    if (key.len != (size_t)colon && key.len)
        answer->oddities |= HTTP_FETCH_BLANK_NAME;
    char *name = key.len ? bytes + (key.ptr - bytes) : NULL;
    for (size_t i = 0; i < key.len; i++) {
        if ((unsigned char)name[i] <= ' ' || (unsigned char)name[i] >= 0x7f)
            key.len = 0;
        else
            name[i] = ascii_lower(name[i]);
    }
    if (key.len == 0) {
        answer->oddities |= HTTP_FETCH_NO_FIELD;
        return 0;
    }
    struct span value = span_trim(span_from(line, (size_t)colon + 1));
    if (!value_valid(value))
        return ERR_SYNTAX;
    if (answer->fields.count == HTTP_FETCH_FIELDS_MAX)
        return ERR_LIMIT;
    return http_add(arena, &answer->fields, key, value);
}

ssize_t http_answer_parse(char *bytes, size_t len, struct arena *arena,
                          struct http_fetch_answer *ret_answer)
{
    struct span all = span_of(bytes, len), line;
    struct http_fetch_answer answer = {.status = 0};
    size_t at = 0, end = 0;

    /* What cannot become HTTP is said at once, not when its line ends. */
    size_t known = len < 7 ? len : 7;
    if (memcmp(bytes, "HTTP/1.", known) != 0)
        return ERR_SYNTAX;
    for (size_t look = 0; next_line(all, &look, &line) && !end;)
        if (line.len == 0)
            end = look;
    if (!end)
        return 0;
    all.len = end;
    if (!next_line(all, &at, &line) || status_line(line, &answer) < 0)
        return ERR_SYNTAX;
    while (next_line(all, &at, &line) && line.len) {
        int r = field_line(line, bytes, arena, &answer);
        if (r < 0)
            return r;
    }
    *ret_answer = answer;
    return (ssize_t)end;
}

int fetch_h1_input(struct http_fetch *fetch, struct span bytes)
{
    if (bytes.len > HTTP_FETCH_HEAD_MAX - fetch->input.len)
        bytes.len = HTTP_FETCH_HEAD_MAX - fetch->input.len;
    if (bytes.len == 0)
        return ERR_LIMIT;
    int r = buffer_append(&fetch->input, bytes.ptr, bytes.len);
    while (r == 0 && fetch->input.len) {
        ssize_t head =
            http_answer_parse(fetch->input.data, fetch->input.len, &fetch->arena, &fetch->answer);
        if (head <= 0)
            return head == 0 && fetch->input.len == HTTP_FETCH_HEAD_MAX ? ERR_LIMIT : (int)head;
        if (fetch->answer.status >= 200) {
            fetch->complete = true;
            return 1;
        }
        buffer_consume(&fetch->input, (size_t)head); /* 103 and the like */
    }
    return r;
}
