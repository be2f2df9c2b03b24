/* The proof on Windows: the rules as they are read back. */
#include "firewall/plan/open.h"
#include "firewall/windows/windows_judge.h"

size_t open_prove(const struct firewall_request *request, struct findings *findings)
{
    struct policy policy;

    policy_read(&policy);
    size_t closed = windows_judge(&policy, request, findings);
    policy_finish(&policy);
    return closed;
}
