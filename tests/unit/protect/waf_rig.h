/* Rules from text, and requests to run through them. */
#pragma once

#include "base/diag.h"
#include "protect/waf/engine.h"
#include "protect/waf/load.h"

/** Loads rules from text; mistakes go to `diags`. @return NULL when there are some */
struct waf_rules *waf_rig_load(const char *text, struct diags *diags);
/** Runs a request with a body through all phases.
 *  @param headers  "Name: value" lines, each with "\n"
 *  @param ret_ids  the ids that matched and log, each followed by a blank
 *  @return the status that it is refused with, or 0 */
int waf_rig_run(const struct waf_rules *rules, const char *target, const char *headers,
                struct span body, char *ret_ids, size_t room);
