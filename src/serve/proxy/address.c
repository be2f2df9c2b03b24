/* Reading addresses. What a worker asks for is a number that both it and the connector make from
 * the settings, so that a worker can ask for what is configured and for nothing else. */
#include "serve/proxy/address.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/error.h"
#include "base/map.h"

enum { PORT_HTTP = 80, PORT_HTTPS = 443 };

/** Takes a scheme off, which says how to speak, and its port unless another one follows.
 *  @return NULL, or the scheme's fault */
static const char *cut_scheme(struct span *text, struct upstream_address *address)
{
    static const struct {
        struct span scheme;
        const char *wrong;
    } others[] = {
        {{"h2c://", 6}, "is HTTP/2, which is not spoken to upstream servers"},
        {{"h2://", 5}, "is HTTP/2, which is not spoken to upstream servers"},
        {{"fastcgi://", 10}, "is FastCGI, which is not spoken"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        if (span_starts(*text, others[i].scheme))
            return others[i].wrong;
    if (span_starts(*text, SPAN("http://"))) {
        *text = span_from(*text, 7);
        address->port = PORT_HTTP;
    } else if (span_starts(*text, SPAN("https://"))) {
        *text = span_from(*text, 8);
        address->port = PORT_HTTPS;
        address->secure = true;
    }
    return NULL;
}

static const char *read_unix(struct span path, struct upstream_address *address)
{
    if (path.len == 0 || (path.ptr[0] != '/' && path.ptr[0] != '@') || path.len == 1)
        return "is no absolute path of a Unix socket (unix:/run/app.sock)";
    if (path.len >= sizeof address->path)
        return "is longer than the 107 bytes that the path of a Unix socket may have";
    memcpy(address->path, path.ptr, path.len);
    return NULL;
}

static const char *read_port(struct span text, struct upstream_address *address)
{
    uint64_t port;

    if (text.len > 5 || span_to_uint(text, &port) < 0 || port == 0 || port > UINT16_MAX)
        return "has no port from 1 to 65535";
    address->port = (uint16_t)port;
    return NULL;
}

static bool is_host(struct span host)
{
    for (size_t i = 0; i < host.len; i++) {
        char c = ascii_lower(host.ptr[i]);
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_'))
            return false;
    }
    return host.len > 0 && host.len < UPSTREAM_HOST_MAX;
}

static bool is_ipv6(struct span host)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (host.len >= sizeof text)
        return false;
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    return inet_pton(AF_INET6, text, &address) == 1;
}

/** Takes the host off the front; what is left begins with the colon of the port, or is empty.
 *  @param has_port  the scheme's, so that the text needs none */
static struct span cut_host(struct span *text, bool has_port)
{
    ptrdiff_t colon = span_find_last(*text, ':');
    bool whole = has_port && text->len > 0 &&
                 (colon < 0 || text->ptr[text->len - 1] == ']'); /* "host", "[::1]" */
    size_t len = whole ? text->len : colon < 0 ? 0 : (size_t)colon;
    struct span host = span_of(text->ptr, len);

    *text = span_from(*text, len);
    return host;
}

static const char *read_tcp(struct span text, struct upstream_address *address)
{
    struct span host = cut_host(&text, address->port != 0);
    bool bracketed = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    const char *wrong = NULL;

    if (text.len || !host.len)
        wrong = read_port(span_from(text, span_starts(text, SPAN(":")) ? 1 : 0), address);
    if (wrong)
        return wrong;
    if (bracketed)
        host = span_of(host.ptr + 1, host.len - 2);
    if (host.len == 0)
        host = SPAN("localhost");
    if (bracketed ? !is_ipv6(host) : !is_host(host))
        return "is no host:port";
    for (size_t i = 0; i < host.len; i++)
        address->host[i] = ascii_lower(host.ptr[i]);
    return NULL;
}

const char *upstream_address_parse(const char *text, struct upstream_address *ret_address)
{
    struct upstream_address address = {0};
    struct span rest = span_str(text);

    const char *wrong = cut_scheme(&rest, &address);
    if (wrong)
        return wrong;
    if (span_starts(rest, SPAN("unix:"))) {
        wrong = read_unix(span_from(rest, 5), &address);
        address.port = 0;
    } else {
        if (rest.len && rest.ptr[rest.len - 1] == '/')
            rest.len--;
        if (span_find(rest, '/') >= 0)
            return "has a path; requests keep their own";
        wrong = read_tcp(rest, &address);
    }
    if (wrong)
        return wrong;
    *ret_address = address;
    return NULL;
}

const char *upstream_address_check(const char *text)
{
    struct upstream_address address;

    return upstream_address_parse(text, &address);
}

const char *upstream_address_text(const struct upstream_address *address,
                                  char out[UPSTREAM_TEXT_MAX])
{
    bool ipv6 = strchr(address->host, ':') != NULL;
    const char *scheme = address->secure ? "https://" : "";

    if (address->path[0])
        snprintf(out, UPSTREAM_TEXT_MAX, "%sunix:%s", scheme, address->path);
    else
        snprintf(out, UPSTREAM_TEXT_MAX, "%s%s%s%s:%u", scheme, ipv6 ? "[" : "", address->host,
                 ipv6 ? "]" : "", address->port);
    return out;
}

const char *upstream_address_authority(const struct upstream_address *address,
                                       char out[UPSTREAM_TEXT_MAX])
{
    bool ipv6 = strchr(address->host, ':') != NULL;
    unsigned usual = address->secure ? PORT_HTTPS : PORT_HTTP;
    char port[8] = "";

    if (address->path[0]) {
        snprintf(out, UPSTREAM_TEXT_MAX, "localhost");
        return out;
    }
    if (address->port != usual)
        snprintf(port, sizeof port, ":%u", address->port);
    snprintf(out, UPSTREAM_TEXT_MAX, "%s%s%s%s", ipv6 ? "[" : "", address->host, ipv6 ? "]" : "",
             port);
    return out;
}

uint64_t upstream_address_id(const struct upstream_address *address)
{
    static const uint64_t key[2] = {UINT64_C(0x75707374), UINT64_C(0x7265616d)};
    char text[UPSTREAM_TEXT_MAX];

    return hash_bytes(span_str(upstream_address_text(address, text)), key);
}
