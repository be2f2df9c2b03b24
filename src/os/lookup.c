/* What asks getaddrinfo() and who wants its answer are not the same process or thread: the answer
 * goes between them as bytes, an error, then an entry an address: 4 or 6, the address, and its
 * scope. */
#include "os/lookup.h"

#include <string.h>

#include "base/error.h"
#include "os/net.h"

static size_t write_entry(unsigned char *out, const struct addrinfo *item)
{
    const struct sockaddr_in *in4 = (const struct sockaddr_in *)(const void *)item->ai_addr;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)item->ai_addr;

    memset(out, 0, LOOKUP_ENTRY);
    if (item->ai_family == AF_INET) {
        out[0] = 4;
        memcpy(out + 1, &in4->sin_addr, 4);
    } else if (item->ai_family == AF_INET6) {
        out[0] = 6;
        memcpy(out + 1, &in6->sin6_addr, 16);
        memcpy(out + 17, &in6->sin6_scope_id, 4);
    } else {
        return 0;
    }
    return LOOKUP_ENTRY;
}

size_t lookup_ask(const char *name, unsigned char out[LOOKUP_ANSWER_MAX])
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    int32_t error = getaddrinfo(name, NULL, &hints, &list);
    size_t len = sizeof error;

    memcpy(out, &error, sizeof error);
    for (const struct addrinfo *item = error ? NULL : list; item; item = item->ai_next)
        if (len + LOOKUP_ENTRY <= LOOKUP_ANSWER_MAX)
            len += write_entry(out + len, item);
    if (!error)
        freeaddrinfo(list);
    return len;
}

int lookup_parse(const unsigned char *bytes, size_t len, uint16_t port,
                 struct lookup_result *ret_result)
{
    struct lookup_result result = {.count = 0};
    int32_t error;

    if (len < sizeof error)
        return ERR_PROTOCOL;
    memcpy(&error, bytes, sizeof error);
    result.error = error;
    for (size_t at = sizeof error; at + LOOKUP_ENTRY <= len && result.count < LOOKUP_ADDRESSES_MAX;
         at += LOOKUP_ENTRY) {
        struct socket_address *address = &result.addresses[result.count++];
        struct sockaddr_in *in4 = (struct sockaddr_in *)&address->storage;
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address->storage;
        if (bytes[at] == 4) {
            in4->sin_family = AF_INET;
            memcpy(&in4->sin_addr, bytes + at + 1, 4);
            address->len = sizeof *in4;
        } else {
            in6->sin6_family = AF_INET6;
            memcpy(&in6->sin6_addr, bytes + at + 1, 16);
            memcpy(&in6->sin6_scope_id, bytes + at + 17, 4);
            address->len = sizeof *in6;
        }
        address_set_port(address, port);
    }
    *ret_result = result;
    return 1;
}
