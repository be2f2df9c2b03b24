/* Building sites from settings, in the worker. Which files and certificates there are was settled
 * by the guardian; answering with them is serve's. */
#include "app/worker_sites.h"

#include <stdio.h>
#include <stdlib.h>

#include "app/settings.h"
#include "app/snapshot.h"
#include "app/upstreams.h"
#include "base/base64.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/mem.h"

enum { WHY_SIZE = 256, CONTEXT_NAME_MAX = 256 };

/* ---- fields ---- */

static char *lower_copy(const char *text)
{
    char *copy = mem_string(span_str(text));

    for (char *at = copy; *at; at++)
        *at = ascii_lower(*at);
    return copy;
}

static void add_rule(struct header_rules *rules, enum header_op op, const char *name,
                     const char *value)
{
    rules->items = mem_resize(rules->items, rules->count + 1, sizeof *rules->items);
    rules->items[rules->count++] = (struct header_rule){
        .name = span_str(lower_copy(name)),
        .value = span_str(mem_string(span_str(value ? value : ""))),
        .op = op,
    };
}

static void add_headers(struct header_rules *rules, const struct settings_headers *headers)
{
    for (size_t i = 0; i < headers->remove.count; i++)
        add_rule(rules, HEADER_REMOVE, headers->remove.items[i], NULL);
    for (size_t i = 0; i < headers->set.count; i++)
        add_rule(rules, HEADER_SET, headers->set.items[i].key, headers->set.items[i].value);
    for (size_t i = 0; i < headers->add.count; i++)
        add_rule(rules, HEADER_ADD, headers->add.items[i].key, headers->add.items[i].value);
}

static bool mentions(const struct header_rules *rules, struct span name)
{
    for (size_t i = 0; i < rules->count; i++)
        if (span_equal(rules->items[i].name, name))
            return true;
    return false;
}

static bool all_local(const struct settings_site *site)
{
    for (size_t i = 0; i < site->names.count; i++)
        if (!settings_name_is_local(site->names.items[i]))
            return false;
    return true;
}

/* RFC 6797. It comes last, because plain HTTP must not carry it (section 7.2). */
static void add_hsts(struct header_rules *rules, const struct settings_site *from)
{
    char value[96];

    rules->plain_count = rules->count;
    if (from->hsts.max_age == 0 || all_local(from) ||
        mentions(rules, SPAN("strict-transport-security")))
        return;
    snprintf(value, sizeof value, "max-age=%lld%s%s",
             (long long)(from->hsts.max_age / NSEC_PER_SEC),
             from->hsts.include_subdomains ? "; includeSubDomains" : "",
             from->hsts.preload ? "; preload" : "");
    add_rule(rules, HEADER_SET, "strict-transport-security", value);
}

static bool has_any(const struct settings_headers *headers)
{
    return headers->remove.count || headers->set.count || headers->add.count;
}

/* Those of all sites, of the site, and of a route, whose word counts. @param route  or NULL */
static void set_headers(struct header_rules *rules, const struct settings *settings,
                        const struct settings_site *site, const struct settings_headers *route)
{
    add_rule(rules, HEADER_SET, "x-content-type-options", "nosniff");
    add_headers(rules, &settings->headers);
    add_headers(rules, &site->headers);
    if (route)
        add_headers(rules, route);
    add_hsts(rules, site);
}

/* ---- one site ---- */

/* A key's number stands for its chain, too, and is never used again: another chain or key file is
 * another key to the guardian. So the numbers and the profile say what a context is made of. */
static int name_context(const struct snapshot_site *from, const struct tls_settings *settings,
                        struct buffer *name)
{
    int r = buffer_append(name, (const char *)&settings->profile, sizeof settings->profile);

    for (size_t i = 0; r >= 0 && i < from->certificate_count; i++)
        r = buffer_append(name, (const char *)&from->certificates[i].key_id,
                          sizeof from->certificates[i].key_id);
    return r;
}

static int make_context(const struct snapshot_site *from, const struct tls_settings *settings,
                        const struct worker_materials *materials, struct tls_context **ret_context)
{
    struct tls_certificate *certificates =
        mem_zalloc(from->certificate_count * sizeof *certificates);
    int r = 0;

    for (size_t i = 0; r >= 0 && i < from->certificate_count; i++) {
        certificates[i].chain_pem = span_str(from->certificates[i].chain_pem);
        r = keys_remote_key(materials->keys, from->certificates[i].key_id,
                            certificates[i].chain_pem, &certificates[i].key);
    }
    if (r >= 0)
        r = tls_context_create(settings, materials->tls, certificates, from->certificate_count,
                               ret_context);
    for (size_t i = 0; i < from->certificate_count; i++)
        tls_certificate_finish(&certificates[i]);
    free(certificates);
    return r;
}

/* The context of a site: one made for this snapshot already, one of the last snapshot, or a new
 * one; it is noted in `made`, which has a reference of its own. */
static int get_context(const struct snapshot_site *from, const struct tls_settings *settings,
                       const struct worker_materials *materials, struct map *made,
                       struct tls_context **ret_context)
{
    struct buffer name = buffer_make(CONTEXT_NAME_MAX);
    struct tls_context *context;

    int r = name_context(from, settings, &name);
    context = r < 0 ? NULL : map_get(made, buffer_span(&name));
    if (r >= 0 && !context) {
        context = map_get(&materials->contexts, buffer_span(&name));
        if (context)
            tls_context_ref(context);
        else
            r = make_context(from, settings, materials, &context);
        if (r >= 0)
            map_set(made, buffer_span(&name), context);
    }
    buffer_finish(&name);
    if (r >= 0)
        *ret_context = tls_context_ref(context);
    return r;
}

static void release_contexts(struct map *contexts)
{
    struct span name;
    size_t cursor = 0;
    void *context;

    while (map_next(contexts, &cursor, &name, &context))
        tls_context_destroy(context);
    map_finish(contexts);
}

void worker_sites_forget(struct worker_materials *materials)
{
    release_contexts(&materials->contexts);
}

/* What sites are made from. */
struct making {
    const struct settings *settings;
    const struct snapshot *snapshot;
    const struct worker_materials *materials;
    struct sites *sites;
    struct map contexts;            /* that the snapshot uses */
    struct upstream_group **groups; /* of settings->upstreams, in their order */
    struct proxy_trust *trust;      /* trusted_proxies */
    const struct rate_rules *rates; /* of all sites */
    size_t folders_at;              /* how many of the snapshot's folders have a place */
    char *why;
};

/* Makes the next folder of the snapshot, which are in the order of the settings. */
static int next_folder(struct making *making, const struct files_settings *settings,
                       struct files **ret_files)
{
    const struct snapshot *snapshot = making->snapshot;
    int r = making->folders_at < snapshot->folder_count ? 0 : ERR_PROTOCOL;

    if (r >= 0)
        r = files_create(settings, snapshot->folders[making->folders_at++],
                         making->materials->secret, ret_files);
    if (r >= 0)
        files_set_guard(*ret_files, &snapshot->guard);
    else
        snprintf(making->why, WHY_SIZE, "the folder %.180s can't be served: %s", settings->root,
                 error_text(r));
    return r;
}

/* The folder answers over plain HTTP where a CA looks for a challenge. */
static void add_challenge_files(struct site *site)
{
    struct route *challenge = site_add_route(site, SPAN("/.well-known/acme-challenge/"));
    challenge->handler = &challenge_files_handler;
    challenge->config = site->pages;
    challenge->plain = true;
}

static void make_groups(struct making *making)
{
    const struct upstream_settings *groups = making->settings->upstreams.items;
    size_t count = making->settings->upstreams.count;

    making->groups = mem_zalloc(count * sizeof *making->groups);
    for (size_t i = 0; i < count; i++)
        making->groups[i] = upstream_group_create(making->materials->proxy, &groups[i],
                                                  upstream_roots_of(&making->snapshot->roots, i));
}

/* Routes have references of their own. */
static void release_groups(struct making *making)
{
    for (size_t i = 0; i < making->settings->upstreams.count; i++)
        upstream_group_unref(making->groups[i]);
    free(making->groups);
}

static struct upstream_group *group_of(struct making *making, char *to)
{
    const struct upstream_settings *known = upstreams_find(making->settings, to);
    struct upstream_settings single;
    char *server;

    if (known) {
        const struct upstream_settings *groups = making->settings->upstreams.items;
        return upstream_group_ref(making->groups[known - groups]);
    }
    upstreams_single(to, &server, &single);
    return upstream_group_create(making->materials->proxy, &single,
                                 upstream_roots_of(&making->snapshot->roots, SIZE_MAX));
}

static void *proxy_config(struct making *making, const struct proxy_settings *proxy,
                          struct span path)
{
    return proxy_route_create(group_of(making, proxy->to), proxy, path, making->trust);
}

/* How large the bodies of requests may be, where the answer depends on the route. */
static void bound_bodies(struct making *making, struct site *site, const struct settings_site *from)
{
    const struct limits_settings *limits = &making->settings->limits;
    uint64_t *most = &making->sites->http_limits.body_bytes;

    for (size_t i = 0; i < site->route_count; i++) {
        struct route *route = &site->routes[i];
        const struct proxy_settings *proxy =
            i < from->routes.count ? settings_routes(from)[i].proxy : from->proxy;
        if (route->otherwise)
            route = route->otherwise;
        bool forwarded = route->handler == &proxy_handler;
        route->body_max = limits_body(limits, forwarded ? proxy->body_size : 0, forwarded);
        if (route->body_max > *most)
            *most = route->body_max;
    }
}

static void set_proxy(struct making *making, struct route *route,
                      const struct proxy_settings *proxy)
{
    route->handler = &proxy_handler;
    route->config = proxy_config(making, proxy, route->path);
}

/* What the route's files do not have is the application's. */
static void add_otherwise(struct making *making, struct route *route,
                          const struct proxy_settings *proxy)
{
    route->otherwise = mem_new(struct route);
    route->otherwise->path = route->path;
    route->otherwise->compress = route->compress;
    set_proxy(making, route->otherwise, proxy);
}

/* What answers for paths of which no route says anything. */
static void add_root(struct making *making, struct site *site, const struct settings_site *from)
{
    struct route *root = from->proxy || site->pages ? site_add_route(site, SPAN("/")) : NULL;

    if (!root)
        return;
    root->compress = site->pages ? &from->files->compress : &from->compress;
    if (!site->pages) {
        set_proxy(making, root, from->proxy);
        return;
    }
    root->handler = &files_handler;
    root->config = site->pages;
    if (from->proxy)
        add_otherwise(making, root, from->proxy);
    add_challenge_files(site);
}

static int set_handler(struct making *making, struct route *route,
                       const struct settings_route *settings)
{
    struct files *files = NULL;
    int r = 0;

    if (settings->redirect) {
        route->handler = &redirect_handler;
        route->config = settings->redirect;
    } else if (settings->files) {
        r = next_folder(making, settings->files, &files);
        route->handler = &files_handler;
        route->config = files;
        route->compress = &settings->files->compress;
        route->pages = settings->files->error_pages.count ? files : NULL;
        if (settings->proxy)
            add_otherwise(making, route, settings->proxy);
    } else if (settings->proxy) {
        set_proxy(making, route, settings->proxy);
    } else {
        route->handler = &respond_handler;
        route->config = settings->respond;
    }
    return r;
}

static int add_routes(struct making *making, struct site *site, const struct settings_site *from)
{
    int r = 0;

    for (size_t i = 0; r >= 0 && i < from->routes.count; i++) {
        const struct settings_route *settings = &settings_routes(from)[i];
        struct route *route = site_add_route(site, span_str(settings->path));
        route->exact = settings->exact;
        route->compress = &from->compress;
        if (has_any(&settings->headers))
            set_headers(&route->headers, making->settings, from, &settings->headers);
        r = set_handler(making, route, settings);
    }
    return r;
}

/* Routes are sorted later: pointers are set when they have their places. */
static void add_rates(struct site *site, const struct settings_site *from)
{
    const struct settings_route *routes = settings_routes(from);

    rate_rules_create(&from->protect.rules.rates, span_str(site->main_name), &site->rates);
    for (size_t i = 0; i < from->routes.count; i++) {
        scoped(mem_release) char *scope = mem_format("%s %s", site->main_name, routes[i].path);
        rate_rules_create(&routes[i].protect.rules.rates, span_str(scope), &site->routes[i].rates);
    }
}

static void point_to_rates(const struct making *making, struct site *site)
{
    site->protect.rates[0] = making->rates;
    site->protect.rates[1] = &site->rates;
    for (size_t i = 0; i < site->route_count; i++) {
        struct route *route = &site->routes[i];
        route->protect.rates[0] = making->rates;
        route->protect.rates[1] = &site->rates;
        route->protect.rates[2] = &route->rates;
        if (route->otherwise)
            memcpy(route->otherwise->protect.rates, route->protect.rates,
                   sizeof route->protect.rates);
    }
}

/* What protection demands: the settings of all sites, of this one and of each of its routes. */
static void add_protection(struct making *making, struct site *site,
                           const struct settings_site *from)
{
    const struct protect_rules_settings *levels[PROTECT_LEVELS] = {&making->settings->protect.rules,
                                                                   &from->protect.rules, NULL};

    protect_rules_merge(levels, 2, false, &site->protect);
    for (size_t i = 0; i < site->route_count; i++) {
        struct route *route = &site->routes[i];
        levels[2] = i < from->routes.count ? &settings_routes(from)[i].protect.rules : NULL;
        protect_rules_merge(levels, PROTECT_LEVELS, route->handler == &proxy_handler,
                            &route->protect);
        if (route->otherwise)
            protect_rules_merge(levels, PROTECT_LEVELS, true, &route->otherwise->protect);
    }
    add_rates(site, from);
}

static int make_site(struct making *making, size_t index, struct site *site)
{
    const struct settings *settings = making->settings;
    const struct snapshot *snapshot = making->snapshot;
    const struct worker_materials *materials = making->materials;
    char *why = making->why;
    const struct settings_site *from = &settings_sites(settings)[index];
    const struct snapshot_site *resources = &snapshot->sites[index];
    int r = 0;

    site->main_name = mem_string(span_str(from->names.items[0]));
    site->redirect_to_main = from->redirect_to_main && site->main_name[0] != '*';
    set_headers(&site->headers, settings, from, NULL);
    if (from->files && from->files->root)
        r = next_folder(making, from->files, &site->pages);
    if (r < 0)
        return r;
    r = add_routes(making, site, from); /* first: of two for the same path, the user's counts */
    add_root(making, site, from);
    if (r < 0)
        return r;
    for (size_t i = 0; i < site->route_count; i++) {
        struct route *route = &site->routes[i];
        if (!route->pages)
            route->pages = site->pages;
        if (route->otherwise)
            route->otherwise->pages = route->pages;
    }
    bound_bodies(making, site, from);   /* while the first routes are those of the settings */
    add_protection(making, site, from); /* while the first routes are those of the settings */
    routes_sort(site->routes, site->route_count);
    point_to_rates(making, site);
    if (resources->certificate_count > 0)
        r = get_context(resources, &settings->tls, materials, &making->contexts, &site->tls);
    if (r < 0)
        snprintf(why, WHY_SIZE, "site %s: its certificate can't be used: %s", site->main_name,
                 tls_last_error());
    return r;
}

/* ---- all of them ---- */

static void release_settings(void *settings)
{
    settings_destroy(settings);
}

static uint16_t https_port(const struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->listener_count; i++)
        if (snapshot->listeners[i].secure && !snapshot->listeners[i].datagrams)
            return snapshot->listeners[i].port;
    return 0;
}

static int fill_sites(struct sites *sites, struct making *making)
{
    for (size_t i = 0; i < sites->count; i++) {
        const struct settings_site *from = &settings_sites(making->settings)[i];
        int r = make_site(making, i, &sites->items[i]);
        for (size_t n = 0; r >= 0 && n < from->names.count; n++) {
            r = sites_name(sites, span_str(from->names.items[n]), &sites->items[i]);
            if (r < 0)
                snprintf(making->why, WHY_SIZE, "the name %s belongs to two sites",
                         from->names.items[n]);
        }
        if (r < 0)
            return r;
    }
    return 0;
}

/* The rules of the web application firewall, from the files that came with the snapshot. */
static int make_waf(struct sites *sites, struct making *making)
{
    const char *packed = making->snapshot->waf;
    struct waf_files *files = NULL;
    struct diags diags = {0};

    if (!packed)
        return 0;
    size_t room = strlen(packed);
    scoped(mem_release) char *bytes = mem_alloc(room + 1);
    ssize_t len = base64_decode(span_of(packed, room), bytes, room);
    int r = len < 0 ? (int)len : waf_files_unpack(span_of(bytes, (size_t)len), &files);
    if (r >= 0)
        r = waf_load_settings(&making->settings->protect, files, &diags, &sites->waf_rules);
    if (r < 0)
        snprintf(making->why, WHY_SIZE, "the rules of the web application firewall: %.150s",
                 diags.count ? diags.items[0].sentence : error_text(r));
    for (size_t i = 0; i < sites->count; i++)
        sites->items[i].waf_mode =
            settings_waf_mode(making->settings, &settings_sites(making->settings)[i]);
    diags_finish(&diags);
    waf_files_destroy(files);
    return r;
}

static void set_clamd(struct sites *sites, const struct settings *settings)
{
    struct upstream_address address;

    if (upstream_address_parse(settings->protect.clamd.address, &address))
        return;
    sites->clamd = &settings->protect.clamd;
    sites->clamd_address = upstream_address_id(&address);
}

int worker_sites_create(struct snapshot *snapshot, struct worker_materials *materials,
                        struct sites **ret_sites, struct tls_context **ret_tls, char *ret_why)
{
    struct settings *settings = take(snapshot->settings);
    struct sites *sites = sites_create(settings->sites.count, materials->secret);
    struct making making = {.sites = sites,
                            .settings = settings,
                            .snapshot = snapshot,
                            .materials = materials,
                            .why = ret_why};
    size_t bad = 0;

    map_init(&making.contexts, materials->secret);
    sites->backing = settings;
    sites->release_backing = release_settings;
    sites->limits = settings->limits;
    sites->redact = &settings->logs.redact;
    sites->bans = &settings->protect.bans;
    set_clamd(sites, settings);
    limits_http(&settings->limits, &sites->http_limits);
    sites->body_max = sites->http_limits.body_bytes;
    sites->https_port = https_port(snapshot);
    sites->strict = settings->tls.strict_sni;
    int r = snapshot->site_count == sites->count ? 0 : ERR_PROTOCOL;
    if (r < 0)
        snprintf(ret_why, WHY_SIZE, "the snapshot does not fit its settings");
    if (r >= 0) {
        r = proxy_trust_create(&settings->trusted_proxies, &sites->forwarded_trust, &bad);
        if (r < 0)
            snprintf(ret_why, WHY_SIZE, "%s is no network", settings->trusted_proxies.items[bad]);
    }
    making.trust = sites->forwarded_trust;
    rate_rules_create(&settings->protect.rules.rates, SPAN(""), &sites->rates);
    making.rates = &sites->rates;
    make_groups(&making);
    if (r >= 0)
        r = fill_sites(sites, &making);
    release_groups(&making);
    if (r >= 0)
        r = make_waf(sites, &making);
    int fallback = settings_default_site(settings);
    if (fallback >= 0)
        sites->fallback = &sites->items[fallback];
    if (r >= 0) {
        r = proxy_trust_create(&settings->listen.proxy_protocol.from, &sites->proxy_trust, &bad);
        if (r < 0)
            snprintf(ret_why, WHY_SIZE, "%s is no network",
                     settings->listen.proxy_protocol.from.items[bad]);
    }
    if (r >= 0) {
        r = tls_context_create(&settings->tls, materials->tls, NULL, 0, ret_tls);
        if (r < 0)
            snprintf(ret_why, WHY_SIZE, "TLS can't be set up: %s", tls_last_error());
    }
    if (r < 0) {
        release_contexts(&making.contexts);
        sites_unref(sites);
        return r;
    }
    release_contexts(&materials->contexts);
    materials->contexts = making.contexts;
    *ret_sites = sites;
    return 0;
}
