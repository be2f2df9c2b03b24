/* Asked when a ban is about to be made, since addresses, routes and logins change. */
#include "app/ban_never.h"

#include <ifaddrs.h>

#include "os/address.h"
#include "os/route.h"
#include "os/sockdiag_peers.h"

enum { SSH_PORT = 22, SSH_PEERS_MAX = 256 };

static bool overlaps_address(const struct peer_network *network, const struct sockaddr *address)
{
    struct peer_address own = {.bytes = {[10] = 0xff, [11] = 0xff}};

    if (!address)
        return false;
    if (address->sa_family == AF_INET)
        memcpy(own.bytes + 12, &((const struct sockaddr_in *)address)->sin_addr, 4);
    else if (address->sa_family == AF_INET6)
        memcpy(own.bytes, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
    else
        return false;
    return peer_network_contains(network, own);
}

static bool is_loopback(const struct peer_network *network)
{
    struct peer_network four, six;

    return (peer_network_parse(SPAN("127.0.0.0/8"), &four) >= 0 &&
            peer_networks_overlap(network, &four)) ||
           (peer_network_parse(SPAN("::1"), &six) >= 0 && peer_networks_overlap(network, &six));
}

static bool is_own(const struct peer_network *network)
{
    struct ifaddrs *all = NULL;
    bool own = false;

    if (getifaddrs(&all) < 0)
        return false;
    for (const struct ifaddrs *at = all; at && !own; at = at->ifa_next)
        own = overlaps_address(network, at->ifa_addr);
    freeifaddrs(all);
    return own;
}

/** By the way to addresses that no network of ours has. */
static bool is_gateway(const struct peer_network *network)
{
    static const char *const far[] = {"192.0.2.1", "2001:db8::1"};

    for (size_t i = 0; i < ARRAY_SIZE(far); i++) {
        struct socket_address to;
        struct route route;
        if (address_from_ip(far[i], 443, &to) >= 0 &&
            route_look((const struct sockaddr *)&to.storage, &route) >= 0 && route.via_gateway &&
            overlaps_address(network, (const struct sockaddr *)&route.gateway))
            return true;
    }
    return false;
}

static bool is_ssh_peer(const struct peer_network *network)
{
    uint8_t peers[SSH_PEERS_MAX][16];
    int count = sockdiag_peers(SSH_PORT, peers, SSH_PEERS_MAX);

    for (int i = 0; i < count; i++) {
        struct peer_address address;
        memcpy(address.bytes, peers[i], sizeof address.bytes);
        if (peer_network_contains(network, address))
            return true;
    }
    return false;
}

const char *ban_never(const struct peer_network *network)
{
    return is_loopback(network) || is_own(network) ? "is this machine"
           : is_gateway(network)                   ? "is this machine's gateway"
           : is_ssh_peer(network)                  ? "is logged in here by SSH"
                                                   : NULL;
}
