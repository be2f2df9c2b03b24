/* The managers that may be in force on Linux. */
#include "firewall/plan/manager.h"

const struct manager *const managers[] = {
    &manager_firewalld,       &manager_ufw, &manager_nftables, &manager_iptables_nft,
    &manager_iptables_legacy, NULL,
};
