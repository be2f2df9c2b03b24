/* The printer for programs. */
#include "base/escape.h"
#include "base/mem.h"
#include "report/printer.h"
#include "scan/scan.h"

enum { LISTED_MAX = 1000 /* silent or closed ports that are listed one by one */ };

static json_t *foreign(const char *text)
{
    if (!text)
        return NULL;
    scoped(mem_release) char *escaped = escape_text(span_str(text));
    return json_string(escaped);
}

static json_t *service_json(const struct scan_service *service)
{
    json_t *object = json_pack("{s:b, s:s*, s:o*, s:o*, s:o*, s:o*}", "tls", service->tls,
                               "version", service->version, "alpn", foreign(service->alpn), "names",
                               foreign(service->names), "issuer", foreign(service->issuer),
                               "banner", foreign(service->banner));

    if (object && service->tls && service->names)
        json_object_set_new(object, "days_left", json_integer(service->days_left));
    return object;
}

static const struct scan_service *find_service(const struct scan_host *host, uint16_t port)
{
    for (size_t i = 0; i < host->service_count; i++)
        if (host->services[i].port == port)
            return &host->services[i];
    return NULL;
}

static json_t *port_json(const struct scan_host *host, size_t at, bool udp)
{
    const struct scan_answer *answer = udp ? &host->udp[at] : &host->tcp[at];
    uint16_t port = udp ? host->ports->udp[at] : host->ports->tcp[at];
    const struct scan_service *service = udp ? NULL : find_service(host, port);
    char box[SCAN_ADDRESS_TEXT];
    json_t *object = json_pack("{s:i, s:s, s:s, s:s}", "port", (int)port, "protocol",
                               udp ? "udp" : "tcp", "state", scan_state_name(answer, udp), "reason",
                               scan_reason_name(answer->reason));

    if (answer->by)
        json_object_set_new(
            object, "by", json_string(scan_address_text(&host->boxes->items[answer->by - 1], box)));
    if (answer->rtt)
        json_object_set_new(object, "milliseconds", json_real(answer->rtt / 1000.0));
    if (service)
        json_object_set_new(object, "service", service_json(service));
    return object;
}

/* Ports that are not open are listed as long as they are few; beyond that their number is told. */
static void add_ports(json_t *list, json_t *counts, const struct scan_host *host, bool udp)
{
    const struct scan_answer *answers = udp ? host->udp : host->tcp;
    size_t count = udp ? host->ports->udp_count : host->ports->tcp_count;

    for (size_t i = 0; i < count; i++) {
        const char *state = scan_state_name(&answers[i], udp);
        json_int_t so_far = json_integer_value(json_object_get(counts, state));
        json_object_set_new(counts, state, json_integer(so_far + 1));
        if (answers[i].state == SCAN_OPEN || count <= LISTED_MAX)
            json_array_append_new(list, port_json(host, i, udp));
    }
}

json_t *scan_host_json(const struct scan_host *host)
{
    char address[SCAN_ADDRESS_TEXT];
    json_t *ports = json_array(), *counts = json_object();

    add_ports(ports, counts, host, false);
    add_ports(ports, counts, host, true);
    return json_pack("{s:s, s:s*, s:b, s:o, s:o}", "address",
                     scan_address_text(&host->address, address), "name", host->name, "answered",
                     host->answered, "counts", counts, "ports", ports);
}

json_t *scan_summary_json(const struct scan_summary *summary)
{
    double doubt = scan_doubt(summary);
    json_t *object =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:s, s:b, s:f}", "addresses",
                  (json_int_t)summary->hosts, "answered", (json_int_t)summary->hosts_answered,
                  "open", (json_int_t)summary->open, "closed", (json_int_t)summary->closed,
                  "filtered", (json_int_t)summary->filtered, "sent", (json_int_t)summary->sent,
                  "rounds", (int)summary->rounds, "method", summary->raw ? "syn" : "connect",
                  "stopped", summary->stopped, "seconds", (double)summary->took / 1e9);

    if (object && doubt >= 0)
        json_object_set_new(object, "doubt", json_real(doubt));
    return object;
}
