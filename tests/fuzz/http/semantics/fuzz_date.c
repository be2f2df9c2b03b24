/* Dates: what is read is written and read again to the same second. */
#include <stdlib.h>

#include "http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[HTTP_DATE_SIZE + 1], iso[HTTP_DATE_ISO_SIZE + 1];
    int64_t seconds, again;

    if (http_date_parse(span_of((const char *)data, size), 1700000000, &seconds) < 0)
        return 0;
    http_date_format_iso(seconds, iso);
    http_date_format(seconds, text);
    if (text[HTTP_DATE_SIZE] || iso[HTTP_DATE_ISO_SIZE])
        abort();
    if (http_date_parse(span_of(text, HTTP_DATE_SIZE), 0, &again) < 0)
        abort();
    if (seconds >= 0 && seconds <= 253402300799 && again != seconds)
        abort();
    return 0;
}
