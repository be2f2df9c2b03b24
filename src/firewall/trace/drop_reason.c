/* The kernel's reason for the drop comes first. Where it may not be asked, the place where the
 * packet was lost and the settings there tell what they can. */
#include "firewall/trace/drop_reason.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/mem.h"
#include "base/nsec.h"
#include "firewall/trace/source.h"
#include "os/bpf.h"
#include "os/bpf_attached.h"
#include "os/command.h"
#include "report/printer.h"

enum {
    WAITS = 10, /* times a few ms, for a packet that is dealt with on another CPU */
    WAIT_MS = 3,
};

/* ---- the kernel's reason ---- */

static void mark_packet(const struct probe_marks *marks, const struct firewall_probe *probe,
                        struct bpf_mark ret_marks[2])
{
    if (probe->family == AF_INET6) {
        uint32_t first = htonl(0x60000000 | marks->flow);
        ret_marks[0].offset = 0;
        memcpy(ret_marks[0].bytes, &first, 4);
        ret_marks[1].offset = 20; /* the end of the source */
        memcpy(ret_marks[1].bytes, probe->source + 12, 4);
        return;
    }
    uint32_t second = htonl((uint32_t)marks->ip_id << 16 | 0x4000);
    ret_marks[0].offset = 4;
    memcpy(ret_marks[0].bytes, &second, 4);
    ret_marks[1].offset = 12;
    memcpy(ret_marks[1].bytes, probe->source, 4);
}

static int ask_reason(struct prober *prober, const struct firewall_probe *probe,
                      struct bpf_drop *ret_drop)
{
    struct bpf_mark marks[2];
    struct bpf_drops drops;
    int r;

    mark_packet(prober_marks(prober), probe, marks);
    r = bpf_drops_open(marks, &drops);
    if (r < 0)
        return r;
    r = prober_send(prober, probe);
    for (int i = 0; r >= 0 && i < WAITS; i++) {
        r = bpf_drops_read(&drops, ret_drop);
        if (r != ERR_NOT_FOUND || i == WAITS - 1)
            break;
        (void)poll(NULL, 0, WAIT_MS);
        r = 0;
    }
    bpf_drops_close(&drops);
    return r;
}

/* ---- what it can be ---- */

static struct firewall_step *kernel_step(struct firewall_path *path, const char *check,
                                         const char *text)
{
    struct firewall_step *step = firewall_path_step(path);

    step->layer = FIREWALL_KERNEL;
    step->policy = true;
    step->chain = mem_string(span_str(check));
    step->text = mem_string(span_str(text));
    step->action = FIREWALL_DROP;
    firewall_path_blame(path);
    path->verdict = FIREWALL_DROPPED;
    return step;
}

/* The number in a sysctl file; -1 when it cannot be read. */
static int read_setting(const char *format, const char *interface)
{
    char name[128];
    int value = -1;
    FILE *file;

    snprintf(name, sizeof name, "/proc/sys/net/%s/conf/%s/%s",
             strcmp(format, "forwarding6") == 0 ? "ipv6" : "ipv4", interface,
             strcmp(format, "forwarding6") == 0 ? "forwarding" : format);
    file = fopen(name, "re");
    if (!file)
        return -1;
    if (fscanf(file, "%d", &value) != 1)
        value = -1;
    fclose(file);
    return value;
}

/* The kernel takes the greater of both. Source: linux/Documentation/networking/ip-sysctl.rst */
static int rp_filter_of(const char *interface)
{
    int all = read_setting("rp_filter", "all"), own = read_setting("rp_filter", interface);

    return all > own ? all : own;
}

static void blame_rp_filter(struct firewall_path *path)
{
    const char *interface = path->probe.interface;
    char source[FIREWALL_ADDRESS_TEXT], way[IF_NAMESIZE], text[96];

    firewall_address_text(path->probe.family, path->probe.source, source);
    source_route_to(path->probe.family, path->probe.source, way);
    snprintf(text, sizeof text, "net.ipv4.conf.%s.rp_filter = %d", interface,
             rp_filter_of(interface));
    kernel_step(path, "rp_filter", text);
    if (way[0])
        firewall_path_reason(path,
                             "the kernel drops it (rp_filter): answers to %s would leave by %s, "
                             "not by %s where it came in",
                             source, way, interface);
    else
        firewall_path_reason(path, "the kernel drops it (rp_filter): there is no route back to %s",
                             source);
    if (!way[0])
        firewall_path_hint(path, "ip route add %s via GATEWAY dev %s", source, interface);
    else
        firewall_path_hint(path, "sysctl -w net.ipv4.conf.%s.rp_filter=2", interface);
}

static void blame_routing(struct firewall_path *path, const struct prober_trace *trace,
                          const char *reason)
{
    bool six = path->probe.family == AF_INET6;
    const char *interface = path->probe.interface;
    int forwarding = read_setting(six ? "forwarding6" : "forwarding", interface);
    bool ours = source_is_own(path->probe.family, trace->destination);
    char address[FIREWALL_ADDRESS_TEXT];

    firewall_address_text(path->probe.family, trace->destination, address);
    kernel_step(path, "routing", reason ? reason : "no way on");
    if (!ours && forwarding == 0 && trace->moved) {
        firewall_path_reason(path,
                             "its destination was changed to %s, which is another host, and "
                             "this host does not forward",
                             address);
        firewall_path_hint(path, "sysctl -w net.%s=1",
                           six ? "ipv6.conf.all.forwarding" : "ipv4.ip_forward");
    } else if (!ours) {
        path->obstacle = FIREWALL_NOT_LOCAL;
        firewall_path_reason(path,
                             "%s is no address of this host, and it does not send the packet "
                             "on",
                             address);
        firewall_path_hint(path,
                           "give the address to an interface (ip address add %s dev %s), or "
                           "ask with --to for one that `ip address` shows",
                           address, interface);
    } else {
        char source[FIREWALL_ADDRESS_TEXT];
        firewall_address_text(path->probe.family, path->probe.source, source);
        firewall_path_reason(path, "the kernel's routing takes no packet from %s on %s%s%s", source,
                             interface, reason ? ": " : "", reason ? reason : "");
        if (source_is_own(path->probe.family, path->probe.source))
            firewall_path_hint(path, "ask with --from for an address that is not this host's own");
        else
            firewall_path_hint(path, "see `ip route get %s from %s iif %s` and `ip rule`", address,
                               source, interface);
    }
}

/* The filters of traffic control on the way in. @return their number, the last in `text` */
static int list_filters(const char *interface, char text[256], unsigned *ret_preference)
{
    const char *argv[] = {"tc", "filter", "show", "dev", interface, "ingress", NULL};
    struct command command = {.argv = argv, .timeout = 2 * NSEC_PER_SEC};
    struct command_result result;
    struct span rest, line;
    unsigned before = 0;
    int count = 0;

    if (command_run(&command, &result) < 0)
        return 0;
    rest = buffer_span(&result.output);
    while (result.exit_code == 0 && span_next(&rest, '\n', &line)) {
        scoped(mem_release) char *words = mem_string(span_trim(line));
        const char *pref = strstr(words, " pref ");
        unsigned preference = 0;
        if (strncmp(words, "filter ", 7) != 0 || !pref ||
            sscanf(pref, " pref %u", &preference) != 1)
            continue;
        count += preference != before;
        before = *ret_preference = preference;
        snprintf(text, 256, "%s", words); /* a filter's later lines name it in full */
    }
    command_result_finish(&result);
    return count;
}

/* A program of tcx goes before tc's filters. @return whether there is one */
static bool blame_tcx(struct firewall_path *path)
{
    struct bpf_attached program;
    char text[64];

    if (bpf_attached_tcx(if_nametoindex(path->probe.interface), &program) != 1)
        return false;
    snprintf(text, sizeof text, "BPF program %u %s", program.program, program.name);
    struct firewall_step *step = kernel_step(path, "tcx ingress", text);
    step->layer = FIREWALL_TC;
    step->policy = false;
    firewall_path_reason(path,
                         "a BPF program at the way in of %s drops it, before any firewall "
                         "sees it",
                         path->probe.interface);
    if (program.link)
        firewall_path_hint(path,
                           "bpftool link detach id %u, unless whoever attached it ends; "
                           "bpftool prog show id %u tells more",
                           program.link, program.program);
    else
        firewall_path_hint(path, "bpftool net detach tcx_ingress dev %s", path->probe.interface);
    return true;
}

static void blame_tc(struct firewall_path *path)
{
    const char *interface = path->probe.interface;
    char text[256] = "";
    unsigned preference = 0;
    int count = list_filters(interface, text, &preference);

    if (blame_tcx(path))
        return;
    struct firewall_step *step = kernel_step(path, "ingress", text);
    step->layer = FIREWALL_TC;
    step->policy = false;
    firewall_path_reason(path,
                         "a filter of traffic control on %s drops it, before any firewall "
                         "sees it",
                         interface);
    if (count == 1)
        firewall_path_hint(path, "tc filter del dev %s ingress pref %u", interface, preference);
    else
        firewall_path_hint(path,
                           "find the filter that drops with tc -s filter show dev %s ingress, "
                           "and remove it with tc filter del dev %s ingress pref N",
                           interface, interface);
}

static void blame_xdp(struct firewall_path *path)
{
    struct bpf_attached program = {0};
    char text[64];

    if (bpf_attached_xdp(if_nametoindex(path->probe.interface), &program) != 1)
        program.program = 0;
    snprintf(text, sizeof text, "BPF program %u %s", program.program, program.name);
    struct firewall_step *step = kernel_step(path, "xdp", text);
    step->layer = FIREWALL_XDP;
    step->policy = false;
    firewall_path_reason(path, "an XDP program on %s drops it, before any firewall sees it",
                         path->probe.interface);
    firewall_path_hint(path, "ip link set dev %s xdp%s off", path->probe.interface,
                       program.native ? "drv" : "generic");
}

void drop_reason_warn_of_xdp(struct firewall_path *path)
{
    struct bpf_attached program;
    int r = bpf_attached_xdp(if_nametoindex(path->probe.interface), &program);

    if (r != 1 || !program.native)
        return;
    scoped(mem_release) char *name = escape_text(span_str(program.name));
    struct finding *note =
        findings_add(&path->notes, FINDING_WARNING, "xdp",
                     "the driver of %s runs XDP program %u %s on packets from outside first, which "
                     "the probe did not meet",
                     path->probe.interface, program.program, name);
    finding_hint(note, "bpftool prog show id %u; ip link set dev %s xdp off", program.program,
                 path->probe.interface);
}

static void blame_unknown(struct firewall_path *path, const char *reason)
{
    struct firewall_step *step = kernel_step(path, "kernel", reason);

    step->action = FIREWALL_DROP;
    firewall_path_reason(path, "the kernel drops it, and says only: %s", reason);
}

/* ---- who it was ---- */

static bool is_routing(enum prober_place place)
{
    return place == PROBER_ROUTING;
}

/* The kernel takes 127.0.0.0/8 from its own sockets only, not from the way that packets come in. */
static bool is_loopback(const struct firewall_path *path, const struct prober_trace *trace)
{
    return path->probe.family == AF_INET && trace->destination[0] == 127 &&
           is_routing(trace->place);
}

static void explain_loopback(struct firewall_path *path, const struct prober_trace *trace)
{
    char address[FIREWALL_ADDRESS_TEXT];

    firewall_address_text(AF_INET, trace->destination, address);
    if (strcmp(path->probe.interface, "lo") == 0) {
        firewall_path_reason(path,
                             "no probe can stand for a packet to %s, which the kernel takes "
                             "from its own sockets only",
                             address);
        firewall_path_hint(path, "connect instead: nc -vz %s %u", address,
                           (unsigned)path->probe.port);
        return;
    }
    kernel_step(path, "routing", "127.0.0.0/8 is for this host alone");
    path->obstacle = FIREWALL_NOT_LOCAL;
    firewall_path_reason(path, "%s can be reached from this host only", address);
    firewall_path_hint(path, "ask with --to for an address that `ip address` shows");
}

/* Such a program's drop has no reason of its own. */
static bool is_generic_xdp(const struct firewall_path *path, const struct prober_trace *trace)
{
    struct bpf_attached program;

    return trace->place == PROBER_NOWHERE &&
           bpf_attached_xdp(if_nametoindex(path->probe.interface), &program) == 1 &&
           !program.native;
}

static void judge(struct prober *prober, const struct prober_trace *trace, const char *reason,
                  struct firewall_path *path)
{
    if (strcmp(reason, "TC_INGRESS") == 0)
        blame_tc(path);
    else if (strcmp(reason, "XDP") == 0 || is_generic_xdp(path, trace))
        blame_xdp(path);
    else if (strcmp(reason, "IP_RPFILTER") == 0)
        blame_rp_filter(path);
    else if (strcmp(reason, "NETFILTER_DROP") == 0 &&
             legacy_blame(prober, trace->place, false, path))
        ;
    else if (is_routing(trace->place))
        blame_routing(path, trace, reason);
    else
        blame_unknown(path, reason);
}

static bool has_tcx(const char *interface)
{
    struct bpf_attached program;

    return bpf_attached_tcx(if_nametoindex(interface), &program) == 1;
}

/* Without the kernel's word: from where it was lost. */
static void guess(struct prober *prober, const struct prober_trace *trace, const char *why_not,
                  struct firewall_path *path)
{
    const char *interface = path->probe.interface;
    char way[IF_NAMESIZE], text[256] = "";
    unsigned preference;

    source_route_to(path->probe.family, path->probe.source, way);
    if (trace->place == PROBER_NOWHERE &&
        (list_filters(interface, text, &preference) > 0 || has_tcx(interface)))
        blame_tc(path);
    else if (is_generic_xdp(path, trace))
        blame_xdp(path);
    else if (is_routing(trace->place) && path->probe.family == AF_INET &&
             rp_filter_of(interface) > 0 && strcmp(way, interface) != 0)
        blame_rp_filter(path);
    else if (is_routing(trace->place))
        blame_routing(path, trace, NULL);
    else if (trace->place != PROBER_NOWHERE && legacy_present(path->probe.family) != 0 &&
             legacy_blame(prober, trace->place, false, path))
        ;
    else
        firewall_path_reason(path,
                             "the packet is lost outside of nftables, and the kernel's reason "
                             "may not be asked (%s): root, or also cap_perfmon, may",
                             why_not);
}

void drop_reason_explain(struct prober *prober, const struct prober_trace *trace,
                         struct firewall_path *path)
{
    struct bpf_drop drop;

    if (is_loopback(path, trace)) {
        explain_loopback(path, trace);
        return;
    }
    /* The place alone points at iptables-legacy: its counters may spare asking the kernel. */
    if (legacy_present(path->probe.family) == 1 && legacy_blame(prober, trace->place, true, path))
        return;
    int r = ask_reason(prober, &path->probe, &drop);

    path->witness = FIREWALL_BY_DROP_REASON;
    if (r == 0)
        judge(prober, trace, drop.reason, path);
    else if (r == ERR_NOT_FOUND)
        firewall_path_reason(path,
                             "no trace of the packet: another program may have taken it (a "
                             "bridge or bond that %s is a part of?)",
                             path->probe.interface);
    else
        guess(prober, trace, error_text(r), path);
}
