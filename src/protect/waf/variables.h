/* The variables that rules can look at, by name. */
#pragma once

#include "protect/waf/rules.h"

/** @return enum waf_variable, or -1 (case does not count) */
int waf_variable_find(struct span name);
struct span waf_variable_name(enum waf_variable variable);
/** Has it members with names? */
bool waf_variable_is_collection(enum waf_variable variable);
