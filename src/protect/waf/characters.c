/* Encodings that the parts of the WAF share. */
#include "protect/waf/characters.h"

size_t waf_url_decode(struct span in, char *out, unsigned *ret_bad)
{
    size_t n = 0;

    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];
        if (c == '%' && i + 2 < in.len && waf_are_hex(in.ptr + i + 1, 2)) {
            out[n++] = (char)waf_hex(in.ptr + i + 1, 2);
            i += 2;
            continue;
        }
        if (c == '%' && ret_bad)
            (*ret_bad)++;
        out[n++] = c == '+' ? ' ' : c;
    }
    return n;
}
