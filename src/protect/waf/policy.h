/* The web application firewall as a policy of protection: requests, their bodies and the headers of
 * answers run through the rules of their site. */
#pragma once

#include "base/log.h"
#include "protect/stages.h"

extern const struct protect_policy waf_policy;

/** @param log  where matches go; outlives the result */
struct waf_policy *waf_policy_create(const struct log *log);
void waf_policy_destroy(struct waf_policy *policy);
