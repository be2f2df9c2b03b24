/* Gathering of the facts on macOS and its like. */
#include "base/mem.h"
#include "firewall/done.h"
#include "firewall/look.h"
#include "os/self.h"

void look_take(struct look *ret_look, const char *root, const char *state)
{
    *ret_look = (struct look){.here = true,
                              .privileged = self_is_privileged(),
                              .root = mem_string(span_str(root)),
                              .done = done_load(state)};
    ret_look->unseen = !ret_look->privileged;
    pf_take(&ret_look->pf, root);
}
