/* The facts of this machine, from which managers judge whether they are in force and what to
 * do. Gathered once, by firewall_facts_take(); tests make theirs up. It judges nothing. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/macros.h"
#include "firewall/macos/pf.h"
#include "firewall/model/simulate.h"
#include "firewall/windows/policy.h"

/** Of a program of the iptables family and one IP version: `iptables-nft -S`, ... */
struct iptables_tables {
    char *filter; /**< what `-S` says of the filter table; NULL: not there, or not to be seen */
    char *nat;    /**< the same of the nat table, and so on */
    char *mangle;
    char *raw;
    char *security;
};

enum iptables_flavour { IPTABLES_NFT, IPTABLES_LEGACY, IPTABLES_FLAVOURS };

/** All zero: a machine of which nothing is known, as for plans for another one. */
struct firewall_facts {
    bool here;       /**< it is about this machine */
    bool privileged; /**< the rules may be changed */
    /** It runs in another network namespace than process 1, and the files under /etc are those of
     *  process 1: they are about other rules than these */
    bool files_of_others;
    bool unseen; /**< the rules could not be read for lack of rights */
    char *root;  /**< in front of every path that is read or written; "" or NULL for / */

    json_t *done;       /**< what gardien did before: see journal.h */
    json_t *ruleset;    /**< the array "nftables" of `nft -j list ruleset`; NULL: not to be seen */
    char *ruleset_text; /**< `nft -a list ruleset`; NULL: not to be seen */
    struct iptables_tables xt[IPTABLES_FLAVOURS][2]; /**< [flavour][0: IPv4, 1: IPv6] */

    json_t *firewalld; /**< what firewalld says of itself: see firewalld.h; NULL: not there */

    struct simulate_host host; /**< its addresses; all zero: not known */
    /** The first packet of a client on the Internet, for IPv4 and IPv6. Family 0: this machine has
     *  no address of it */
    struct firewall_probe clients[2];

    bool has_nft, has_iptables, has_iptables_legacy, has_ufw, has_firewalld, has_persistent;
    bool iptables_is_legacy; /**< `iptables` without a suffix is the legacy one */
    bool firewalld_on_bus;   /**< org.fedoraproject.FirewallD1 has an owner */
    bool ufw_enabled;        /**< ENABLED=yes in /etc/ufw/ufw.conf */
    bool nftables_unit;      /**< nftables.service is enabled */
    bool persistent_unit;    /**< netfilter-persistent.service is enabled */
    bool docker;             /**< an interface docker0 is there */

    struct policy policy; /**< of Windows */
    struct pf pf;         /**< of macOS */
};

/** Gathers the facts of this machine. Runs `iptables -S` only where tables exist already, so that
 * it loads no kernel module.
 *  @param root   prefix of paths, for tests; "" for none
 *  @param state  the state folder, which need not exist; NULL for none */
void firewall_facts_take(struct firewall_facts *ret_facts, const char *root, const char *state);
void firewall_facts_finish(struct firewall_facts *facts);

/** The file at a path beneath the facts' root. @return its text for free(), at most 1 MiB, or NULL
 */
char *firewall_facts_file(const struct firewall_facts *facts, const char *path);
/** Is there a table in the kernel's ruleset? @param family  "inet"; NULL for any */
bool firewall_facts_has_table(const struct firewall_facts *facts, const char *family,
                              const char *name);
/** Is there a chain? Tables of iptables-nft count. @param family, table  NULL for any */
bool firewall_facts_has_chain(const struct firewall_facts *facts, const char *family,
                              const char *table, const char *name);
/** Does firewalld run, and are its rules in the tables of this flavour of iptables? */
bool firewall_facts_has_firewalld(const struct firewall_facts *facts,
                                  enum iptables_flavour flavour);
