/* A whole scan: targets in stretches that fit into memory, each asked by an engine. */
#include "scan/scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "os/route.h"
#include "scan/job.h"

enum { PAIRS_MAX = 1 << 19 /* of host and port in memory at once; 12 MiB */ };

/* One stretch of the targets. */
struct stretch {
    struct scan_address *hosts; /* ascending */
    const char **names;
    size_t count;
    struct scan_answer *tcp, *udp; /* an answer a host and port */
};

struct whole {
    const struct scan_request *request;
    const struct scan_listener *listener;
    struct scan_summary *summary;
    struct scan_boxes boxes;
    nsec_t begun;
    uint64_t hosts_done;
    size_t stretch_hosts;
    double part_from, part_share; /* of a stretch, that an engine's progress covers */
};

struct named {
    struct scan_address address;
    const char *name;
};

static int compare_named(const void *left, const void *right)
{
    const struct named *a = left, *b = right;

    return a->address.family != b->address.family
               ? a->address.family - b->address.family
               : memcmp(a->address.bytes, b->address.bytes, sizeof a->address.bytes);
}

static void take_stretch(const struct scan_request *request, uint64_t from, size_t count,
                         struct stretch *ret_stretch)
{
    const struct scan_targets *targets = request->targets;
    scoped(mem_release) struct named *list = mem_zalloc(count * sizeof *list);
    const struct scan_block *block;

    for (size_t i = 0; i < count; i++) {
        list[i].address = scan_targets_at(targets, from + i, &block);
        list[i].name = block->name;
    }
    qsort(list, count, sizeof *list, compare_named);
    ret_stretch->hosts = mem_alloc(count * sizeof *ret_stretch->hosts);
    ret_stretch->names = mem_alloc(count * sizeof *ret_stretch->names);
    ret_stretch->count = count;
    ret_stretch->tcp =
        mem_zalloc((count * request->ports->tcp_count + 1) * sizeof *ret_stretch->tcp);
    ret_stretch->udp =
        mem_zalloc((count * request->ports->udp_count + 1) * sizeof *ret_stretch->udp);
    for (size_t i = 0; i < count; i++) {
        ret_stretch->hosts[i] = list[i].address;
        ret_stretch->names[i] = list[i].name;
    }
}

static void finish_stretch(struct stretch *stretch)
{
    free(stretch->hosts);
    free(stretch->names);
    free(stretch->tcp);
    free(stretch->udp);
}

static void on_progress(void *context, double done)
{
    const struct whole *whole = context;
    double in_stretch = whole->part_from + whole->part_share * done;
    double hosts = (double)whole->hosts_done + in_stretch * (double)whole->stretch_hosts;

    if (whole->listener->on_progress)
        whole->listener->on_progress(whole->listener->context,
                                     hosts / (double)whole->request->targets->count);
}

static void add_totals(struct scan_summary *summary, const struct scan_job_totals *totals, bool tcp)
{
    summary->sent += totals->sent;
    summary->cannot_send |= totals->cannot_send;
    if (!tcp)
        return;
    summary->answered_late += totals->answered_late;
    summary->canaries += totals->canaries;
    summary->canaries_lost += totals->canaries_lost;
    if (totals->rounds > summary->rounds)
        summary->rounds = totals->rounds;
}

static int ask_tcp(struct whole *whole, struct scan_job *job)
{
    struct scan_summary *summary = whole->summary;
    bool first = whole->hosts_done == 0;
    int r = -EPERM;

    if (job->port_count == 0)
        return 0;
    if (!whole->request->connect && (first || summary->raw)) {
        r = scan_syn(job);
        summary->raw = r >= 0;
    }
    if (r == -EPERM || r == -EACCES || r == -EAFNOSUPPORT)
        r = scan_connect(job);
    add_totals(summary, &job->totals, true);
    return r;
}

static void count_answers(struct scan_summary *summary, const struct scan_answer *answers,
                          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct scan_answer *answer = &answers[i];
        summary->open += answer->state == SCAN_OPEN;
        summary->closed += answer->state == SCAN_CLOSED;
        summary->filtered += answer->state == SCAN_FILTERED || answer->state == SCAN_SILENT;
        summary->silent += answer->state == SCAN_SILENT;
    }
}

/* Did the host itself say anything? */
static bool has_answered(const struct scan_answer *answers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (answers[i].state == SCAN_OPEN || answers[i].state == SCAN_CLOSED ||
            (answers[i].state == SCAN_FILTERED && answers[i].reason != SCAN_NOT_SENT &&
             answers[i].ttl && !answers[i].by))
            return true;
    return false;
}

/* An address of our own network that answers no ARP or neighbour discovery is nobody's: its silence
 * is no firewall's. */
static bool is_nobody(const struct scan_address *address)
{
    struct sockaddr_storage to;
    struct route route;

    scan_address_to(address, 0, &to);
    return route_look((const struct sockaddr *)&to, &route) >= 0 && !route.local &&
           !route.via_gateway &&
           route_neighbour((const struct sockaddr *)&to, route.interface_index) ==
               ROUTE_NEIGHBOUR_SILENT;
}

static void tell_nobody(struct scan_answer *answers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        answers[i].state = SCAN_FILTERED;
        answers[i].reason = SCAN_NO_NEIGHBOUR;
        answers[i].by = 0;
        answers[i].rtt = 0;
    }
}

static void report_host(struct whole *whole, const struct stretch *stretch, size_t number,
                        const struct scan_services *services)
{
    const struct scan_ports *ports = whole->request->ports;
    struct scan_answer *tcp = stretch->tcp + number * ports->tcp_count;
    struct scan_answer *udp = stretch->udp + number * ports->udp_count;
    bool answered = has_answered(tcp, ports->tcp_count) || has_answered(udp, ports->udp_count);
    if (!answered && is_nobody(&stretch->hosts[number])) {
        tell_nobody(tcp, ports->tcp_count);
        tell_nobody(udp, ports->udp_count);
    }
    struct scan_host host = {
        .address = stretch->hosts[number],
        .name = stretch->names[number],
        .ports = ports,
        .tcp = tcp,
        .udp = udp,
        .boxes = &whole->boxes,
        .answered = answered,
    };

    for (size_t i = 0; i < services->count; i++)
        if (services->items[i].host == number) {
            host.services = host.service_count++ ? host.services : &services->items[i];
        }
    count_answers(whole->summary, tcp, ports->tcp_count);
    uint64_t silent = whole->summary->silent;
    count_answers(whole->summary, udp, ports->udp_count);
    whole->summary->silent_udp += whole->summary->silent - silent;
    whole->summary->hosts++;
    whole->summary->hosts_answered += host.answered;
    whole->listener->on_host(whole->listener->context, &host);
}

static int report_stretch(struct whole *whole, const struct stretch *stretch)
{
    const struct scan_ports *ports = whole->request->ports;
    struct scan_services services = {NULL};
    int r = 0;

    for (size_t i = 0; i < stretch->count * ports->tcp_count; i++)
        if (whole->request->services && stretch->tcp[i].state == SCAN_OPEN)
            scan_services_add(&services, i / ports->tcp_count, ports->tcp[i % ports->tcp_count]);
    r = scan_services_ask(&services, stretch->hosts, stretch->names, whole->request->stop);
    for (size_t i = 0; r >= 0 && i < stretch->count; i++)
        report_host(whole, stretch, i, &services);
    scan_services_finish(&services);
    return r;
}

static int run_stretch(struct whole *whole, uint64_t from, size_t count)
{
    const struct scan_ports *ports = whole->request->ports;
    struct stretch stretch;

    take_stretch(whole->request, from, count, &stretch);
    struct scan_job job = {
        .hosts = stretch.hosts,
        .host_count = count,
        .boxes = &whole->boxes,
        .rate = whole->request->rate,
        .origin = nsec_monotonic(),
        .stop = whole->request->stop,
        .on_progress = on_progress,
        .context = whole,
    };
    struct scan_job tcp_job = job, udp_job = job;
    tcp_job.ports = ports->tcp;
    tcp_job.port_count = ports->tcp_count;
    tcp_job.answers = stretch.tcp;
    udp_job.ports = ports->udp;
    udp_job.port_count = ports->udp_count;
    udp_job.answers = stretch.udp;
    whole->stretch_hosts = count;
    whole->part_from = 0;
    whole->part_share = (double)ports->tcp_count / (double)(ports->tcp_count + ports->udp_count);
    int r = ask_tcp(whole, &tcp_job);
    whole->part_from = whole->part_share;
    whole->part_share = 1 - whole->part_share;
    if (r >= 0 && ports->udp_count) {
        r = scan_udp(&udp_job);
        add_totals(whole->summary, &udp_job.totals, false);
    }
    if (r >= 0)
        r = report_stretch(whole, &stretch);
    whole->hosts_done += count;
    finish_stretch(&stretch);
    return r;
}

int scan_run(const struct scan_request *request, const struct scan_listener *listener,
             struct scan_summary *ret_summary)
{
    scoped(mem_release) struct whole *whole = mem_new(struct whole);
    size_t ports = request->ports->tcp_count + request->ports->udp_count;
    uint64_t total = request->targets->count, at = 0;
    size_t most = ports < PAIRS_MAX ? PAIRS_MAX / (ports ? ports : 1) : 1;
    int r = 0;

    *ret_summary = (struct scan_summary){0};
    whole->request = request;
    whole->listener = listener;
    whole->summary = ret_summary;
    whole->begun = nsec_monotonic();
    while (r >= 0 && at < total && !(request->stop && *request->stop)) {
        size_t count = total - at < most ? (size_t)(total - at) : most;
        r = run_stretch(whole, at, count);
        at += count;
    }
    ret_summary->stopped = request->stop && *request->stop;
    ret_summary->took = nsec_monotonic() - whole->begun;
    return r;
}

double scan_doubt(const struct scan_summary *summary)
{
    uint64_t answered = summary->open + summary->closed;
    double lost, doubt = 1;

    if (answered + summary->canaries == 0)
        return -1;
    lost = (double)(summary->answered_late + summary->canaries_lost) /
           (double)(answered + summary->canaries);
    for (unsigned i = 0; i < summary->rounds; i++)
        doubt *= lost;
    return doubt;
}
