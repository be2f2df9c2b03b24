/* Which names a public certificate authority can certify, and how they are validated. */
#pragma once

#include <stdbool.h>

#include "base/span.h"

/** Can a public CA certify the name? Not: localhost and names below it, single labels, names under
 *  suffixes that are never public (RFC 6761, RFC 8375, RFC 9476, .internal), addresses that are
 *  private, loopback, link-local or reserved.
 *  @param name  A-label form in lower case, "*." in front is fine; or an IP address
 *  @param ret_why  static text, why not; may be NULL */
bool acme_name_is_public(struct span name, const char **ret_why);
/** Is it an IP address (no brackets)? */
bool acme_name_is_address(struct span name);
