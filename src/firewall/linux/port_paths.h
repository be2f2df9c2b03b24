/* What each port of a request meets on its way through this machine's rules, over both IP versions:
 * what the planners of nftables and iptables go by. */
#pragma once

#include "firewall/model/passage.h"
#include "firewall/plan/manager.h"

struct port_paths {
    struct ruleset *ruleset; /**< all rules of the facts; NULL where they cannot be read */
    struct passage *passages;
    size_t count; /**< ports; two passages each */
};

/** The rules of the facts as a model: nftables' listing, and iptables' text.
 *  @return for ruleset_destroy(), or NULL when they cannot be read */
struct ruleset *ruleset_of_facts(const struct firewall_facts *facts);
/** @param ret_paths  to be finished; the request must outlive it */
void port_paths_take(const struct firewall_facts *facts, const struct firewall_request *request,
                     struct port_paths *ret_paths);
/** The same with the rules of ufw, which are left to it otherwise. */
void port_paths_take_all(const struct firewall_facts *facts, const struct firewall_request *request,
                         struct port_paths *ret_paths);
void port_paths_finish(struct port_paths *paths);
/** Of a port, by its place in the request. @param version  0: IPv4, 1: IPv6
 *  @return NULL when the request is not about this IP version */
const struct passage *port_paths_of(const struct port_paths *paths,
                                    const struct firewall_request *request, size_t port,
                                    int version);
/** Is the table one of iptables, though a listing of nftables may show it? */
bool is_iptables_table(const struct ruleset_table *table);
