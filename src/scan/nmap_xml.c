/* nmap's XML (-oX), as its readers expect it: ndiff, libnmap, Metasploit and others. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/escape.h"
#include "base/mem.h"
#include "report/printer.h"
#include "scan/scan.h"

enum { LISTED_MAX = 25 /* ports of one state; above it they become extraports, as in nmap */ };

static void print_escaped(FILE *out, const char *text)
{
    scoped(mem_release) char *plain = escape_text(span_str(text ? text : ""));

    for (const char *at = plain; *at; at++) {
        if (*at == '&')
            fputs("&amp;", out);
        else if (*at == '<')
            fputs("&lt;", out);
        else if (*at == '>')
            fputs("&gt;", out);
        else if (*at == '"')
            fputs("&quot;", out);
        else
            fputc(*at, out);
    }
}

static void print_services(FILE *out, const char *protocol, const char *type, const uint16_t *ports,
                           size_t count)
{
    if (!count)
        return;
    fprintf(out, "<scaninfo type=\"%s\" protocol=\"%s\" numservices=\"%zu\" services=\"", type,
            protocol, count);
    for (size_t i = 0; i < count; i++) {
        size_t end = i + 1;
        while (end < count && ports[end] - ports[i] == (int)(end - i))
            end++;
        fprintf(out, "%s%u", i ? "," : "", ports[i]);
        if (end - i > 1)
            fprintf(out, "-%u", ports[end - 1]);
        i = end - 1;
    }
    fputs("\"/>\n", out);
}

static const char *time_text(nsec_t wall, char text[64])
{
    time_t seconds = (time_t)(wall / NSEC_PER_SEC);
    struct tm parts;

    if (!localtime_r(&seconds, &parts) || !strftime(text, 64, "%a %b %d %H:%M:%S %Y", &parts))
        text[0] = '\0';
    return text;
}

void scan_xml_begin(const struct scan_xml *xml, const struct scan_request *request)
{
    char started[64];

    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE nmaprun>\n", xml->out);
    fputs("<nmaprun scanner=\"nmap\" args=\"", xml->out);
    print_escaped(xml->out, xml->command_line);
    fprintf(xml->out,
            "\" start=\"%lld\" startstr=\"%s\" version=\"gardien " GARDIEN_VERSION
            "\" xmloutputversion=\"1.05\">\n",
            (long long)(xml->started / NSEC_PER_SEC), time_text(xml->started, started));
    print_services(xml->out, "tcp", request->connect ? "connect" : "syn", request->ports->tcp,
                   request->ports->tcp_count);
    print_services(xml->out, "udp", "udp", request->ports->udp, request->ports->udp_count);
    fputs("<verbose level=\"0\"/>\n<debugging level=\"0\"/>\n", xml->out);
}

/* ---- ports ---- */

struct tally {
    size_t all[2], reasons[2][SCAN_REASONS]; /* by state: closed, filtered */
};

static int tally_of(const struct scan_answer *answer)
{
    return answer->state == SCAN_OPEN ? -1 : answer->state == SCAN_CLOSED ? 0 : 1;
}

static void print_extra(FILE *out, const struct tally *tally, int state, const char *name)
{
    fprintf(out, "<extraports state=\"%s\" count=\"%zu\">\n", name, tally->all[state]);
    for (int reason = 0; reason < SCAN_REASONS; reason++)
        if (tally->reasons[state][reason])
            fprintf(out, "<extrareasons reason=\"%s\" count=\"%zu\"/>\n",
                    scan_reason_name((enum scan_reason)reason), tally->reasons[state][reason]);
    fputs("</extraports>\n", out);
}

static void print_service(FILE *out, const struct scan_host *host, uint16_t port)
{
    const struct scan_service *service = NULL;

    for (size_t i = 0; i < host->service_count; i++)
        if (host->services[i].port == port)
            service = &host->services[i];
    fprintf(out, "<service name=\"%s\"", scan_port_service(port));
    if (service && service->banner) {
        fputs(" extrainfo=\"", out);
        print_escaped(out, service->banner);
        fputc('"', out);
    }
    if (service && service->tls)
        fputs(" tunnel=\"ssl\"", out);
    fprintf(out, " method=\"%s\" conf=\"%d\"/>", service ? "probed" : "table", service ? 8 : 3);
    if (service && service->names) {
        fputs("<script id=\"ssl-cert\" output=\"Subject Alternative Name: ", out);
        print_escaped(out, service->names);
        fputs("\"/>", out);
    }
}

static void print_ports(FILE *out, const struct scan_host *host, bool udp)
{
    const struct scan_answer *answers = udp ? host->udp : host->tcp;
    const uint16_t *ports = udp ? host->ports->udp : host->ports->tcp;
    size_t count = udp ? host->ports->udp_count : host->ports->tcp_count;
    struct tally tally = {0};

    for (size_t i = 0; i < count; i++) {
        int state = tally_of(&answers[i]);
        if (state >= 0) {
            tally.all[state]++;
            tally.reasons[state][answers[i].reason]++;
        }
    }
    for (int state = 0; state < 2; state++)
        if (tally.all[state] > LISTED_MAX)
            print_extra(out, &tally, state,
                        state == 0 ? "closed"
                        : udp      ? "open|filtered"
                                   : "filtered");
    for (size_t i = 0; i < count; i++) {
        int state = tally_of(&answers[i]);
        if (state >= 0 && tally.all[state] > LISTED_MAX)
            continue;
        fprintf(out,
                "<port protocol=\"%s\" portid=\"%u\"><state state=\"%s\" reason=\"%s\" "
                "reason_ttl=\"%u\"/>",
                udp ? "udp" : "tcp", ports[i], scan_state_name(&answers[i], udp),
                scan_reason_name(answers[i].reason), answers[i].ttl);
        print_service(out, host, ports[i]);
        fputs("</port>\n", out);
    }
}

void scan_xml_host(const struct scan_xml *xml, const struct scan_host *host)
{
    char address[SCAN_ADDRESS_TEXT];

    fprintf(xml->out,
            "<host><status state=\"%s\" reason=\"%s\" reason_ttl=\"0\"/>\n"
            "<address addr=\"%s\" addrtype=\"ipv%d\"/>\n<hostnames>\n",
            host->answered ? "up" : "down", host->answered ? "user-set" : "no-response",
            scan_address_text(&host->address, address), host->address.family);
    if (host->name) {
        fputs("<hostname name=\"", xml->out);
        print_escaped(xml->out, host->name);
        fputs("\" type=\"user\"/>\n", xml->out);
    }
    fputs("</hostnames>\n<ports>", xml->out);
    print_ports(xml->out, host, false);
    print_ports(xml->out, host, true);
    fputs("</ports>\n</host>\n", xml->out);
}

void scan_xml_end(const struct scan_xml *xml, const struct scan_summary *summary)
{
    char ended[64];
    nsec_t now = xml->started + summary->took;

    fprintf(xml->out,
            "<runstats><finished time=\"%lld\" timestr=\"%s\" elapsed=\"%.2f\" exit=\"%s\"/>"
            "<hosts up=\"%llu\" down=\"%llu\" total=\"%llu\"/>\n</runstats>\n</nmaprun>\n",
            (long long)(now / NSEC_PER_SEC), time_text(now, ended), (double)summary->took / 1e9,
            summary->stopped ? "error" : "success", (unsigned long long)summary->hosts_answered,
            (unsigned long long)(summary->hosts - summary->hosts_answered),
            (unsigned long long)summary->hosts);
}
