/* The policies of a worker in the order in which they are asked. */
#pragma once

#include "protect/stages.h"

enum protect_policy_id {
    POLICY_BANS,
    POLICY_ADDRESSES,
    POLICY_RATES,
    POLICY_REQUESTS_AT_ONCE,
    POLICY_SECRETS,
    POLICY_CROSS_ORIGIN,
    POLICY_WAF,
    POLICY_MALWARE,
    POLICY_ANSWERS,
    POLICIES,
};

extern const struct protect_policy *const protect_policies[POLICIES];
