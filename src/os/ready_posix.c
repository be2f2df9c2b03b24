/* By poll(2). */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/mem.h"
#include "os/ready.h"

static unsigned translate(short events)
{
    unsigned seen = 0;

    if (events & (POLLIN | POLLHUP | POLLERR | POLLNVAL))
        seen |= LOOP_READABLE;
    if (events & (POLLOUT | POLLHUP | POLLERR | POLLNVAL))
        seen |= LOOP_WRITABLE;
    if (events & (POLLHUP | POLLERR | POLLNVAL))
        seen |= LOOP_HANGUP;
    return seen;
}

int ready_wait(struct ready_item *items, size_t count, int milliseconds)
{
    scoped(mem_release) struct pollfd *fds = mem_alloc((count + 1) * sizeof *fds);

    for (size_t i = 0; i < count; i++)
        fds[i] =
            (struct pollfd){.fd = items[i].fd,
                            .events = (short)((items[i].wanted & LOOP_READABLE ? POLLIN : 0) |
                                              (items[i].wanted & LOOP_WRITABLE ? POLLOUT : 0))};
    int ready = poll(fds, (nfds_t)count, milliseconds);
    if (ready < 0)
        return -errno;
    for (size_t i = 0; i < count; i++)
        items[i].seen = translate(fds[i].revents);
    return ready;
}
