/* What the files of the iptables managers share. */
#pragma once

#include "firewall/manager.h"
#include "firewall/rules.h"

/** "ip6tables-legacy". @param version  0: IPv4, 1: IPv6 */
const char *iptables_program(enum look_flavour flavour, int version);
/** The manager's name. */
const char *iptables_name(enum look_flavour flavour);
/** Are ufw's chains in this flavour's tables, and ufw enabled? */
bool iptables_has_ufw(const struct look *look, enum look_flavour flavour);
/** The filter table; the look must outlive it. */
void iptables_rules(const struct look *look, enum look_flavour flavour, int version,
                    struct rules *ret_rules);
/** Adds the step that saves what the steps before changed, or a note why nothing does. */
void iptables_plan_save(const struct look *look, enum look_flavour flavour, struct plan *plan);
int iptables_plan_close(const struct look *look, const struct wish *wish, enum look_flavour flavour,
                        struct plan *plan);
