/* Gathering of the facts on macOS and its like. */
#include "base/mem.h"
#include "firewall/plan/facts.h"
#include "firewall/plan/journal.h"
#include "os/self.h"

void firewall_facts_take(struct firewall_facts *ret_facts, const char *root, const char *state)
{
    *ret_facts = (struct firewall_facts){.here = true,
                                         .privileged = self_is_privileged(),
                                         .root = mem_string(span_str(root)),
                                         .done = journal_load(state)};
    ret_facts->unseen = !ret_facts->privileged;
    pf_take(&ret_facts->pf, root);
}
