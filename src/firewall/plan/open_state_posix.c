/* What opening keeps in the state folder, where the system is like Unix: the lock, and the way back
 * of what carries no tag. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/mem.h"
#include "firewall/plan/apply.h"
#include "firewall/plan/journal.h"
#include "firewall/plan/open.h"

int opening_lock(const char *state, void (*on_wait)(void))
{
    scoped(mem_release) char *path = mem_format("%s/firewall.lock", state);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd < 0 ? -errno : fd;
    if (on_wait)
        on_wait();
    if (flock(fd, LOCK_EX) == 0)
        return fd;
    int error = -errno;
    close(fd);
    return error;
}

void opening_unlock(int lock)
{
    close(lock);
}

int opening_apply(const struct plan *plan, bool opens, const char *state, struct diags *diags)
{
    int r = opens ? journal_record(state, plan, false, diags) : 0;

    if (r < 0)
        return r;
    r = plan_apply(plan, NULL, diags);
    if (r >= 0)
        return opens ? 0 : journal_record(state, plan, false, diags);
    if (opens) {
        int undone = journal_record(state, plan, true, diags);
        (void)undone; /* told in diags */
    }
    return r;
}
