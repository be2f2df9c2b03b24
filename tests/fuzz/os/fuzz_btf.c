/* The kernel's description of its types: no crash, no circle, names within the bytes. */
#include <stdlib.h>
#include <string.h>

#include "os/btf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t *bytes = malloc(size + sizeof *bytes);
    struct span name;
    struct btf btf;
    uint32_t offset;

    memcpy(bytes, data, size);
    if (btf_open(span_of((const char *)bytes, size), &btf) == 0) {
        (void)(btf_offset(&btf, "sk_buff", "head", &offset) < 0);
        (void)(btf_offset(&btf, "sk_buff", "nowhere", &offset) < 0);
        if (btf_enum_name(&btf, "skb_drop_reason", 2, &name) == 0 && name.len > size)
            abort();
    }
    free(bytes);
    return 0;
}
