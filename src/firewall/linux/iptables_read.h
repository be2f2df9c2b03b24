/* What the programs of the iptables family print. */
#pragma once

#include <stdbool.h>

#include "firewall/plan/facts.h"

/** Asks `iptables-nft-save` or its like for all tables that are there, at most 8 MiB. A legacy one
 *  is only run where tables exist already, so that it loads no kernel module.
 *  @param version  0: IPv4, 1: IPv6
 *  @return for free(), or NULL where there is none, or it cannot be asked */
char *iptables_save(enum iptables_flavour flavour, int version);
