/* Windows needs no state folder for its firewall: a named object is the lock, for administrators
 * alone, and the rules' names tell what is to be taken back. */
#include "firewall/apply.h"
#include "firewall/open.h"

#include <errno.h>

#include <windows.h>

#include <sddl.h> /* after windows.h, which has macros for words that our headers use */

int opening_lock(const char *state, void (*on_wait)(void))
{
    SECURITY_ATTRIBUTES attributes = {.nLength = sizeof attributes};
    HANDLE lock = NULL;

    (void)state;
    if (ConvertStringSecurityDescriptorToSecurityDescriptorW(
            L"D:P(A;;GA;;;BA)(A;;GA;;;SY)", SDDL_REVISION_1, &attributes.lpSecurityDescriptor,
            NULL))
        lock = CreateMutexW(&attributes, FALSE, L"Global\\gardien-firewall");
    LocalFree(attributes.lpSecurityDescriptor);
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
