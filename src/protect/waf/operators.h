/* Operators of rules. */
#pragma once

#include "protect/waf/transaction.h"

/** @param parameter  expanded
 *  @param ret_captures  filled by operators that capture; count 0 otherwise
 *  @return 1 when it matches (before negation), 0 when not */
int waf_operate(struct waf_transaction *t, const struct waf_rule *rule, struct span parameter,
                struct span value, struct waf_captures *ret_captures);
