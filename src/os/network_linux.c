/* Addresses from getifaddrs(), default routes from /proc/net. */
#include "os/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/route.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_reachable(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        uint32_t host = ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr);
        return host >> 24 != 127 && host >> 16 != 0xa9fe; /* 169.254/16: RFC 3927 */
    }
    const struct in6_addr *six = &((const struct sockaddr_in6 *)address)->sin6_addr;
    return !IN6_IS_ADDR_LOOPBACK(six) && !IN6_IS_ADDR_LINKLOCAL(six);
}

static void add_place(const struct ifaddrs *at, struct network_place *places, int *count)
{
    for (int i = 0; i < *count; i++)
        if (strcmp(places[i].interface, at->ifa_name) == 0)
            return;
    if (*count == NETWORK_PLACES_MAX)
        return;
    struct network_place *place = &places[(*count)++];
    *place = (struct network_place){.family = at->ifa_addr->sa_family};
    snprintf(place->interface, sizeof place->interface, "%s", at->ifa_name);
    if (place->family == AF_INET)
        memcpy(place->address, &((const struct sockaddr_in *)at->ifa_addr)->sin_addr, 4);
    else
        memcpy(place->address, &((const struct sockaddr_in6 *)at->ifa_addr)->sin6_addr, 16);
}

/* ---- default routes ---- */

static void set_route(struct network_place *places, int count, const struct network_place *route)
{
    for (int i = 0; i < count; i++) {
        struct network_place *place = &places[i];
        if (strcmp(place->interface, route->interface) != 0 ||
            (place->routed && place->metric <= route->metric))
            continue;
        place->routed = true;
        place->metric = route->metric;
        memcpy(place->router, route->router, sizeof place->router);
    }
}

static void read_ipv4(const char *line, struct network_place *places, int count)
{
    struct network_place route = {.family = AF_INET};
    unsigned destination, router, flags, mask;

    if (sscanf(line, "%15s %8x %8x %x %*d %*u %u %8x", route.interface, &destination, &router,
               &flags, &route.metric, &mask) != 6)
        return;
    if (destination || mask || (flags & RTF_REJECT))
        return;
    memcpy(route.router, &router, 4); /* printed as the number that its bytes make here */
    set_route(places, count, &route);
}

static void read_ipv6(const char *line, struct network_place *places, int count)
{
    static const char zeros[] = "00000000000000000000000000000000";
    struct network_place route = {.family = AF_INET6};
    char destination[33], router[33];
    unsigned bits, flags;

    if (sscanf(line, "%32s %2x %*32s %*2x %32s %8x %*x %*x %8x %15s", destination, &bits, router,
               &route.metric, &flags, route.interface) != 6)
        return;
    if (bits || strcmp(destination, zeros) != 0 || (flags & RTF_REJECT))
        return;
    for (size_t i = 0; i < 16; i++) {
        char byte[3] = {router[i * 2], router[i * 2 + 1]};
        route.router[i] = (unsigned char)strtoul(byte, NULL, 16);
    }
    set_route(places, count, &route);
}

static void read_routes(int family, struct network_place *places, int count)
{
    FILE *file =
        fopen(family == AF_INET ? "/proc/self/net/route" : "/proc/self/net/ipv6_route", "re");
    char line[512];

    if (!file) /* no IPv6 in this kernel */
        return;
    while (fgets(line, sizeof line, file)) {
        if (family == AF_INET)
            read_ipv4(line, places, count);
        else
            read_ipv6(line, places, count);
    }
    fclose(file);
}

static int by_route(const void *a, const void *b)
{
    const struct network_place *left = a, *right = b;

    if (left->routed != right->routed)
        return right->routed - left->routed;
    return left->metric < right->metric ? -1 : left->metric > right->metric;
}

int network_places(int family, struct network_place places[NETWORK_PLACES_MAX])
{
    struct ifaddrs *all = NULL;
    int count = 0;

    if (getifaddrs(&all) < 0)
        return -errno;
    for (const struct ifaddrs *at = all; at; at = at->ifa_next)
        if (at->ifa_addr && at->ifa_addr->sa_family == family && (at->ifa_flags & IFF_UP) &&
            !(at->ifa_flags & IFF_LOOPBACK) && is_reachable(at->ifa_addr))
            add_place(at, places, &count);
    freeifaddrs(all);
    read_routes(family, places, count);
    qsort(places, (size_t)count, sizeof *places, by_route);
    return count;
}
