/* One mapping, cut into its parts, and one for bans, of which a worker keeps a view that cannot be
 * made writable. Pages that nobody has written cost nothing. */
#include "protect/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/mem.h"

enum { LINE = 64 };

static size_t lines(size_t size)
{
    return (size + LINE - 1) / LINE * LINE;
}

enum { SEAL_FUTURE_WRITE = 0x10 }; /* F_SEAL_FUTURE_WRITE, Linux 5.1 */

/** A view for writing, which is inherited. Once sealed the file yields only views for reading,
 * which mprotect() does not change. */
static int make_bans(struct protect_shared *shared, const uint64_t secret[2])
{
    size_t size = ban_table_size();
    int fd = memfd_create("gardien bans", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    void *memory = MAP_FAILED, *view = MAP_FAILED;

    if (fd >= 0 && ftruncate(fd, (off_t)size) == 0)
        memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (memory != MAP_FAILED && fcntl(fd, F_ADD_SEALS, SEAL_FUTURE_WRITE) == 0)
        view = mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, 0);
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (view == MAP_FAILED) {
        if (memory != MAP_FAILED)
            munmap(memory, size);
        return -error;
    }
    shared->ban_memory = memory;
    shared->ban_view = view;
    shared->bans = ban_table_create(memory, secret);
    memcpy(shared->ban_secret, secret, sizeof shared->ban_secret);
    return 0;
}

int protect_shared_read_bans(struct protect_shared *shared)
{
    ban_table_destroy(take(shared->bans));
    shared->bans = ban_table_create(shared->ban_view, shared->ban_secret);
    return munmap(take(shared->ban_memory), ban_table_size()) < 0 ? -errno : 0;
}

int protect_shared_create(unsigned rows, size_t rate_size, struct protect_shared **ret_shared)
{
    size_t peers = lines(peers_size(rows)), rates = lines(rate_size);
    size_t counts = lines(protect_counts_size(rows));
    uint64_t secret[6];

    if (getrandom(secret, sizeof secret, 0) != (ssize_t)sizeof secret)
        return -errno;
    char *memory = mmap(NULL, 2 * peers + rates + counts, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return -errno;
    struct protect_shared *shared = mem_new(struct protect_shared);
    *shared = (struct protect_shared){
        .connections = peers_create(memory, rows, secret),
        .requests = peers_create(memory + peers, rows, secret),
        .rates = rate_table_create(memory + 2 * peers, rates, secret + 2),
        .counts = protect_counts_create(memory + 2 * peers + rates, rows),
        .memory = memory,
        .size = 2 * peers + rates + counts,
    };
    int r = make_bans(shared, secret + 4);
    if (r < 0) {
        protect_shared_destroy(shared);
        return r;
    }
    *ret_shared = shared;
    return 0;
}

void protect_shared_destroy(struct protect_shared *shared)
{
    if (!shared)
        return;
    peers_destroy(shared->connections);
    peers_destroy(shared->requests);
    rate_table_destroy(shared->rates);
    protect_counts_destroy(shared->counts);
    ban_table_destroy(shared->bans);
    if (shared->ban_memory)
        munmap(shared->ban_memory, ban_table_size());
    if (shared->ban_view)
        munmap(shared->ban_view, ban_table_size());
    munmap(shared->memory, shared->size);
    free(shared);
}

void protect_shared_forget(struct protect_shared *shared, unsigned worker)
{
    peers_forget(shared->connections, worker);
    peers_forget(shared->requests, worker);
}
