/* The upstream servers that settings name, in groups or directly, for those who connect to them and
 * those who forward to them. */
#pragma once

#include "app/settings.h"

/** The group of that name, or NULL. */
const struct upstream_settings *upstreams_find(const struct settings *settings, const char *name);
/** Calls `each` for every server that requests may be forwarded to.
 *  @param timeout  for a connection to it */
void upstreams_each(const struct settings *settings,
                    void (*each)(void *context, const struct upstream_address *address,
                                 nsec_t timeout),
                    void *context);
/** The same for those of one `proxy`; NULL has none. */
void upstreams_each_of(const struct settings *settings, const struct proxy_settings *proxy,
                       void (*each)(void *context, const struct upstream_address *address,
                                    nsec_t timeout),
                       void *context);
/** A group of one server with every setting at its default. `target` lives as long.
 *  @param ret_server  what the group's list points to */
void upstreams_single(char *target, char **ret_server, struct upstream_settings *ret_group);
/** Whether bodies are looked at by clamd, which is an upstream too. */
bool upstreams_scan(const struct settings *settings);
/** Whether there is anything to connect to. */
bool upstreams_wanted(const struct settings *settings);
