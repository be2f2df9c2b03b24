/* The proof on macOS: the rules as pf has them now. */
#include "firewall/plan/open.h"

size_t open_prove(const struct firewall_request *request, struct findings *findings)
{
    struct pf pf;

    pf_take(&pf, "");
    size_t closed = pf_judge(&pf, request, findings);
    pf_finish(&pf);
    return closed;
}
