/* The kernel is asked for its routes by connecting a datagram socket, which sends nothing. */
#include "firewall/trace/source.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"

/* Hosts out there, for a probe "from the Internet": ordinary addresses, which lists of addresses
 * that nobody may use do not hold. */

static size_t address_size(int family)
{
    return family == AF_INET6 ? 16 : 4;
}

/* The bytes of a socket's address; NULL for other families. */
static const unsigned char *address_bytes(const struct sockaddr *address, int family)
{
    if (!address || address->sa_family != family)
        return NULL;
    return family == AF_INET6
               ? ((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr
               : (const unsigned char *)&((const struct sockaddr_in *)(const void *)address)
                     ->sin_addr;
}

static bool is_link_local(int family, const unsigned char *bytes)
{
    return family == AF_INET6 && bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

static bool is_loopback(int family, const unsigned char *bytes)
{
    static const unsigned char one[16] = {[15] = 1};

    return family == AF_INET6 ? memcmp(bytes, one, 16) == 0 : bytes[0] == 127;
}

/* The address that we would use to reach another. @return false when there is no way */
static bool local_address_to(int family, const unsigned char *remote, unsigned char *ret_local)
{
    struct sockaddr_storage storage = {.ss_family = (sa_family_t)family};
    struct sockaddr_in6 *six = (void *)&storage;
    struct sockaddr_in *four = (void *)&storage;
    socklen_t len = family == AF_INET6 ? sizeof *six : sizeof *four;
    bool found = false;
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return false;
    if (family == AF_INET6) {
        six->sin6_port = htons(9);
        memcpy(&six->sin6_addr, remote, 16);
    } else {
        four->sin_port = htons(9);
        memcpy(&four->sin_addr, remote, 4);
    }
    if (connect(fd, (const struct sockaddr *)&storage, len) == 0 &&
        getsockname(fd, (struct sockaddr *)&storage, &len) == 0) {
        memcpy(ret_local, address_bytes((const struct sockaddr *)&storage, family),
               address_size(family));
        found = true;
    }
    close(fd);
    return found;
}

/* The best address of an interface, or of any that is up: global ones before link-local ones, other
 * interfaces before lo. NULL for none. */
static const struct ifaddrs *best_address(const struct ifaddrs *all, int family, const char *name)
{
    const struct ifaddrs *best = NULL;
    int best_rank = -1;

    for (const struct ifaddrs *at = all; at; at = at->ifa_next) {
        const unsigned char *bytes = address_bytes(at->ifa_addr, family);
        if (!bytes || (name && strcmp(at->ifa_name, name) != 0))
            continue;
        int rank = (is_link_local(family, bytes) ? 0 : 1) + (at->ifa_flags & IFF_LOOPBACK ? 0 : 4) +
                   (at->ifa_flags & IFF_UP ? 2 : 0);
        if (rank > best_rank) {
            best = at;
            best_rank = rank;
        }
    }
    return best;
}

static const struct ifaddrs *owner_of(const struct ifaddrs *all, int family,
                                      const unsigned char *address)
{
    for (const struct ifaddrs *at = all; at; at = at->ifa_next) {
        const unsigned char *bytes = address_bytes(at->ifa_addr, family);
        if (bytes && memcmp(bytes, address, address_size(family)) == 0)
            return at;
    }
    return NULL;
}

/* Another host in the network of an interface's address; the address itself on lo. */
static void neighbour(const struct ifaddrs *of, int family, unsigned char *ret_address)
{
    const unsigned char *ours = address_bytes(of->ifa_addr, family);
    const unsigned char *mask = address_bytes(of->ifa_netmask, family);
    size_t last = address_size(family) - 1;

    memcpy(ret_address, ours, last + 1);
    if (is_loopback(family, ours))
        return;
    for (size_t i = 0; mask && i <= last; i++)
        ret_address[i] &= mask[i];
    ret_address[last] |= 1;
    if (memcmp(ret_address, ours, last + 1) == 0)
        ret_address[last] ^= 3;
}

static const struct ifaddrs *choose_interface(const struct ifaddrs *all,
                                              const struct firewall_question *question,
                                              const struct firewall_probe *probe, bool from)
{
    unsigned char internet[16], local[16];

    firewall_internet_address(probe->family, internet);
    if (question->interface)
        return best_address(all, probe->family, question->interface);
    if (!from && question->to_family) {
        const struct ifaddrs *owner = owner_of(all, probe->family, probe->destination);
        if (owner)
            return owner;
    }
    if (local_address_to(probe->family, from ? probe->source : internet, local)) {
        const struct ifaddrs *owner = owner_of(all, probe->family, local);
        if (owner)
            return owner;
    }
    return best_address(all, probe->family, NULL);
}

/* The source for packets that come in by an interface. */
static void choose_source(const struct ifaddrs *of, struct firewall_probe *probe)
{
    unsigned char internet[16];
    char way[IF_NAMESIZE];

    firewall_internet_address(probe->family, internet);
    if (!(of->ifa_flags & IFF_LOOPBACK) &&
        strcmp(source_route_to(probe->family, internet, way), of->ifa_name) == 0)
        memcpy(probe->source, internet, 16);
    else
        neighbour(of, probe->family, probe->source);
}

static char *why_not(const struct firewall_question *question, int family)
{
    const char *six = family == AF_INET6 ? "IPv6" : "IPv4";

    if (question->interface && if_nametoindex(question->interface) == 0)
        return mem_format("there is no interface %s", question->interface);
    if (question->interface)
        return mem_format("%s has no %s address", question->interface, six);
    return mem_format("this host has no %s address", six);
}

int source_choose(const struct firewall_question *question, int family,
                  struct firewall_probe *ret_probe, char **ret_why)
{
    struct firewall_probe probe = {
        .family = family, .protocol = question->protocol, .port = question->port};
    bool from = question->from_family == family, to = question->to_family == family;
    struct ifaddrs *all;

    if (from)
        memcpy(probe.source, question->from, 16);
    if (to)
        memcpy(probe.destination, question->to, 16);
    if (getifaddrs(&all) < 0)
        return -errno;
    const struct ifaddrs *chosen = choose_interface(all, question, &probe, from);
    if (chosen) {
        memcpy(probe.interface, chosen->ifa_name, strnlen(chosen->ifa_name, IF_NAMESIZE - 1));
        if (!to)
            memcpy(probe.destination, address_bytes(chosen->ifa_addr, family),
                   address_size(family));
        if (!from)
            choose_source(chosen, &probe);
        *ret_probe = probe;
    } else {
        *ret_why = why_not(question, family);
    }
    freeifaddrs(all);
    return chosen ? 0 : ERR_NOT_FOUND;
}

int source_choose_out(const struct firewall_question *question, int family,
                      struct firewall_probe *ret_probe, char **ret_why)
{
    struct firewall_probe probe = {.family = family,
                                   .protocol = question->protocol,
                                   .port = question->port,
                                   .out = true,
                                   .has_user = question->has_user,
                                   .user = question->user};
    char way[IF_NAMESIZE], to[FIREWALL_ADDRESS_TEXT];
    const char *name = question->interface;

    memcpy(probe.destination, question->to, sizeof probe.destination);
    if (!local_address_to(family, question->to, probe.source)) {
        *ret_why = mem_format("this host has no route to %s",
                              firewall_address_text(family, question->to, to));
        return ERR_NOT_FOUND;
    }
    if (!name)
        name =
            source_is_own(family, question->to) ? "lo" : source_route_to(family, question->to, way);
    memcpy(probe.interface, name, strnlen(name, sizeof probe.interface - 1));
    *ret_probe = probe;
    return 0;
}

const char *source_route_to(int family, const unsigned char address[16], char name[IF_NAMESIZE])
{
    unsigned char local[16];
    struct ifaddrs *all;

    memset(name, 0, IF_NAMESIZE);
    if (!local_address_to(family, address, local) || getifaddrs(&all) < 0)
        return name;
    const struct ifaddrs *owner = owner_of(all, family, local);
    if (owner)
        memcpy(name, owner->ifa_name, strnlen(owner->ifa_name, IF_NAMESIZE - 1));
    freeifaddrs(all);
    return name;
}

bool source_has_route_to(int family, const unsigned char address[16])
{
    unsigned char local[16];

    return is_link_local(family, address) || local_address_to(family, address, local);
}

bool source_is_own(int family, const unsigned char address[16])
{
    struct ifaddrs *all;

    if (getifaddrs(&all) < 0)
        return false;
    bool ours = owner_of(all, family, address) != NULL;
    freeifaddrs(all);
    return ours || is_loopback(family, address);
}
