/* The nftables table that drops packets of banned addresses: one hash set with timeouts for each
 * prefix length, so that networks may lie in each other and every ban ends by itself. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "base/nsec.h"

enum { BAN_RULE_ADDRESS = 46, BAN_RULES_MAX = 500 }; /**< the latter: changes of one transaction */

struct ban_rule {
    bool ipv6;
    bool lift;
    unsigned prefix;                /**< 1..32 or 1..128 */
    char address[BAN_RULE_ADDRESS]; /**< without bits beyond the prefix, as inet_ntop() writes it */
    nsec_t time;                    /**< from now; 0: no end */
};

struct ban_rules {
    bool made;         /**< the table is there */
    bool sets[2][129]; /**< which sets it has: by family and prefix length */
};

/** Makes the table anew, without bans; one that an earlier process left goes.
 *  @param ports  on which packets are dropped
 *  @param ret_error  why not, for free(); set on error only
 *  @return 0; -EPERM without CAP_NET_ADMIN; -EINVAL when refused; -ENOMEM */
must_check int ban_rules_create(struct ban_rules *rules, const uint16_t *ports, size_t count,
                                char **ret_error);
/** Adds and lifts bans in one transaction. A ban that is there gets the new time. @return as above
 */
must_check int ban_rules_change(struct ban_rules *rules, const struct ban_rule *changes,
                                size_t count, char **ret_error);
/** Removes the table. @return as above */
must_check int ban_rules_remove(struct ban_rules *rules, char **ret_error);
