/* Cuts what people paste into host, port and path. Looking names up is names.c's. */
#include "check/target.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"
#include "os/idn.h"

enum { HOST_MAX = 253, LABEL_MAX = 63, TEXT_MAX = 2048 };

static int complain(struct diags *diags, const char *hint, struct span what, const char *why)
{
    diag_hint(
        diags_add(diags, "\"%.*s\" %s", (int)(what.len > 200 ? 200 : what.len), what.ptr, why),
        "%s", hint);
    return ERR_SYNTAX;
}

static const char EXAMPLES[] = "write a host, such as example.com, example.com:8443, 192.0.2.1 or "
                               "[2001:db8::1]:443";

/* Takes "https://" and "http://" off. */
static int skip_scheme(struct span *text, struct diags *diags)
{
    ptrdiff_t mark = span_find_span(*text, SPAN("://"));

    if (mark < 0)
        return 0;
    struct span scheme = span_of(text->ptr, (size_t)mark);
    if (!span_equal_nocase(scheme, SPAN("https")) && !span_equal_nocase(scheme, SPAN("http")))
        return complain(diags, EXAMPLES, *text, "is no address of the web");
    *text = span_from(*text, scheme.len + 3);
    return 0;
}

static size_t count_of(struct span s, char c)
{
    size_t count = 0;

    for (size_t i = 0; i < s.len; i++)
        count += s.ptr[i] == c;
    return count;
}

/* Splits "host:port"; an IPv6 address without brackets has no port. */
static int split_port(struct span text, struct span *ret_host, struct span *ret_port)
{
    ptrdiff_t colon = span_find_last(text, ':'), bracket = span_find_last(text, ']');

    *ret_host = text;
    *ret_port = (struct span){0};
    if (bracket >= 0 && (size_t)bracket + 1 < text.len && text.ptr[bracket + 1] != ':')
        return ERR_SYNTAX;
    if (colon < 0 || colon < bracket || (bracket < 0 && count_of(text, ':') > 1))
        return 0;
    *ret_host = span_of(text.ptr, (size_t)colon);
    *ret_port = span_from(text, (size_t)colon + 1);
    return 0;
}

/* Letters, digits, hyphens and, as names in use have them, underscores; labels of 1 to 63. */
static bool is_hostname(struct span host)
{
    struct span rest = host, label;

    if (host.len == 0 || host.len > HOST_MAX)
        return false;
    while (span_next(&rest, '.', &label)) {
        if (label.len == 0 || label.len > LABEL_MAX)
            return false;
        for (size_t i = 0; i < label.len; i++) {
            char c = ascii_lower(label.ptr[i]);
            if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
                return false;
        }
    }
    return true;
}

/* The last label of a name is never a number: "1.2.3.400" is a mistyped address. */
static bool resembles_ipv4(struct span host)
{
    struct span last = span_from(host, (size_t)(span_find_last(host, '.') + 1));

    for (size_t i = 0; i < last.len; i++)
        if (last.ptr[i] < '0' || last.ptr[i] > '9')
            return false;
    return last.len > 0;
}

static int set_host(struct span host, struct diags *diags, struct target *target)
{
    if (host.len > 1 && host.ptr[host.len - 1] == '.')
        host.len--;
    target->shown = mem_string(host);
    if (address_from_ip(target->shown, target->port, &target->ip) == 0) {
        char text[ADDRESS_TEXT];
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&target->ip.storage;
        bool ipv6 = address_is_ipv6(&target->ip);
        if (ipv6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
            return complain(diags, "write the IPv4 address alone, such as 192.0.2.1", host,
                            "is an IPv4 address written as an IPv6 one, which no network carries");
        if (ipv6 && IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr) && in6->sin6_scope_id == 0)
            return complain(diags, "name the interface behind it, such as fe80::1%eth0", host,
                            "is an address of one network only, and does not say of which");
        target->is_ip = true;
        target->host = mem_string(span_str(address_ip_text(&target->ip, text)));
        return 0;
    }
    if (span_find(host, ':') >= 0 || span_find(host, '[') >= 0 || resembles_ipv4(host))
        return complain(diags, EXAMPLES, host, "is no IP address, and no name either");
    if (!idn_is_international(target->shown))
        target->host = mem_string(host);
    else if (idn_to_ascii(target->shown, &target->host) < 0)
        target->host = NULL;
    if (!target->host || !is_hostname(span_str(target->host)))
        return complain(diags, EXAMPLES, host, "is no name that a host can have");
    for (char *c = target->host; *c; c++)
        *c = ascii_lower(*c);
    return 0;
}

static int set_port(struct span port, struct diags *diags, struct target *target)
{
    uint64_t number = TARGET_PORT;

    if (port.ptr && (span_to_uint(port, &number) < 0 || number == 0 || number > 65535))
        return complain(diags, "a port is a number from 1 to 65535; without one it is 443", port,
                        "is no port");
    target->port = (uint16_t)number;
    return 0;
}

/* What may stand in a request line; a fragment stays with the browser. */
static int set_path(struct span path, struct diags *diags, struct target *target)
{
    ptrdiff_t hash = span_find(path, '#');

    if (hash >= 0)
        path.len = (size_t)hash;
    for (size_t i = 0; i < path.len; i++)
        if ((unsigned char)path.ptr[i] <= ' ' || (unsigned char)path.ptr[i] >= 0x7f)
            return complain(diags, "write blanks and letters beyond ASCII as %20 and the like",
                            path, "cannot stand in a request");
    bool rooted = path.len && path.ptr[0] == '/';
    target->path = mem_format("%s%.*s", rooted ? "" : "/", SPAN_ARGS(path));
    return 0;
}

int target_parse(const char *text, struct diags *diags, struct target *ret_target)
{
    struct span all = span_trim(span_str(text)), path = {0}, host, port;
    struct target target = {.port = 0};

    if (all.len == 0 || all.len > TEXT_MAX)
        return complain(diags, EXAMPLES, SPAN(""), "names no host");
    int r = skip_scheme(&all, diags);
    for (size_t i = 0; r == 0 && i < all.len; i++)
        if (all.ptr[i] == '/' || all.ptr[i] == '?' || all.ptr[i] == '#') {
            path = span_from(all, i);
            all.len = i;
        }
    if (r == 0 && span_find_last(all, '@') >= 0)
        all = span_from(all, (size_t)span_find_last(all, '@') + 1);
    if (r == 0 && split_port(all, &host, &port) < 0)
        r = complain(diags, EXAMPLES, all, "has something behind its bracket that is no port");
    if (r == 0)
        r = set_port(port, diags, &target);
    if (r == 0)
        r = set_host(host, diags, &target);
    if (r == 0)
        r = set_path(path, diags, &target);
    if (r < 0)
        target_finish(&target);
    else
        *ret_target = target;
    return r;
}

void target_finish(struct target *target)
{
    free(target->host);
    free(target->shown);
    free(target->path);
    *target = (struct target){.port = 0};
}

char *target_authority(const struct target *target, uint16_t usual)
{
    bool ipv6 = target->is_ip && address_is_ipv6(&target->ip);
    char port[8] = "";

    if (target->port != usual)
        snprintf(port, sizeof port, ":%u", target->port);
    return mem_format("%s%s%s%s", ipv6 ? "[" : "", target->host, ipv6 ? "]" : "", port);
}

int target_parse_pin(const char *text, struct diags *diags, char **ret_name,
                     struct socket_address *ret_address)
{
    struct span all = span_str(text), name, rest = all, port;

    bool split = span_next(&rest, ':', &name);
    if (split && span_find(rest, ':') >= 0 && count_of(rest, ':') == 1)
        (void)span_next(&rest, ':', &port); /* "name:443:192.0.2.1" */
    scoped(mem_release) char *ip = split && rest.ptr ? mem_string(rest) : NULL;
    if (!ip || name.len == 0 || address_from_ip(ip, TARGET_PORT, ret_address) < 0)
        return complain(diags, "--resolve example.com:192.0.2.1 takes an address for a name", all,
                        "is no name with its address");
    *ret_name = mem_string(name);
    return 0;
}
