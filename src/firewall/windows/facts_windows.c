/* Gathering of the facts on Windows. */
#include <jansson.h>

#include "base/mem.h"
#include "firewall/plan/facts.h"
#include "os/self.h"

void firewall_facts_take(struct firewall_facts *ret_facts, const char *root, const char *state)
{
    (void)state; /* rules carry their names there: nothing else has to be kept */
    *ret_facts = (struct firewall_facts){.here = true,
                                         .privileged = self_is_privileged(),
                                         .root = mem_string(span_str(root)),
                                         .done = json_array()};
    policy_read(&ret_facts->policy);
}
