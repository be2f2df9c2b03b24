/* Reading, comparing and writing networks. */
#include "protect/peer_network.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/error.h"

enum { IPV4_OFFSET = 96 };

static int parse_address(struct span text, int family, struct peer_address *ret_address)
{
    char copy[INET6_ADDRSTRLEN];
    unsigned char bytes[16];

    if (text.len == 0 || text.len >= sizeof copy)
        return ERR_SYNTAX;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (inet_pton(family, copy, bytes) != 1)
        return ERR_SYNTAX;
    *ret_address = (struct peer_address){.bytes = {[10] = 0xff, [11] = 0xff}};
    if (family == AF_INET)
        memcpy(ret_address->bytes + 12, bytes, 4);
    else
        memcpy(ret_address->bytes, bytes, sizeof bytes);
    return 0;
}

int peer_address_parse(struct span text, struct peer_address *ret_address)
{
    return parse_address(text, span_find(text, ':') < 0 ? AF_INET : AF_INET6, ret_address);
}

bool peer_address_is_ipv4(struct peer_address address)
{
    return peer_address_significant(address) == 16;
}

int peer_network_parse(struct span text, struct peer_network *ret_network)
{
    struct span rest = text, address;
    uint64_t bits;

    if (!span_next(&rest, '/', &address))
        return ERR_SYNTAX;
    bool v4 = span_find(address, ':') < 0;
    unsigned max = v4 ? 32 : 128;
    bits = max;
    if (rest.ptr && (span_to_uint(rest, &bits) < 0 || bits > max))
        return ERR_SYNTAX;
    int r = parse_address(address, v4 ? AF_INET : AF_INET6, &ret_network->address);
    ret_network->bits = (unsigned)bits + (v4 ? IPV4_OFFSET : 0);
    return r;
}

bool peer_network_contains(const struct peer_network *network, struct peer_address address)
{
    unsigned whole = network->bits / 8, rest = network->bits % 8;

    if (memcmp(network->address.bytes, address.bytes, whole) != 0)
        return false;
    unsigned mask = 0xff00u >> rest & 0xff;
    return rest == 0 || ((network->address.bytes[whole] ^ address.bytes[whole]) & mask) == 0;
}

bool peer_networks_overlap(const struct peer_network *a, const struct peer_network *b)
{
    return a->bits < b->bits ? peer_network_contains(a, b->address)
                             : peer_network_contains(b, a->address);
}

struct peer_address peer_network_mask(struct peer_address address, unsigned bits)
{
    for (unsigned i = 0; i < sizeof address.bytes; i++)
        if (i * 8 + 8 > bits)
            address.bytes[i] &= i * 8 >= bits ? 0 : (uint8_t)(0xff00u >> (bits % 8));
    return address;
}

void peer_network_text(const struct peer_network *network, char out[PEER_NETWORK_TEXT])
{
    char address[46];
    unsigned offset =
        peer_address_is_ipv4(network->address) && network->bits >= IPV4_OFFSET ? IPV4_OFFSET : 0;

    peer_address_text(network->address, address);
    if (network->bits == 128)
        snprintf(out, PEER_NETWORK_TEXT, "%s", address);
    else
        snprintf(out, PEER_NETWORK_TEXT, "%s/%u", address, network->bits - offset);
}

const char *peer_network_check(const char *text)
{
    struct peer_network network;

    if (peer_network_parse(span_str(text), &network) < 0)
        return "is neither an address nor a network such as 10.0.0.0/8 or 2001:db8::/32";
    return NULL;
}
