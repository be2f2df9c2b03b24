/* One mapping, cut into its parts. Pages that nobody has written cost nothing. */
#include "protect/shared.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "base/mem.h"

enum { LINE = 64 };

static size_t lines(size_t size)
{
    return (size + LINE - 1) / LINE * LINE;
}

int protect_shared_create(unsigned rows, size_t rate_size, struct protect_shared **ret_shared)
{
    size_t peers = lines(peers_size(rows)), rates = lines(rate_size);
    uint64_t secret[4];

    if (getrandom(secret, sizeof secret, 0) != (ssize_t)sizeof secret)
        return -errno;
    char *memory = mmap(NULL, 2 * peers + rates, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return -errno;
    struct protect_shared *shared = mem_new(struct protect_shared);
    *shared = (struct protect_shared){
        .connections = peers_init(memory, rows, secret),
        .requests = peers_init(memory + peers, rows, secret),
        .rates = rate_table_create(memory + 2 * peers, rates, secret + 2),
        .memory = memory,
        .size = 2 * peers + rates,
    };
    *ret_shared = shared;
    return 0;
}

void protect_shared_destroy(struct protect_shared *shared)
{
    if (!shared)
        return;
    rate_table_destroy(shared->rates);
    munmap(shared->memory, shared->size);
    free(shared);
}

void protect_shared_forget(struct protect_shared *shared, unsigned worker)
{
    peers_forget(shared->connections, worker);
    peers_forget(shared->requests, worker);
}
