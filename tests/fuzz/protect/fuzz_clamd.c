/* What clamd answers, and multipart bodies. The first line is the content type. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "protect/protect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = span_of((const char *)data, size), type, parts[8];
    struct clamd_session session = {.count = 3};

    if (size == 0 || !span_next(&rest, '\n', &type))
        return 0;
    struct span body = rest.ptr ? rest : SPAN("");
    size_t count = malware_split(body, type, parts, ARRAY_SIZE(parts));
    for (size_t i = 0; i < count; i++)
        if (parts[i].ptr < body.ptr || parts[i].ptr + parts[i].len > body.ptr + body.len)
            abort();
    (void)clamd_hear(&session, body);
    if (strlen(session.found) > CLAMD_NAME_MAX)
        abort();
    return 0;
}
