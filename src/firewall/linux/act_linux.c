/* Linux: nftables' own language, and the system bus. Programs and files are act_files.c's. */
#include "base/error.h"
#include "base/mem.h"
#include "firewall/linux/bus.h"
#include "firewall/linux/nft.h"
#include "firewall/plan/act.h"

static int run_nft(const struct plan_action *action, struct diags *diags)
{
    scoped(mem_release) char *why = NULL;
    int r = action->kind == PLAN_UNTAG ? nft_untag(action, &why)
                                       : nft_run(action->text, NFT_PLAIN, NULL, &why);

    if (r < 0 && action->lenient)
        return 0;
    if (r < 0) {
        struct span line = span_str(why ? why : error_text(r)), rest = line;
        span_next(&rest, '\n', &line);
        diag_hint(diags_add(diags, "nftables refused a rule: %.*s", SPAN_ARGS(line)),
                  "the ruleset may have changed meanwhile; run it again");
    }
    return r;
}

int act_own(const struct plan_action *action, struct diags *diags)
{
    if (action->kind == PLAN_DBUS)
        return bus_call(action, diags);
    return action->kind == PLAN_NFT || action->kind == PLAN_UNTAG ? run_nft(action, diags)
                                                                  : act_foreign(diags);
}
