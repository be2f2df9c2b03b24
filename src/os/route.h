/* What the kernel would do with a packet to an address: by which interface, from which of our
 * addresses, through which gateway, and whether a neighbour of that address answers. */
#pragma once

#include <stdbool.h>

#include "base/macros.h"
#include "os/net.h"

struct route {
    bool local;                      /**< the address is this machine's */
    bool via_gateway;                /**< false: the address is on a network that we are part of */
    struct sockaddr_storage gateway; /**< where via_gateway */
    struct sockaddr_storage source;  /**< our address that the packet would carry */
    unsigned interface_index;
    char interface[IF_NAMESIZE];
    unsigned mtu; /**< bytes; 0: unknown */
};

enum route_neighbour {
    ROUTE_NEIGHBOUR_UNKNOWN,  /**< the kernel has not asked */
    ROUTE_NEIGHBOUR_ANSWERED, /**< it has answered ARP or neighbour discovery */
    ROUTE_NEIGHBOUR_SILENT,   /**< it has not answered */
};

/** Asks the kernel for the way to an IPv4 or IPv6 address (rtnetlink(7), RTM_GETROUTE).
 *  @return 0; -ENETUNREACH, -EHOSTUNREACH, -EACCES (a prohibit route), -EINVAL (a blackhole route
 * or another family); -EOPNOTSUPP on a system whose routes are not asked; other -errno */
must_check int route_look(const struct sockaddr *to, struct route *ret_route);
/** Whether an address on a network that we are part of has answered (RTM_GETNEIGH). */
enum route_neighbour route_neighbour(const struct sockaddr *address, unsigned interface_index);
