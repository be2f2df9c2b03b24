/* Tables of iptables as part of a ruleset. */
#pragma once

#include "firewall/model/ruleset.h"

/** What a text of iptables is. */
struct ruleset_iptables {
    enum ruleset_family family; /**< RULESET_IP or RULESET_IP6 */
    enum ruleset_source source; /**< RULESET_IPTABLES_NFT or RULESET_IPTABLES_LEGACY */
    const char *table;          /**< of `iptables -S`; NULL for iptables-save, which names it */
};

/** Adds the tables of a text. Those of iptables-nft that the ruleset has already, from nftables'
 *  listing, keep their rules, and get from the text what the listing does not say. Lines that are
 *  not known are passed over.
 *  @return 0, or ERR_LIMIT, after which the ruleset holds a part of it */
must_check int ruleset_add_iptables(struct ruleset *ruleset, const char *printed,
                                    const struct ruleset_iptables *what);
