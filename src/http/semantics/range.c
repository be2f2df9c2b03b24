/* Range values: which bytes of a representation are wanted. Sending them is for serve/. */
#include "http/semantics/semantics.h"

enum { OVERLAPS_MAX = 2 };

enum parsed { BROKEN, BEYOND, WITHIN };

/* A decimal that saturates: positions past 2^63 are valid and simply beyond every file. */
static bool eat_position(struct span *rest, int64_t *ret_position)
{
    int64_t position = 0;
    size_t i = 0;

    for (; i < rest->len && rest->ptr[i] >= '0' && rest->ptr[i] <= '9'; i++) {
        int digit = rest->ptr[i] - '0';
        position = position > (INT64_MAX - digit) / 10 ? INT64_MAX : position * 10 + digit;
    }
    *rest = span_from(*rest, i);
    *ret_position = position;
    return i > 0;
}

static enum parsed parse_suffix(struct span text, int64_t size, struct http_range *ret_range)
{
    int64_t length;

    if (!eat_position(&text, &length) || text.len)
        return BROKEN;
    if (length == 0)
        return BEYOND;
    *ret_range = (struct http_range){length >= size ? 0 : size - length, size - 1};
    return WITHIN;
}

static enum parsed parse_range(struct span text, int64_t size, struct http_range *ret_range)
{
    int64_t first, last = INT64_MAX;

    if (text.len && text.ptr[0] == '-')
        return parse_suffix(span_from(text, 1), size, ret_range);
    if (!eat_position(&text, &first) || !text.len || text.ptr[0] != '-')
        return BROKEN;
    text = span_from(text, 1);
    if (text.len && (!eat_position(&text, &last) || text.len || last < first))
        return BROKEN;
    if (first >= size)
        return BEYOND;
    *ret_range = (struct http_range){first, last >= size ? size - 1 : last};
    return WITHIN;
}

static bool overlaps_another(const struct http_ranges *ranges, unsigned which)
{
    const struct http_range *a = &ranges->items[which];

    for (unsigned i = 0; i < ranges->count; i++) {
        const struct http_range *b = &ranges->items[i];
        if (i != which && a->first <= b->last && b->first <= a->last)
            return true;
    }
    return false;
}

/* Sets of ranges that only cost: RFC 9110 section 14.2 lets us ignore them. */
static bool wasteful(const struct http_ranges *ranges, int64_t size)
{
    unsigned overlapping = 0;
    int64_t left = size;

    if (ranges->count == 1)
        return false;
    for (unsigned i = 0; i < ranges->count; i++) {
        int64_t length = ranges->items[i].last - ranges->items[i].first + 1;
        if (length > left)
            return true;
        left -= length;
        overlapping += overlaps_another(ranges, i);
    }
    return overlapping > OVERLAPS_MAX;
}

/* "bytes=" in any case; yields what follows. */
static bool eat_unit(struct span *value)
{
    struct span unit = SPAN("bytes=");

    if (value->len < unit.len || !span_equal_nocase(span_of(value->ptr, unit.len), unit))
        return false;
    *value = span_from(*value, unit.len);
    return true;
}

enum http_range_verdict http_ranges_parse(struct span value, int64_t size,
                                          struct http_ranges *ret_ranges)
{
    unsigned beyond = 0;
    struct span part;

    ret_ranges->count = 0;
    if (!eat_unit(&value))
        return HTTP_RANGE_IGNORE;
    while (span_next(&value, ',', &part)) {
        part = span_trim(part);
        if (!part.len) /* an empty list member, RFC 9110 section 5.6.1.2 */
            continue;
        if (ret_ranges->count + beyond == HTTP_RANGES_MAX)
            return HTTP_RANGE_IGNORE;
        struct http_range range;
        switch (parse_range(part, size, &range)) {
        case BROKEN:
            return HTTP_RANGE_IGNORE;
        case BEYOND:
            beyond++;
            break;
        case WITHIN:
            if (size == 0) /* the whole of nothing, which content-range cannot say */
                return HTTP_RANGE_IGNORE;
            ret_ranges->items[ret_ranges->count++] = range;
            break;
        }
    }
    if (!ret_ranges->count)
        return beyond ? HTTP_RANGE_UNSATISFIABLE : HTTP_RANGE_IGNORE;
    return wasteful(ret_ranges, size) ? HTTP_RANGE_IGNORE : HTTP_RANGE_PARTIAL;
}
