/* Accept-Encoding and Accept: weights stay in range and only what is offered is chosen. Lines are
 * fields, of Accept-Encoding and Accept in turn. */
#include <stdlib.h>

#include "http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_codings(const struct http_asks *asks)
{
    struct http_codings codings;

    http_codings_parse(asks, &codings);
    for (int i = 0; i < HTTP_CODINGS; i++)
        if (codings.q[i] > HTTP_Q_MAX)
            abort();
    for (unsigned offered = 0; offered < 16; offered++)
        for (unsigned favoured = 0; favoured < 16; favoured++) {
            enum http_coding coding = http_codings_choose(&codings, offered, favoured);
            if (coding != HTTP_CODING_IDENTITY && (!(offered & 1u << coding) || !codings.q[coding]))
                abort();
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_field items[8];
    struct http_fields fields = {items, 0, 8};
    struct span rest = span_of((const char *)data, size), line;
    struct http_asks asks;
    bool named;

    while (fields.count < 8 && span_next(&rest, '\n', &line)) {
        struct span name = fields.count % 2 ? SPAN("accept") : SPAN("accept-encoding");
        items[fields.count++] = (struct http_field){name, span_trim(line)};
    }
    http_asks_find(&fields, &asks);
    check_codings(&asks);
    if (http_accept_q(&asks, SPAN("text/html"), &named) > HTTP_Q_MAX)
        abort();
    return 0;
}
