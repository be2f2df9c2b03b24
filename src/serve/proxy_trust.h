/* Whose word about the client is taken: in PROXY headers, X-Forwarded-For and Forwarded. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "protect/protect.h"

struct proxy_trust; /* addresses and networks */

/** @param networks  "10.0.0.0/8", "2001:db8::1" …
 *  @return 0, or ERR_SYNTAX with *ret_bad the index of the first that is none */
must_check int proxy_trust_create(const struct config_strings *networks,
                                  struct proxy_trust **ret_trust, size_t *ret_bad);
void proxy_trust_destroy(struct proxy_trust *trust);
/** @param trust  NULL trusts nobody */
bool proxy_trust_allows(const struct proxy_trust *trust, struct peer_address peer);
