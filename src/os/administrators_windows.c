/* Access for administrators and the system, and nobody else. */
#include "os/administrators_windows.h"

#include <sddl.h>

bool administrators_only(SECURITY_ATTRIBUTES *ret_attributes)
{
    *ret_attributes = (SECURITY_ATTRIBUTES){.nLength = sizeof *ret_attributes};
    return ConvertStringSecurityDescriptorToSecurityDescriptorW(
        L"D:P(A;;GA;;;BA)(A;;GA;;;SY)", SDDL_REVISION_1, &ret_attributes->lpSecurityDescriptor,
        NULL);
}

void administrators_finish(SECURITY_ATTRIBUTES *attributes)
{
    LocalFree(attributes->lpSecurityDescriptor);
}
