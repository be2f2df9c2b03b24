/* Marks the bytes at which a token, a field value or a request target must end, 64 at a time.
 * Which byte may stand there instead is the parser's business. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
    H1_SCAN_BLOCK = 64,
    H1_SCAN_BLOCKS = 16, /**< at most, in one call */
};

/** A set bit stands for a byte that may not occur there. Bytes past the end are marked, too. */
struct h1_marks {
    uint64_t name[H1_SCAN_BLOCKS];   /**< not a tchar (RFC 9110 section 5.6.2) */
    uint64_t value[H1_SCAN_BLOCKS];  /**< a control but HTAB (section 5.5) */
    uint64_t target[H1_SCAN_BLOCKS]; /**< a control, space, '#' or not ASCII (RFC 3986) */
};

/** Marks `len` bytes (at most H1_SCAN_BLOCKS * H1_SCAN_BLOCK), with the widest instructions that
 *  this machine has. Reads nothing past the end. */
void h1_scan(const char *bytes, size_t len, struct h1_marks *marks);
/** The same, a byte at a time: for other machines, and to test the fast one against. */
void h1_scan_scalar(const char *bytes, size_t len, struct h1_marks *marks);
