/* `gardien check` without a host: this machine. What listens and what the firewall says to
 * strangers is firewall/'s picture; what a visitor gets on each of its addresses, check/'s. */
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "base/mem.h"
#include "cli/check_parts.h"
#include "cli/cli.h"
#include "firewall/firewall.h"
#include "report/printer.h"

/* ---- this machine's addresses ---- */

static bool is_wanted(const struct ifaddrs *item, int family, bool loopback)
{
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)item->ifa_addr;

    if (!item->ifa_addr || !(item->ifa_flags & IFF_UP) ||
        ((item->ifa_flags & IFF_LOOPBACK) != 0) != loopback)
        return false;
    if (family && item->ifa_addr->sa_family != family)
        return false;
    return item->ifa_addr->sa_family == AF_INET ||
           (item->ifa_addr->sa_family == AF_INET6 && !IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr));
}

static void add_address(struct check_request *request, const struct sockaddr *from, uint16_t port)
{
    struct socket_address address = {.len = from->sa_family == AF_INET
                                                ? sizeof(struct sockaddr_in)
                                                : sizeof(struct sockaddr_in6)};
    char ip[ADDRESS_TEXT];

    memcpy(&address.storage, from, address.len);
    address_set_port(&address, port);
    if (!request->target.host) {
        request->target.is_ip = true;
        request->target.ip = address;
        request->target.host = mem_string(span_str(address_ip_text(&address, ip)));
        return;
    }
    request->pins = mem_resize(request->pins, request->pin_count + 1, sizeof *request->pins);
    request->pins[request->pin_count++] =
        (struct name_pin){mem_string(span_str(request->target.host)), address};
}

/* All addresses that others may reach us at; without any, those of loopback. The first is the
 * target, the others are pinned to it. */
static void find_addresses(struct check_request *request, uint16_t port)
{
    struct ifaddrs *list = NULL;

    if (getifaddrs(&list) < 0)
        list = NULL;
    for (int loopback = 0; loopback < 2 && !request->target.host; loopback++)
        for (const struct ifaddrs *item = list; item; item = item->ifa_next)
            if (is_wanted(item, request->options.names.family, loopback))
                add_address(request, item->ifa_addr, port);
    if (list)
        freeifaddrs(list);
}

/* ---- what the machine says of itself ---- */

static void take_status(uint16_t port, struct firewall_status *ret_status)
{
    struct status_request request = {.root = "", .here = true};
    const struct port shown[] = {{port, PORT_TCP}, {port, PORT_UDP}, {80, PORT_TCP}};

    for (size_t i = 0; i < ARRAY_SIZE(shown); i++)
        if (ports_add(&request.ports, shown[i]) < 0)
            break; /* three fit */
    status_take(&request, ret_status);
}

static const struct port_status *find_port(const struct firewall_status *status, uint16_t number)
{
    for (size_t i = 0; i < status->count; i++)
        if (status->ports[i].port.number == number && status->ports[i].port.protocol == PORT_TCP)
            return &status->ports[i];
    return NULL;
}

static bool keeps_out(const struct firewall_status *status, const struct port_status *port,
                      int family)
{
    return port && strcmp(status_word(status, port, family), "closed") == 0;
}

bool check_keeps_out(uint16_t number, bool ipv6)
{
    struct firewall_status status;

    take_status(number, &status);
    bool out = keeps_out(&status, find_port(&status, number), ipv6 ? STATUS_IPV6 : STATUS_IPV4);
    status_finish(&status);
    return out;
}

/* Joins the three: who listens, who is let in, what a visitor gets. */
static void join(const struct firewall_status *status, uint16_t number,
                 const struct check_result *result, struct check_here *here)
{
    const struct port_status *port = find_port(status, number);
    bool four = keeps_out(status, port, STATUS_IPV4), six = keeps_out(status, port, STATUS_IPV6);

    here->well = false;
    /* What answers without listening here is in a container, behind a rule that redirects. */
    if (!result->open && (!port || !port->listens)) {
        here->verdict =
            mem_format("port %u of this machine is not open: nobody listens on it", number);
        here->hint = mem_format("start the server, for example: gardien serve ./public");
    } else if (!result->open && !port->outside) {
        here->verdict =
            mem_format("port %u of this machine is not open: who listens does so for this "
                       "machine alone",
                       number);
        here->hint =
            mem_format("let the server listen on all addresses (:%u) instead of 127.0.0.1", number);
    } else if (four || six) {
        here->verdict = mem_format(
            "port %u of this machine is closed to strangers%s: somebody listens, but the "
            "firewall keeps visitors out",
            number,
            four && six ? ""
            : four      ? " over IPv4"
                        : " over IPv6");
        here->hint =
            mem_format("gardien open %u opens it; gardien why %u names the rule", number, number);
    } else {
        here->well = check_is_well(result);
        here->verdict =
            here->well ? mem_format("port %u of this machine is open, and %lld of its addresses "
                                    "answer%s over HTTPS",
                                    number, (long long)result->metrics.addresses,
                                    result->metrics.addresses == 1 ? "s" : "")
                       : mem_string(span_str(result->verdict));
        here->hint = result->hint ? mem_string(span_str(result->hint)) : NULL;
    }
}

/* What a visitor gets is of little use when the application behind is not there. */
static void join_upstreams(const struct findings *upstreams, uint16_t port, struct check_here *here)
{
    const struct finding *bad = findings_first(upstreams, FINDING_BAD);

    if (!here->well || !bad)
        return;
    free(here->verdict);
    free(here->hint);
    here->well = false;
    here->verdict = mem_format("port %u of this machine is open, but not well for %s: %s", port,
                               bad->subject, bad->sentence);
    here->hint = bad->hint ? mem_string(span_str(bad->hint)) : NULL;
}

/* ---- the verb ---- */

static void print_here(const struct printer *printer, const struct firewall_status *status,
                       const struct check_result *result, const struct findings *upstreams,
                       const struct check_here *here)
{
    status_print(printer, status);
    fputc('\n', printer->out);
    findings_print(printer, &result->findings);
    findings_print(printer, upstreams);
    fputc('\n', printer->out);
    check_print_verdict(printer, here->well ? STYLE_GREEN : STYLE_RED, here->verdict, here->hint);
}

int check_this_machine(struct check_request *request, uint16_t port,
                       const struct arguments *arguments)
{
    scoped(mem_release) char *state = state_of(arguments);
    struct findings upstreams = {NULL};
    struct printer printer = printer_of(stdout);
    struct firewall_status status;
    struct check_result result;
    struct check_here here = {NULL};

    request->target.port = port;
    request->target.path = mem_string(SPAN("/"));
    request->options.any_name = true;
    find_addresses(request, port);
    if (!request->target.host) {
        print_error("bring an interface up", "this machine has no address");
        return APP_FAILED;
    }
    request->options.names.pins = request->pins;
    request->options.names.pin_count = request->pin_count;
    if (check_run_once(request, &result, &here.well) < 0)
        return APP_FAILED;
    take_status(port, &status);
    join(&status, port, &result, &here);
    if (state)
        check_upstreams(state, &upstreams);
    join_upstreams(&upstreams, port, &here);
    if (arguments_get(arguments, "json"))
        print_json(json_pack("{s:b, s:s, s:s*, s:o, s:o, s:o}", "well", here.well, "verdict",
                             here.verdict, "hint", here.hint, "status", status_json(&status),
                             "check", check_json(&request->options, &result), "upstreams",
                             findings_json(&upstreams)));
    else
        print_here(&printer, &status, &result, &upstreams, &here);
    free(here.verdict);
    free(here.hint);
    status_finish(&status);
    findings_finish(&upstreams);
    check_result_finish(&result);
    return here.well ? APP_OK : APP_FAILED;
}
