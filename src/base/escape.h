/* The one escaper for text that somebody else wrote (a peer, a certificate, a process, a file) and
 * that is printed. What a terminal would obey, what turns or hides the text around it, and bytes
 * that are not UTF-8 are shown as \xNN, \uNNNN or \UNNNNNNNN; all else stays as it is. */
#pragma once

#include "base/buffer.h"

/** Reads the UTF-8 character (RFC 3629) at the front.
 *  @return its length in bytes, 0 when the bytes are not UTF-8 or the text is empty */
size_t utf8_decode(struct span text, uint32_t *ret_code);
/** The same for its length alone. */
static inline size_t utf8_length(struct span text)
{
    uint32_t code;

    return utf8_decode(text, &code);
}
/** Is it a control character, a blank other than U+0020 and U+3000, invisible, or does it change
 *  the direction of the text? (Unicode: Cc, Zs, Zl, Zp, Bidi_Control, Default_Ignorable_Code_Point,
 *  noncharacters) */
bool escape_needed(uint32_t code);

/** Appends the escaped text.
 *  @param keep  control characters that stay, such as "\t\n"; NULL: none
 *  @return 0, or ERR_LIMIT */
must_check int escape_append(struct buffer *out, struct span text, const char *keep);
/** The escaped text for free(), at most 64 KiB, then "...". */
char *escape_text(struct span text);
/** The same, with `keep`. */
char *escape_keeping(struct span text, const char *keep);
/** JSON text with the same characters as \uNNNN: it means what it meant. For free(). */
char *escape_json(struct span json);
