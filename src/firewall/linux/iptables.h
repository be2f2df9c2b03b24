/* What the files of the iptables managers share. */
#pragma once

#include "firewall/model/rules.h"
#include "firewall/plan/manager.h"

/** "ip6tables-legacy". @param version  0: IPv4, 1: IPv6 */
const char *iptables_program(enum iptables_flavour flavour, int version);
/** The manager's name. */
const char *iptables_name(enum iptables_flavour flavour);
/** Are ufw's chains in this flavour's tables, and ufw enabled? */
bool iptables_has_ufw(const struct firewall_facts *facts, enum iptables_flavour flavour);
/** The filter table; the facts must outlive it. */
void iptables_rules(const struct firewall_facts *facts, enum iptables_flavour flavour, int version,
                    struct rules *ret_rules);
/** Adds the step that saves what the steps before changed, or a note why nothing does. */
void iptables_plan_save(const struct firewall_facts *facts, enum iptables_flavour flavour,
                        struct plan *plan);
int iptables_plan_close(const struct firewall_facts *facts, const struct firewall_request *request,
                        enum iptables_flavour flavour, struct plan *plan);
