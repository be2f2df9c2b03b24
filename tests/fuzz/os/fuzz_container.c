/* Control groups as /proc lists them: whatever they say, the name fits and is plain. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "os/container.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char name[80];
    bool found = container_name(span_of((const char *)data, size), name);

    if (found != (name[0] != '\0') || !memchr(name, '\0', sizeof name))
        abort();
    for (const char *c = name; *c; c++)
        if (*c < 0x20 || *c > 0x7e)
            abort();
    return 0;
}
