/* UPnP-IGD by libminiupnpc: discovery by multicast, then XML over HTTP with whoever answered. */
#include <arpa/inet.h>
#include <miniupnpc/miniupnpc.h>
#include <miniupnpc/upnpcommands.h>
#include <miniupnpc/upnperrors.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "router/router_protocols.h"

enum {
    DISCOVERY_LEAST = 500 /* ms */,
    FAILED = 501,
    NO_SUCH_ENTRY = 714,
    ONLY_PERMANENT = 725,
    TTL = 2
};

/* A router, and how the library reaches it. */
struct igd {
    struct UPNPUrls urls;
    struct IGDdatas data;
    char address[46]; /* ours, as the router sees it */
};

/* What our mappings are called, so that we know them again. */
static const char mark[] = "gardien:";

static bool find(const struct router_task *task, struct igd *igd)
{
    /* The library waits once for each; a router of the second version answers to the first, too. */
    static const char *const kinds[] = {"urn:schemas-upnp-org:device:InternetGatewayDevice:1",
                                        "upnp:rootdevice", NULL};
    char address[INET_ADDRSTRLEN];
    int error = 0, wait = (int)((task->until - nsec_monotonic()) / NSEC_PER_MSEC / 2);

    inet_ntop(AF_INET, &task->address, address, sizeof address);
    if (wait < DISCOVERY_LEAST)
        wait = DISCOVERY_LEAST;
    struct UPNPDev *devices =
        upnpDiscoverDevices(kinds, wait, address, NULL, UPNP_LOCAL_PORT_ANY, 0, TTL, &error, 0);
    if (!devices)
        return false;
#if MINIUPNPC_API_VERSION >= 18
    char outside[46];
    int r = UPNP_GetValidIGD(devices, &igd->urls, &igd->data, igd->address, sizeof igd->address,
                             outside, sizeof outside);
    bool fine = r >= 1 && r <= 3; /* 2: its address outside is private; 3: it is not online */
#else
    int r = UPNP_GetValidIGD(devices, &igd->urls, &igd->data, igd->address, sizeof igd->address);
    bool fine = r == 1 || r == 2; /* 2: either */
#endif
    freeUPNPDevlist(devices);
    if (r > 0 && !fine)
        FreeUPNPUrls(&igd->urls);
    return fine;
}

static const char *protocol_name(struct port port)
{
    return port.protocol == PORT_TCP ? "TCP" : "UDP";
}

/* Who has the port. @return 0; NO_SUCH_ENTRY; another error of the router's or library's */
static int find_mapping(const struct igd *igd, const struct router_port *port, char client[40],
                        char description[80])
{
    char number[8], inside[8] = "", enabled[8] = "", lease[16] = "";

    snprintf(number, sizeof number, "%u", (unsigned)port->port.number);
    client[0] = description[0] = '\0';
    return UPNP_GetSpecificPortMappingEntry(igd->urls.controlURL, igd->data.first.servicetype,
                                            number, protocol_name(port->port), NULL, client, inside,
                                            description, enabled, lease);
}

static int add(const struct igd *igd, const struct router_port *port, uint32_t lease)
{
    char number[8], seconds[16], text[PORT_TEXT], description[32];

    snprintf(number, sizeof number, "%u", (unsigned)port->port.number);
    snprintf(seconds, sizeof seconds, "%u", (unsigned)lease);
    snprintf(description, sizeof description, "%s%s", mark, port_text(port->port, text));
    return UPNP_AddPortMapping(igd->urls.controlURL, igd->data.first.servicetype, number, number,
                               igd->address, description, protocol_name(port->port), NULL, seconds);
}

/* What a router granted may be less than what was asked for. */
static uint32_t granted(const struct igd *igd, const struct router_port *port, uint32_t asked)
{
    char number[8], client[40] = "", inside[8] = "", description[80] = "", enabled[8] = "";
    char lease[16] = "";
    uint64_t seconds;

    snprintf(number, sizeof number, "%u", (unsigned)port->port.number);
    int r = UPNP_GetSpecificPortMappingEntry(igd->urls.controlURL, igd->data.first.servicetype,
                                             number, protocol_name(port->port), NULL, client,
                                             inside, description, enabled, lease);
    if (r != 0 || span_to_uint(span_str(lease), &seconds) < 0 || seconds > asked)
        return asked;
    return (uint32_t)seconds;
}

/* Is a description one of ours? The client alone may be a mapping that its user made by hand. */
static bool is_ours(const struct igd *igd, const char *client, const char *description)
{
    return strcmp(client, igd->address) == 0 && strncmp(description, mark, sizeof mark - 1) == 0;
}

static void set_holder(struct router_port *port, const char *client, const char *description)
{
    port->outcome = ROUTER_TAKEN;
    snprintf(port->holder, sizeof port->holder, "%.39s%s%.30s%s", client, *description ? " (" : "",
             description, *description ? ")" : "");
}

static void map(const struct igd *igd, const struct router_request *request,
                struct router_port *port)
{
    char client[40], description[80];
    uint32_t lease = request->lease;

    if (find_mapping(igd, port, client, description) == 0 && strcmp(client, igd->address) != 0 &&
        *client) {
        set_holder(port, client, description);
        return;
    }
    int r = add(igd, port, lease);
    if (r == ONLY_PERMANENT) {
        lease = 0;
        r = add(igd, port, lease);
    }
    if (r == 0) {
        port->outcome = ROUTER_MAPPED;
        port->lease = lease ? granted(igd, port, lease) : 0;
    } else if (r > 0) {
        port->outcome = ROUTER_REFUSED;
        port->code = r;
    }
}

static void unmap(const struct igd *igd, struct router_port *port)
{
    char client[40], description[80], number[8];
    int r = find_mapping(igd, port, client, description);

    if (r == NO_SUCH_ENTRY) {
        port->outcome = ROUTER_ABSENT;
        return;
    }
    if (r == 0 && !is_ours(igd, client, description)) {
        set_holder(port, client, description);
        return;
    }
    snprintf(number, sizeof number, "%u", (unsigned)port->port.number);
    if (r == 0)
        r = UPNP_DeletePortMapping(igd->urls.controlURL, igd->data.first.servicetype, number,
                                   protocol_name(port->port), NULL);
    if (r == 0 || r == NO_SUCH_ENTRY) {
        port->outcome = ROUTER_REMOVED;
    } else if (r > 0) {
        port->outcome = ROUTER_REFUSED;
        port->code = r;
    }
}

static bool is_settled(const struct router_port *port)
{
    return port->outcome == ROUTER_MAPPED || port->outcome == ROUTER_REMOVED;
}

/* NAT-PMP answers the same whether it took something back or not, so UPnP is asked after it; its
 * word counts where it took something back, too. */
static void unmap_after(const struct igd *igd, struct router_port *port)
{
    struct router_port again = {.port = port->port, .speech = ROUTER_UPNP};

    unmap(igd, &again);
    if (!is_settled(port) || again.outcome == ROUTER_REMOVED)
        *port = again;
}

static void map_after(const struct igd *igd, const struct router_request *request,
                      struct router_port *port)
{
    struct router_port again = {.port = port->port, .speech = ROUTER_UPNP};

    if (is_settled(port))
        return;
    map(igd, request, &again);
    /* "It failed" says less than what NAT-PMP said before. */
    if (port->outcome != ROUTER_REFUSED || again.code != FAILED)
        *port = again;
}

void router_upnp(const struct router_task *task, struct router_answer *answer)
{
    struct igd igd = {0};
    char outside[40] = "";

    if (!find(task, &igd))
        return;
    answer->heard[ROUTER_UPNP] = true;
    if (UPNP_GetExternalIPAddress(igd.urls.controlURL, igd.data.first.servicetype, outside) == 0)
        snprintf(answer->wan, sizeof answer->wan, "%.45s", outside);
    for (size_t i = 0; i < answer->count; i++) {
        if (task->request->close)
            unmap_after(&igd, &answer->ports[i]);
        else
            map_after(&igd, task->request, &answer->ports[i]);
    }
    FreeUPNPUrls(&igd.urls);
}
