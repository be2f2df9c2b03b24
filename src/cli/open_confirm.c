/* Carrying a plan out, with --confirm where it was asked for, which a process of its own takes care
 * of. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/confirm.h"
#include "cli/open_parts.h"
#include "config/config.h"
#include "os/self.h"

/* Reads "60s", "5m". */
static int parse_time(const char *text, nsec_t *ret_wait, struct diags *diags)
{
    nsec_t wait = 0;

    if (config_parse_duration(span_str(text), &wait) < 0 || wait < 5 * NSEC_PER_SEC ||
        wait > 3600 * NSEC_PER_SEC) {
        diag_hint(diags_add(diags, "--confirm %s is no such time", text),
                  "from 5s to 1h: --confirm 60s, --confirm 5m");
        return ERR_SYNTAX;
    }
    *ret_wait = wait;
    return 0;
}

int change_check(struct change *c, struct diags *diags)
{
    const char *confirm = arguments_get(c->arguments, "confirm");
    const char *interface = c->request.interface;

    if (interface && strspn(interface, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRST"
                                       "UVWXYZ0123456789_-.:@") != strlen(interface)) {
        diag_hint(diags_add(diags, "\"%s\" is no name of an interface", interface),
                  "`ip link` lists them, or on macOS `ifconfig -l`");
        return ERR_SYNTAX;
    }
    return confirm ? parse_time(confirm, &c->confirm, diags) : 0;
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
    } else if (c->confirm && self_is_terminal(STDIN_FILENO) && !c->json) {
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

int change_wait_for_none(int lock, const char *state, struct diags *diags)
{
    if (!confirm_waits(state))
        return lock;
    diag_hint(diags_add(diags, "what an earlier --confirm opened still waits for its answer"),
              "`gardien open --confirmed` keeps it open; without, it is taken back in time");
    opening_unlock(lock);
    return -EBUSY;
}
