/* A listing as HTML and as JSON, with every name escaped for where it stands. Which entries there
 * are is listing.c's. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/escape.h"
#include "http/http.h"
#include "serve/files/listing.h"

enum { TAIL_ROOM = 1024 /* kept for the note and the end of the page */ };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A run of digits at a place, without zeros before it. */
static struct span number_at(struct span text, size_t *at)
{
    while (*at < text.len && text.ptr[*at] == '0')
        ++*at;
    size_t start = *at;
    while (*at < text.len && is_digit(text.ptr[*at]))
        ++*at;
    return span_of(text.ptr + start, *at - start);
}

/* As people sort names: without case, and numbers by their value (file-2 before file-10). */
static int compare_natural(struct span a, struct span b)
{
    size_t i = 0, k = 0;

    while (i < a.len && k < b.len) {
        if (is_digit(a.ptr[i]) && is_digit(b.ptr[k])) {
            struct span x = number_at(a, &i), y = number_at(b, &k);
            int order =
                x.len != y.len ? (x.len > y.len) - (x.len < y.len) : memcmp(x.ptr, y.ptr, x.len);
            if (order)
                return order;
            continue;
        }
        int x = (unsigned char)ascii_lower(a.ptr[i++]), y = (unsigned char)ascii_lower(b.ptr[k++]);
        if (x != y)
            return x - y;
    }
    return (a.len - i > b.len - k) - (a.len - i < b.len - k);
}

static int compare(const void *left, const void *right)
{
    const struct listing_entry *a = left, *b = right;

    if (a->folder != b->folder)
        return a->folder ? -1 : 1;
    int order = compare_natural(a->name, b->name);
    if (order)
        return order;
    size_t shorter = a->name.len < b->name.len ? a->name.len : b->name.len;
    order = shorter ? memcmp(a->name.ptr, b->name.ptr, shorter) : 0;
    return order ? order : (a->name.len > b->name.len) - (a->name.len < b->name.len);
}

void listing_sort(struct listing *listing)
{
    if (listing->count)
        qsort(listing->entries, listing->count, sizeof *listing->entries, compare);
}

static int add_escaped(struct buffer *out, struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        struct span piece = span_of(text.ptr + i, 1);
        switch (text.ptr[i]) {
        case '&':
            piece = SPAN("&amp;");
            break;
        case '<':
            piece = SPAN("&lt;");
            break;
        case '>':
            piece = SPAN("&gt;");
            break;
        case '"':
            piece = SPAN("&quot;");
            break;
        case '\'':
            piece = SPAN("&#39;");
            break;
        }
        int r = buffer_add(out, piece);
        if (r < 0)
            return r;
    }
    return 0;
}

static int add_size(struct buffer *out, int64_t size)
{
    static const char units[][4] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double amount = (double)size / 1024;
    size_t unit = 0;

    if (size < 1024)
        return buffer_printf(out, "%" PRId64 " B", size);
    while (amount >= 1023.95 && unit + 1 < ARRAY_SIZE(units)) {
        amount /= 1024;
        unit++;
    }
    return buffer_printf(out, "%.1f %s", amount, units[unit]);
}

/* "2026-11-23 22:10" with the exact moment for programs. */
static int add_time(struct buffer *out, nsec_t modified)
{
    char text[HTTP_DATE_ISO_SIZE + 1];

    http_date_format_iso(modified / NSEC_PER_SEC, text);
    return buffer_printf(out, "<time datetime=\"%s\">%.10s %.5s</time>", text, text, text + 11);
}

/* "./" keeps a name with a colon from being read as a scheme. */
static int add_row(struct buffer *out, const struct listing_entry *entry)
{
    struct span slash = entry->folder ? SPAN("/") : SPAN("");
    int r;

    if ((r = buffer_add(out, SPAN("<tr><td><a href=\"./"))) < 0 ||
        (r = http_path_encode(out, entry->name)) < 0 || (r = buffer_add(out, slash)) < 0 ||
        (r = buffer_add(out, SPAN("\">"))) < 0 || (r = add_escaped(out, entry->name)) < 0 ||
        (r = buffer_add(out, slash)) < 0 || (r = buffer_add(out, SPAN("</a><td>"))) < 0 ||
        (r = entry->folder ? 0 : add_size(out, entry->size)) < 0 ||
        (r = buffer_add(out, SPAN("<td>"))) < 0 || (r = add_time(out, entry->modified)) < 0)
        return r;
    return buffer_add(out, SPAN("\n"));
}

/* The folder's own name, "docs" of /a/docs/. */
static struct span own_name(const struct listing *listing)
{
    struct span path = listing->path;
    struct span inner = path.len > 2 ? span_of(path.ptr, path.len - 1) : (struct span){NULL, 0};

    return inner.len ? span_from(inner, (size_t)(span_find_last(inner, '/') + 1)) : listing->root;
}

static int add_title(struct buffer *out, const struct listing *listing)
{
    int r = add_escaped(out, own_name(listing));

    if (r == 0 && listing->path.len > 1)
        r = buffer_add(out, SPAN(" \xe2\x80\x93 "));
    return r == 0 && listing->path.len > 1 ? add_escaped(out, listing->path) : r;
}

static int add_head(struct buffer *out, const struct listing *listing)
{
    struct span path = listing->path;
    int r;

    if ((r = buffer_add(
             out, SPAN("<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">"
                       "<meta name=\"viewport\" content=\"width=device-width\">\n<title>"))) < 0 ||
        (r = add_title(out, listing)) < 0 ||
        (r = buffer_add(
             out, SPAN("</title>\n<style>:root{color-scheme:light dark}"
                       "body{font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;"
                       "padding:0 1em}h1{font-size:1.3em;overflow-wrap:anywhere}"
                       "table{width:100%;border-collapse:collapse}th{text-align:left;"
                       "font-weight:600}td,th{padding:.25em .75em .25em 0;border-bottom:1px solid "
                       "#8884;vertical-align:top}td:first-child{overflow-wrap:anywhere}"
                       "td+td,th+th{white-space:nowrap;text-align:right;"
                       "font-variant-numeric:tabular-nums}</style>\n<main><h1>"))) < 0 ||
        (r = add_escaped(out, path.len > 1 ? path : own_name(listing))) < 0)
        return r;
    r = buffer_add(out, SPAN("</h1>\n<table><thead><tr><th>Name<th>Size<th>Changed (UTC)"
                             "<tbody>\n"));
    if (r == 0 && path.len > 1)
        r = buffer_add(out, SPAN("<tr><td><a href=\"../\">../</a><td><td>\n"));
    return r;
}

/* Adds a row, or takes back what of it came to stand too near to the ceiling.
 * @return false when the page is full */
static bool add_bounded(struct buffer *out, const struct listing_entry *entry,
                        int (*add)(struct buffer *out, const struct listing_entry *entry))
{
    size_t before = out->len;

    if (add(out, entry) == 0 && out->ceiling - out->len >= TAIL_ROOM)
        return true;
    out->len = before;
    return false;
}

int listing_render_html(const struct listing *listing, struct buffer *out)
{
    size_t shown = 0;

    int r = add_head(out, listing);
    if (r < 0)
        return r;
    while (shown < listing->count && add_bounded(out, &listing->entries[shown], add_row))
        shown++;
    r = buffer_add(out, SPAN("</table>\n"));
    if (r == 0 && (listing->cut || shown < listing->count))
        r = buffer_printf(out, "<p>Only %zu entries are shown; there are more.</p>\n", shown);
    return r == 0 ? buffer_add(out, SPAN("</main>\n")) : r;
}

static int add_json_character(struct buffer *out, struct span character)
{
    unsigned char c = (unsigned char)character.ptr[0];

    if (c == '"' || c == '\\')
        return buffer_printf(out, "\\%c", c);
    if (c < 0x20 || c == 0x7f)
        return buffer_printf(out, "\\u%04x", c);
    return buffer_add(out, character);
}

static int add_json_string(struct buffer *out, struct span text)
{
    int r = buffer_add(out, SPAN("\""));

    while (r == 0 && text.len) {
        size_t len = utf8_length(text);
        r = len ? add_json_character(out, span_of(text.ptr, len))
                : buffer_add(out, SPAN("\\ufffd"));
        text = span_from(text, len ? len : 1);
    }
    return r < 0 ? r : buffer_add(out, SPAN("\""));
}

static int add_object(struct buffer *out, const struct listing_entry *entry)
{
    char modified[HTTP_DATE_ISO_SIZE + 1];
    int r;

    http_date_format_iso(entry->modified / NSEC_PER_SEC, modified);
    if ((r = buffer_add(out, out->data[out->len - 1] == '[' ? SPAN("\n{\"name\":")
                                                            : SPAN(",\n{\"name\":"))) < 0 ||
        (r = add_json_string(out, entry->name)) < 0)
        return r;
    if (entry->folder)
        return buffer_printf(out, ",\"type\":\"folder\",\"modified\":\"%s\"}", modified);
    return buffer_printf(out, ",\"type\":\"file\",\"size\":%" PRId64 ",\"modified\":\"%s\"}",
                         entry->size, modified);
}

int listing_render_json(const struct listing *listing, struct buffer *out)
{
    size_t shown = 0;
    int r;

    if ((r = buffer_add(out, SPAN("{\"path\":"))) < 0 ||
        (r = add_json_string(out, listing->path)) < 0 ||
        (r = buffer_add(out, SPAN(",\"entries\":["))) < 0)
        return r;
    while (shown < listing->count && add_bounded(out, &listing->entries[shown], add_object))
        shown++;
    return buffer_printf(out, "],\"cut\":%s}\n",
                         listing->cut || shown < listing->count ? "true" : "false");
}
