/* One rule of iptables as statements of the model (iptables(8), iptables-extensions(8)). */
#pragma once

#include "firewall/model/ruleset_internal.h"

/** Reads what stands behind "-A CHAIN". What is not known here becomes a statement that may match,
 *  or one that may do anything, never nothing.
 *  @param rule   its statements, their count and its comment are set
 *  @param table  names of its chains are targets; they must be read already */
void iptables_rule_read(struct ruleset_reader *reader, const struct ruleset_table *table,
                        const char *words, struct ruleset_rule *rule);
