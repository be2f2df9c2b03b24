/* Why is a port closed, or is it open? One question, one answer a family, told by whoever can. */
#pragma once

#include "firewall/model/path.h"
#include "firewall/model/ruleset.h"
#include "firewall/trace/source.h"

/** Answers by another way when no probe may be sent: a ruleset as read. It fills path as
 *  firewall_why() does. @return 0, or a negative error, after which the verdict stays unknown */
typedef int firewall_simulate(struct firewall_path *path);

/** Sends a probe and tells what becomes of it: the firewall's verdict with the rule that decides,
 * and if the firewall lets it through, whether anybody listens. It takes some 20 ms, and
 *  up to 100 ms for what is lost outside of nftables; needs
 *  CAP_NET_ADMIN and CAP_BPF, and with CAP_PERFMON also learns the kernel's own reasons to drop. No
 *  packet leaves the host and no listener sees one. Counters, logs and sets of the rules that the
 *  probe meets do change, as by any packet.
 *  @param fallback  asked when no probe can be sent; may be NULL
 *  @param ret_path  to be finished; its verdict is FIREWALL_UNKNOWN with a reason where it cannot
 * be told
 *  @return 0, or ERR_NOT_FOUND when this host has no address of the family or no such interface:
 *  the path's reason says which, and it is to be finished too */
must_check int firewall_why(const struct firewall_question *question, int family,
                            firewall_simulate *fallback, struct firewall_path *ret_path);

/** Such another way: this host's rules as nftables lists them, and its addresses. Needs
 *  CAP_NET_ADMIN alone. @return 0, or as ruleset_read_live() */
must_check int firewall_simulate_live(struct firewall_path *path);
/** What rules say that were read from a file, which may be those of another host. Where `question`
 * names no interface or no destination, what depends on them is unknown.
 *  @param ret_path  to be finished */
void firewall_why_rules(const struct firewall_question *question, int family,
                        const struct ruleset *ruleset, struct firewall_path *ret_path);

/** Do this host's rules let a packet out that it sends to `question->to` and `port`, and the answer
 *  in? No packet is sent: the rules as they are read are followed, which needs CAP_NET_ADMIN.
 *  @param ret_path  to be finished; where it cannot be told its reason says why
 *  @return 0, ERR_NOT_FOUND without a route to the address, or another negative error */
must_check int firewall_why_out(const struct firewall_question *question, int family,
                                struct firewall_path *ret_path);

struct sockaddr;

/** For whoever could not reach an address: do this host's own rules keep it from doing so?
 *  @param address   of IPv4 or IPv6, with its port
 *  @param protocol  IPPROTO_TCP or IPPROTO_UDP
 *  @param ret_path  when true the rule, to be finished: its reason and its hint are for people
 *  @return false also where it could not be told, as without CAP_NET_ADMIN */
must_check bool firewall_keeps_in(const struct sockaddr *address, int protocol,
                                  struct firewall_path *ret_path);

/** One port's and family's answer; the first two are to be set by the caller. */
struct firewall_answer {
    const struct firewall_question *question;
    int family; /**< AF_INET or AF_INET6 */
    int result; /**< what firewall_why() returns */
    struct firewall_path path;
};

/** The same for several ports and families, faster than one by one: what the first needs is kept
 *  for those that come in by the same interface. Each path is to be finished. */
void firewall_why_each(firewall_simulate *fallback, struct firewall_answer *answers, size_t count);

/** Is a port open to the Internet? For `gardien open`, which asks before its plan to learn the
 * chain that drops (path.steps[path.culprit], when the verdict is dropped or rejected), and
 * afterwards to prove its work. What listens is left out: obstacle is FIREWALL_LISTENS_ELSEWHERE,
 *  FIREWALL_NO_LISTENER at most, which firewall_proved() does not look at.
 *  @param protocol  IPPROTO_TCP or IPPROTO_UDP
 *  @param interface NULL: the one towards the Internet
 *  @return as firewall_why() */
must_check int firewall_prove(uint16_t port, int protocol, int family, const char *interface,
                              struct firewall_path *ret_path);
/** Does the firewall let the packet through, whoever listens? */
bool firewall_proved(const struct firewall_path *path);
