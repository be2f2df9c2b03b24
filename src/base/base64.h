/* Base64 (RFC 4648): written with the URL alphabet and no padding, as JOSE wants it; read in either
 * alphabet, padded or not. */
#pragma once

#include <sys/types.h>

#include "base/span.h"

/** Characters that `len` bytes become. */
static inline size_t base64url_size(size_t len)
{
    return len / 3 * 4 + (len % 3 ? len % 3 + 1 : 0);
}

/** Section 5, without padding.
 *  @param out  room for base64url_size(bytes.len) characters; no NUL is written
 *  @return characters written */
size_t base64url_encode(struct span bytes, char *out);
/** Takes the alphabets of sections 4 and 5, with all padding or none; nothing else, line ends
 *  included. Unused bits of the last character must be 0 (section 3.5).
 *  @param room  bytes that `out` has
 *  @return bytes written; ERR_SYNTAX; ERR_LIMIT when they do not fit */
must_check ssize_t base64_decode(struct span text, char *out, size_t room);
