/* What costs least is asked first. */
#include "protect/policies.h"

#include "protect/addresses.h"
#include "protect/answers.h"
#include "protect/bans.h"
#include "protect/cross_origin.h"
#include "protect/malware.h"
#include "protect/rates.h"
#include "protect/secrets.h"
#include "protect/waf/policy.h"

const struct protect_policy *const protect_policies[POLICIES] = {
    [POLICY_BANS] = &bans_policy,       [POLICY_ADDRESSES] = &addresses_policy,
    [POLICY_RATES] = &rates_policy,     [POLICY_REQUESTS_AT_ONCE] = &requests_at_once_policy,
    [POLICY_SECRETS] = &secrets_policy, [POLICY_CROSS_ORIGIN] = &cross_origin_policy,
    [POLICY_WAF] = &waf_policy,         [POLICY_MALWARE] = &malware_policy,
    [POLICY_ANSWERS] = &answers_policy,
};
