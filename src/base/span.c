/* Searching, comparing and cutting spans. Growing and owning bytes is buffer.c's. */
#include "base/span.h"

#include "base/error.h"

bool span_equal_nocase(struct span a, struct span b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i]))
            return false;
    return true;
}

ptrdiff_t span_find(struct span s, char c)
{
    const char *at = s.len ? memchr(s.ptr, c, s.len) : NULL;
    return at ? at - s.ptr : -1;
}

ptrdiff_t span_find_span(struct span s, struct span part)
{
    for (size_t at = 0; at + part.len <= s.len; at++)
        if (memcmp(s.ptr + at, part.ptr, part.len) == 0)
            return (ptrdiff_t)at;
    return -1;
}

ptrdiff_t span_find_last(struct span s, char c)
{
    size_t at = s.len;

    while (at > 0 && s.ptr[at - 1] != c)
        at--;
    return (ptrdiff_t)at - 1;
}

struct span span_trim(struct span s)
{
    while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s.ptr++;
        s.len--;
    }
    while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

bool span_next(struct span *rest, char separator, struct span *ret_part)
{
    if (!rest->ptr)
        return false;
    ptrdiff_t at = span_find(*rest, separator);
    if (at < 0) {
        *ret_part = *rest;
        *rest = (struct span){0};
    } else {
        *ret_part = span_of(rest->ptr, (size_t)at);
        *rest = span_of(rest->ptr + at + 1, rest->len - (size_t)at - 1);
    }
    return true;
}

int span_to_uint(struct span s, uint64_t *ret_number)
{
    uint64_t number = 0;

    if (s.len == 0)
        return ERR_SYNTAX;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return ERR_SYNTAX;
        unsigned digit = (unsigned)(s.ptr[i] - '0');
        if (number > ((uint64_t)INT64_MAX - digit) / 10)
            return ERR_SYNTAX;
        number = number * 10 + digit;
    }
    *ret_number = number;
    return 0;
}
