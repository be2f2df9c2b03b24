/* Where a probe comes from and goes to, when the user left that open: the interface, the address of
 * ours that is asked for, an address out there that would come in by that interface. */
#pragma once

#include "firewall/model/path.h"

/** What the user asks. All zero but `port` and `protocol`: from the Internet. */
struct firewall_question {
    uint16_t port;
    int protocol;          /**< IPPROTO_TCP or IPPROTO_UDP */
    const char *interface; /**< NULL: the one by which `from` is reached */
    int from_family;       /**< AF_INET, AF_INET6, or 0: from is not given */
    unsigned char from[16];
    int to_family; /**< the same for `to` */
    unsigned char to[16];
    bool out; /**< this host sends it to `to`; `from` is not given */
    bool has_user;
    unsigned user; /**< of the program that sends it, with `has_user` */
};

/** Fills a probe for one family.
 *  @param ret_why  on ERR_NOT_FOUND a sentence that says what is lacking, for free()
 *  @return 0; ERR_NOT_FOUND when this host has no such interface or no address of the family;
 * -errno
 */
must_check int source_choose(const struct firewall_question *question, int family,
                             struct firewall_probe *ret_probe, char **ret_why);
/** The same for a packet that this host sends to `to`: its own address and the interface by the
 *  kernel's route. @return as above; ERR_NOT_FOUND when there is no route */
must_check int source_choose_out(const struct firewall_question *question, int family,
                                 struct firewall_probe *ret_probe, char **ret_why);
/** The interface by which packets to an address leave. @return its name in `name`, or "" */
const char *source_route_to(int family, const unsigned char address[16],
                            char name[FIREWALL_INTERFACE]);
/** Is there a route to the address? */
bool source_has_route_to(int family, const unsigned char address[16]);
/** Is the address one of this host's? */
bool source_is_own(int family, const unsigned char address[16]);
