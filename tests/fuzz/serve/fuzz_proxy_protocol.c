/* PROXY headers: no crash, and the same answer whole as in pieces. */
#include <stdlib.h>

#include "serve/serve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header header = {0}, again = {0};
    const char *bytes = (const char *)data;
    char text[46];

    ssize_t used = proxy_protocol_parse(span_of(bytes, size), &header);
    if (used > (ssize_t)size || used > 536)
        abort();
    if (used <= 0)
        return 0;
    for (size_t len = 0; len < (size_t)used; len++)
        if (proxy_protocol_parse(span_of(bytes, len), &again) != 0)
            abort();
    if (proxy_protocol_parse(span_of(bytes, (size_t)used), &again) != used)
        abort();
    peer_address_text(header.peer, text);
    return 0;
}
