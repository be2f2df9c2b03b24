/* Paths that lead to what nobody publishes on purpose. */
#pragma once

#include "protect/stages.h"

/** Why a path is not for visitors. @param path  decoded, dot segments resolved
 *  @return static text, or NULL when it may be asked for */
const char *secrets_judge(struct span path);

extern const struct protect_policy secrets_policy; /**< its state is a struct protect_notes */
