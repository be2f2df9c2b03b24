/* Datagrams of the kernel's list of sockets: whatever comes, memory stays bounded and what is kept
 * has an address that can be printed. */
#include <linux/netlink.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "os/sockdiag.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sockdiag_list list = {0};
    char text[80];
    void *aligned = malloc(size ? size : 1); /* exactly as large, so that reading past it shows */

    if (!aligned)
        abort();
    if (size)
        memcpy(aligned, data, size);
    int r = sockdiag_read(aligned, size, size & 1 ? IPPROTO_UDP : IPPROTO_TCP, &list);
    if (r > 1 || list.count > SOCKDIAG_MAX)
        abort();
    for (size_t i = 0; i < list.count; i++)
        if (!strchr(sockdiag_text(&list.items[i], text), ':'))
            abort();
    sockdiag_finish(&list);
    free(aligned);
    return 0;
}
