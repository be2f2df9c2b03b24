/* The proof on Windows: the rules as they are read back. */
#include "firewall/open.h"
#include "firewall/windows_judge.h"

size_t open_prove(const struct wish *wish, struct findings *findings)
{
    struct policy policy;

    policy_read(&policy);
    size_t closed = windows_judge(&policy, wish, findings);
    policy_finish(&policy);
    return closed;
}
