/* Base64 to bytes and back. */
#include "base/base64.h"

#include "base/error.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t base64url_encode(struct span bytes, char *out)
{
    size_t written = 0;

    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t count = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t group = 0;
        for (size_t b = 0; b < 3; b++)
            group = group << 8 | (b < count ? (unsigned char)bytes.ptr[i + b] : 0);
        for (size_t c = 0; c < count + 1; c++)
            out[written++] = alphabet[group >> (18 - 6 * c) & 63];
    }
    return written;
}

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

/* @return the text without its padding; false for padding of the wrong length */
static bool strip_padding(struct span *text)
{
    size_t full = text->len;

    while (text->len > 0 && full - text->len < 2 && text->ptr[text->len - 1] == '=')
        text->len--;
    return (text->len == full || full % 4 == 0) && text->len % 4 != 1;
}

ssize_t base64_decode(struct span text, char *out, size_t room)
{
    uint32_t bits = 0;
    unsigned held = 0;
    size_t written = 0;

    if (!strip_padding(&text))
        return ERR_SYNTAX;
    if (text.len / 4 * 3 + (text.len % 4 ? text.len % 4 - 1 : 0) > room)
        return ERR_LIMIT;
    for (size_t i = 0; i < text.len; i++) {
        int value = value_of(text.ptr[i]);
        if (value < 0)
            return ERR_SYNTAX;
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            out[written++] = (char)(bits >> held);
        }
        bits &= (1u << held) - 1;
    }
    return bits == 0 ? (ssize_t)written : ERR_SYNTAX;
}
