/* One ruleset of all that the facts know, and a passage a port and IP version. */
#include "firewall/linux/port_paths.h"

#include <stdlib.h>

#include "base/mem.h"
#include "firewall/linux/iptables.h"
#include "firewall/model/ruleset_internal.h"
#include "firewall/model/ruleset_iptables.h"
#include "os/net.h"

/* ---- the rules ---- */

bool is_iptables_table(const struct ruleset_table *table)
{
    return table->source != RULESET_NATIVE;
}

static int add_tables(struct ruleset *ruleset, const struct iptables_tables *xt,
                      enum iptables_flavour flavour, int version)
{
    const struct {
        const char *name, *text;
    } tables[] = {{"raw", xt->raw},
                  {"mangle", xt->mangle},
                  {"nat", xt->nat},
                  {"filter", xt->filter},
                  {"security", xt->security}};
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(tables); i++) {
        const struct ruleset_iptables what = {
            .family = version ? RULESET_IP6 : RULESET_IP,
            .source = flavour == IPTABLES_NFT ? RULESET_IPTABLES_NFT : RULESET_IPTABLES_LEGACY,
            .table = tables[i].name};
        if (tables[i].text)
            r = ruleset_add_iptables(ruleset, tables[i].text, &what);
    }
    return r;
}

struct ruleset *ruleset_of_facts(const struct firewall_facts *facts)
{
    struct ruleset *ruleset = NULL;
    char *why = NULL;
    int r = 0;

    if (facts->ruleset)
        r = ruleset_read_array(facts->ruleset, &ruleset, &why);
    else
        ruleset = ruleset_create();
    free(why);
    for (int flavour = 0; r == 0 && flavour < IPTABLES_FLAVOURS; flavour++)
        for (int version = 0; r == 0 && version < 2; version++)
            r = add_tables(ruleset, &facts->xt[flavour][version], (enum iptables_flavour)flavour,
                           version);
    if (r == 0 && facts->ruleset_text)
        ruleset_take_devices(ruleset, span_str(facts->ruleset_text));
    if (r < 0) {
        ruleset_destroy(ruleset);
        return NULL;
    }
    return ruleset;
}

/* ---- the packet ---- */

static void come_in_by(const struct firewall_facts *facts, const char *interface,
                       struct firewall_probe *probe)
{
    bool same = strcmp(probe->interface, interface) == 0;

    memset(probe->interface, 0, sizeof probe->interface);
    memcpy(probe->interface, interface, strnlen(interface, sizeof probe->interface - 1));
    if (same)
        return;
    memset(probe->destination, 0, sizeof probe->destination);
    for (size_t i = 0; i < facts->host.count; i++) {
        const struct simulate_address *own = &facts->host.addresses[i];
        if (own->family == probe->family && strcmp(own->interface, interface) == 0) {
            memcpy(probe->destination, own->address, sizeof probe->destination);
            return;
        }
    }
}

static struct firewall_probe probe_of(const struct firewall_facts *facts,
                                      const struct firewall_request *request, struct port port,
                                      int version)
{
    struct firewall_probe probe = facts->clients[version];
    size_t size = version ? 16 : 4;

    if (!probe.family)
        probe = (struct firewall_probe){.family = version ? AF_INET6 : AF_INET};
    firewall_internet_address(probe.family, probe.source); /* no neighbour, who may be banned */
    probe.protocol = port.protocol == PORT_UDP ? IPPROTO_UDP : IPPROTO_TCP;
    probe.port = port.number;
    if (request->interface)
        come_in_by(facts, request->interface, &probe);
    if (request->from.family) {
        memcpy(probe.source, request->from.bytes, size);
        if (request->from.prefix < 8 * size)
            probe.source[size - 1] |= 1;
    }
    return probe;
}

/* ---- all ports ---- */

static bool is_about(const struct firewall_request *request, int version)
{
    return request->from.family == 0 || request->from.family == (version ? 6 : 4);
}

static bool has_ufw(const struct firewall_facts *facts)
{
    return iptables_has_ufw(facts, IPTABLES_NFT) || iptables_has_ufw(facts, IPTABLES_LEGACY);
}

static void take_paths(const struct firewall_facts *facts, const struct firewall_request *request,
                       bool without_ufw, struct port_paths *ret_paths)
{
    struct port_paths paths = {.ruleset = ruleset_of_facts(facts), .count = request->ports.count};

    paths.passages = mem_resize(NULL, 2 * paths.count + 1, sizeof *paths.passages);
    memset(paths.passages, 0, (2 * paths.count + 1) * sizeof *paths.passages);
    for (size_t i = 0; paths.ruleset && i < paths.count; i++)
        for (int version = 0; version < 2; version++) {
            const struct passage_question question = {
                .ruleset = paths.ruleset,
                .host = facts->host.addresses ? &facts->host : NULL,
                .probe = probe_of(facts, request, request->ports.items[i], version),
                .from = &request->from,
                .without_ufw = without_ufw};
            if (is_about(request, version))
                passage_find(&question, &paths.passages[2 * i + (size_t)version]);
        }
    *ret_paths = paths;
}

void port_paths_take(const struct firewall_facts *facts, const struct firewall_request *request,
                     struct port_paths *ret_paths)
{
    take_paths(facts, request, has_ufw(facts), ret_paths);
}

void port_paths_take_all(const struct firewall_facts *facts, const struct firewall_request *request,
                         struct port_paths *ret_paths)
{
    take_paths(facts, request, false, ret_paths);
}

void port_paths_finish(struct port_paths *paths)
{
    ruleset_destroy(paths->ruleset);
    free(paths->passages);
    *paths = (struct port_paths){0};
}

const struct passage *port_paths_of(const struct port_paths *paths,
                                    const struct firewall_request *request, size_t port,
                                    int version)
{
    return paths->ruleset && is_about(request, version)
               ? &paths->passages[2 * port + (size_t)version]
               : NULL;
}
