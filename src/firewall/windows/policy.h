/* The Windows Firewall as data: what is found of it, and orders to it. policy_windows.c reads and
 * carries them out by INetFwPolicy2; which rules are right is windows.c's business. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

enum { POLICY_DOMAIN = 1, POLICY_PRIVATE = 2, POLICY_PUBLIC = 4 };
enum { POLICY_PROFILES = 3 }; /* how many there are */

enum {
    POLICY_TEXT_MAX = 1024, /**< bytes of a name or a list that is written, with its NUL */
    POLICY_RULES_MAX = 4096,
};

/** Numbers of protocols as the interface has them. */
enum { POLICY_TCP = 6, POLICY_UDP = 17, POLICY_ANY = 256 };

/** A rule; all text is UTF-8 and owned. */
struct policy_rule {
    char *name;
    char *ports;   /**< local ones: "443", "80,443", "5000-5010", "RPC"; NULL: any */
    char *remote;  /**< "192.0.2.0/24", "192.0.2.0/255.255.255.0", a list; NULL: everybody */
    char *program; /**< for what this program listens on only; NULL: any */
    int protocol;
    unsigned profiles; /**< POLICY_DOMAIN | ... */
    bool out, block, enabled;
};

/** What is found on a machine. All zero: there is no Windows Firewall. */
struct policy {
    bool seen;                 /**< it answers */
    bool profiles_known;       /**< the next four could be read; POLICY_DOMAIN | ... each */
    unsigned active;           /**< the networks that the machine is on have these */
    unsigned enabled;          /**< for these it is switched on */
    unsigned blocks_all;       /**< for these no rule that allows counts */
    unsigned allows_all;       /**< for these what no rule names may come in */
    bool overridden;           /**< a group policy outweighs rules that are made on this machine */
    bool rules_known;          /**< the rules could be read */
    bool cut;                  /**< there were more rules than are kept */
    struct policy_rule *rules; /**< all of ours, and those of others that are in force inbound */
    size_t count;
};

enum policy_verb {
    POLICY_ADD,
    POLICY_REMOVE, /**< all rules of that name; none is no error */
    POLICY_SWITCH, /**< rules of that name, direction, protocol and ports: on or off by `enabled` */
};

struct policy_order {
    enum policy_verb verb;
    struct policy_rule rule;
};

struct policy_rule policy_rule_copy(const struct policy_rule *rule);
void policy_rule_finish(struct policy_rule *rule);
void policy_finish(struct policy *policy);
/** Does a list of local ports hold this one? "RPC" and the like hold none. */
bool policy_ports_hold(const char *ports, uint16_t port);

/** Reads the firewall of this machine; needs no rights. */
void policy_read(struct policy *ret_policy);
/** Carries an order out; needs an administrator.
 *  @return 0; -EACCES without the right; -EINVAL for text that is too long or no UTF-8; -EIO for
 * any other refusal */
must_check int policy_obey(const struct policy_order *order);
