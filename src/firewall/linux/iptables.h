/* What the files of the iptables managers share. */
#pragma once

#include "firewall/model/ruleset.h"
#include "firewall/plan/manager.h"

/** "ip6tables-legacy". @param version  0: IPv4, 1: IPv6 */
const char *iptables_program(enum iptables_flavour flavour, int version);
/** The manager's name. */
const char *iptables_name(enum iptables_flavour flavour);
/** Are ufw's chains in this flavour's tables, and ufw enabled? */
bool iptables_has_ufw(const struct firewall_facts *facts, enum iptables_flavour flavour);
/** The tables of this flavour and IP version; without any where firewalld writes them.
 *  @return for ruleset_destroy(), or NULL when they cannot be read */
struct ruleset *iptables_ruleset(const struct firewall_facts *facts, enum iptables_flavour flavour,
                                 int version);
/** Adds the step that saves what the steps before changed, or a note why nothing does. */
void iptables_plan_save(const struct firewall_facts *facts, enum iptables_flavour flavour,
                        struct plan *plan);
int iptables_plan_close(const struct firewall_facts *facts, const struct firewall_request *request,
                        enum iptables_flavour flavour, struct plan *plan);
