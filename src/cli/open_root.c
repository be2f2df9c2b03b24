/* Opening where the system is like Unix: root changes the firewall, and the lock is in the state
 * folder. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "cli/confirm.h"
#include "cli/open_parts.h"
#include "os/state.h"

bool change_begin(struct change *c, int *ret_code)
{
    *ret_code = APP_USAGE;
    c->state = state_of(c->arguments);
    if (c->state && arguments_get(c->arguments, "confirmed")) {
        *ret_code = confirm_from_elsewhere(c->state);
        return false;
    }
    return c->state != NULL;
}

/* Two runs at once would plan from the same facts and both add; and what waits to be taken back is
 * known by what it did, which nobody may change meanwhile. */
int change_lock(const struct change *c, struct diags *diags)
{
    int folder = state_open(c->state, diags);

    if (folder < 0)
        return folder;
    close(folder);
    int lock = confirm_lock(c->state);
    if (lock >= 0)
        return change_wait_for_none(lock, c->state, diags);
    diag_hint(diags_add(diags, "%s cannot be locked: %s", c->state, error_text(lock)),
              "name another state folder with --state DIR");
    return lock;
}

int change_lacks_rights(const struct change *c)
{
    scoped(mem_release) char *line = change_command_line();
    scoped(mem_release) char *hint = mem_format("sudo %s", line);

    (void)c;
    print_error(hint, "only root may change the firewall; nothing was changed");
    return APP_FAILED;
}
