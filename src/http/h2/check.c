/* The grammar of header fields in HTTP/2. Values are looked at eight bytes at a time. */
#include "http/h2/check.h"

/** 1: tchar but upper-case letters; 2: those. */
static const uint8_t token[256] = {
    ['!'] = 1, ['#' ... '\''] = 1, ['*'] = 1,         ['+'] = 1,         ['-'] = 1,
    ['.'] = 1, ['0' ... '9'] = 1,  ['A' ... 'Z'] = 2, ['^' ... 'z'] = 1, /* with '_' and '`' */
    ['|'] = 1, ['~'] = 1,
};

unsigned h2_pseudo_of(struct span name)
{
    switch (name.len) {
    case 5:
        return span_equal(name, SPAN(":path")) ? H2_PATH : 0;
    case 7:
        if (span_equal(name, SPAN(":method")))
            return H2_METHOD;
        return span_equal(name, SPAN(":scheme")) ? H2_SCHEME : 0;
    case 10:
        return span_equal(name, SPAN(":authority")) ? H2_AUTHORITY : 0;
    default:
        return 0;
    }
}

bool h2_name_valid(struct span name)
{
    uint8_t wrong = name.len == 0;

    for (size_t i = 0; i < name.len; i++)
        wrong |= token[(uint8_t)name.ptr[i]] ^ 1;
    return !wrong;
}

bool h2_token_valid(struct span value)
{
    for (size_t i = 0; i < value.len; i++)
        if (!token[(uint8_t)value.ptr[i]])
            return false;
    return value.len > 0;
}

/** The high bit of each byte that is below `bound` (at most 0x80) or DEL, and maybe of others
 *  above such a byte: zero means that there is none. */
static uint64_t controls(uint64_t word, uint8_t bound)
{
    const uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;
    uint64_t del = word ^ 0x7f * ones;

    return ((word - bound * ones) & ~word & highs) | ((del - ones) & ~del & highs);
}

static uint64_t load(const char *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof word);
    return word;
}

/** Whether the bytes have none below `bound` and no DEL; `seen` collects them all. */
static bool is_clean(struct span s, uint8_t bound, uint64_t *seen)
{
    uint64_t word = 0x7878787878787878, bad = 0; /* nothing is wrong with 'x' */

    if (s.len < sizeof word) {
        for (size_t i = 0; i < s.len; i++)
            word = word << 8 | (uint8_t)s.ptr[i];
        *seen |= word;
        return controls(word, bound) == 0;
    }
    for (size_t at = 0; at < s.len - sizeof word; at += sizeof word) {
        word = load(s.ptr + at);
        bad |= controls(word, bound);
        *seen |= word;
    }
    word = load(s.ptr + s.len - sizeof word); /* some of them a second time */
    *seen |= word;
    return (bad | controls(word, bound)) == 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool h2_value_valid(struct span value)
{
    uint64_t seen = 0;

    if (value.len == 0)
        return true;
    if (is_blank(value.ptr[0]) || is_blank(value.ptr[value.len - 1]))
        return false;
    if (likely(is_clean(value, ' ', &seen)))
        return true;
    for (size_t i = 0; i < value.len; i++) { /* HTAB may stand inside */
        uint8_t c = (uint8_t)value.ptr[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

bool h2_visible(struct span value, bool ascii)
{
    uint64_t seen = 0;

    return is_clean(value, ' ' + 1, &seen) && !(ascii && seen & 0x8080808080808080);
}

bool h2_is_connection_field(struct span name, struct span value)
{
    switch (name.len) {
    case 2:
        return span_equal(name, SPAN("te")) && !span_equal_nocase(value, SPAN("trailers"));
    case 7:
        return span_equal(name, SPAN("upgrade"));
    case 10:
        return span_equal(name, SPAN("connection")) || span_equal(name, SPAN("keep-alive"));
    case 16:
        return span_equal(name, SPAN("proxy-connection"));
    case 17:
        return span_equal(name, SPAN("transfer-encoding"));
    default:
        return false;
    }
}
