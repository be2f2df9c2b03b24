/* The grammar of host[:port] (RFC 3986 section 3.2.2) and its host in canonical case.
 * Whether gardien serves that host is decided above. */
#include <arpa/inet.h>

#include "http/http.h"

enum { IPV6_TEXT_MAX = 45, PORT_MAX = 65535, PORT_DIGITS_MAX = 5 };

/** 1: unreserved and sub-delims; 2: upper-case letter (also unreserved). */
static const uint8_t reg_name[256] = {
    ['!'] = 1, ['$'] = 1, ['&'] = 1, ['\''] = 1,        ['('] = 1, [')'] = 1,
    ['*'] = 1, ['+'] = 1, [','] = 1, ['-'] = 1,         ['.'] = 1, ['0' ... '9'] = 1,
    [';'] = 1, ['='] = 1, ['_'] = 1, ['A' ... 'Z'] = 2, ['~'] = 1, ['a' ... 'z'] = 1,
};

static bool is_hex(char c)
{
    char lower = ascii_lower(c);

    return (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'f');
}

/** Length of the reg-name or IPv4 address at the front; 0 if there is none or it is broken. */
static size_t reg_name_length(struct span s)
{
    size_t i = 0;

    while (i < s.len) {
        if (reg_name[(uint8_t)s.ptr[i]]) {
            i++;
        } else if (s.ptr[i] == '%') {
            if (s.len - i < 3 || !is_hex(s.ptr[i + 1]) || !is_hex(s.ptr[i + 2]))
                return 0;
            i += 3;
        } else {
            break;
        }
    }
    return i;
}

/** Length of "[IPv6]" at the front; 0 if it is broken. IPvFuture and zones are refused. */
static size_t ipv6_length(struct span s)
{
    ptrdiff_t end = span_find(s, ']');
    char text[IPV6_TEXT_MAX + 1];
    struct in6_addr address;

    if (end < 0 || end - 1 > IPV6_TEXT_MAX)
        return 0;
    memcpy(text, s.ptr + 1, (size_t)end - 1);
    text[end - 1] = '\0';
    if (memchr(text, '\0', (size_t)end - 1) || inet_pton(AF_INET6, text, &address) != 1)
        return 0;
    return (size_t)end + 1;
}

static bool port_valid(struct span port)
{
    unsigned number = 0;

    if (port.len > PORT_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < port.len; i++) {
        if (port.ptr[i] < '0' || port.ptr[i] > '9')
            return false;
        number = number * 10 + (unsigned)(port.ptr[i] - '0');
    }
    return number <= PORT_MAX;
}

bool http_authority_valid(struct span authority)
{
    if (authority.len == 0)
        return false;
    size_t host = authority.ptr[0] == '[' ? ipv6_length(authority) : reg_name_length(authority);
    if (host == 0)
        return false;
    if (host == authority.len)
        return true;
    return authority.ptr[host] == ':' && port_valid(span_from(authority, host + 1));
}

struct span http_authority_host(struct arena *arena, struct span authority)
{
    ptrdiff_t colon = span_find_last(authority, ':');
    struct span host = authority;
    bool lower = true;

    if (colon >= 0 && authority.ptr[authority.len - 1] != ']')
        host.len = (size_t)colon;
    if (host.len > 1 && host.ptr[host.len - 1] == '.')
        host.len--;
    for (size_t i = 0; i < host.len && lower; i++)
        lower = reg_name[(uint8_t)host.ptr[i]] != 2;
    if (lower) /* as good as a copy: it lives as long as the exchange */
        return host;
    char *copy = arena_alloc(arena, host.len);
    if (!copy)
        return (struct span){0};
    for (size_t i = 0; i < host.len; i++)
        copy[i] = ascii_lower(host.ptr[i]);
    return span_of(copy, host.len);
}
