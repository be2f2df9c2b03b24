/* Windows needs no state folder for its firewall: a named object is the lock, for administrators
 * alone, and the rules' names tell what is to be taken back. */
#include "firewall/plan/apply.h"
#include "firewall/plan/open.h"

#include <errno.h>

#include "os/administrators_windows.h"

int opening_lock(const char *state, void (*on_wait)(void))
{
    SECURITY_ATTRIBUTES attributes;
    HANDLE lock = NULL;

    (void)state;
    if (administrators_only(&attributes))
        lock = CreateMutexW(&attributes, FALSE, L"Global\\gardien-firewall");
    administrators_finish(&attributes);
    if (!lock)
        return -EACCES;
    DWORD waited = WaitForSingleObject(lock, 0);
    if (waited == WAIT_TIMEOUT && on_wait)
        on_wait();
    if (waited == WAIT_TIMEOUT)
        waited = WaitForSingleObject(lock, INFINITE);
    if (waited == WAIT_OBJECT_0 || waited == WAIT_ABANDONED)
        return (int)(intptr_t)lock; /* handles have 32 bits that count */
    CloseHandle(lock);
    return -EIO;
}

void opening_unlock(int lock)
{
    HANDLE handle = (HANDLE)(intptr_t)lock;

    ReleaseMutex(handle);
    CloseHandle(handle);
}

int opening_apply(const struct plan *plan, bool opens, const char *state, struct diags *diags)
{
    (void)opens;
    (void)state;
    return plan_apply(plan, NULL, diags);
}
