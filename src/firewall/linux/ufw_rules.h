/* ufw's own list of rules, as it keeps it in /etc/ufw/user.rules and user6.rules. */
#pragma once

#include <stddef.h>

#include "base/span.h"
#include "os/ports.h"

struct firewall_facts;

enum { UFW_RULES_MAX = 4096 };

/** One rule of ufw, of one IP version. Strings are owned. */
struct ufw_rule {
    bool route;      /**< for packets that are sent on to another host or a container */
    int version;     /**< 4 or 6 */
    char *action;    /**< "allow", "deny", "reject", "limit"; "_log" and "_log-all" cut off */
    char *log;       /**< "log", "log-all" or "" */
    char *protocol;  /**< "tcp", "udp", "any", "esp", … */
    char *ports;     /**< "443", "80,443", "8000:8100", "any" */
    char *to, *from; /**< "0.0.0.0/0" and "::/0" are everybody */
    char *from_ports;
    char *application; /**< "Nginx HTTPS"; NULL for a rule of ports */
    char *interface;   /**< where packets come in; NULL: anywhere */
    char *comment;     /**< NULL for none */
};

struct ufw_rules {
    struct ufw_rule *items;
    size_t count;
};

/** The rules for incoming packets, in ufw's order, IPv4 first. Lines that are none of these are
 *  passed over. */
void ufw_rules_read(const struct firewall_facts *facts, struct ufw_rules *ret_rules);
/** The same from the text of one file, added to the list. */
void ufw_rules_parse(struct span text, int version, struct ufw_rules *rules);
void ufw_rules_finish(struct ufw_rules *rules);

/** Does a rule speak of this port, alone or among others? */
bool ufw_rule_covers(const struct ufw_rule *rule, struct port port);
/** Does it speak of this port alone? */
bool ufw_rule_is_for(const struct ufw_rule *rule, struct port port);
/** Does it let in, or keep out, everybody on every interface? */
bool ufw_rule_for_all(const struct ufw_rule *rule);
/** Do both do the same, but for the IP version and the comment? */
bool ufw_rule_same(const struct ufw_rule *a, const struct ufw_rule *b);
