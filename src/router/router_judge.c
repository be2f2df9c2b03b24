/* What a router's answers mean, in words. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/escape.h"
#include "base/mem.h"
#include "report/finding.h"
#include "report/printer.h"
#include "router/router.h"

enum router_wan router_wan_kind(const char *text)
{
    struct in_addr address;

    if (!*text)
        return ROUTER_WAN_UNKNOWN;
    if (inet_pton(AF_INET, text, &address) != 1)
        return ROUTER_WAN_UNKNOWN;
    uint32_t host = ntohl(address.s_addr);
    if (host == 0)
        return ROUTER_WAN_NONE;
    if (host >> 24 == 10 || host >> 20 == 0xac1 || host >> 16 == 0xc0a8 || host >> 16 == 0xa9fe)
        return ROUTER_WAN_PRIVATE;
    if (host >> 22 == 0x191) /* 100.64.0.0/10 */
        return ROUTER_WAN_CARRIER;
    return ROUTER_WAN_PUBLIC;
}

/* ---- refusals ---- */

static const char offline[] =
    "see in its settings whether it is online, allows programs to open ports, and which address it "
    "has outside: one in 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10 is shared by "
    "the provider (carrier NAT) or another router's; then serve over IPv6 or through a tunnel";

static const struct {
    enum router_speech speech;
    int code;
    const char *sentence, *hint;
} refusals[] = {
    {ROUTER_UPNP, 402, "it does not understand the request",
     "forward the port by hand in the router's settings"},
    {ROUTER_UPNP, 501, "it could not do it", offline},
    {ROUTER_UPNP, 606, "it does not allow this machine to open ports",
     "allow it in the router's settings (on a FRITZ!Box: \"permit independent port sharing\")"},
    {ROUTER_UPNP, 718, "another machine has this port already",
     "take that forwarding away in the router's settings, or choose another port"},
    {ROUTER_UPNP, 724, "it wants the same port inside and outside",
     "forward the port by hand in the router's settings"},
    {ROUTER_UPNP, 725, "it only forwards for good, and then refused that, too",
     "forward the port by hand in the router's settings"},
    {ROUTER_UPNP, 728, "it has no room for one more forwarding",
     "take some away in the router's settings"},
    {ROUTER_UPNP, 729, "the port is in use by the router itself or by a rule made by hand",
     "see its remote administration and its port forwardings, or choose another port"},
    {ROUTER_NATPMP, 2, "it does not allow programs to open ports",
     "switch on NAT-PMP or UPnP in the router's settings"},
    {ROUTER_NATPMP, 3, "it has no public address itself", offline},
    {ROUTER_NATPMP, 4, "it has no room for one more forwarding",
     "take some away in the router's settings"},
    {ROUTER_NATPMP, 5, "it does not know how to forward this protocol",
     "forward the port by hand in the router's settings"},
};

const char *router_refusal(enum router_speech speech, int code, const char **ret_hint)
{
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
        if (refusals[i].speech == speech && refusals[i].code == code) {
            *ret_hint = refusals[i].hint;
            return refusals[i].sentence;
        }
    *ret_hint = "forward the port by hand in the router's settings";
    return "it refused for a reason of its own";
}

static const char *speech_name(enum router_speech speech)
{
    return speech == ROUTER_NATPMP ? "NAT-PMP" : speech == ROUTER_UPNP ? "UPnP" : "";
}

/* ---- ports ---- */

/* "until 2026-12-02 15:40", or "for good" */
static void lease_text(uint32_t lease, nsec_t now, char text[48])
{
    time_t end = (time_t)(now / NSEC_PER_SEC + lease);
    struct tm local;

    if (!lease || !localtime_r(&end, &local) || !strftime(text, 48, "until %Y-%m-%d %H:%M", &local))
        memcpy(text, "for good", sizeof "for good");
}

static void judge_mapped(const struct router_answer *answer, const struct router_port *port,
                         nsec_t now, struct findings *findings)
{
    char until[48], text[PORT_TEXT];

    lease_text(port->lease, now, until);
    struct finding *finding =
        findings_add(findings, FINDING_GOOD, "router", "%s sends it on to %s, %s (%s)",
                     answer->router[0] ? answer->router : "the router", answer->address, until,
                     speech_name(port->speech));
    finding_subject(finding, "%s", port_text(port->port, text));
}

static void judge_refused(const struct router_port *port, struct findings *findings)
{
    const char *hint, *sentence = router_refusal(port->speech, port->code, &hint);
    char text[PORT_TEXT];
    struct finding *finding =
        findings_add(findings, FINDING_BAD, "router", "the router refused over %s: %s (%d)",
                     speech_name(port->speech), sentence, port->code);

    finding_subject(finding, "%s", port_text(port->port, text));
    finding_hint(finding, "%s", hint);
}

static void judge_taken(const struct router_port *port, struct findings *findings)
{
    char text[PORT_TEXT];
    scoped(mem_release) char *holder = escape_text(span_str(port->holder));
    struct finding *finding =
        findings_add(findings, FINDING_BAD, "router", "the router sends it to %s",
                     *holder ? holder : "another machine");

    finding_subject(finding, "%s", port_text(port->port, text));
    finding_hint(finding, "take that forwarding away in the router's settings, or choose another "
                          "port");
}

static void judge_port(const struct router_answer *answer, const struct router_port *port,
                       nsec_t now, struct findings *findings)
{
    char text[PORT_TEXT];
    bool removed = port->outcome == ROUTER_REMOVED;

    switch (port->outcome) {
    case ROUTER_MAPPED:
        judge_mapped(answer, port, now, findings);
        break;
    case ROUTER_REMOVED:
    case ROUTER_ABSENT:
        finding_subject(findings_add(findings, FINDING_GOOD, "router",
                                     removed ? "the router sends it to this machine no more"
                                             : "the router did not send it on"),
                        "%s", port_text(port->port, text));
        break;
    case ROUTER_TAKEN:
        judge_taken(port, findings);
        break;
    case ROUTER_REFUSED:
        judge_refused(port, findings);
        break;
    case ROUTER_UNDONE:
    case ROUTER_OUTCOMES:
        finding_subject(
            findings_add(findings, FINDING_BAD, "router", "the router stopped answering"), "%s",
            port_text(port->port, text));
        break;
    }
}

/* ---- the whole ---- */

static void judge_silence(const struct router_answer *answer, struct findings *findings)
{
    if (!answer->address[0]) {
        finding_hint(findings_add(findings, FINDING_BAD, "router",
                                  "this machine has no IPv4 address that a router could send to"),
                     "connect it to a network");
        return;
    }
    scoped(mem_release) char *upnp =
        HAVE_MINIUPNPC ? mem_format("UPnP was asked on %s (%s)", answer->interface, answer->address)
                       : mem_format("this gardien is built without UPnP");
    bool natpmp = HAVE_NATPMP && answer->router[0];
    struct finding *finding =
        findings_add(findings, FINDING_BAD, "router", "no router answered within 3 s: %s%s%s%s",
                     !HAVE_NATPMP ? "this gardien is built without NAT-PMP, "
                     : natpmp     ? "NAT-PMP was asked at "
                                  : "no IPv4 route leads to one, ",
                     natpmp ? answer->router : "", natpmp ? ", " : "", upnp);
    finding_hint(finding,
                 "switch on UPnP or NAT-PMP in the router's settings, or forward the ports to %s "
                 "there by hand",
                 answer->address);
}

static void judge_wan(const struct router_answer *answer, struct findings *findings)
{
    static const char hint[] = "serve over IPv6, which no NAT is in the way of; ask the provider "
                               "for a public IPv4 address; or lead the traffic in by a tunnel from "
                               "a machine that has one";
    scoped(mem_release) char *wan = escape_text(span_str(answer->wan));
    struct finding *finding;

    switch (router_wan_kind(answer->wan)) {
    case ROUTER_WAN_CARRIER:
        finding = findings_add(findings, FINDING_BAD, "router",
                               "the router's own address outside is %s (100.64.0.0/10, RFC 6598): "
                               "the provider shares one address among many (carrier NAT), so "
                               "nobody outside reaches it",
                               wan);
        finding_hint(finding, "%s", hint);
        break;
    case ROUTER_WAN_PRIVATE:
        finding = findings_add(findings, FINDING_BAD, "router",
                               "the router's own address outside is %s, a private one: a second "
                               "router stands in front of it (double NAT), or the provider's NAT",
                               wan);
        finding_hint(finding,
                     "forward the ports to %s in that router too, or make one of them a bridge; "
                     "otherwise: %s",
                     wan, hint);
        break;
    case ROUTER_WAN_NONE:
        finding_hint(findings_add(findings, FINDING_BAD, "router",
                                  "the router has no address outside: it is not online"),
                     "see whether it is connected to the internet");
        break;
    case ROUTER_WAN_PUBLIC:
        findings_add(findings, FINDING_NOTE, "router", "outside, the router is %s", wan);
        break;
    case ROUTER_WAN_UNKNOWN:
        findings_add(findings, FINDING_UNKNOWN, "router",
                     "the router did not tell its address outside");
        break;
    }
}

void router_judge(const struct router_answer *answer, nsec_t now, struct findings *findings)
{
    if (answer->direct) {
        findings_add(findings, FINDING_GOOD, "router",
                     "this machine has the public address %s itself: no router has to send "
                     "anything on",
                     answer->address);
        return;
    }
    if (!answer->heard[ROUTER_NATPMP] && !answer->heard[ROUTER_UPNP]) {
        judge_silence(answer, findings);
        return;
    }
    for (size_t i = 0; i < answer->count; i++)
        judge_port(answer, &answer->ports[i], now, findings);
    bool closed = true;
    for (size_t i = 0; i < answer->count; i++)
        closed = closed && (answer->ports[i].outcome == ROUTER_REMOVED ||
                            answer->ports[i].outcome == ROUTER_ABSENT);
    if (!closed)
        judge_wan(answer, findings);
}

json_t *router_json(const struct router_answer *answer)
{
    static const char *const outcomes[ROUTER_OUTCOMES] = {
        [ROUTER_UNDONE] = "undone", [ROUTER_MAPPED] = "mapped", [ROUTER_REMOVED] = "removed",
        [ROUTER_ABSENT] = "absent", [ROUTER_TAKEN] = "taken",   [ROUTER_REFUSED] = "refused",
    };
    json_t *list = json_array();
    char text[PORT_TEXT];

    for (size_t i = 0; i < answer->count; i++) {
        const struct router_port *port = &answer->ports[i];
        json_t *one = json_pack("{s:s, s:s}", "port", port_text(port->port, text), "outcome",
                                outcomes[port->outcome]);
        if (port->speech)
            json_object_set_new(one, "protocol", json_string(speech_name(port->speech)));
        if (port->outcome == ROUTER_MAPPED)
            json_object_set_new(one, "lease", json_integer(port->lease));
        if (port->code)
            json_object_set_new(one, "code", json_integer(port->code));
        if (port->holder[0]) {
            scoped(mem_release) char *holder = escape_text(span_str(port->holder));
            json_object_set_new(one, "holder", json_string(holder));
        }
        json_array_append_new(list, one);
    }
    scoped(mem_release) char *wan = escape_text(span_str(answer->wan));
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:o}", "router", answer->router, "address",
                     answer->address, "interface", answer->interface, "outside", wan, "direct",
                     answer->direct, "ports", list);
}
