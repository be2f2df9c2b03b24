/* The rules of this network namespace: nftables' listing as JSON, with what that leaves out, and
 * the tables of iptables-legacy, which nftables does not see. They are only ever read. */
#include <stdlib.h>

#include "base/mem.h"
#include "firewall/linux/iptables_read.h"
#include "firewall/linux/nft.h"
#include "firewall/model/ruleset_internal.h"
#include "firewall/model/ruleset_iptables.h"

static bool lacks_devices(const struct ruleset *ruleset)
{
    for (const struct ruleset_chain *chain = ruleset->chains; chain; chain = chain->next)
        if ((chain->hook == RULESET_INGRESS || chain->hook == RULESET_EGRESS) &&
            chain->device_count == 0)
            return true;
    return false;
}

static bool has_extensions(const struct ruleset *ruleset)
{
    for (const struct ruleset_chain *chain = ruleset->chains; chain; chain = chain->next)
        for (const struct ruleset_rule *rule = chain->rules; rule; rule = rule->next)
            for (size_t i = 0; i < rule->count; i++)
                if (rule->statements[i].extension)
                    return true;
    return false;
}

/* JSON does not say what iptables' extensions do, and older nftables not on which devices chains
 * are. What cannot be asked for stays unknown. */
static void complete(struct ruleset *ruleset)
{
    for (int flavour = 0; flavour < IPTABLES_FLAVOURS; flavour++) {
        if (flavour == IPTABLES_NFT && !has_extensions(ruleset))
            continue;
        for (int version = 0; version < 2; version++) {
            const struct ruleset_iptables what = {
                .family = version ? RULESET_IP6 : RULESET_IP,
                .source = flavour == IPTABLES_NFT ? RULESET_IPTABLES_NFT : RULESET_IPTABLES_LEGACY};
            scoped(mem_release) char *saved =
                iptables_save((enum iptables_flavour)flavour, version);
            if (saved && ruleset_add_iptables(ruleset, saved, &what) < 0)
                return; /* what is missing is taken for rules that may do anything */
        }
    }
    if (lacks_devices(ruleset)) {
        scoped(mem_release) char *text = NULL;
        if (nft_run("list ruleset", NFT_TERSE, &text, NULL) >= 0)
            ruleset_take_devices(ruleset, span_str(text));
    }
}

int ruleset_read_live(struct ruleset **ret_ruleset, char **ret_why)
{
    struct ruleset *ruleset;
    json_t *array = NULL;
    int r = nft_ruleset(&array);

    if (r < 0)
        return r;
    r = ruleset_read_array(array, &ruleset, ret_why);
    json_decref(array);
    if (r < 0)
        return r;
    complete(ruleset);
    *ret_ruleset = ruleset;
    return 0;
}
