/* Requests as people write them down. The first byte picks the form. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "cli/explain_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct explain_request request;
    struct diags diags = {0};
    struct arena arena;

    if (size == 0)
        return 0;
    struct span text = span_of((const char *)data + 1, size - 1);
    arena_init(&arena, NULL, 0, 1 << 20);
    int r = data[0] == 'c'   ? explain_read_curl(&arena, text, &diags, &request)
            : data[0] == 'l' ? explain_read_log(&arena, text, SPAN("example.com"), &diags, &request)
                             : explain_read_url(&arena, text, &diags, &request);
    if (r >= 0 && (request.message.path.len == 0 || request.message.host.len == 0))
        abort();
    diags_finish(&diags);
    arena_reset(&arena, NULL, 0);
    return 0;
}
