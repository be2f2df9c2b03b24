/* Addresses between text and sockaddr. */
#include "os/address.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/span.h"
#include "os/net.h"

static struct sockaddr_in *in4_of(struct socket_address *address)
{
    return (struct sockaddr_in *)&address->storage;
}

static struct sockaddr_in6 *in6_of(struct socket_address *address)
{
    return (struct sockaddr_in6 *)&address->storage;
}

static int zone_of(const char *zone, uint32_t *ret_scope)
{
    *ret_scope = if_nametoindex(zone);
    return *ret_scope ? 0 : ERR_SYNTAX;
}

int address_from_ip(const char *text, uint16_t port, struct socket_address *ret_address)
{
    struct socket_address address = {.any = false};
    struct span s = span_str(text);
    char host[ADDRESS_TEXT];

    if (s.len > 2 && s.ptr[0] == '[' && s.ptr[s.len - 1] == ']')
        s = span_of(s.ptr + 1, s.len - 2);
    if (s.len >= sizeof host)
        return ERR_SYNTAX;
    memcpy(host, s.ptr, s.len);
    host[s.len] = '\0';
    if (inet_pton(AF_INET, host, &in4_of(&address)->sin_addr) == 1) {
        address.storage.ss_family = AF_INET;
        address.len = sizeof(struct sockaddr_in);
    } else {
        char *zone = strchr(host, '%');
        if (zone)
            *zone++ = '\0';
        uint32_t scope = 0;
        if (inet_pton(AF_INET6, host, &in6_of(&address)->sin6_addr) != 1 ||
            (zone && zone_of(zone, &scope) < 0))
            return ERR_SYNTAX;
        in6_of(&address)->sin6_scope_id = scope;
        address.storage.ss_family = AF_INET6;
        address.len = sizeof(struct sockaddr_in6);
    }
    address_set_port(&address, port);
    *ret_address = address;
    return 0;
}

void address_set_port(struct socket_address *address, uint16_t port)
{
    if (address_is_ipv6(address))
        in6_of(address)->sin6_port = htons(port);
    else
        in4_of(address)->sin_port = htons(port);
}

bool address_is_ipv6(const struct socket_address *address)
{
    return address->storage.ss_family == AF_INET6;
}

const char *address_ip_text(const struct socket_address *address, char out[ADDRESS_TEXT])
{
    const struct sockaddr_in *in4 = (const struct sockaddr_in *)&address->storage;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address->storage;
    char zone[IF_NAMESIZE];

    if (!address_is_ipv6(address)) {
        inet_ntop(AF_INET, &in4->sin_addr, out, ADDRESS_TEXT);
        return out;
    }
    inet_ntop(AF_INET6, &in6->sin6_addr, out, ADDRESS_TEXT);
    if (in6->sin6_scope_id && if_indextoname(in6->sin6_scope_id, zone))
        snprintf(out + strlen(out), ADDRESS_TEXT - strlen(out), "%%%s", zone);
    return out;
}

const char *address_text(const struct socket_address *address, char out[ADDRESS_TEXT])
{
    char ip[ADDRESS_TEXT];
    bool ipv6 = address_is_ipv6(address);

    address_ip_text(address, ip);
    snprintf(out, ADDRESS_TEXT, "%s%.64s%s:%u", ipv6 ? "[" : "", ip, ipv6 ? "]" : "",
             socket_address_port(address));
    return out;
}

struct special {
    uint32_t network;
    unsigned bits;
    const char *what;
};

static const char *special_ipv4(uint32_t ip)
{
    static const struct special ranges[] = {
        {0x00000000, 8, "an address that stands for no machine"},
        {0x0a000000, 8, "a private address"},
        {0x64400000, 10, "an address behind the provider's own translation (CGNAT)"},
        {0x7f000000, 8, "this machine itself"},
        {0xa9fe0000, 16, "a link-local address"},
        {0xac100000, 12, "a private address"},
        {0xc0000200, 24, "an address for documentation"},
        {0xc0a80000, 16, "a private address"},
        {0xc6120000, 15, "an address for benchmarks"},
        {0xc6336400, 24, "an address for documentation"},
        {0xcb007100, 24, "an address for documentation"},
        {0xe0000000, 3, "a multicast or reserved address"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
        if ((ip ^ ranges[i].network) >> (32 - ranges[i].bits) == 0)
            return ranges[i].what;
    return NULL;
}

static const char *special_ipv6(const struct in6_addr *ip)
{
    const uint8_t *b = ip->s6_addr;

    if (IN6_IS_ADDR_LOOPBACK(ip))
        return "this machine itself";
    if (IN6_IS_ADDR_UNSPECIFIED(ip))
        return "an address that stands for no machine";
    if (IN6_IS_ADDR_V4MAPPED(ip))
        return "an IPv4 address in IPv6's clothes, which no packet may carry";
    if ((b[0] & 0xfe) == 0xfc)
        return "a private address (ULA)";
    if (b[0] == 0xfe && (b[1] & 0xc0) == 0x80)
        return "a link-local address";
    if (b[0] == 0xff)
        return "a multicast address";
    if (b[0] == 0x20 && b[1] == 0x01 && b[2] == 0x0d && b[3] == 0xb8)
        return "an address for documentation";
    return (b[0] & 0xe0) == 0x20 || (b[0] == 0 && b[1] == 0x64 && b[2] == 0xff && b[3] == 0x9b)
               ? NULL
               : "a reserved address";
}

const char *address_special(const struct socket_address *address)
{
    const struct sockaddr_in *in4 = (const struct sockaddr_in *)&address->storage;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address->storage;

    return address_is_ipv6(address) ? special_ipv6(&in6->sin6_addr)
                                    : special_ipv4(ntohl(in4->sin_addr.s_addr));
}
