/* Reading lists of ports. */
#include "scan/ports.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"

enum { PORTS = 65536 };

/* Which ports are asked for, by protocol. */
struct wanted {
    bool tcp[PORTS];
    bool udp[PORTS];
};

static const uint16_t usual_tcp[] = {80,   443,  2053, 2083, 2087, 2096,
                                     4443, 5443, 8080, 8443, 9443, 10443};
static const uint16_t usual_udp[] = {443, 8443};

static int parse_number(struct span text, uint64_t *ret_number)
{
    uint64_t number;

    if (text.len == 0 || span_to_uint(text, &number) < 0 || number < 1 || number >= PORTS)
        return ERR_SYNTAX;
    *ret_number = number;
    return 0;
}

/* "443", "440-443", "440-", "-443", "-" */
static int parse_range(struct span text, uint64_t *ret_first, uint64_t *ret_last)
{
    ptrdiff_t dash = span_find(text, '-');
    struct span from = dash < 0 ? text : span_of(text.ptr, (size_t)dash);
    struct span to = dash < 0 ? text : span_from(text, (size_t)dash + 1);

    *ret_first = 1;
    *ret_last = PORTS - 1;
    if ((from.len || dash < 0) && parse_number(from, ret_first) < 0)
        return ERR_SYNTAX;
    if ((to.len || dash < 0) && parse_number(to, ret_last) < 0)
        return ERR_SYNTAX;
    return 0;
}

static void complain(struct diags *diags, struct span part, uint64_t first, uint64_t last)
{
    struct diag *diag;

    if (first > last) {
        diag = diags_add(diags, "the range of ports \"%.*s\" runs backwards", SPAN_ARGS(part));
        diag_hint(diag, "write %llu-%llu", (unsigned long long)last, (unsigned long long)first);
        return;
    }
    diag = diags_add(diags, "\"%.*s\" is no port or range of ports", SPAN_ARGS(part));
    diag_hint(diag, "ports are numbers from 1 to 65535: -p 443, -p 440-443,8443, -p 443/udp; "
                    "-p- means all");
}

static int parse_part(struct span part, bool *udp, struct wanted *wanted, struct diags *diags)
{
    struct span text = part;
    bool this_udp;
    uint64_t first = 0, last = 0;

    if (span_starts(text, SPAN("T:")) || span_starts(text, SPAN("U:"))) {
        *udp = text.ptr[0] == 'U';
        text = span_from(text, 2);
    }
    this_udp = *udp;
    if (span_ends(text, SPAN("/tcp")) || span_ends(text, SPAN("/udp"))) {
        this_udp = text.ptr[text.len - 3] == 'u';
        text.len -= 4;
    }
    if (parse_range(text, &first, &last) < 0 || first > last) {
        complain(diags, part, first, last);
        return ERR_SYNTAX;
    }
    memset((this_udp ? wanted->udp : wanted->tcp) + first, true, last - first + 1);
    return 0;
}

static uint16_t *list_of(const bool wanted[PORTS], size_t *ret_count)
{
    size_t count = 0, at = 0;

    for (size_t port = 1; port < PORTS; port++)
        count += wanted[port];
    uint16_t *list = mem_alloc(count ? count * sizeof *list : 1);
    for (size_t port = 1; port < PORTS; port++)
        if (wanted[port])
            list[at++] = (uint16_t)port;
    *ret_count = count;
    return list;
}

int scan_ports_parse(const char *text, struct diags *diags, struct scan_ports *ret_ports)
{
    scoped(mem_release) struct wanted *wanted = mem_new(struct wanted);
    struct span rest = span_str(text), part;
    bool udp = false;
    int r = 0;

    while (span_next(&rest, ',', &part))
        if (parse_part(span_trim(part), &udp, wanted, diags) < 0)
            r = ERR_SYNTAX;
    if (r < 0)
        return r;
    ret_ports->tcp = list_of(wanted->tcp, &ret_ports->tcp_count);
    ret_ports->udp = list_of(wanted->udp, &ret_ports->udp_count);
    return 0;
}

static uint16_t *copy_of(const uint16_t *list, size_t count)
{
    uint16_t *copy = mem_alloc(count * sizeof *copy);

    memcpy(copy, list, count * sizeof *copy);
    return copy;
}

void scan_ports_default(struct scan_ports *ret_ports)
{
    *ret_ports = (struct scan_ports){
        .tcp = copy_of(usual_tcp, ARRAY_SIZE(usual_tcp)),
        .tcp_count = ARRAY_SIZE(usual_tcp),
        .udp = copy_of(usual_udp, ARRAY_SIZE(usual_udp)),
        .udp_count = ARRAY_SIZE(usual_udp),
    };
}

void scan_ports_finish(struct scan_ports *ports)
{
    free(ports->tcp);
    free(ports->udp);
    *ports = (struct scan_ports){0};
}

const char *scan_port_service(uint16_t port)
{
    static const struct {
        uint16_t port;
        const char *name;
    } services[] = {
        {21, "ftp"},          {22, "ssh"},          {23, "telnet"},      {25, "smtp"},
        {53, "domain"},       {80, "http"},         {110, "pop3"},       {143, "imap"},
        {443, "https"},       {465, "smtps"},       {587, "submission"}, {853, "domain-s"},
        {993, "imaps"},       {995, "pop3s"},       {2053, "https"},     {2083, "https"},
        {2087, "https"},      {2096, "https"},      {3306, "mysql"},     {3389, "ms-wbt-server"},
        {4443, "https"},      {5432, "postgresql"}, {5443, "https"},     {6379, "redis"},
        {8080, "http-proxy"}, {8443, "https-alt"},  {9443, "https"},     {10443, "https"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(services); i++)
        if (services[i].port == port)
            return services[i].name;
    return "unknown";
}
