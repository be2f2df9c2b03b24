/* Addresses to listen on, as users write them. Sockets are made in socket.c. */
#include "base/error.h"
#include "base/span.h"
#include "os/net.h"
#include "os/socket.h"

static int parse_port(struct span text, uint16_t *ret_port)
{
    uint64_t port;

    if (text.len > 5 || span_to_uint(text, &port) < 0 || port == 0 || port > 65535)
        return ERR_SYNTAX;
    *ret_port = (uint16_t)port;
    return 0;
}

static void fill_ipv6(struct socket_address *address, struct in6_addr host, uint16_t port)
{
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address->storage;

    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    in6->sin6_addr = host;
    address->len = sizeof *in6;
}

static int fill_ipv4(struct socket_address *address, const char *host, uint16_t port)
{
    struct sockaddr_in *in4 = (struct sockaddr_in *)&address->storage;

    if (inet_pton(AF_INET, host, &in4->sin_addr) != 1)
        return ERR_SYNTAX;
    in4->sin_family = AF_INET;
    in4->sin_port = htons(port);
    address->len = sizeof *in4;
    return 0;
}

/* The part between brackets, perhaps with a zone (RFC 4007 section 11). */
static int parse_ipv6(char *host, uint16_t port, struct socket_address *address)
{
    struct in6_addr in6;
    char *zone = strchr(host, '%');

    if (zone)
        *zone++ = '\0';
    if (inet_pton(AF_INET6, host, &in6) != 1)
        return ERR_SYNTAX;
    fill_ipv6(address, in6, port);
    if (zone) {
        unsigned index = if_nametoindex(zone);
        if (index == 0)
            return ERR_SYNTAX;
        ((struct sockaddr_in6 *)&address->storage)->sin6_scope_id = index;
    }
    return 0;
}

int socket_address_parse(const char *text, struct socket_address *ret_address)
{
    struct socket_address address = {.any = false};
    struct span all = span_str(text);
    ptrdiff_t colon = span_find_last(all, ':');
    char host[80];
    uint16_t port;

    if (parse_port(span_from(all, (size_t)(colon + 1)), &port) < 0)
        return ERR_SYNTAX;
    struct span front = span_of(all.ptr, colon < 0 ? 0 : (size_t)colon);
    if (front.len == 0) {
        fill_ipv6(&address, in6addr_any, port);
        address.any = true;
        *ret_address = address;
        return 0;
    }
    bool bracketed = front.len > 2 && front.ptr[0] == '[' && front.ptr[front.len - 1] == ']';
    if (bracketed)
        front = span_of(front.ptr + 1, front.len - 2);
    if (span_equal_nocase(front, SPAN("localhost")))
        front = SPAN("127.0.0.1");
    if (front.len >= sizeof host)
        return ERR_SYNTAX;
    memcpy(host, front.ptr, front.len);
    host[front.len] = '\0';
    int r = bracketed ? parse_ipv6(host, port, &address) : fill_ipv4(&address, host, port);
    if (r < 0)
        return r;
    *ret_address = address;
    return 0;
}

const char *socket_address_check(const char *text)
{
    struct socket_address address;

    if (socket_address_parse(text, &address) == 0)
        return NULL;
    const char *zone = strchr(text, '%');
    if (zone && text[0] == '[' && strchr(zone, ']'))
        return "names an interface that this machine does not have; `ip link` shows those that it "
               "has";
    struct span all = span_str(text), port = span_from(all, (size_t)(span_find_last(all, ':') + 1));
    struct in6_addr in6;
    uint16_t number;
    if (inet_pton(AF_INET6, text, &in6) == 1)
        return "is an IPv6 address without a port: write \"[2001:db8::1]:443\"";
    if (span_find_span(all, SPAN("://")) >= 0)
        return "is a URL: write the port alone, \":443\", or an address of this machine and a port";
    if (port.len && strspn(port.ptr, "0123456789") == port.len)
        return parse_port(port, &number) == 0
                   ? "has no address of this machine before its port; write \":443\" "
                     "for all of them, \"192.0.2.1:443\" or \"[2001:db8::1]:443\""
                   : "names no port: ports are numbers from 1 to 65535";
    return "is not an address to listen on; write \":443\", \"192.0.2.1:443\" or "
           "\"[2001:db8::1]:443\"";
}

uint16_t socket_address_port(const struct socket_address *address)
{
    if (address->storage.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)&address->storage)->sin_port);
    return ntohs(((const struct sockaddr_in6 *)&address->storage)->sin6_port);
}

bool socket_address_equal(const struct socket_address *a, const struct socket_address *b)
{
    if (a->any != b->any || a->storage.ss_family != b->storage.ss_family ||
        socket_address_port(a) != socket_address_port(b))
        return false;
    if (a->any)
        return true;
    if (a->storage.ss_family == AF_INET)
        return ((const struct sockaddr_in *)&a->storage)->sin_addr.s_addr ==
               ((const struct sockaddr_in *)&b->storage)->sin_addr.s_addr;
    const struct sockaddr_in6 *a6 = (const struct sockaddr_in6 *)&a->storage;
    const struct sockaddr_in6 *b6 = (const struct sockaddr_in6 *)&b->storage;
    return memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof a6->sin6_addr) == 0 &&
           a6->sin6_scope_id == b6->sin6_scope_id;
}

static bool is_unspecified(const struct socket_address *address)
{
    if (address->storage.ss_family == AF_INET)
        return ((const struct sockaddr_in *)&address->storage)->sin_addr.s_addr == INADDR_ANY;
    return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)&address->storage)->sin6_addr);
}

bool socket_address_overlaps(const struct socket_address *a, const struct socket_address *b)
{
    if (socket_address_port(a) != socket_address_port(b))
        return false;
    if (a->any || b->any || socket_address_equal(a, b))
        return true;
    return a->storage.ss_family == b->storage.ss_family && (is_unspecified(a) || is_unspecified(b));
}
