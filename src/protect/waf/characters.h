/* Characters and encodings that the parts of the WAF share. */
#pragma once

#include "base/span.h"

/** The value of a digit in base 36, or -1. */
static inline int waf_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'z' ? c - 'a' + 10 : -1;
}

static inline bool waf_are_hex(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (waf_digit(text[i]) < 0 || waf_digit(text[i]) > 15)
            return false;
    return true;
}

/** @param text  hexadecimal digits */
static inline unsigned waf_hex(const char *text, size_t len)
{
    unsigned value = 0;

    for (size_t i = 0; i < len; i++)
        value = value << 4 | (unsigned)waf_digit(text[i]);
    return value;
}

static inline bool waf_is_alnum(char c)
{
    return waf_digit(c) >= 0;
}

/** isspace() of the C locale. */
static inline bool waf_is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/** Decodes %HH and '+'. What is no valid escape stays.
 *  @param out  room for in.len bytes; may be the input itself
 *  @param ret_bad  counts invalid escapes; may be NULL
 *  @return bytes written */
size_t waf_url_decode(struct span in, char *out, unsigned *ret_bad);
