/* Lists of IP addresses and networks. */
#include "protect/waf/networks.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "base/mem.h"

struct network {
    unsigned char address[16]; /* IPv4 mapped */
    unsigned bits;
};

struct waf_networks {
    struct network *items;
    size_t count;
};

/** @param ret_bits  of the family's whole address, in IPv6's counting */
static bool read_address(struct span text, unsigned char ret_address[16], unsigned *ret_first)
{
    char copy[INET6_ADDRSTRLEN];
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (text.len == 0 || text.len >= sizeof copy)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, ret_address + 12) == 1) {
        memcpy(ret_address, mapped, sizeof mapped);
        *ret_first = 96;
        return true;
    }
    *ret_first = 0;
    return inet_pton(AF_INET6, copy, ret_address) == 1;
}

struct waf_networks *waf_networks_create(void)
{
    return mem_new(struct waf_networks);
}

void waf_networks_destroy(struct waf_networks *networks)
{
    if (!networks)
        return;
    free(networks->items);
    free(networks);
}

int waf_networks_add(struct waf_networks *networks, struct span text)
{
    struct network network = {.bits = 128};
    ptrdiff_t slash = span_find(text, '/');
    unsigned first;

    if (!read_address(slash < 0 ? text : span_of(text.ptr, (size_t)slash), network.address, &first))
        return ERR_SYNTAX;
    if (slash >= 0) {
        uint64_t bits;
        if (span_to_uint(span_from(text, (size_t)slash + 1), &bits) < 0 || bits + first > 128)
            return ERR_SYNTAX;
        network.bits = (unsigned)bits + first;
    }
    networks->items = mem_resize(networks->items, networks->count + 1, sizeof *networks->items);
    networks->items[networks->count++] = network;
    return 0;
}

bool waf_networks_hold(const struct waf_networks *networks, struct span address)
{
    unsigned char bytes[16];
    unsigned first;

    if (!read_address(address, bytes, &first))
        return false;
    for (size_t i = 0; i < networks->count; i++) {
        const struct network *network = &networks->items[i];
        unsigned whole = network->bits / 8, rest = network->bits % 8;
        unsigned char mask = (unsigned char)(0xff00 >> rest);
        if (memcmp(bytes, network->address, whole) == 0 &&
            (!rest || (bytes[whole] & mask) == (network->address[whole] & mask)))
            return true;
    }
    return false;
}
