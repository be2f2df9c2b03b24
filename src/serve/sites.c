/* Names to sites, and what a site owns. The worker builds them from settings. */
#include "serve/sites.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"

struct sites *sites_create(size_t count, const uint64_t secret[2])
{
    struct sites *sites = mem_new(struct sites);

    sites->references = 1;
    sites->items = mem_zalloc(count * sizeof *sites->items);
    sites->count = count;
    map_init(&sites->names, secret);
    return sites;
}

struct sites *sites_ref(struct sites *sites)
{
    sites->references++;
    return sites;
}

static void site_finish(struct site *site)
{
    free(site->main_name);
    routes_finish(site->routes, site->route_count);
    for (size_t i = 0; i < site->route_count; i++) {
        free((char *)site->routes[i].path.ptr);
        rate_rules_finish(&site->routes[i].rates);
        header_rules_finish(&site->routes[i].headers);
    }
    rate_rules_finish(&site->rates);
    free(site->routes);
    tls_context_destroy(site->tls);
    header_rules_finish(&site->headers);
}

void sites_unref(struct sites *sites)
{
    if (!sites || --sites->references > 0)
        return;
    for (size_t i = 0; i < sites->count; i++)
        site_finish(&sites->items[i]);
    free(sites->items);
    map_finish(&sites->names);
    proxy_trust_destroy(sites->proxy_trust);
    proxy_trust_destroy(sites->forwarded_trust);
    waf_rules_destroy(sites->waf_rules);
    rate_rules_finish(&sites->rates);
    if (sites->release_backing)
        sites->release_backing(sites->backing);
    free(sites);
}

struct route *site_add_route(struct site *site, struct span path)
{
    site->routes = mem_resize(site->routes, site->route_count + 1, sizeof *site->routes);
    struct route *route = &site->routes[site->route_count++];
    *route = (struct route){.path = span_of(mem_string(path), path.len)};
    return route;
}

int sites_name(struct sites *sites, struct span name, struct site *site)
{
    struct site *other = map_get(&sites->names, name);

    if (other && other != site)
        return -EEXIST;
    (void)map_set(&sites->names, name, site);
    return 0;
}

/* Sites have IPv6 addresses as RFC 5952 writes them, hosts in brackets and in any spelling. */
static struct site *find_ipv6(const struct sites *sites, struct span host)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (host.len < 2 || host.len - 2 >= sizeof text)
        return NULL;
    memcpy(text, host.ptr + 1, host.len - 2);
    text[host.len - 2] = '\0';
    if (inet_pton(AF_INET6, text, &address) != 1 ||
        !inet_ntop(AF_INET6, &address, text, sizeof text))
        return NULL;
    return map_get(&sites->names, span_str(text));
}

struct site *sites_find(const struct sites *sites, struct span host, bool *ret_exact)
{
    char wildcard[256];

    *ret_exact = false;
    if (host.len == 0 || host.ptr[0] == '*') /* a host may not call itself a wildcard */
        return NULL;
    bool ipv6 = host.ptr[0] == '[';
    struct site *site = ipv6 ? find_ipv6(sites, host) : map_get(&sites->names, host);
    *ret_exact = site != NULL;
    if (site || ipv6)
        return site;
    ptrdiff_t dot = span_find(host, '.');
    if (dot < 1 || host.len - (size_t)dot + 1 > sizeof wildcard)
        return NULL;
    wildcard[0] = '*';
    memcpy(wildcard + 1, host.ptr + dot, host.len - (size_t)dot);
    return map_get(&sites->names, span_of(wildcard, host.len - (size_t)dot + 1));
}
