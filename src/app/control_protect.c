/* Joins the settings in force with the counts of all workers. */
#include "app/control_protect.h"

#include "app/guardian_state.h"
#include "app/settings.h"

static const char *mode_name(int mode)
{
    return protect_modes[mode];
}

static json_t *rates_json(const struct config_list *list)
{
    const struct rate_settings *items = list->items;
    json_t *rates = json_array();

    for (size_t i = 0; i < list->count; i++)
        json_array_append_new(rates, json_pack("{s:s, s:s, s:s, s:I, s:s?}", "name", items[i].name,
                                               "rate", items[i].rate, "key", items[i].key, "burst",
                                               (json_int_t)items[i].burst, "path", items[i].path));
    return rates;
}

/** The rules of a site, or of one of its routes. */
static json_t *rules_json(const struct settings *settings, const struct settings_site *site,
                          const struct settings_route *route)
{
    const struct protect_rules_settings *levels[PROTECT_LEVELS] = {
        &settings->protect.rules, &site->protect.rules, route ? &route->protect.rules : NULL};
    bool proxied = route ? route->proxy != NULL : site->proxy != NULL;
    struct protect_rules rules;

    protect_rules_merge(levels, PROTECT_LEVELS, proxied, &rules);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "addresses",
                     rules.allow || rules.deny ? "some" : "all", "secrets",
                     mode_name((int)rules.secrets), "cross_origin",
                     mode_name((int)rules.cross_origin), "cookies", mode_name((int)rules.cookies),
                     "security_headers", protect_headers_words[rules.security_headers], "rate_mode",
                     mode_name((int)rules.rate_mode), "malware", mode_name((int)rules.malware),
                     "waf", mode_name(settings_waf_mode(settings, site)));
}

static json_t *site_json(const struct settings *settings, const struct settings_site *site)
{
    const struct settings_route *routes = settings_routes(site);
    json_t *list = json_array();

    for (size_t i = 0; i < site->routes.count; i++)
        json_array_append_new(list, json_pack("{s:s, s:o, s:o}", "path", routes[i].path, "rules",
                                              rules_json(settings, site, &routes[i]), "rates",
                                              rates_json(&routes[i].protect.rules.rates)));
    return json_pack("{s:s, s:o, s:o, s:o}", "name", site->names.count ? site->names.items[0] : "",
                     "rules", rules_json(settings, site, NULL), "rates",
                     rates_json(&site->protect.rules.rates), "routes", list);
}

static json_t *counts_json(const struct guardian *g)
{
    struct protect_sums sums;
    json_t *counts = json_array();

    protect_counts_sum(g->workers.shared->counts, nsec_monotonic(), &sums);
    json_array_append_new(counts,
                          json_pack("{s:s, s:I, s:I}", "policy", "connections", "refused",
                                    (json_int_t)sums.connections, "watched", (json_int_t)0));
    for (size_t i = 0; i < POLICIES; i++)
        json_array_append_new(
            counts, json_pack("{s:s, s:I, s:I}", "policy", protect_policies[i]->name, "refused",
                              (json_int_t)sums.refused[i], "watched", (json_int_t)sums.watched[i]));
    return counts;
}

json_t *control_protect_status(const struct guardian *g, bool with_settings)
{
    const struct settings *settings = g->live->prepared.settings;
    const struct bans_settings *bans = &settings->protect.bans;
    const struct settings_site *sites = settings_sites(settings);
    json_t *list = json_array();

    for (size_t i = 0; i < settings->sites.count; i++)
        json_array_append_new(list, site_json(settings, &sites[i]));
    json_t *object =
        json_pack("{s:b, s:o, s:o, s:o, s:{s:s, s:I, s:s?, s:s?, s:s?, s:s?}, s:{s:I, s:I}}", "ok",
                  1, "last_hour", counts_json(g), "rates",
                  rates_json(&settings->protect.rules.rates), "sites", list, "ban_rules", "mode",
                  bans->mode == 0   ? "off"
                  : bans->mode == 1 ? "watch"
                                    : "on",
                  "seconds", (json_int_t)(bans->time / NSEC_PER_SEC), "not_found", bans->not_found,
                  "logins", bans->logins, "waf", bans->waf, "rates", bans->rates, "limits",
                  "connections_per_address", (json_int_t)settings->limits.connections_per_address,
                  "requests_per_address", (json_int_t)settings->limits.requests_per_address);
    if (with_settings)
        json_object_set_new(object, "settings", json_string(g->live->prepared.text));
    return object;
}
