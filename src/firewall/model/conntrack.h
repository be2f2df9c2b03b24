/* Whether connections are tracked at all: the kernel does so only for families whose rules ask. */
#pragma once

#include "firewall/model/ruleset.h"

/** Does a rule look at connections or translate addresses of the family? Without one, chains of
 * type nat see no packet of it.
 *  @param family  AF_INET or AF_INET6 */
bool conntrack_is_used(const struct ruleset *ruleset, int family);
