/* Which characters are shown by their number, and how. */
#include "base/escape.h"

#include <string.h>

#include "base/mem.h"

enum { ESCAPED_MAX = 65536 };

size_t utf8_decode(struct span text, uint32_t *ret_code)
{
    static const uint32_t min[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = text.len ? (unsigned char)text.ptr[0] : 0xff;

    if (first < 0x80) {
        *ret_code = first;
        return 1;
    }
    size_t len = first >= 0xf0 && first < 0xf5 ? 4 : first >= 0xe0 && first < 0xf0 ? 3 : 2;
    if (first < 0xc2 || first >= 0xf5 || text.len < len)
        return 0;
    uint32_t code = first & (0x7fU >> len);
    for (size_t i = 1; i < len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if ((c & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (c & 0x3f);
    }
    if (code < min[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    *ret_code = code;
    return len;
}

bool escape_needed(uint32_t code)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        {0x0000, 0x001f},   {0x007f, 0x00a0},   {0x00ad, 0x00ad}, {0x034f, 0x034f},
        {0x061c, 0x061c},   {0x115f, 0x1160},   {0x1680, 0x1680}, {0x17b4, 0x17b5},
        {0x180b, 0x180f},   {0x2000, 0x200f},   {0x2028, 0x202f}, {0x205f, 0x206f},
        {0x2800, 0x2800},   {0x3164, 0x3164},   {0xfdd0, 0xfdef}, {0xfe00, 0xfe0f},
        {0xfeff, 0xfeff},   {0xffa0, 0xffa0},   {0xfff0, 0xfffb}, {0x1bca0, 0x1bca3},
        {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
    };

    if ((code & 0xfffe) == 0xfffe) /* the last two of each plane are no characters */
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(ranges) && code >= ranges[i].first; i++)
        if (code <= ranges[i].last)
            return true;
    return false;
}

/* @return 0, or ERR_LIMIT */
static int append_number(struct buffer *out, uint32_t code)
{
    if (code < 0x80)
        return buffer_printf(out, "\\x%02x", (unsigned)code);
    return buffer_printf(out, code > 0xffff ? "\\U%08x" : "\\u%04x", (unsigned)code);
}

int escape_append(struct buffer *out, struct span text, const char *keep)
{
    int r = 0;

    while (text.len && r >= 0) {
        uint32_t code = 0;
        size_t length = utf8_decode(text, &code);
        bool kept = keep && code && code < 0x80 && strchr(keep, (int)code);
        if (length == 0)
            r = buffer_printf(out, "\\x%02x", (unsigned char)text.ptr[0]);
        else if (!kept && escape_needed(code))
            r = append_number(out, code);
        else
            r = buffer_append(out, text.ptr, length);
        text = span_from(text, length ? length : 1);
    }
    return r;
}

char *escape_keeping(struct span text, const char *keep)
{
    struct buffer escaped = buffer_make(ESCAPED_MAX);
    int r = escape_append(&escaped, text, keep);
    char *copy = r < 0 ? mem_format("%.*s...", SPAN_ARGS(buffer_span(&escaped)))
                       : mem_string(buffer_span(&escaped));

    buffer_finish(&escaped);
    return copy;
}

char *escape_text(struct span text)
{
    return escape_keeping(text, NULL);
}

/* In JSON these characters stand in strings only; control characters below U+0020 are blanks
 * between values there. */
char *escape_json(struct span json)
{
    struct buffer out = buffer_make(SIZE_MAX / 8);
    int r = 0;

    while (json.len && r >= 0) {
        uint32_t code = 0;
        size_t length = utf8_decode(json, &code);
        if (length == 0 || code < 0x20 || !escape_needed(code)) {
            length = length ? length : 1;
            r = buffer_append(&out, json.ptr, length);
        } else if (code > 0xffff) {
            code -= 0x10000;
            r = buffer_printf(&out, "\\u%04x\\u%04x", (unsigned)(0xd800 + (code >> 10)),
                              (unsigned)(0xdc00 + (code & 0x3ff)));
        } else {
            r = buffer_printf(&out, "\\u%04x", (unsigned)code);
        }
        json = span_from(json, length);
    }
    char *copy = mem_string(buffer_span(&out));
    buffer_finish(&out);
    return copy;
}
