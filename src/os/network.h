/* Where this machine meets the world: the interface that strangers come in at, our address there,
 * the router behind it. */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/macros.h"

enum { NETWORK_PLACES_MAX = 16 };

struct network_place {
    int family; /**< AF_INET or AF_INET6 */
    char interface[IF_NAMESIZE];
    unsigned char address[16]; /**< ours; network order, the first 4 bytes for IPv4 */
    bool routed;               /**< a default route leads out here */
    unsigned char router[16];  /**< of that route; zero where it names none */
    unsigned metric;           /**< of that route: the lowest is taken */
};

/** Interfaces that are up and have an address of the family that others can reach: neither loopback
 *  nor link-local. Those with a default route come first, the best first.
 *  @return how many were written, 0..NETWORK_PLACES_MAX, or -errno */
must_check int network_places(int family, struct network_place places[NETWORK_PLACES_MAX]);
