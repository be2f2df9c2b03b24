/* Bodies of multipart/form-data (RFC 7578), read as leniently as applications do, with a note of
 * all that is odd about them. */
#include "base/mem.h"
#include "protect/waf/characters.h"
#include "protect/waf/transaction.h"

enum { BOUNDARY_MAX = 200 };

struct part {
    struct span name;
    struct span file_name;
    bool has_name;
    bool has_file;
};

/** The boundary of a content type, with notes on how it is written. */
static struct span find_boundary(struct waf_transaction *t, struct span type)
{
    ptrdiff_t at = -1;

    for (size_t i = 0; i + 9 <= type.len && at < 0; i++)
        if (span_equal_nocase(span_of(type.ptr + i, 8), SPAN("boundary")))
            at = (ptrdiff_t)i;
    if (at < 0)
        return SPAN("");
    struct span rest = span_from(type, (size_t)at + 8);
    if (rest.len && waf_is_space(rest.ptr[0]))
        t->multipart.boundary_whitespace = true;
    rest = span_trim(rest);
    if (rest.len == 0 || rest.ptr[0] != '=')
        return SPAN("");
    rest = span_from(rest, 1);
    if (rest.len && waf_is_space(rest.ptr[0]))
        t->multipart.boundary_whitespace = true;
    rest = span_trim(rest);
    if (rest.len && rest.ptr[0] == '"') {
        ptrdiff_t end = span_find(span_from(rest, 1), '"');
        t->multipart.boundary_quoted = true;
        return end < 0 ? SPAN("") : span_of(rest.ptr + 1, (size_t)end);
    }
    ptrdiff_t end = span_find(rest, ';');
    struct span boundary = end < 0 ? rest : span_of(rest.ptr, (size_t)end);
    if (boundary.len != span_trim(boundary).len)
        t->multipart.boundary_whitespace = true;
    return span_trim(boundary);
}

/** Cuts a line off, its end left out. @return false at the end of the body */
static bool cut_line(struct waf_transaction *t, struct span *rest, struct span *ret_line)
{
    ptrdiff_t end = span_find(*rest, '\n');

    if (!rest->len)
        return false;
    if (end < 0) {
        *ret_line = *rest;
        *rest = span_from(*rest, rest->len);
        return true;
    }
    bool crlf = end > 0 && rest->ptr[end - 1] == '\r';
    *ret_line = span_of(rest->ptr, (size_t)end - crlf);
    *rest = span_from(*rest, (size_t)end + 1);
    if (!crlf)
        t->multipart.lf_line = true;
    return true;
}

/** A value of a parameter of Content-Disposition, with its quotes and escapes resolved. */
static struct span cut_value(struct waf_transaction *t, struct span *rest)
{
    struct span text = *rest;

    if (text.len == 0 || text.ptr[0] != '"') {
        if (text.len && text.ptr[0] == '\'')
            t->multipart.invalid_quoting = true;
        size_t end = 0;
        while (end < text.len && text.ptr[end] != ';' && !waf_is_space(text.ptr[end]))
            end++;
        *rest = span_from(text, end);
        return span_of(text.ptr, end);
    }
    struct span copy = waf_copy(t, span_from(text, 1));
    char *out = (char *)copy.ptr;
    size_t i = 1, n = 0;
    for (; i < text.len && text.ptr[i] != '"'; i++) {
        if (text.ptr[i] == '\\' && i + 1 < text.len &&
            (text.ptr[i + 1] == '"' || text.ptr[i + 1] == '\\'))
            i++;
        if (n < copy.len)
            out[n++] = text.ptr[i];
    }
    if (i >= text.len)
        t->multipart.invalid_quoting = true;
    *rest = span_from(text, i + 1);
    return span_of(out, n);
}

static void read_disposition(struct waf_transaction *t, struct span value, struct part *part)
{
    ptrdiff_t semicolon = span_find(value, ';');
    struct span rest = semicolon < 0 ? SPAN("") : span_from(value, (size_t)semicolon + 1);

    if (!span_starts(value, SPAN("form-data")))
        t->multipart.invalid_part = true;
    while ((rest = span_trim(rest)).len) {
        size_t end = 0;
        if (rest.ptr[0] == ';') {
            rest = span_from(rest, 1);
            continue;
        }
        while (end < rest.len && rest.ptr[end] != '=' && rest.ptr[end] != ';')
            end++;
        struct span name = span_trim(span_of(rest.ptr, end));
        rest = span_trim(span_from(rest, end + (end < rest.len && rest.ptr[end] == '=')));
        struct span text = cut_value(t, &rest);
        if (span_equal_nocase(name, SPAN("name"))) {
            t->multipart.invalid_part |= part->has_name;
            part->name = text;
            part->has_name = true;
        } else if (span_equal_nocase(name, SPAN("filename"))) {
            t->multipart.invalid_part |= part->has_file;
            part->file_name = text;
            part->has_file = true;
        }
        rest = span_trim(rest);
        if (rest.len && rest.ptr[0] != ';')
            t->multipart.missing_semicolon = true;
    }
}

/** Reads the fields of a part, up to the empty line. */
static void read_fields(struct waf_transaction *t, struct span *rest, struct part *part)
{
    struct span lines[64], line;
    unsigned count = 0;
    struct span disposition = SPAN("");

    while (cut_line(t, rest, &line) && line.len) {
        if (waf_is_space(line.ptr[0])) {
            t->multipart.header_folding = true;
            continue;
        }
        if (count == ARRAY_SIZE(lines)) {
            waf_body_error(t, "a part has too many fields");
            continue;
        }
        lines[count++] = line;
        ptrdiff_t colon = span_find(line, ':');
        if (colon < 0) {
            waf_body_error(t, "a part has a malformed field");
            t->multipart.invalid_part = true;
        } else if (span_equal_nocase(span_of(line.ptr, (size_t)colon),
                                     SPAN("content-disposition"))) {
            disposition = span_trim(span_from(line, (size_t)colon + 1));
        }
    }
    if (disposition.len)
        read_disposition(t, disposition, part);
    for (unsigned i = 0; i < count; i++)
        waf_add(t, &t->part_headers, part->name, waf_copy(t, lines[i]));
}

static void add_part(struct waf_transaction *t, const struct part *part, struct span content)
{
    if (!part->has_name) {
        waf_body_error(t, "a part has no name");
        t->multipart.invalid_part = true;
        return;
    }
    waf_add(t, &t->part_names, part->name, part->name);
    if (part->has_file) {
        waf_add(t, &t->part_files, part->name, part->file_name);
        waf_add(t, &t->files, part->name, part->file_name);
        waf_add(t, &t->files_sizes, part->name, waf_number(t, (long long)content.len));
        return;
    }
    if (t->args_get.count + t->args_post.count >= t->rules->arguments_max) {
        waf_body_error(t, "too many arguments");
        return;
    }
    t->arguments_combined += (unsigned)(part->name.len + content.len);
    waf_add(t, &t->args_post, part->name, content);
}

/** Is the line a boundary? @param ret_last  with "--" behind it */
static bool is_boundary(struct waf_transaction *t, struct span line, struct span boundary,
                        bool *ret_last)
{
    if (!span_starts(line, SPAN("--")))
        return false;
    struct span rest = span_from(line, 2);
    if (!span_starts(rest, boundary)) {
        if (rest.len && t->multipart.unmatched_boundary == 0)
            t->multipart.unmatched_boundary = 1;
        return false;
    }
    rest = span_from(rest, boundary.len);
    *ret_last = span_equal(rest, SPAN("--"));
    if (rest.len && !*ret_last) {
        if (t->multipart.unmatched_boundary == 0)
            t->multipart.unmatched_boundary = 1;
        return false;
    }
    return true;
}

/** Reads one part's content, up to the next boundary. @return whether there was one */
static bool read_content(struct waf_transaction *t, struct span *rest, struct span boundary,
                         struct span *ret_content, bool *ret_last)
{
    const char *start = rest->ptr, *end = start;
    struct span line;

    while (cut_line(t, rest, &line)) {
        if (is_boundary(t, line, boundary, ret_last)) {
            *ret_content = span_of(start, (size_t)(end - start));
            return true;
        }
        end = line.ptr + line.len; /* the line end before a boundary belongs to it */
    }
    *ret_content = span_of(start, (size_t)(end - start));
    return false;
}

void waf_read_multipart(struct waf_transaction *t, struct span body, struct span content_type)
{
    struct span boundary = find_boundary(t, content_type), rest = body, line;
    bool last = false, found = false;

    if (boundary.len == 0 || boundary.len > BOUNDARY_MAX) {
        waf_body_error(t, "the content type has no usable boundary");
        t->multipart.invalid_part = true;
        return;
    }
    while (!found && cut_line(t, &rest, &line)) {
        found = is_boundary(t, line, boundary, &last);
        if (!found)
            t->multipart.data_before = true;
    }
    while (found && !last) {
        struct part part = {.name = SPAN(""), .file_name = SPAN("")};
        struct span content;
        read_fields(t, &rest, &part);
        found = read_content(t, &rest, boundary, &content, &last);
        add_part(t, &part, content);
    }
    if (!found) {
        waf_body_error(t, "the last boundary is missing");
        t->multipart.invalid_part = true;
    } else if (rest.len) {
        t->multipart.data_after = true;
    }
}
