/* What this machine knows beside its packet rules: its addresses, and whether it forwards. */
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "firewall/model/simulate.h"

enum { ADDRESSES_MAX = 4096 };

static bool sysctl_on(const char *path)
{
    char text[4] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    bool on = read(fd, text, sizeof text - 1) > 0 && text[0] != '0';
    close(fd);
    return on;
}

static unsigned prefix_of(const unsigned char *mask, size_t size)
{
    unsigned bits = 0;

    while (bits < 8 * size && mask[bits / 8] >> (7 - bits % 8) & 1)
        bits++;
    return bits;
}

static const unsigned char *bytes_of(const struct sockaddr *address)
{
    const void *any = address;

    return address->sa_family == AF_INET
               ? (const unsigned char *)&((const struct sockaddr_in *)any)->sin_addr
               : (const unsigned char *)&((const struct sockaddr_in6 *)any)->sin6_addr;
}

static void add_address(struct simulate_host *host, const struct ifaddrs *from)
{
    struct simulate_address *address = &host->addresses[host->count];
    size_t len = strnlen(from->ifa_name, IF_NAMESIZE - 1);

    *address = (struct simulate_address){.family = from->ifa_addr->sa_family};
    memcpy(address->interface, from->ifa_name, len);
    size_t size = address->family == AF_INET ? 4 : 16;
    memcpy(address->address, bytes_of(from->ifa_addr), size);
    if (from->ifa_netmask)
        address->prefix = prefix_of(bytes_of(from->ifa_netmask), size);
    host->count++;
}

int simulate_host_look(struct simulate_host *ret_host)
{
    struct simulate_host host = {.addresses =
                                     mem_resize(NULL, ADDRESSES_MAX, sizeof *host.addresses)};
    struct ifaddrs *list;

    if (getifaddrs(&list) < 0) {
        free(host.addresses);
        return -errno;
    }
    for (const struct ifaddrs *one = list; one && host.count < ADDRESSES_MAX; one = one->ifa_next)
        if (one->ifa_addr &&
            (one->ifa_addr->sa_family == AF_INET || one->ifa_addr->sa_family == AF_INET6))
            add_address(&host, one);
    freeifaddrs(list);
    host.forwards_ipv4 = sysctl_on("/proc/sys/net/ipv4/ip_forward");
    host.forwards_ipv6 = sysctl_on("/proc/sys/net/ipv6/conf/all/forwarding");
    *ret_host = host;
    return 0;
}

void simulate_host_finish(struct simulate_host *host)
{
    free(host->addresses);
    *host = (struct simulate_host){.addresses = NULL};
}
