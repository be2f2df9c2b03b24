/* The kernel's trace messages: no crash, every span within the bytes, and an end. */
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>

#include "firewall/trace/trace_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void within(struct span part, const char *bytes, size_t size)
{
    if (part.len && (part.ptr < bytes || part.len > size - (size_t)(part.ptr - bytes)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *bytes = malloc(size + 1); /* of its own, so that a read past the end is seen */
    struct trace_message message;
    size_t messages = 0;

    memcpy(bytes, data, size);
    struct span rest = span_of(bytes, size);
    while (trace_message_next(&rest, &message) > 0) {
        within(message.table, bytes, size);
        within(message.chain, bytes, size);
        within(message.target, bytes, size);
        within(message.network, bytes, size);
        within(message.transport, bytes, size);
        if (++messages > size / NLMSG_HDRLEN)
            abort();
    }
    free(bytes);
    return 0;
}
