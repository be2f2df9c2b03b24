/* Three-valued comparisons, and the words that nftables prints for numbers. */
#include "firewall/model/value.h"

#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "firewall/model/packet.h"
#include "os/net.h"

/* ---- words ---- */

struct symbol {
    enum value_type type;
    const char *word;
    unsigned number;
};

static const struct symbol symbols[] = {
    {TYPE_PROTOCOL, "icmp", 1},
    {TYPE_PROTOCOL, "igmp", 2},
    {TYPE_PROTOCOL, "tcp", 6},
    {TYPE_PROTOCOL, "udp", 17},
    {TYPE_PROTOCOL, "ipv6", 41},
    {TYPE_PROTOCOL, "gre", 47},
    {TYPE_PROTOCOL, "esp", 50},
    {TYPE_PROTOCOL, "ah", 51},
    {TYPE_PROTOCOL, "icmpv6", 58},
    {TYPE_PROTOCOL, "ipv6-icmp", 58},
    {TYPE_PROTOCOL, "ospf", 89},
    {TYPE_PROTOCOL, "comp", 108},
    {TYPE_PROTOCOL, "ipcomp", 108},
    {TYPE_PROTOCOL, "vrrp", 112},
    {TYPE_PROTOCOL, "l2tp", 115},
    {TYPE_PROTOCOL, "dccp", 33},
    {TYPE_PROTOCOL, "sctp", 132},
    {TYPE_PROTOCOL, "udplite", 136},
    {TYPE_PROTOCOL, "pim", 103},
    {TYPE_ETHERTYPE, "ip", 0x0800},
    {TYPE_ETHERTYPE, "ip6", 0x86dd},
    {TYPE_ETHERTYPE, "arp", 0x0806},
    {TYPE_ETHERTYPE, "vlan", 0x8100},
    {TYPE_ETHERTYPE, "8021q", 0x8100},
    {TYPE_ETHERTYPE, "8021ad", 0x88a8},
    {TYPE_NFPROTO, "ipv4", 2},
    {TYPE_NFPROTO, "ipv6", 10},
    {TYPE_PKTTYPE, "host", 0},
    {TYPE_PKTTYPE, "unicast", 0},
    {TYPE_PKTTYPE, "broadcast", 1},
    {TYPE_PKTTYPE, "multicast", 2},
    {TYPE_PKTTYPE, "other", 3},
    {TYPE_TCP_FLAGS, "fin", 1},
    {TYPE_TCP_FLAGS, "syn", 2},
    {TYPE_TCP_FLAGS, "rst", 4},
    {TYPE_TCP_FLAGS, "psh", 8},
    {TYPE_TCP_FLAGS, "ack", 16},
    {TYPE_TCP_FLAGS, "urg", 32},
    {TYPE_TCP_FLAGS, "ecn", 64},
    {TYPE_TCP_FLAGS, "cwr", 128},
    {TYPE_CT_STATE, "invalid", CT_INVALID},
    {TYPE_CT_STATE, "established", 2},
    {TYPE_CT_STATE, "related", 4},
    {TYPE_CT_STATE, "new", CT_NEW},
    {TYPE_CT_STATE, "untracked", CT_UNTRACKED},
    {TYPE_CT_STATUS, "expected", 1},
    {TYPE_CT_STATUS, "seen-reply", 2},
    {TYPE_CT_STATUS, "assured", 4},
    {TYPE_CT_STATUS, "confirmed", 8},
    {TYPE_CT_STATUS, "snat", CT_STATUS_SNAT},
    {TYPE_CT_STATUS, "dnat", CT_STATUS_DNAT},
    {TYPE_CT_STATUS, "dying", 512},
    {TYPE_CT_DIRECTION, "original", 0},
    {TYPE_CT_DIRECTION, "reply", 1},
    {TYPE_ROUTE, "unspec", 0},
    {TYPE_ROUTE, "unicast", ROUTE_UNICAST},
    {TYPE_ROUTE, "local", ROUTE_LOCAL},
    {TYPE_ROUTE, "broadcast", 3},
    {TYPE_ROUTE, "anycast", 4},
    {TYPE_ROUTE, "multicast", 5},
    {TYPE_ROUTE, "blackhole", 6},
    {TYPE_ROUTE, "unreachable", 7},
    {TYPE_ROUTE, "prohibit", 8},
};

static struct value interface_name(const char *word)
{
    unsigned char name[16] = {0};

    if (strlen(word) >= IF_NAMESIZE)
        return value_unknown(TYPE_IFNAME, 128);
    memcpy(name, word, strlen(word));
    return value_known(TYPE_IFNAME, 128, bytes_to_bits(name, sizeof name));
}

static struct value address_word(enum value_type type, const char *word)
{
    int family = type == TYPE_IPV4 ? AF_INET : AF_INET6;
    unsigned char address[16];

    if (inet_pton(family, word, address) != 1)
        return value_unknown(type, type == TYPE_IPV4 ? 32 : 128);
    return value_of_address(family, address);
}

static struct value ether_word(const char *word)
{
    unsigned char b[6];
    int used = 0;

    if (sscanf(word, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &b[0], &b[1], &b[2], &b[3], &b[4],
               &b[5], &used) != 6 ||
        word[used])
        return value_unknown(TYPE_ETHER, 48);
    return value_known(TYPE_ETHER, 48, bytes_to_bits(b, sizeof b));
}

/* "0x10" and "16" */
static bool number_word(const char *word, bits_t *ret_number)
{
    unsigned base = word[0] == '0' && word[1] == 'x' ? 16 : 10;
    bits_t number = 0;

    word += base == 16 ? 2 : 0;
    if (!*word || strlen(word) > 16)
        return false;
    for (; *word; word++) {
        char c = *word | 0x20;
        unsigned digit = *word >= '0' && *word <= '9' ? (unsigned)(*word - '0')
                         : c >= 'a' && c <= 'f'       ? (unsigned)(c - 'a' + 10)
                                                      : 99;
        if (digit >= base)
            return false;
        number = number * base + digit;
    }
    return *ret_number = number, true;
}

struct value value_of_word(enum value_type type, unsigned bits, const char *word)
{
    bits_t number;

    if (type == TYPE_IFNAME)
        return interface_name(word);
    if (type == TYPE_IPV4 || type == TYPE_IPV6)
        return address_word(type, word);
    if (type == TYPE_ETHER)
        return ether_word(word);
    for (size_t i = 0; i < ARRAY_SIZE(symbols); i++)
        if (symbols[i].type == type && strcmp(symbols[i].word, word) == 0)
            return value_known(type, bits, symbols[i].number);
    if (number_word(word, &number))
        return value_known(type, bits, number);
    return value_unknown(type, bits);
}

struct value value_of_address(int family, const unsigned char address[16])
{
    return family == AF_INET ? value_known(TYPE_IPV4, 32, bytes_to_bits(address, 4))
                             : value_known(TYPE_IPV6, 128, bytes_to_bits(address, 16));
}

/* ---- comparing ---- */

struct value value_join(struct value a, struct value b)
{
    a.unknown |= b.unknown | (a.number ^ b.number);
    a.absent = a.absent == b.absent ? a.absent : TRI_MAYBE;
    return a;
}

enum tri tri_not(enum tri a)
{
    return a == TRI_MAYBE ? TRI_MAYBE : a == TRI_YES ? TRI_NO : TRI_YES;
}

enum tri tri_and(enum tri a, enum tri b)
{
    if (a == TRI_NO || b == TRI_NO)
        return TRI_NO;
    return a == TRI_YES && b == TRI_YES ? TRI_YES : TRI_MAYBE;
}

enum tri tri_or(enum tri a, enum tri b)
{
    return tri_not(tri_and(tri_not(a), tri_not(b)));
}

static bits_t least(struct value a)
{
    return a.number & ~a.unknown;
}

static bits_t most(struct value a)
{
    return a.number | a.unknown;
}

enum tri value_equal(struct value a, struct value b)
{
    bits_t unknown = a.unknown | b.unknown;

    if ((a.number ^ b.number) & ~unknown)
        return TRI_NO;
    return unknown ? TRI_MAYBE : TRI_YES;
}

enum tri value_in_prefix(struct value a, struct value prefix, unsigned bits)
{
    bits_t low = a.bits > bits ? bits_mask(a.bits - bits) : 0;

    a.number &= ~low;
    a.unknown &= ~low;
    prefix.number &= ~low;
    prefix.unknown &= ~low;
    return value_equal(a, prefix);
}

enum tri value_less(struct value a, struct value b)
{
    if (most(a) < least(b))
        return TRI_YES;
    return least(a) >= most(b) ? TRI_NO : TRI_MAYBE;
}

enum tri value_in_range(struct value a, struct value first, struct value last)
{
    return tri_and(tri_not(value_less(a, first)), tri_not(value_less(last, a)));
}

enum tri value_shares_bit(struct value a, struct value b)
{
    if (least(a) & least(b))
        return TRI_YES;
    return most(a) & most(b) ? TRI_MAYBE : TRI_NO;
}

enum tri value_is_interface(struct value name, const char *pattern)
{
    size_t len = strlen(pattern);
    char beginning[IF_NAMESIZE] = {0};

    if (len == 0 || pattern[len - 1] != '*' || len > IF_NAMESIZE)
        return value_equal(name, interface_name(pattern));
    memcpy(beginning, pattern, len - 1);
    return value_in_prefix(name, interface_name(beginning), 8 * (unsigned)(len - 1));
}

bool value_same(struct value a, struct value b)
{
    return a.type == b.type && a.bits == b.bits && a.absent == b.absent && a.unknown == b.unknown &&
           ((a.number ^ b.number) & ~a.unknown) == 0;
}

const char *value_address_text(struct value address, int family, char text[46])
{
    size_t size = family == AF_INET ? 4 : 16;
    unsigned char bytes[16];

    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(address.number >> 8 * (size - 1 - i));
    inet_ntop(family, bytes, text, 46);
    return text;
}
