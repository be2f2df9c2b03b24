/* The servers of the interfaces that are up, as the network settings have them. */
#include <stdlib.h>

#include "base/mem.h"
#include "os/nameservers.h"
#include "os/net.h"

const char nameservers_place[] = "the network settings (`ipconfig /all` lists them)";

enum {
    LIST_START = 16 * 1024, /* bytes, as Microsoft advises */
    LIST_MAX = 1024 * 1024,
    TRIES = 4, /* interfaces may come between asking for the size and for the list */
};

/* @return the list for free(), or NULL */
static IP_ADAPTER_ADDRESSES *take_list(void)
{
    ULONG flags = GAA_FLAG_SKIP_UNICAST | GAA_FLAG_SKIP_ANYCAST | GAA_FLAG_SKIP_MULTICAST |
                  GAA_FLAG_SKIP_FRIENDLY_NAME;
    ULONG size = LIST_START, r = ERROR_BUFFER_OVERFLOW;
    IP_ADAPTER_ADDRESSES *list = NULL;

    for (int i = 0; i < TRIES && r == ERROR_BUFFER_OVERFLOW && size <= LIST_MAX; i++) {
        list = mem_resize(list, size, 1);
        r = GetAdaptersAddresses(AF_UNSPEC, flags, NULL, list, &size);
    }
    if (r == NO_ERROR)
        return list;
    free(list);
    return NULL;
}

/* fec0:0:0:ffff::1 to 3, which Windows lists where it knows of none (RFC 3879 took them back). */
static bool is_placeholder(const struct sockaddr *address)
{
    static const unsigned char prefix[14] = {0xfe, 0xc0, 0, 0, 0, 0, 0xff, 0xff};
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;

    return address->sa_family == AF_INET6 && memcmp(&in6->sin6_addr, prefix, sizeof prefix) == 0;
}

static size_t add(struct socket_address servers[NAMESERVERS_MAX], size_t count,
                  const SOCKET_ADDRESS *said)
{
    struct socket_address *server = &servers[count];

    if (count == NAMESERVERS_MAX || !said->lpSockaddr || said->iSockaddrLength <= 0 ||
        (size_t)said->iSockaddrLength > sizeof server->storage || is_placeholder(said->lpSockaddr))
        return count;
    *server = (struct socket_address){.len = said->iSockaddrLength};
    memcpy(&server->storage, said->lpSockaddr, (size_t)said->iSockaddrLength);
    address_set_port(server, NAMESERVERS_PORT);
    for (size_t i = 0; i < count; i++)
        if (socket_address_equal(&servers[i], server))
            return count;
    return count + 1;
}

/* What is asked first: the interface with the lower metric. */
static ULONG metric_of(const IP_ADAPTER_ADDRESSES *adapter)
{
    return adapter->Ipv4Metric && adapter->Ipv4Metric < adapter->Ipv6Metric ? adapter->Ipv4Metric
                                                                            : adapter->Ipv6Metric;
}

/* The next interface that is up, in the order of metrics and, among equals, of the list. */
static const IP_ADAPTER_ADDRESSES *next_up(const IP_ADAPTER_ADDRESSES *list,
                                           const IP_ADAPTER_ADDRESSES *last)
{
    const IP_ADAPTER_ADDRESSES *best = NULL;
    bool past = false; /* `last`, in the list */

    for (const IP_ADAPTER_ADDRESSES *item = list; item; item = item->Next) {
        bool later = !last || metric_of(item) > metric_of(last) ||
                     (metric_of(item) == metric_of(last) && past);
        past = past || item == last;
        if (item != last && later && item->OperStatus == IfOperStatusUp &&
            (!best || metric_of(item) < metric_of(best)))
            best = item;
    }
    return best;
}

size_t nameservers_read(struct socket_address servers[NAMESERVERS_MAX])
{
    IP_ADAPTER_ADDRESSES *list = take_list();
    const IP_ADAPTER_ADDRESSES *adapter = NULL;
    size_t count = 0;

    while (count < NAMESERVERS_MAX && (adapter = next_up(list, adapter)))
        for (const IP_ADAPTER_DNS_SERVER_ADDRESS *dns = adapter->FirstDnsServerAddress; dns;
             dns = dns->Next)
            count = add(servers, count, &dns->Address);
    free(list);
    if (count == 0 && address_from_ip("127.0.0.1", NAMESERVERS_PORT, &servers[0]) == 0)
        count = 1;
    return count;
}
