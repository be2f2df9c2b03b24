/* What becomes of one packet from outside: the chains and rules that it passes, the one that
 * decides, and what to do about it. The kernel's trace, counters, drop reasons and the simulator
 * all fill this one answer; path_print.c prints it as text and JSON. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "report/finding.h"

struct printer;

enum {
    FIREWALL_STEPS_MAX = 1000,  /**< of one path that are kept */
    FIREWALL_ADDRESS_TEXT = 46, /**< bytes for an address as text, with its NUL */
    FIREWALL_INTERFACE = 16,    /**< for the name of an interface, likewise: IF_NAMESIZE */
};

/** The packet in question: the first of a connection to `port`. */
struct firewall_probe {
    int family;   /**< AF_INET or AF_INET6 */
    int protocol; /**< IPPROTO_TCP or IPPROTO_UDP */
    /** In network order; the first 4 bytes for IPv4. A destination of zeros is any of the host's.
     */
    unsigned char source[16], destination[16];
    uint16_t source_port; /**< host order; 0: an ephemeral one, 32768 or above */
    uint16_t port;        /**< host order, 1..65535 */
    char interface[FIREWALL_INTERFACE];
    /** This host sends it: from `source` (zeros: any of its own) to `destination`, by `interface`
     */
    bool out;
    bool has_user;
    unsigned user; /**< with `out` and `has_user`: whose program sends it */
};

enum firewall_layer {
    FIREWALL_NFTABLES, /**< also what iptables-nft, ufw and firewalld put there */
    FIREWALL_IPTABLES, /**< iptables-legacy, which nftables does not see */
    FIREWALL_TC,       /**< a filter or BPF program of traffic control */
    FIREWALL_XDP,      /**< a BPF program at the driver */
    FIREWALL_KERNEL,   /**< routing and its checks: no firewall */
};

enum firewall_action {
    FIREWALL_CONTINUE, /**< matched, and the next rule follows */
    FIREWALL_ACCEPT,   /**< done with this base chain; later ones still decide */
    FIREWALL_DROP,
    FIREWALL_REJECT,
    FIREWALL_JUMP,
    FIREWALL_GOTO,
    FIREWALL_RETURN,
    FIREWALL_QUEUE, /**< a program decides */
    FIREWALL_NAT,   /**< the destination was changed */
    FIREWALL_MAYBE, /**< whether the rule matches could not be told */
};

/** One rule that matched, or a policy that was reached. Strings are owned; NULL where unknown. */
struct firewall_step {
    enum firewall_layer layer;
    bool policy;     /**< the base chain's policy, or a check that is no rule */
    char *family;    /**< "ip", "ip6", "inet", "netdev", "bridge" */
    char *table;     /**< "filter" */
    char *chain;     /**< "ufw-user-input" */
    char *hook;      /**< "input", for base chains only */
    int priority;    /**< with a hook */
    uint64_t handle; /**< 0: none */
    size_t index;    /**< of the rule in its chain, from 0; where the model told the way */
    char *text;      /**< the rule as its tool writes it */
    char *origin;    /**< what its manager calls it: "ufw rule 3: deny 443/tcp" */
    bool answer;     /**< the answer met it, on its way out */
    uint16_t port;   /**< the server\'s, as the packet had it there; 0: that of the probe */
    char address[FIREWALL_ADDRESS_TEXT]; /**< the same, where it was changed; else "" */
    enum firewall_action action;
    char *
        target; /**< the chain of a jump, "icmp port-unreachable" of a reject, "ADDR:PORT" of NAT */
};

enum firewall_verdict {
    FIREWALL_UNKNOWN,   /**< `reason` says why */
    FIREWALL_ACCEPTED,  /**< the firewall hands it to this host's sockets */
    FIREWALL_FORWARDED, /**< the firewall lets it through to `forwarded` */
    FIREWALL_DROPPED,   /**< in silence */
    FIREWALL_REJECTED,  /**< with an answer, which the culprit's target names */
};

/** What keeps a port closed although the firewall lets its packets through. */
enum firewall_obstacle {
    FIREWALL_NO_OBSTACLE,
    FIREWALL_NO_LISTENER,
    FIREWALL_LISTENS_ELSEWHERE, /**< on 127.0.0.1 only, or on another address or family */
    FIREWALL_NOT_LOCAL,         /**< the address is none of this host's */
    FIREWALL_LINK_DOWN,
    FIREWALL_NO_WAY_BACK, /**< there is no route for the answer */
    FIREWALL_NO_ROUTE,    /**< nor for the packet, where this host sends it */
};

enum firewall_witness {
    FIREWALL_BY_NOBODY,
    FIREWALL_BY_TRACE,       /**< a probe packet, followed by the kernel's own trace */
    FIREWALL_BY_COUNTERS,    /**< the same, told from the counters that it moved */
    FIREWALL_BY_DROP_REASON, /**< the same, told from the kernel's reason for freeing it */
    FIREWALL_BY_SIMULATOR,   /**< the rules as read, without a packet */
};

#define FIREWALL_NO_CULPRIT SIZE_MAX

/** All zero is an empty one, but for `culprit`: firewall_path_init(). */
struct firewall_path {
    struct firewall_probe probe;
    struct firewall_step *steps; /**< in the packet's order */
    size_t count;
    size_t dropped; /**< how many came after the last that was kept */
    size_t culprit; /**< index of the step that decides; FIREWALL_NO_CULPRIT for none */
    enum firewall_verdict verdict;
    enum firewall_obstacle obstacle;
    enum firewall_witness witness;
    char *forwarded;       /**< "172.17.0.2:8443", once the destination was changed */
    char *reason;          /**< the verdict as a sentence without full stop */
    char *hint;            /**< the command, or the words, that fixes it; NULL: nothing to fix */
    struct findings notes; /**< what else is worth knowing: "an XDP program sees packets first" */
};

void firewall_path_init(struct firewall_path *path, const struct firewall_probe *probe);
/** Adds an empty step; at most 1,000 are kept. The result (never NULL) is good until the next. */
struct firewall_step *firewall_path_step(struct firewall_path *path);
/** Takes the steps from that one on away. */
void firewall_path_cut(struct firewall_path *path, size_t count);
/** Makes the last step the culprit. */
void firewall_path_blame(struct firewall_path *path);
void firewall_path_reason(struct firewall_path *path, const char *sentence, ...) printf_like(2, 3);
void firewall_path_hint(struct firewall_path *path, const char *command, ...) printf_like(2, 3);
/** Does a packet get to somebody who listens? */
bool firewall_path_open(const struct firewall_path *path);
/** Takes NULL strings and an empty path; it is empty afterwards. */
void firewall_path_finish(struct firewall_path *path);

/** The address as text, without brackets. @return `text` */
const char *firewall_address_text(int family, const unsigned char address[16],
                                  char text[FIREWALL_ADDRESS_TEXT]);
/** An ordinary address of the Internet. */
void firewall_internet_address(int family, unsigned char ret_address[16]);
const char *firewall_verdict_name(enum firewall_verdict verdict); /**< "dropped" */
const char *firewall_action_name(enum firewall_action action);    /**< "drop" */

/** A headline, the steps in order, the culprit last and marked, the hint. Text of rules is escaped.
 */
void firewall_path_print(const struct printer *printer, const struct firewall_path *path);
/** {interface, direction, family, protocol, source, destination, port, verdict, open, told_by,
 * reason, hint?, obstacle?, forwarded?, culprit?, steps, notes}; a new reference. */
json_t *firewall_path_json(const struct firewall_path *path);
