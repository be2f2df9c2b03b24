/* Which way packets take from this machine: told before TCP, since a VPN or a second interface
 * explains much of what follows. */
#include "check/internal.h"
#include "os/route.h"

/* Addresses of the kernel have no length with them. */
static const char *ip_text(const struct sockaddr_storage *storage, char out[ADDRESS_TEXT])
{
    struct socket_address address = {.storage = *storage};

    return address_ip_text(&address, out);
}

static void judge_family(const struct endpoint *endpoint, struct findings *findings)
{
    char source[ADDRESS_TEXT], gateway[ADDRESS_TEXT], to[ADDRESS_TEXT];
    struct route route;

    if (route_look((const struct sockaddr *)&endpoint->address.storage, &route) < 0)
        return; /* what connecting meets is told of TCP */
    ip_text(&route.source, source);
    if (route.via_gateway)
        ip_text(&route.gateway, gateway);
    struct finding *finding =
        route.local ? findings_add(findings, FINDING_NOTE, "route",
                                   "it is this machine itself: what a "
                                   "firewall does to strangers does not show here")
                    : findings_add(findings, FINDING_GOOD, "route", "%s%s%sfrom %s%s%s",
                                   route.interface[0] ? "by " : "", route.interface,
                                   route.interface[0] ? " " : "", source,
                                   route.via_gateway ? " through " : ", in the same network",
                                   route.via_gateway ? gateway : "");
    finding_subject(finding, "%s", address_ip_text(&endpoint->address, to));
    finding_fact(finding, "interface", json_string(route.interface));
    finding_fact(finding, "source", json_string(source));
    if (route.via_gateway)
        finding_fact(finding, "gateway", json_string(gateway));
    if (route.mtu)
        finding_fact(finding, "mtu", json_integer(route.mtu));
}

void judge_route(const struct check *check, struct check_result *result)
{
    bool told[2] = {false, false};

    for (size_t i = 0; i < check->endpoint_count; i++) {
        const struct endpoint *endpoint = &check->endpoints[i];
        bool ipv6 = address_is_ipv6(&endpoint->address);
        if (!told[ipv6])
            judge_family(endpoint, &result->findings);
        told[ipv6] = true;
    }
}
