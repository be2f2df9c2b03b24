/* Datagrams as they are: each has its length in two bytes in front. */
#include <stdlib.h>
#include <string.h>

#include "peer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct peer *peer = peer_get();

    while (size > 2) {
        size_t len = (size_t)data[0] << 8 | data[1];
        data += 2;
        size -= 2;
        len = len < size ? len : size;
        char *piece = malloc(len + 1); /* exact but for a byte, so that a read past it is seen */
        memcpy(piece + 1, data, len);
        peer_take(peer, span_of(piece + 1, len));
        free(piece);
        data += len;
        size -= len;
    }
    peer_end(peer);
    return 0;
}
