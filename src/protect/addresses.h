/* Who may ask at all, by address. */
#pragma once

#include "protect/stages.h"

/** Why an address may not ask where these rules hold. @return static text, or NULL: it may */
const char *addresses_judge(const struct protect_rules *rules, struct peer_address address);

extern const struct protect_policy addresses_policy; /**< its state is a struct protect_notes */
