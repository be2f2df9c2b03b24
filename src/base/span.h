/* A span: bytes that live elsewhere, with their length. It owns nothing and ends with no NUL. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/macros.h"

struct span {
    const char *ptr;
    size_t len;
};

/** The span of a string literal. */
#define SPAN(literal) ((struct span){("" literal), sizeof(literal) - 1})
/** Arguments for "%.*s". */
#define SPAN_ARGS(s) (int)(s).len, (s).ptr

static inline struct span span_of(const char *ptr, size_t len)
{
    return (struct span){ptr, len};
}

/** The span of a NUL-terminated string; NULL gives the empty span. */
static inline struct span span_str(const char *text)
{
    return (struct span){text, text ? strlen(text) : 0};
}

static inline bool span_equal(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool span_starts(struct span s, struct span prefix)
{
    return s.len >= prefix.len && memcmp(s.ptr, prefix.ptr, prefix.len) == 0;
}

static inline bool span_ends(struct span s, struct span suffix)
{
    return s.len >= suffix.len && memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0;
}

/** The bytes from `start` on; empty when `start` is past the end. */
static inline struct span span_from(struct span s, size_t start)
{
    if (start >= s.len) /* no offset on a null pointer, not even 0 */
        return (struct span){s.ptr ? s.ptr + s.len : NULL, 0};
    return span_of(s.ptr + start, s.len - start);
}

/** ASCII letters only; never looks at the locale. */
static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/** Equal but for the case of ASCII letters. */
bool span_equal_nocase(struct span a, struct span b);
/** Position of the first `c`, or -1. */
ptrdiff_t span_find(struct span s, char c);
/** Position of the first `part`, or -1. */
ptrdiff_t span_find_span(struct span s, struct span part);
/** Position of the last `c`, or -1. */
ptrdiff_t span_find_last(struct span s, char c);
/** Without spaces and tabs at both ends (RFC 9110 OWS). */
struct span span_trim(struct span s);
/** Cuts the part before `separator` off the front of *rest and yields it, without the separator.
 *  @return false when *rest has nothing left (its ptr is NULL) */
bool span_next(struct span *rest, char separator, struct span *ret_part);
/** A decimal number of digits only, at most 2^63-1.
 *  @return 0, or ERR_SYNTAX */
must_check int span_to_uint(struct span s, uint64_t *ret_number);
