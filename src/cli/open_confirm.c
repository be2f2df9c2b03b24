/* Opening where the system is like Unix: root changes the firewall, a lock in the state folder, and
 * --confirm by a process of its own. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

int change_check(struct change *c, struct diags *diags)
{
    const char *confirm = arguments_get(c->arguments, "confirm");
    const char *interface = c->wish.interface;

    if (interface && strspn(interface, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRST"
                                       "UVWXYZ0123456789_-.:@") != strlen(interface)) {
        diag_hint(diags_add(diags, "\"%s\" is no name of an interface", interface),
                  "`ip link` lists them, or on macOS `ifconfig -l`");
        return ERR_SYNTAX;
    }
    return confirm ? confirm_parse(confirm, &c->confirm) : 0;
}

int change_apply(struct change *c, struct diags *diags)
{
    const struct plan *plan = &c->planned.plan;
    struct confirm confirm = {0};

    if (c->confirm && confirm_start(c->state, plan, c->confirm, &confirm) < 0)
        return APP_FAILED;
    int r = opening_apply(plan, c->opens, c->state, diags);
    c->applied = r >= 0;
    if (r < 0 && c->confirm) {
        bool kept = confirm_keep(&confirm); /* there is nothing left to take back */
        (void)kept;
    } else if (c->confirm && isatty(STDIN_FILENO) && !c->json) {
        bool said = confirm_ask(&confirm);
        bool kept = said && confirm_keep(&confirm);
        puts(kept ? "kept" : "not confirmed: it is taken back");
        r = kept ? 0 : ERR_TIMEOUT;
    } else if (c->confirm && !c->json) {
        printf("taken back in %lld seconds unless confirmed by: gardien open --confirmed\n",
               (long long)(c->confirm / NSEC_PER_SEC));
    }
    confirm_finish(&confirm);
    return r < 0 ? APP_FAILED : APP_OK;
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
    if (lock < 0) {
        diag_hint(diags_add(diags, "%s cannot be locked: %s", c->state, error_text(lock)),
                  "name another state folder with --state DIR");
    } else if (confirm_waits(c->state)) {
        diag_hint(diags_add(diags, "what an earlier --confirm opened still waits for its answer"),
                  "`gardien open --confirmed` keeps it open; without, it is taken back in time");
        opening_unlock(lock);
        lock = -EBUSY;
    }
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
