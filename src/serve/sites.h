/* The sites of one snapshot: found by name, with wildcards, never by their place in a file. */
#pragma once

#include <stdbool.h>

#include "base/map.h"
#include "protect/protect.h"
#include "serve/header_rules.h"
#include "serve/proxy_trust.h"
#include "serve/route.h"
#include "tls/tls.h"

struct site {
    char *main_name;       /**< the first of its names */
    bool redirect_to_main; /**< its other exact names answer with a redirect */
    struct route *routes;  /**< in the order of routes_sort() */
    size_t route_count;
    struct files *pages;     /**< whose error pages answers without a route use; NULL: ours */
    struct tls_context *tls; /**< NULL without certificates */
    struct header_rules headers;
    int waf_mode;                 /**< enum waf_mode */
    struct protect_rules protect; /**< of requests without a route */
    struct rate_rules rates;      /**< its own */
};

/** Adds a route; routes_sort() is due at the end. @return it, zeroed but for the path, which is
 *  copied */
struct route *site_add_route(struct site *site, struct span path);

/** What one worker serves. Reference-counted: requests under way keep the snapshot they began with.
 */
struct sites {
    unsigned references;
    struct map names; /**< lower-case name, or "*.rest", to struct site */
    struct site *items;
    size_t count;
    struct site *fallback; /**< for names that nobody has; NULL to refuse them */
    bool strict;           /**< unknown names are refused at the handshake */
    uint16_t https_port;   /**< where plain HTTP redirects to; 0: nowhere */
    struct limits_settings limits;
    struct rate_rules rates;            /**< of all sites */
    const struct clamd_settings *clamd; /**< NULL: bodies are not looked at */
    uint64_t clamd_address;             /**< upstream_address_id() */
    const struct bans_settings *bans;   /**< NULL: nobody is reported */
    struct waf_rules *waf_rules;        /**< NULL: no site has a web application firewall */
    struct http_limits http_limits;
    uint64_t body_max;                   /**< bytes of a request's body where no route says */
    const struct config_strings *redact; /**< query parameters that the access log leaves out; NULL:
                                              none */
    struct proxy_trust *proxy_trust;     /**< who may send PROXY headers; NULL: nobody */
    struct proxy_trust *forwarded_trust; /**< who may send X-Forwarded-*; NULL: nobody */
    void *backing;                       /**< what the sites' settings live in; released last */
    void (*release_backing)(void *backing);
};

/** An empty snapshot for `count` sites, with one reference. */
struct sites *sites_create(size_t count, const uint64_t secret[2]);
struct sites *sites_ref(struct sites *sites);
/** Drops a reference; the last one frees all. NULL is fine. */
void sites_unref(struct sites *sites);
/** Gives a name (lower case, maybe "*.example.com", or an address as inet_ntop() writes it) to a
 *  site.
 *  @return 0, or -EEXIST when another site has it */
must_check int sites_name(struct sites *sites, struct span name, struct site *site);
/** The site of a lower-case host ("[::1]" for IPv6 addresses): exact, else the wildcard of its
 * parent, else NULL. */
struct site *sites_find(const struct sites *sites, struct span host, bool *ret_exact);
