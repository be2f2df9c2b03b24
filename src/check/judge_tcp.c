/* Which addresses accept connections, and who or what refused where they do not. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "check/internal.h"

/* What an ICMP message says, and what to do. RFC 792, RFC 1122, RFC 1812, RFC 4443. */
struct icmp_meaning {
    bool ipv6;
    uint8_t type, code;
    const char *what, *hint;
};

static const char OPEN_THERE[] =
    "on the server, `gardien open` opens the port; if the box is a router "
    "or a cloud's firewall, allow the port in its settings";
static const char ROUTE_THERE[] =
    "the way is broken there, not at the server: tell whoever runs that "
    "router, and check that the address in DNS is the right one";

static const struct icmp_meaning meanings[] = {
    {false, 3, 0, "it knows no way to that network", ROUTE_THERE},
    {false, 3, 1, "no machine answers at that address there",
     "see that the machine is on and has "
     "that address"},
    {false, 3, 2, "the machine does not take TCP at all", OPEN_THERE},
    {false, 3, 3, "rejected by a firewall (port unreachable)", OPEN_THERE},
    {false, 3, 9, "forbidden by a firewall (network prohibited)", OPEN_THERE},
    {false, 3, 10, "forbidden by a firewall (host prohibited)", OPEN_THERE},
    {false, 3, 13, "forbidden by a firewall (administratively prohibited)", OPEN_THERE},
    {false, 11, 0, "packets go in a circle (time exceeded)", ROUTE_THERE},
    {true, 1, 0, "it knows no way to that address", ROUTE_THERE},
    {true, 1, 1, "forbidden by a firewall (administratively prohibited)", OPEN_THERE},
    {true, 1, 3, "no machine answers at that address there",
     "see that the machine is on and has "
     "that address"},
    {true, 1, 4, "rejected by a firewall (port unreachable)", OPEN_THERE},
    {true, 1, 5, "forbidden by a firewall (source address failed policy)", OPEN_THERE},
    {true, 1, 6, "forbidden by a router (reject route)", ROUTE_THERE},
    {true, 3, 0, "packets go in a circle (hop limit exceeded)", ROUTE_THERE},
};

static const struct icmp_meaning *meaning_of(const struct dial_failure *failure, bool ipv6)
{
    for (size_t i = 0; i < ARRAY_SIZE(meanings); i++)
        if (meanings[i].ipv6 == ipv6 && meanings[i].type == failure->type &&
            meanings[i].code == failure->code)
            return &meanings[i];
    return NULL;
}

static bool same_ip(const struct socket_address *a, const struct socket_address *b)
{
    char one[ADDRESS_TEXT], other[ADDRESS_TEXT];

    return strcmp(address_ip_text(a, one), address_ip_text(b, other)) == 0;
}

static struct finding *refused_by_icmp(const struct endpoint *endpoint, struct findings *findings)
{
    const struct dial_failure *failure = &endpoint->main.failure;
    bool ipv6 = address_is_ipv6(&endpoint->address);
    const struct icmp_meaning *meaning = meaning_of(failure, ipv6);
    char who[ADDRESS_TEXT] = "a box on the way", other[64];
    bool itself = failure->has_offender && same_ip(&failure->offender, &endpoint->address);

    if (itself)
        snprintf(who, sizeof who, "the machine itself");
    else if (failure->has_offender)
        address_ip_text(&failure->offender, who);
    snprintf(other, sizeof other, "refused (ICMP%s %u/%u)", ipv6 ? "v6" : "", failure->type,
             failure->code);
    struct finding *finding = findings_add(findings, FINDING_BAD, "tcp", "%s says: %s", who,
                                           meaning ? meaning->what : other);
    finding_hint(finding, "%s", meaning ? meaning->hint : OPEN_THERE);
    return finding;
}

/* Did this machine itself find out that it cannot deliver, on the way to another? */
static bool is_undelivered(const struct endpoint *endpoint)
{
    const struct dial_failure *failure = &endpoint->main.failure;

    return failure->from_here && !same_ip(&failure->offender, &endpoint->address);
}

static void add_refuser(const struct endpoint *endpoint, struct finding *finding)
{
    const struct dial_failure *failure = &endpoint->main.failure;
    char offender[ADDRESS_TEXT];

    if (!failure->icmp || is_undelivered(endpoint))
        return;
    finding_fact(finding, "icmp_type", json_integer(failure->type));
    finding_fact(finding, "icmp_code", json_integer(failure->code));
    if (failure->has_offender)
        finding_fact(finding, "refused_by",
                     json_string(address_ip_text(&failure->offender, offender)));
}

/* Did a box on the way refuse, or nobody answer in this machine's own network? The system has one
 * word for both. */
static bool is_unnamed_refusal(const struct dial_failure *failure)
{
    return !dial_names_boxes && (failure->error == EHOSTUNREACH || failure->error == ENETUNREACH);
}

static struct finding *refused_by_somebody(const struct endpoint *endpoint,
                                           struct findings *findings)
{
    unsigned port = socket_address_port(&endpoint->address);
    struct finding *finding = findings_add(
        findings, FINDING_BAD, "tcp",
        endpoint->main.failure.error == EHOSTUNREACH
            ? "unreachable: a firewall forbids it, or no machine answers at this address (this "
              "system does not tell which)"
            : "unreachable: a firewall forbids it, or a router on the way knows no way there "
              "(this system does not tell which)");

    finding_hint(finding,
                 "see that the machine is on and has that address, and let TCP port %u in: on the "
                 "server with `gardien open`, and in the firewall in front of it",
                 port);
    return finding;
}

static struct finding *refused(const struct endpoint *endpoint, struct findings *findings)
{
    const struct dial_failure *failure = &endpoint->main.failure;
    unsigned port = socket_address_port(&endpoint->address);
    struct finding *finding;

    if (failure->icmp && !is_undelivered(endpoint)) {
        finding = refused_by_icmp(endpoint, findings);
    } else if (failure->error == ECONNREFUSED) {
        finding = findings_add(
            findings, FINDING_BAD, "tcp",
            dial_names_boxes ? "refused: the machine is there, but no program listens on port %u "
                               "of this address, or a firewall answers in its place with a reset"
                             : "refused: the machine is there, but no program listens on port %u "
                               "of this address, or a firewall refuses in its place",
            port);
        finding_hint(finding, "start the server, and see with `ss -ltn` on that machine that it "
                              "listens on this address and not on 127.0.0.1 alone");
    } else if (is_unnamed_refusal(failure)) {
        finding = refused_by_somebody(endpoint, findings);
    } else if (failure->error == EHOSTUNREACH) {
        finding = findings_add(findings, FINDING_BAD, "tcp",
                               "no machine answers at this address in the local network");
        finding_hint(finding, "see that the machine is on and has that address");
    } else if (failure->error == EPERM || failure->error == EACCES) {
        finding = findings_add(findings, FINDING_BAD, "tcp",
                               dial_names_boxes
                                   ? "this machine's own firewall or routing forbids to connect "
                                     "there"
                                   : "a firewall forbids to connect there: that of this machine, "
                                     "or one on the way");
        finding_hint(finding, "look at the rules for outgoing packets on this machine%s",
                     dial_names_boxes ? "" : ", and at those for incoming ones on the server");
    } else {
        finding = findings_add(findings, FINDING_BAD, "tcp", "cannot connect: %s",
                               error_text(-failure->error));
    }
    add_refuser(endpoint, finding);
    return finding;
}

/* Does the machine answer at all, on port 80? */
static bool is_up(const struct endpoint *endpoint)
{
    return endpoint->has_port80 && endpoint->port80.done &&
           (endpoint->port80.tcp_took >= 0 ||
            (endpoint->port80.end == PROBE_REFUSED && !endpoint->port80.failure.icmp &&
             endpoint->port80.failure.error == ECONNREFUSED));
}

static struct finding *timed_out(const struct check *check, const struct endpoint *endpoint,
                                 struct findings *findings)
{
    unsigned port = socket_address_port(&endpoint->address);
    bool up = is_up(endpoint);

    struct finding *finding = findings_add(
        findings, FINDING_BAD, "tcp",
        up ? "no answer within %.1f s, while the machine answers on port 80: a firewall drops "
             "packets to port %u"
           : "no answer within %.1f s: a firewall drops packets to port %u, or the machine is off",
        (double)check->options->timeout / 2e9, port);
    finding_hint(finding,
                 "let TCP port %u in: on the server with `gardien open`, and in the "
                 "firewall of the hoster or the router in front of it (port forwarding). If it is "
                 "open, the program there takes no connections: `ss -ltn` on the server shows then "
                 "that Recv-Q has reached Send-Q, the bound of its backlog",
                 port);
    return finding;
}

static bool all_without_route(const struct check *check)
{
    for (size_t i = 0; i < check->endpoint_count; i++)
        if (check->endpoints[i].main.end != PROBE_NO_ROUTE)
            return false;
    return true;
}

static struct finding *no_route(const struct check *check, const struct endpoint *endpoint,
                                struct findings *findings)
{
    bool ipv6 = address_is_ipv6(&endpoint->address);
    bool all = all_without_route(check);

    struct finding *finding =
        findings_add(findings, all ? FINDING_BAD : FINDING_UNKNOWN, "tcp",
                     "not tried: this machine has no IPv%c route there", ipv6 ? '6' : '4');
    if (all)
        finding_hint(finding, "connect this machine to the network, or look from another one");
    return finding;
}

static void judge_endpoint(const struct check *check, const struct endpoint *endpoint,
                           struct check_result *result)
{
    struct findings *findings = &result->findings;
    const struct probe *probe = &endpoint->main;
    struct finding *finding;
    char text[ADDRESS_TEXT];

    if (probe->tcp_took >= 0) {
        finding = findings_add(findings, FINDING_GOOD, "tcp", "accepts connections");
        finding->took = probe->tcp_took;
        if (probe->path.rtt > 0)
            finding_fact(finding, "rtt_milliseconds", milliseconds_json(probe->path.rtt));
    } else if (probe->end == PROBE_NO_ROUTE) {
        finding = no_route(check, endpoint, findings);
    } else if (probe->end == PROBE_TIMEOUT) {
        finding = timed_out(check, endpoint, findings);
    } else {
        finding = refused(endpoint, findings);
    }
    finding_subject(finding, "%s", address_text(&endpoint->address, text));
}

void judge_tcp(const struct check *check, struct check_result *result)
{
    size_t open[2] = {0, 0}, closed[2] = {0, 0};

    for (size_t i = 0; i < check->endpoint_count; i++) {
        const struct endpoint *endpoint = &check->endpoints[i];
        bool ipv6 = address_is_ipv6(&endpoint->address);
        judge_endpoint(check, endpoint, result);
        if (endpoint->main.tcp_took >= 0)
            open[ipv6]++;
        else if (endpoint->main.end != PROBE_NO_ROUTE)
            closed[ipv6]++;
    }
    if (open[0] && !open[1] && closed[1]) {
        struct finding *finding = findings_add(
            &result->findings, FINDING_BAD, "ipv6",
            "DNS announces IPv6, but it does not work while IPv4 does: visitors with IPv6 wait, or "
            "do not get through");
        finding_subject(finding, "%s", check->options->target->host);
        finding_hint(finding,
                     "let the server listen on IPv6 ([::]:%u) and its firewall let it in, "
                     "or take the AAAA record out",
                     check->options->target->port);
    }
}
