/* Preconditions: any fields lead to one of the four verdicts, and each to those that it may. The
 * first byte says the method; lines are fields, of the five kinds in turn. */
#include <stdlib.h>

#include "http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct span names[] = {SPAN("if-none-match"), SPAN("if-match"),
                                        SPAN("if-modified-since"), SPAN("if-unmodified-since"),
                                        SPAN("if-range")};
    const struct http_validators validators = {SPAN("\"abc\""), 784111777};
    struct http_field items[10];
    struct http_fields fields = {items, 0, 10};
    struct span rest, line;
    struct http_asks asks;

    if (!size)
        return 0;
    bool safe = data[0] & 1;
    rest = span_of((const char *)data + 1, size - 1);
    for (unsigned i = 0; i < 10 && span_next(&rest, '\n', &line); i++)
        if (line.len) /* an empty line leaves its field out */
            items[fields.count++] = (struct http_field){names[i % 5], span_trim(line)};
    http_asks_find(&fields, &asks);
    enum http_condition verdict = http_conditions(&asks, &validators, safe, 1700000000);
    if (verdict == HTTP_CONDITION_NOT_MODIFIED && !safe)
        abort();
    if (verdict == HTTP_CONDITION_NO_RANGE && !http_asks_for(&asks, HTTP_ASK_IF_RANGE))
        abort();
    if (verdict != HTTP_CONDITION_GO_ON && !asks.present)
        abort();
    return 0;
}
