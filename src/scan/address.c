/* Arithmetic on addresses. */
#include "scan/address.h"

#include <stdio.h>
#include <string.h>

bool scan_address_of(const struct sockaddr *from, struct scan_address *ret_address)
{
    struct scan_address address = {0};

    if (from->sa_family == AF_INET) {
        address.family = 4;
        memcpy(address.bytes, &((const struct sockaddr_in *)(const void *)from)->sin_addr, 4);
    } else if (from->sa_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const void *)from;
        address.family = 6;
        memcpy(address.bytes, &six->sin6_addr, 16);
        address.scope = six->sin6_scope_id;
    } else {
        return false;
    }
    *ret_address = address;
    return true;
}

socklen_t scan_address_to(const struct scan_address *address, uint16_t port,
                          struct sockaddr_storage *ret_to)
{
    *ret_to = (struct sockaddr_storage){0};
    if (address->family == 4) {
        struct sockaddr_in *four = (struct sockaddr_in *)(void *)ret_to;
        four->sin_family = AF_INET;
        four->sin_port = htons(port);
        memcpy(&four->sin_addr, address->bytes, 4);
        return sizeof *four;
    }
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)ret_to;
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(port);
    six->sin6_scope_id = address->scope;
    memcpy(&six->sin6_addr, address->bytes, 16);
    return sizeof *six;
}

bool scan_address_equal(const struct scan_address *a, const struct scan_address *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0 &&
           (!a->scope || !b->scope || a->scope == b->scope);
}

const char *scan_address_text(const struct scan_address *address, char text[SCAN_ADDRESS_TEXT])
{
    char name[IF_NAMESIZE];

    if (!inet_ntop(address->family == 4 ? AF_INET : AF_INET6, address->bytes, text,
                   SCAN_ADDRESS_TEXT))
        text[0] = '\0';
    if (address->scope && if_indextoname(address->scope, name)) {
        size_t len = strlen(text);
        snprintf(text + len, SCAN_ADDRESS_TEXT - len, "%%%s", name);
    }
    return text;
}

unsigned scan_address_bits(const struct scan_address *address)
{
    return address->family == 4 ? 32 : 128;
}

struct scan_address scan_address_add(const struct scan_address *address, uint64_t offset)
{
    struct scan_address sum = *address;

    for (unsigned i = scan_address_bits(address) / 8; i-- > 0 && offset;) {
        offset += sum.bytes[i];
        sum.bytes[i] = (uint8_t)offset;
        offset >>= 8;
    }
    return sum;
}

struct scan_address scan_address_mask(const struct scan_address *address, unsigned prefix)
{
    struct scan_address first = *address;

    for (unsigned bit = prefix; bit < scan_address_bits(address); bit++)
        first.bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
    return first;
}

bool scan_address_offset(const struct scan_address *first, const struct scan_address *address,
                         uint64_t *ret_offset)
{
    unsigned count = scan_address_bits(first) / 8;
    uint64_t offset = 0;

    if (first->family != address->family || memcmp(first->bytes, address->bytes, count) > 0)
        return false;
    if (memcmp(first->bytes, address->bytes, count - 4) != 0) /* a carry is further than we count */
        return false;
    for (unsigned i = count - 4; i < count; i++)
        offset = (offset << 8) + address->bytes[i];
    for (unsigned i = count - 4, shift = 24; i < count; i++, shift -= 8)
        offset -= (uint64_t)first->bytes[i] << shift;
    *ret_offset = offset;
    return true;
}
