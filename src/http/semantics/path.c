/* A request's path as plain bytes: decoded, without dot segments, never above the root. Opening
 * what it names is for serve/. */
#include "http/semantics/semantics.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

/* Whether decoding and normalising would change nothing. */
static bool is_plain(struct span path)
{
    char before = 0;

    for (size_t i = 0; i < path.len; i++) {
        char c = path.ptr[i];
        if (unlikely(c == '%' || is_control(c) || (before == '/' && (c == '/' || c == '.'))))
            return false;
        before = c;
    }
    return path.len && path.ptr[0] == '/';
}

/* The byte at *at, decoded; moves *at past it. @return 0..255, or -1 */
static int decode_byte(struct span path, size_t *at)
{
    char c = path.ptr[(*at)++];

    if (c != '%')
        return is_control(c) ? -1 : (unsigned char)c;
    if (path.len - *at < 2)
        return -1;
    int high = hex_value(path.ptr[*at]), low = hex_value(path.ptr[*at + 1]);
    *at += 2;
    if (high < 0 || low < 0)
        return -1;
    int byte = high * 16 + low;
    return is_control((char)byte) || byte == '/' ? -1 : byte;
}

/* What the finished segment out[start..len) comes to. @return the new length, or -1 above the root
 */
static ptrdiff_t close_segment(const char *out, size_t start, size_t len)
{
    struct span segment = span_of(out + start, len - start);

    if (span_equal(segment, SPAN(".")))
        return (ptrdiff_t)start;
    if (!span_equal(segment, SPAN("..")))
        return (ptrdiff_t)len;
    if (start == 1)
        return -1;
    for (start--; out[start - 1] != '/'; start--)
        ;
    return (ptrdiff_t)start;
}

static bool is_encoded_slash(struct span path, size_t at)
{
    return path.len - at >= 3 && path.ptr[at] == '%' && path.ptr[at + 1] == '2' &&
           ascii_lower(path.ptr[at + 2]) == 'f';
}

/* @param out  room for path.len bytes. @param keep  "%2F" stays as it is. @return the length, or -1
 */
static ptrdiff_t normalise(struct span path, char *out, bool keep)
{
    size_t len = 1, start = 1; /* start: of the segment being written */

    out[0] = '/';
    for (size_t at = 1; at < path.len;) {
        if (keep && is_encoded_slash(path, at)) {
            memcpy(out + len, "%2F", 3);
            len += 3;
            at += 3;
            continue;
        }
        bool slash = path.ptr[at] == '/';
        int byte = decode_byte(path, &at);
        if (byte < 0)
            return -1;
        if (!slash) {
            out[len++] = (char)byte;
            continue;
        }
        ptrdiff_t closed = close_segment(out, start, len);
        if (closed < 0)
            return -1;
        len = (size_t)closed;
        if (out[len - 1] != '/') /* runs of slashes are one, and so is what a dot segment leaves */
            out[len++] = '/';
        start = len;
    }
    return close_segment(out, start, len);
}

static int resolve(struct arena *arena, struct span path, bool keep, struct span *ret_path)
{
    if (likely(is_plain(path))) {
        *ret_path = path;
        return 0;
    }
    if (!path.len || path.ptr[0] != '/')
        return ERR_SYNTAX;
    char *out = arena_alloc(arena, path.len);
    if (!out)
        return ERR_LIMIT;
    ptrdiff_t len = normalise(path, out, keep);
    if (len < 0)
        return ERR_SYNTAX;
    *ret_path = span_of(out, (size_t)len);
    return 0;
}

int http_path_resolve(struct arena *arena, struct span path, struct span *ret_path)
{
    return resolve(arena, path, false, ret_path);
}

int http_path_resolve_keeping(struct arena *arena, struct span path, struct span *ret_path)
{
    return resolve(arena, path, true, ret_path);
}

static bool is_safe(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~/!$()*+,;:@=", c));
}

int http_path_encode(struct buffer *out, struct span path)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.ptr[i];
        char escape[3] = {'%', digits[c >> 4], digits[c & 15]};
        int r = is_safe((char)c) ? buffer_append(out, &path.ptr[i], 1)
                                 : buffer_append(out, escape, sizeof escape);
        if (r < 0)
            return r;
    }
    return 0;
}
