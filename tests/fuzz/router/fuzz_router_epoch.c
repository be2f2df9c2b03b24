/* Packets that claim to be a home router's. */
#include <stddef.h>
#include <stdint.h>

#include "router/router_epoch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct router_epoch epoch = {.known = false};
    nsec_t now = 0;

    /* Packets of twelve bytes, a second apart; the last may be shorter. */
    for (size_t at = 0; at < size; at += 12, now += NSEC_PER_SEC) {
        size_t len = size - at < 12 ? size - at : 12;
        int r = router_epoch_hear(&epoch, span_of((const char *)data + at, len), now);
        if (r > 1 || (r == 1 && at == 0))
            __builtin_trap();
    }
    return 0;
}
