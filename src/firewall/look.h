/* A look at the machine: the facts from which managers judge whether they are in force and what to
 * do. Gathered once, by look_take(); tests make theirs up. It judges nothing. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/macros.h"
#include "firewall/pf.h"
#include "firewall/policy.h"

/** Of a program of the iptables family and one IP version: `iptables-nft -S`, ... */
struct look_xt {
    char *filter; /**< what `-S` says of the filter table; NULL: not there, or not to be seen */
    char *nat;    /**< the same of the nat table */
    bool cut;     /**< there was more than could be taken */
};

enum look_flavour { LOOK_XT_NFT, LOOK_XT_LEGACY, LOOK_XT_FLAVOURS };

/** All zero: a machine of which nothing is known, as for plans for another one. */
struct look {
    bool here;       /**< it is about this machine */
    bool privileged; /**< the rules may be changed */
    bool unseen;     /**< the rules could not be read for lack of rights */
    char *root;      /**< in front of every path that is read or written; "" or NULL for / */

    json_t *done;       /**< what gardien did before: see done.h */
    json_t *ruleset;    /**< the array "nftables" of `nft -j list ruleset`; NULL: not to be seen */
    char *ruleset_text; /**< `nft -a list ruleset`; NULL: not to be seen */
    struct look_xt xt[LOOK_XT_FLAVOURS][2]; /**< [flavour][0: IPv4, 1: IPv6] */

    json_t *firewalld; /**< what firewalld says of itself: see firewalld.h; NULL: not there */

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
void look_take(struct look *ret_look, const char *root, const char *state);
void look_finish(struct look *look);

/** The file at a path beneath the look's root. @return its text for free(), at most 1 MiB, or NULL
 */
char *look_file(const struct look *look, const char *path);
/** Is there a table in the kernel's ruleset? @param family  "inet"; NULL for any */
bool look_has_table(const struct look *look, const char *family, const char *name);
/** Is there a chain? Tables of iptables-nft count. @param family, table  NULL for any */
bool look_has_chain(const struct look *look, const char *family, const char *table,
                    const char *name);
/** Does firewalld run, and are its rules in the tables of this flavour of iptables? */
bool look_has_firewalld(const struct look *look, enum look_flavour flavour);
