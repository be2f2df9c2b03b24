/* The proof on macOS: the rules as pf has them now. */
#include "firewall/open.h"

size_t open_prove(const struct wish *wish, struct findings *findings)
{
    struct pf pf;

    pf_take(&pf, "");
    size_t closed = pf_judge(&pf, wish, findings);
    pf_finish(&pf);
    return closed;
}
