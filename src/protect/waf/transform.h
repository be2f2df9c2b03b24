/* Transformations of SecLang: what a value goes through before an operator looks at it. Their
 * meaning is ModSecurity v2's. */
#pragma once

#include "base/arena.h"

/** @return the transformation's number, or -1 for a name that is none (case does not count) */
int waf_transformation_find(struct span name);
/** The number of "none", which empties a rule's list. */
int waf_transformation_none(void);
const char *waf_transformation_name(int number);

/** Transforms a value.
 *  @param ret_value  in the arena, or the value itself where nothing changed
 *  @return 1 when it changed, 0 when not, ERR_LIMIT when the arena is full */
must_check int waf_transform(int number, struct arena *arena, struct span value,
                             struct span *ret_value);
