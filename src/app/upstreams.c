/* Which servers there are, from the groups and from sites that name one directly. */
#include "app/upstreams.h"

const struct upstream_settings *upstreams_find(const struct settings *settings, const char *name)
{
    const struct upstream_settings *groups = settings->upstreams.items;

    for (size_t i = 0; i < settings->upstreams.count; i++)
        if (strcmp(groups[i].name, name) == 0)
            return &groups[i];
    return NULL;
}

void upstreams_single(char *target, char **ret_server, struct upstream_settings *ret_group)
{
    *ret_group = (struct upstream_settings){0};
    config_defaults(upstream_rows, ret_group);
    *ret_server = target;
    ret_group->name = target;
    ret_group->servers = (struct config_strings){ret_server, 1};
}

static void each_of_group(const struct upstream_settings *group,
                          void (*each)(void *context, const struct upstream_address *address,
                                       nsec_t timeout),
                          void *context)
{
    struct upstream_address address;

    for (size_t i = 0; i < group->servers.count; i++)
        if (!upstream_address_parse(group->servers.items[i], &address))
            each(context, &address, group->timeouts.connect);
}

/* The server that a site or route names directly, if it does. */
static void each_of_target(const struct proxy_settings *proxy,
                           void (*each)(void *context, const struct upstream_address *address,
                                        nsec_t timeout),
                           void *context)
{
    struct upstream_settings single;
    char *server;

    if (!proxy || proxy_target_is_name(proxy->to))
        return;
    upstreams_single(proxy->to, &server, &single);
    each_of_group(&single, each, context);
}

/* Whether a level of settings has bodies looked at. */
static bool scans(const struct protect_rules_settings *rules)
{
    return rules->malware > PROTECT_OFF;
}

bool upstreams_scan(const struct settings *settings)
{
    bool wanted = scans(&settings->protect.rules);

    for (size_t i = 0; i < settings->sites.count; i++) {
        const struct settings_site *site = &settings_sites(settings)[i];
        wanted |= scans(&site->protect.rules);
        for (size_t n = 0; n < site->routes.count; n++)
            wanted |= scans(&settings_routes(site)[n].protect.rules);
    }
    return wanted;
}

void upstreams_each(const struct settings *settings,
                    void (*each)(void *context, const struct upstream_address *address,
                                 nsec_t timeout),
                    void *context)
{
    const struct upstream_settings *groups = settings->upstreams.items;

    struct upstream_address clamd;

    if (upstreams_scan(settings) &&
        upstream_address_parse(settings->protect.clamd.address, &clamd) == NULL)
        each(context, &clamd, settings->protect.clamd.timeout);
    for (size_t i = 0; i < settings->upstreams.count; i++)
        each_of_group(&groups[i], each, context);
    for (size_t i = 0; i < settings->sites.count; i++) {
        const struct settings_site *site = &settings_sites(settings)[i];
        each_of_target(site->proxy, each, context);
        for (size_t n = 0; n < site->routes.count; n++)
            each_of_target(settings_routes(site)[n].proxy, each, context);
    }
}

void upstreams_each_of(const struct settings *settings, const struct proxy_settings *proxy,
                       void (*each)(void *context, const struct upstream_address *address,
                                    nsec_t timeout),
                       void *context)
{
    const struct upstream_settings *group = proxy ? upstreams_find(settings, proxy->to) : NULL;

    if (group)
        each_of_group(group, each, context);
    else
        each_of_target(proxy, each, context);
}

bool upstreams_wanted(const struct settings *settings)
{
    bool wanted = settings->upstreams.count > 0 || upstreams_scan(settings);

    for (size_t i = 0; i < settings->sites.count; i++) {
        const struct settings_site *site = &settings_sites(settings)[i];
        wanted |= site->proxy != NULL;
        for (size_t n = 0; n < site->routes.count; n++)
            wanted |= settings_routes(site)[n].proxy != NULL;
    }
    return wanted;
}
