/* `gardien why --out`: what this host sends. */
#pragma once

#include "cli/arguments.h"
#include "firewall/firewall.h"

enum { WHY_UNKNOWN = 3 }; /**< the exit code */

/** Follows a first packet to the address of --out through the rules, of this host or of `ruleset`,
 *  and prints what becomes of it.
 *  @param ruleset  NULL: this host's
 *  @return an exit code as of `gardien why` */
int why_out_run(const struct arguments *arguments, const struct ruleset *ruleset,
                struct diags *diags);
/** Of the paths of one port: closed by something, else unknown by something, else open. A family
 *  that this host does not have counts only when it alone was asked for. */
int why_port_code(const struct firewall_answer *answers, size_t count);
/** {open, paths}; a new reference. */
json_t *why_json(const struct firewall_answer *answers, size_t count, int code);
