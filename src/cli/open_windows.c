/* What opening has on Windows: an administrator changes the firewall, and no state has to be kept.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "base/mem.h"
#include "cli/confirm.h"
#include "cli/confirm_windows.h"
#include "cli/open_parts.h"

static const struct option open_options[] = {
    OPEN_OPTION_FROM,      OPEN_OPTION_INTERFACE, OPEN_OPTION_ZONE, OPEN_OPTION_ON,
    OPEN_OPTION_PROFILE,   OPEN_OPTION_DRY_RUN,   OPEN_OPTION_YES,  OPEN_OPTION_CONFIRM,
    OPEN_OPTION_CONFIRMED, OPTION_JSON,           OPTION_END,
};

static const struct option close_options[] = {
    CLOSE_OPTION_FORCE, CLOSE_OPTION_ON, OPEN_OPTION_DRY_RUN,
    OPEN_OPTION_YES,    OPTION_JSON,     OPTION_END,
};

bool change_begin(struct change *c, int *ret_code)
{
    if (confirm_is_waiting(ret_code))
        return false;
    if (arguments_get(c->arguments, "confirmed")) {
        *ret_code = confirm_from_elsewhere(c->state);
        return false;
    }
    return true;
}

int change_lock(const struct change *c, struct diags *diags)
{
    int lock = confirm_lock(c->state);

    if (lock >= 0)
        return change_wait_for_none(lock, c->state, diags);
    diag_hint(diags_add(diags, "no other gardien can be kept from changing the firewall: %s",
                        error_text(lock)),
              "start the terminal as administrator");
    return lock;
}

int change_lacks_rights(const struct change *c)
{
    (void)c;
    print_error("start the terminal as administrator (a right click on its icon), and run it again",
                "only an administrator may change the firewall; nothing was changed");
    return APP_FAILED;
}

/* ---- the verbs ---- */

const struct verb open_verb = {
    "open",
    open_run,
    OPEN_SUMMARY,
    OPEN_USAGE,
    OPEN_FIRST
    "reads back that the rules are there and count on the network that the machine is\n"
    "on. They are an inbound and an outbound one a port, named \"gardien 443/tcp\" and \"gardien\n"
    "443/tcp out\". Running it again changes nothing. If a step fails, those before it are undone. "
    "It "
    "takes\n"
    "a terminal that was started as administrator; the plan is shown to everybody. With --confirm "
    "a\n"
    "process of its own undoes all, unless you type \"yes\" or run `gardien open --confirmed`.",
    "gardien open\n"
    "gardien open 8443 2096/tcp 443/udp --from 192.0.2.0/24\n"
    "gardien open --profile domain,private,public\n"
    "gardien open --dry-run\n",
    open_options,
    SIZE_MAX,
    OPEN_EXITS};

const struct verb close_verb = {"close",
                                close_run,
                                CLOSE_SUMMARY,
                                OPEN_USAGE,
                                "Removes gardien's rules for the PORTs (by default all of its), "
                                "which it knows by their names.\n"
                                "Rules of others stay, so a port may stay open; --force shows "
                                "those that let in just that port,\n"
                                "and switches them off.",
                                "gardien close\n"
                                "gardien close 8443/tcp\n"
                                "gardien close --force 443/tcp --dry-run\n",
                                close_options,
                                SIZE_MAX,
                                CLOSE_EXITS};
