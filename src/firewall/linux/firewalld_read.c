/* Questions to a running firewalld. It answers for every zone twice: what counts now, and what will
 * count after a reload. What follows from it is firewalld.c's. */
#include "firewall/linux/firewalld.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/span.h"
#include "firewall/linux/bus.h"
#include "firewall/plan/facts.h"

enum { ZONES_MAX = 256 };

#define CONFIG_PATH FIREWALLD_PATH "/config"

static json_t *ask_runtime(const char *interface, const char *method, const char *arg)
{
    return bus_ask(FIREWALLD_SERVICE, FIREWALLD_PATH, interface, method,
                   arg ? (const char *[]){arg, NULL} : NULL);
}

static json_t *read_zone(const char *name)
{
    json_t *runtime = ask_runtime(FIREWALLD_SERVICE ".zone", "getZoneSettings2", name);
    json_t *path = bus_ask(FIREWALLD_SERVICE, CONFIG_PATH, FIREWALLD_SERVICE ".config",
                           "getZoneByName", (const char *[]){name, NULL});
    json_t *permanent = path ? bus_ask(FIREWALLD_SERVICE, json_string_value(path),
                                       FIREWALLD_SERVICE ".config.zone", "getSettings2", NULL)
                             : NULL;

    return json_pack("{s:o*, s:o*, s:o*}", "runtime", runtime, "path", path, "permanent",
                     permanent);
}

/* Which interfaces are in it now: an interface that no zone names is in the default one. */
static json_t *read_zones(void)
{
    json_t *names = ask_runtime(FIREWALLD_SERVICE ".zone", "getZones", NULL);
    json_t *active = ask_runtime(FIREWALLD_SERVICE ".zone", "getActiveZones", NULL);
    json_t *zones = json_object(), *name;
    size_t i;

    json_array_foreach(names, i, name)
    {
        const char *text = json_string_value(name);
        if (!text || i == ZONES_MAX)
            break;
        json_t *zone = read_zone(text);
        json_t *interfaces = json_object_get(json_object_get(active, text), "interfaces");
        if (interfaces)
            json_object_set(zone, "interfaces", interfaces);
        json_object_set_new(zones, text, zone);
    }
    json_decref(active);
    json_decref(names);
    return zones;
}

/* Interfaces of default routes, from lines whose columns the kernel documents: name, destination
 * 00000000 for IPv4; destination of 32 zeros, prefix 00 and the name last for IPv6. */
static void add_uplink(json_t *uplinks, struct span name)
{
    size_t i;
    json_t *item;

    json_array_foreach(uplinks, i,
                       item) if (span_equal(span_str(json_string_value(item)), name)) return;
    if (name.len && !span_equal(name, SPAN("lo")))
        json_array_append_new(uplinks, json_stringn(name.ptr, name.len));
}

static struct span column(struct span line, char separator, size_t wanted)
{
    struct span word = {0};

    for (size_t at = 0; span_next(&line, separator, &word);) {
        if (word.len && at++ == wanted)
            return word;
    }
    return (struct span){0};
}

static json_t *read_uplinks(void)
{
    const struct firewall_facts here = {0};
    scoped(mem_release) char *v4 = firewall_facts_file(&here, "/proc/net/route");
    scoped(mem_release) char *v6 = firewall_facts_file(&here, "/proc/net/ipv6_route");
    struct span rest = span_str(v4), line;
    json_t *uplinks = json_array();

    while (v4 && span_next(&rest, '\n', &line))
        if (span_equal(column(line, '\t', 1), SPAN("00000000")))
            add_uplink(uplinks, span_trim(column(line, '\t', 0)));
    rest = span_str(v6);
    while (v6 && span_next(&rest, '\n', &line))
        if (span_equal(column(line, ' ', 0), SPAN("00000000000000000000000000000000")) &&
            span_equal(column(line, ' ', 1), SPAN("00")))
            add_uplink(uplinks, span_trim(column(line, ' ', 9)));
    return uplinks;
}

json_t *firewalld_read(void)
{
    json_t *standard = ask_runtime(FIREWALLD_SERVICE, "getDefaultZone", NULL);

    if (!standard)
        return NULL;
    return json_pack("{s:o, s:o*, s:o*, s:o, s:o}", "default", standard, "services",
                     ask_runtime(FIREWALLD_SERVICE, "listServices", NULL), "panic",
                     ask_runtime(FIREWALLD_SERVICE, "queryPanicMode", NULL), "uplinks",
                     read_uplinks(), "zones", read_zones());
}
