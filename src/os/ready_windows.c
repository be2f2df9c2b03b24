/* By select(): WSAPoll() tells nothing of connections that fail before Windows 10 of 2020. Sets of
 * Windows are arrays with a count, of whatever length the caller gives them. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "os/net.h"
#include "os/ready.h"

enum { READ, WRITE, FAIL, SETS };

struct set {
    u_int count;
    SOCKET sockets[];
};

static void add(struct set *set, int fd)
{
    set->sockets[set->count++] = (SOCKET)fd;
}

/* What is left of a set after select() is marked at its item; those stand in the same order mostly.
 */
static void mark(const struct set *set, struct ready_item *items, size_t count, unsigned seen)
{
    size_t at = 0;

    for (u_int i = 0; i < set->count; i++)
        for (size_t tried = 0; tried < count; tried++, at = at + 1 < count ? at + 1 : 0)
            if ((SOCKET)items[at].fd == set->sockets[i]) {
                items[at].seen |= seen;
                break;
            }
}

int ready_wait(struct ready_item *items, size_t count, int milliseconds)
{
    struct set *sets[SETS];
    struct timeval wait = {milliseconds / 1000, milliseconds % 1000 * 1000};

    if (count == 0) { /* select() refuses to wait for nothing */
        Sleep(milliseconds < 0 ? INFINITE : (DWORD)milliseconds);
        return 0;
    }
    for (int i = 0; i < SETS; i++)
        sets[i] = mem_zalloc(sizeof *sets[i] + count * sizeof(SOCKET));
    for (size_t i = 0; i < count; i++) {
        items[i].seen = 0;
        if (items[i].wanted & LOOP_READABLE)
            add(sets[READ], items[i].fd);
        if (items[i].wanted & LOOP_WRITABLE)
            add(sets[WRITE], items[i].fd);
        add(sets[FAIL], items[i].fd);
    }
    int ready = select(0, (fd_set *)(void *)sets[READ], (fd_set *)(void *)sets[WRITE],
                       (fd_set *)(void *)sets[FAIL], milliseconds < 0 ? NULL : &wait);
    if (ready == SOCKET_ERROR)
        ready = -net_error();
    if (ready > 0) {
        mark(sets[READ], items, count, LOOP_READABLE);
        mark(sets[WRITE], items, count, LOOP_WRITABLE);
        mark(sets[FAIL], items, count, LOOP_READABLE | LOOP_WRITABLE | LOOP_HANGUP);
    }
    for (int i = 0; i < SETS; i++)
        free(sets[i]);
    return ready;
}
