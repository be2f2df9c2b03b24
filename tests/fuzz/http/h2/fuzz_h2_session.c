/* A client's raw bytes after the preface, cut at places that the input chooses. The first eight
 * bytes seed the owner and the cuts. */
#include <stdlib.h>

#include "owner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct owner owner;
    uint64_t seed;

    if (size < sizeof seed)
        return 0;
    memcpy(&seed, data, sizeof seed);
    data += sizeof seed;
    size -= sizeof seed;
    owner_start(&owner, seed);
    bool going = true;
    while (size && going) {
        seed = seed * 2862933555777941757u + 3037000493u;
        size_t part = seed & 1 << 20 ? size : 1 + (seed >> 40) % 64;
        part = part < size ? part : size;
        char *piece = malloc(part); /* exact, so that a read past the end is seen */
        memcpy(piece, data, part);
        going = owner_feed(&owner, piece, part);
        free(piece);
        owner_act(&owner, (uint8_t)(seed >> 24));
        data += part;
        size -= part;
    }
    owner_stop(&owner);
    return 0;
}
