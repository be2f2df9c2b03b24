/* Regular expressions of rules, by PCRE2 without its just-in-time compiler: workers may not have
 * memory that can be executed. */
#pragma once

#include "base/error.h"
#include "base/nsec.h"
#include "base/span.h"

struct waf_pattern;

enum { WAF_CAPTURES = 10 /**< TX:0 to TX:9 */ };

/** What matched: the whole and its groups. */
struct waf_captures {
    struct span items[WAF_CAPTURES]; /**< ptr NULL for a group that took no part */
    unsigned count;
};

/** @param nocase  letters match in either case
 *  @param ret_why  what PCRE2 says is wrong, for free()
 *  @return 0, or ERR_SYNTAX */
must_check int waf_pattern_create(struct span text, bool nocase, struct waf_pattern **ret_pattern,
                                  char **ret_why);
void waf_pattern_destroy(struct waf_pattern *pattern);
/** @param ret_captures  may be NULL
 *  @return 1 for a match, 0 for none, ERR_LIMIT when the search takes too many steps */
must_check int waf_pattern_match(const struct waf_pattern *pattern, struct span value,
                                 struct waf_captures *ret_captures);
/** The same for a value of a peer, which may be long: gives up once the clock passes `until`.
 *  @param until  monotonic
 *  @return as above, and ERR_TIMEOUT */
must_check int waf_pattern_search(const struct waf_pattern *pattern, struct span value,
                                  nsec_t until, struct waf_captures *ret_captures);
