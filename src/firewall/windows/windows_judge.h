/* What the rules of the Windows Firewall, as they were read, say of ports. */
#pragma once

#include "firewall/plan/manager.h"
#include "firewall/windows/policy.h"

/** Judges whether they let in what gardien opened.
 *  @return how many of the ports they close; what could not be told does not count */
size_t windows_judge(const struct policy *policy, const struct firewall_request *request,
                     struct findings *findings);
/** Reads profiles: "domain,private,public", in whatever order; NULL: the first two.
 *  @return 0, or ERR_SETTINGS told in diags */
must_check int windows_profiles(const char *text, struct diags *diags, unsigned *ret_profiles);
enum { WINDOWS_PROFILES_TEXT = 32 };
/** "domain,private"; yields `out`. */
const char *windows_profiles_text(unsigned profiles, char out[WINDOWS_PROFILES_TEXT]);
enum { WINDOWS_NAME = 40 };
/** "gardien 443/tcp", "gardien 443/tcp out"; yields `out`. */
const char *windows_name(struct port port, bool outbound, char out[WINDOWS_NAME]);
/** Is this rule for the port alone, as one of ours is for everybody or `from`? It may be for other
 *  profiles, or switched off. */
bool windows_is_just(const struct policy_rule *rule, struct port port);
