/* Ranges: whatever is asked, what is granted lies within the file and costs no more than it. The
 * first eight bytes are the size. */
#include <stdlib.h>

#include "http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct http_ranges *ranges, int64_t size)
{
    int64_t left = size;

    if (!ranges->count || ranges->count > HTTP_RANGES_MAX)
        abort();
    for (unsigned i = 0; i < ranges->count; i++) {
        const struct http_range *range = &ranges->items[i];
        if (range->first < 0 || range->first > range->last || range->last >= size)
            abort();
        left -= range->last - range->first + 1;
    }
    if (left < 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_ranges ranges;
    uint64_t file_size;

    if (size < sizeof file_size)
        return 0;
    memcpy(&file_size, data, sizeof file_size);
    file_size >>= 1 + file_size % 63;
    struct span value = span_of((const char *)data + sizeof file_size, size - sizeof file_size);
    if (http_ranges_parse(value, (int64_t)file_size, &ranges) == HTTP_RANGE_PARTIAL)
        check(&ranges, (int64_t)file_size);
    return 0;
}
