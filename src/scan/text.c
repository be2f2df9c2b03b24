/* The printer for people. */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "report/printer.h"
#include "report/table.h"
#include "scan/scan.h"

enum {
    LISTED_MAX = 25,    /* ports of one state that are listed one by one */
    RANGES_ROOM = 4096, /* bytes of "1-21, 23-79, …" */
};

/* Ports of one protocol that share state and reason. */
struct group {
    uint8_t state, reason;
    size_t count;
};

struct groups {
    struct group items[4 * SCAN_REASONS];
    size_t count;
};

static struct group *find_group(struct groups *groups, const struct scan_answer *answer)
{
    for (size_t i = 0; i < groups->count; i++)
        if (groups->items[i].state == answer->state && groups->items[i].reason == answer->reason)
            return &groups->items[i];
    groups->items[groups->count] = (struct group){answer->state, answer->reason, 0};
    return &groups->items[groups->count++];
}

static void group_answers(struct groups *groups, const struct scan_answer *answers, size_t count)
{
    *groups = (struct groups){.count = 0};
    for (size_t i = 0; i < count; i++)
        find_group(groups, &answers[i])->count++;
}

static bool is_listed(const struct scan_host *host, const struct group *group)
{
    return host->answered && (group->state == SCAN_OPEN || group->count <= LISTED_MAX);
}

/* ---- one row a port ---- */

static const struct scan_service *find_service(const struct scan_host *host, uint16_t port)
{
    for (size_t i = 0; i < host->service_count; i++)
        if (host->services[i].port == port)
            return &host->services[i];
    return NULL;
}

static char *why_text(const struct scan_host *host, const struct scan_answer *answer)
{
    char box[SCAN_ADDRESS_TEXT] = "", rtt[32] = "";

    if (answer->by)
        scan_address_text(&host->boxes->items[answer->by - 1], box);
    if (answer->rtt)
        snprintf(rtt, sizeof rtt, ", %.1f ms", answer->rtt / 1000.0);
    return mem_format("%s%s%s%s", scan_reason_words(answer->state, answer->reason),
                      *box ? ", says " : "", box, rtt);
}

static char *service_text(const struct scan_service *service)
{
    if (!service)
        return NULL;
    if (!service->tls)
        return service->banner ? mem_string(span_str(service->banner)) : NULL;
    scoped(mem_release) char *days = service->days_left < 0
                                         ? mem_format("expired %ld days ago", -service->days_left)
                                         : mem_format("%ld days left", service->days_left);
    return mem_format("%s%s%s%s%s%s%s%s%s%s", service->version ? service->version : "TLS",
                      service->alpn ? " " : "", service->alpn ? service->alpn : "",
                      service->names ? "; " : "", service->names ? service->names : "",
                      service->names ? "; " : "", service->names ? days : "",
                      service->banner ? "; " : "", service->banner ? service->banner : "", "");
}

static enum printer_style style_of(const struct scan_answer *answer)
{
    return answer->state == SCAN_OPEN     ? STYLE_GREEN
           : answer->state == SCAN_CLOSED ? STYLE_PLAIN
                                          : STYLE_YELLOW;
}

static void add_row(struct table *table, const struct scan_host *host, size_t at, bool udp)
{
    const struct scan_answer *answer = udp ? &host->udp[at] : &host->tcp[at];
    uint16_t port = udp ? host->ports->udp[at] : host->ports->tcp[at];
    char name[16];
    scoped(mem_release) char *why = why_text(host, answer);
    scoped(mem_release) char *service = udp ? NULL : service_text(find_service(host, port));

    snprintf(name, sizeof name, "%u/%s", port, udp ? "udp" : "tcp");
    table_add(table, STYLE_PLAIN, "");
    table_add(table, STYLE_BOLD, name);
    table_add(table, style_of(answer), scan_state_name(answer, udp));
    table_add(table, STYLE_PLAIN, why);
    table_add(table, STYLE_PLAIN, service);
}

/* ---- many ports in one line ---- */

static char *ranges_of(const struct scan_host *host, const struct group *group, bool udp)
{
    const uint16_t *ports = udp ? host->ports->udp : host->ports->tcp;
    const struct scan_answer *answers = udp ? host->udp : host->tcp;
    size_t count = udp ? host->ports->udp_count : host->ports->tcp_count;
    struct buffer text = buffer_make(RANGES_ROOM);
    int r = 0;

    for (size_t i = 0; i < count && r >= 0; i++) {
        size_t end = i;
        while (end < count && answers[end].state == group->state &&
               answers[end].reason == group->reason && ports[end] - ports[i] == (int)(end - i))
            end++;
        if (end == i)
            continue;
        const char *comma = text.len ? ", " : "";
        r = end - i == 1 ? buffer_printf(&text, "%s%u", comma, ports[i])
                         : buffer_printf(&text, "%s%u-%u", comma, ports[i], ports[end - 1]);
        i = end - 1;
    }
    char *ranges = r < 0 ? mem_format("%.*s, ...", SPAN_ARGS(buffer_span(&text)))
                         : mem_string(buffer_span(&text));
    buffer_finish(&text);
    return ranges;
}

static void print_groups(const struct printer *printer, const struct scan_host *host, bool udp)
{
    const struct scan_answer *answers = udp ? host->udp : host->tcp;
    struct groups groups;

    group_answers(&groups, answers, udp ? host->ports->udp_count : host->ports->tcp_count);
    for (size_t i = 0; i < groups.count; i++) {
        const struct group *group = &groups.items[i];
        const struct scan_answer sample = {.state = group->state, .reason = group->reason};
        if (is_listed(host, group))
            continue;
        scoped(mem_release) char *ranges = ranges_of(host, group, udp);
        scoped(mem_release) char *line = mem_format(
            "  %zu %s ports %s (%s): %s", group->count, udp ? "UDP" : "TCP",
            scan_state_name(&sample, udp), scan_reason_words(group->state, group->reason), ranges);
        printer_wrap(printer, 0, 4, line);
    }
}

static void add_rows(struct table *table, const struct scan_host *host, bool udp)
{
    const struct scan_answer *answers = udp ? host->udp : host->tcp;
    size_t count = udp ? host->ports->udp_count : host->ports->tcp_count;
    struct groups groups;

    group_answers(&groups, answers, count);
    for (size_t i = 0; i < count; i++)
        if (is_listed(host, find_group(&groups, &answers[i])))
            add_row(table, host, i, udp);
}

void scan_print_host(const struct printer *printer, const struct scan_host *host)
{
    static const char *const labels[] = {NULL, "port", "state", "why", "serves"};
    struct table table = {.columns = ARRAY_SIZE(labels), .labels = labels};
    char address[SCAN_ADDRESS_TEXT];

    printer_style(printer, STYLE_BOLD);
    if (host->name) {
        printer_foreign(printer, span_str(host->name));
        fprintf(printer->out, " (%s)", scan_address_text(&host->address, address));
    } else {
        fputs(scan_address_text(&host->address, address), printer->out);
    }
    printer_style(printer, STYLE_PLAIN);
    fputs(host->answered ? "\n" : ": this address has not answered\n", printer->out);
    add_rows(&table, host, false);
    add_rows(&table, host, true);
    table_print(printer, &table);
    table_finish(&table);
    print_groups(printer, host, false);
    print_groups(printer, host, true);
}

/* ---- the end ---- */

/* Of TCP ports, whose silence is asked about again. */
static char *certainty(const struct scan_summary *summary)
{
    double doubt = scan_doubt(summary);
    char times[16];

    snprintf(times, sizeof times, summary->rounds == 1 ? "once" : "%u times", summary->rounds);
    if (summary->silent == summary->silent_udp && summary->hosts_answered == summary->hosts)
        return mem_format("Every%s port has answered.", summary->silent ? " TCP" : "");
    if (summary->silent == summary->silent_udp)
        return mem_format("Why each port is not open stands above.");
    if (doubt < 0)
        return mem_format("Nothing answered at all, each port was asked %s: the host is down, "
                          "a firewall drops everything, or a program "
                          "that listens takes no connections (full backlog).",
                          times);
    return mem_format(
        "Silent TCP ports were asked %s; %llu of %llu answers came late or not. That a silent "
        "TCP port is open after all is %s.",
        times, (unsigned long long)(summary->answered_late + summary->canaries_lost),
        (unsigned long long)(summary->open + summary->closed + summary->canaries),
        doubt < 1e-6   ? "ruled out for practical purposes (below 1 in a million)"
        : doubt < 1e-3 ? "unlikely (below 1 in 1,000)"
        : doubt < 0.05 ? "possible (below 1 in 20): try a lower --rate"
                       : "likely: this line loses packets, try a lower --rate");
}

void scan_print_summary(const struct printer *printer, const struct scan_summary *summary)
{
    scoped(mem_release) char *sure = certainty(summary);
    scoped(mem_release) char *line = mem_format(
        "%s%llu address%s, %llu answered; ports: %llu open, %llu closed, %llu filtered; %.1f s%s. "
        "%s%s",
        summary->stopped ? "Stopped early. " : "", (unsigned long long)summary->hosts,
        summary->hosts == 1 ? "" : "es", (unsigned long long)summary->hosts_answered,
        (unsigned long long)summary->open, (unsigned long long)summary->closed,
        (unsigned long long)summary->filtered, (double)summary->took / 1e9,
        summary->raw      ? ""
        : scan_sends_syns ? ", by connecting (faster as root)"
                          : ", by connecting",
        sure,
        summary->silent_udp
            ? " A UDP port without an answer may be open: servers do not answer what "
              "they do not understand."
            : "");

    printer_wrap(printer, 0, 0, line);
    if (summary->cannot_send)
        printer_wrap(
            printer, 0, 0,
            "This machine's own firewall forbade to send some of the questions: look at its "
            "output rules.");
}
