/* A counting sketch: two hash rows a worker, of which the smaller sum is the estimate, never too
 * low and seldom too high. It leaves the decision what the limit is to the settings. */
#include "protect/peers.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"

enum { PEERS_ROWS = 2, PEERS_SLOTS = 16384 };

/* Each process's own: a worker that was taken over can write the counters, and nothing else. */
struct peers {
    unsigned workers;
    uint64_t secret[2];
    _Atomic uint32_t *counts; /* [worker][PEERS_ROWS][PEERS_SLOTS] */
};

size_t peers_size(unsigned workers)
{
    return (size_t)workers * PEERS_ROWS * PEERS_SLOTS * sizeof(_Atomic uint32_t);
}

struct peers *peers_create(void *memory, unsigned workers, const uint64_t secret[2])
{
    struct peers *peers = mem_new(struct peers);

    peers->workers = workers;
    peers->counts = memory;
    memcpy(peers->secret, secret, sizeof peers->secret);
    return peers;
}

void peers_destroy(struct peers *peers)
{
    free(peers);
}

static bool is_mapped_ipv4(struct peer_address address)
{
    static const uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return memcmp(address.bytes, prefix, sizeof prefix) == 0;
}

size_t peer_address_significant(struct peer_address address)
{
    return is_mapped_ipv4(address) ? 16 : 8;
}

static void find_slots(const struct peers *peers, struct peer_address address,
                       size_t ret_slots[PEERS_ROWS])
{
    size_t len = peer_address_significant(address);
    uint64_t hash = hash_bytes(span_of((const char *)address.bytes, len), peers->secret);

    for (size_t row = 0; row < PEERS_ROWS; row++)
        ret_slots[row] = row * PEERS_SLOTS + (hash >> (row * 32)) % PEERS_SLOTS;
}

static _Atomic uint32_t *counter(struct peers *peers, unsigned worker, size_t slot)
{
    return &peers->counts[(size_t)worker * PEERS_ROWS * PEERS_SLOTS + slot];
}

bool peers_enter(struct peers *peers, unsigned worker, struct peer_address address, uint32_t limit)
{
    size_t slots[PEERS_ROWS];
    uint32_t least = UINT32_MAX;

    find_slots(peers, address, slots);
    for (size_t row = 0; limit && row < PEERS_ROWS; row++) {
        uint64_t sum = 0;
        for (unsigned w = 0; w < peers->workers; w++)
            sum += atomic_load_explicit(counter(peers, w, slots[row]), memory_order_relaxed);
        if (sum < least)
            least = (uint32_t)sum;
    }
    if (limit && least >= limit)
        return false;
    for (size_t row = 0; row < PEERS_ROWS; row++) {
        _Atomic uint32_t *own = counter(peers, worker, slots[row]);
        uint32_t count = atomic_load_explicit(own, memory_order_relaxed);
        atomic_store_explicit(own, count + 1, memory_order_relaxed);
    }
    return true;
}

void peers_leave(struct peers *peers, unsigned worker, struct peer_address address)
{
    size_t slots[PEERS_ROWS];

    find_slots(peers, address, slots);
    for (size_t row = 0; row < PEERS_ROWS; row++) {
        _Atomic uint32_t *own = counter(peers, worker, slots[row]);
        uint32_t count = atomic_load_explicit(own, memory_order_relaxed);
        if (count > 0)
            atomic_store_explicit(own, count - 1, memory_order_relaxed);
    }
}

void peers_forget(struct peers *peers, unsigned worker)
{
    for (size_t slot = 0; slot < PEERS_ROWS * PEERS_SLOTS; slot++)
        atomic_store_explicit(counter(peers, worker, slot), 0, memory_order_relaxed);
}

void peer_address_text(struct peer_address peer, char out[46])
{
    static const uint8_t ipv4[12] = {[10] = 0xff, [11] = 0xff};
    bool v4 = memcmp(peer.bytes, ipv4, sizeof ipv4) == 0;

    if (!inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? peer.bytes + 12 : peer.bytes, out, 46))
        out[0] = '\0';
}
