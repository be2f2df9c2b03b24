/* The decoder goes byte by byte through size lines and in one step through data, so that any split
 * of the input gives the same data and the same refusal. Limits on the body are the engine's. */
#include "http/h1/chunked.h"

#include "http/http.h"

enum { SIZE_DIGITS_MAX = 16 };

/* Places in *( ";" ext-name [ "=" ( token / quoted-string ) ] ), without any white space: that is
 * "bad" white space (RFC 9112 section 7.1.1), which nobody sends but those who probe. */
enum { EXT_NAME_FIRST, EXT_NAME, EXT_VALUE_FIRST, EXT_VALUE, EXT_QUOTED, EXT_ESCAPED, EXT_CLOSED };

static int hex_value(char c)
{
    char lower = ascii_lower(c);

    if (c >= '0' && c <= '9')
        return c - '0';
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool is_token(char c)
{
    char lower = ascii_lower(c);

    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

/** qdtext and what a quoted-pair may escape, without obs-text. */
static bool is_quotable(char c)
{
    return c == '\t' || (c >= ' ' && c <= '~');
}

/** The byte after a complete size or extension. */
static int end_of_part(struct h1_chunked *d, char c)
{
    if (c == '\r') {
        d->state = H1_CHUNK_SIZE_LF;
        return 0;
    }
    if (c != ';')
        return ERR_SYNTAX;
    d->state = H1_CHUNK_EXTENSION;
    d->extension = EXT_NAME_FIRST;
    return 0;
}

static int size_byte(struct h1_chunked *d, char c)
{
    int digit = hex_value(c);

    if (digit < 0)
        return d->digits ? end_of_part(d, c) : ERR_SYNTAX;
    if (d->digits++ == SIZE_DIGITS_MAX)
        return ERR_LIMIT;
    d->left = d->left << 4 | (unsigned)digit;
    return d->left > INT64_MAX ? ERR_LIMIT : 0;
}

/** Moves on if the byte fits. */
static int step(struct h1_chunked *d, bool fits, uint8_t place)
{
    d->extension = place;
    return fits ? 0 : ERR_SYNTAX;
}

static int extension_byte(struct h1_chunked *d, char c)
{
    if (d->extensions++ >= H1_CHUNK_EXTENSION_MAX)
        return ERR_LIMIT;
    switch (d->extension) {
    case EXT_NAME_FIRST:
        return step(d, is_token(c), EXT_NAME);
    case EXT_NAME:
        if (c == '=')
            return step(d, true, EXT_VALUE_FIRST);
        return is_token(c) ? 0 : end_of_part(d, c);
    case EXT_VALUE_FIRST:
        if (c == '"')
            return step(d, true, EXT_QUOTED);
        return step(d, is_token(c), EXT_VALUE);
    case EXT_VALUE:
        return is_token(c) ? 0 : end_of_part(d, c);
    case EXT_QUOTED:
        if (c == '"')
            return step(d, true, EXT_CLOSED);
        return step(d, is_quotable(c), c == '\\' ? EXT_ESCAPED : EXT_QUOTED);
    case EXT_ESCAPED:
        return step(d, is_quotable(c), EXT_QUOTED);
    default:
        return end_of_part(d, c);
    }
}

/** Every byte that is not data. */
static int framing_byte(struct h1_chunked *d, char c)
{
    switch (d->state) {
    case H1_CHUNK_SIZE:
        return size_byte(d, c);
    case H1_CHUNK_EXTENSION:
        return extension_byte(d, c);
    case H1_CHUNK_SIZE_LF:
        d->state = d->left ? H1_CHUNK_DATA : H1_CHUNK_LAST;
        return c == '\n' ? 0 : ERR_SYNTAX;
    case H1_CHUNK_DATA_CR:
        d->state = H1_CHUNK_DATA_LF;
        return c == '\r' ? 0 : ERR_SYNTAX;
    default:
        d->state = H1_CHUNK_SIZE;
        d->digits = 0;
        d->extensions = 0;
        return c == '\n' ? 0 : ERR_SYNTAX;
    }
}

int h1_chunked_decode(struct h1_chunked *d, struct span *input, struct span *ret_data)
{
    while (d->state != H1_CHUNK_LAST) {
        if (input->len == 0)
            return 0;
        if (d->state == H1_CHUNK_DATA) {
            size_t part = input->len < d->left ? input->len : (size_t)d->left;
            *ret_data = span_of(input->ptr, part);
            *input = span_from(*input, part);
            d->left -= part;
            if (d->left == 0)
                d->state = H1_CHUNK_DATA_CR;
            return 1;
        }
        int r = framing_byte(d, input->ptr[0]);
        if (r < 0)
            return r;
        *input = span_from(*input, 1);
    }
    return 2;
}

size_t h1_chunked_head(char *out, uint64_t size)
{
    static const char digits[] = "0123456789abcdef";
    unsigned count = 16 - (unsigned)__builtin_clzll(size | 1) / 4;

    for (unsigned i = count; i-- > 0; size >>= 4)
        out[i] = digits[size & 15];
    out[count] = '\r';
    out[count + 1] = '\n';
    return count + 2;
}

/* The head's width depends on the size, which is known only afterwards: room is left for the
 * widest, and a shorter chunk moves up. */
ssize_t h1_chunk_pull(struct http_body *body, char *out, size_t room, size_t *ret_chunk)
{
    char head[H1_CHUNK_HEAD_MAX];
    size_t widest = h1_chunked_head(head, room);

    ssize_t n = body->read(body, out + widest, room - widest - 2);
    if (n > (ssize_t)(room - widest - 2))
        return ERR_PROTOCOL;
    if (n <= 0)
        return n;
    size_t width = h1_chunked_head(head, (uint64_t)n);
    if (width < widest)
        memmove(out + width, out + widest, (size_t)n);
    memcpy(out, head, width);
    memcpy(out + width + n, "\r\n", 2);
    *ret_chunk = width + (size_t)n + 2;
    return n;
}
