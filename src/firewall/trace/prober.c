/* The stage is one nftables table that its socket owns: the kernel deletes it when the socket
 * closes. Its chains mark the probe for tracing first of all, tell by their policies how far it
 * came, drop it last of all, and drop what answers it. No other packet matches a rule of it. */
#include "firewall/trace/prober.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <nftables/libnftables.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "firewall/model/ruleset.h"
#include "os/bpf.h"

enum {
    EVENTS_MAX = 2000,
    IDS_MAX = 16,
    SCRIPT_MAX = 16384,
    RECEIVE_BUFFER = 4 << 20, /* bytes of events that may wait */
    PATIENCE_MS = 300,        /* in all */
    QUIET_MS = 12,            /* without an event, after which none is expected */
    FIRST = -2147483000,      /* priorities that nobody else takes */
    LAST = 2147483646,        /* the last before conntrack confirms what it saw */
    RAW = -300,
    MANGLE = -150,
    FILTER = 0,
};

struct prober {
    int netlink, receiver;
    struct nft_ctx *nft;
    struct probe_marks marks;
    unsigned interface;
    unsigned char hardware[6];
    char table[32];
};

/* ---- the stage ---- */

enum act { ACT_PASS, ACT_MARK, ACT_DROP };

static const struct milestone {
    const char *chain, *hook;
    int priority;
    enum act act;
    enum prober_place place;
} milestones[] = {
    {"p0", "prerouting", FIRST, ACT_MARK, PROBER_PREROUTING},
    {"p1", "prerouting", RAW + 1, ACT_PASS, PROBER_PREROUTING_RAW},
    {"p2", "prerouting", MANGLE + 1, ACT_PASS, PROBER_PREROUTING_MANGLE},
    {"p3", "prerouting", LAST, ACT_PASS, PROBER_ROUTING},
    {"i0", "input", FIRST, ACT_PASS, PROBER_INPUT},
    {"i1", "input", MANGLE + 1, ACT_PASS, PROBER_INPUT_MANGLE},
    {"i2", "input", FILTER - 1, ACT_PASS, PROBER_INPUT_BEFORE_FILTER},
    {"i3", "input", FILTER + 1, ACT_PASS, PROBER_INPUT_AFTER_FILTER},
    {"i4", "input", LAST, ACT_DROP, PROBER_INPUT_END},
    {"f0", "forward", FIRST, ACT_PASS, PROBER_FORWARD},
    {"f1", "forward", MANGLE + 1, ACT_PASS, PROBER_FORWARD_MANGLE},
    {"f2", "forward", FILTER - 1, ACT_PASS, PROBER_FORWARD_BEFORE_FILTER},
    {"f3", "forward", FILTER + 1, ACT_PASS, PROBER_FORWARD_AFTER_FILTER},
    {"f4", "forward", LAST, ACT_DROP, PROBER_FORWARD_END},
};

/* Rules that match the probe and nothing else, with what is done to it.
 * @param bits  of the token that are compared: 32, or 31 for the copies of a burst too */
static int add_matches(struct buffer *script, const struct probe_marks *marks, unsigned bits,
                       const char *then)
{
    uint32_t token = marks->token >> (32 - bits);

    return buffer_printf(script,
                         "ip id %u meta l4proto tcp @th,32,%u %u %s\n"
                         "ip id %u meta l4proto udp @th,64,%u %u %s\n"
                         "ip6 flowlabel %u meta l4proto tcp @th,32,%u %u %s\n"
                         "ip6 flowlabel %u meta l4proto udp @th,64,%u %u %s\n",
                         marks->ip_id, bits, token, then, marks->ip_id, bits, token, then,
                         marks->flow, bits, token, then, marks->flow, bits, token, then);
}

/* Rules that match what answers it: TCP by the number that it acknowledges, ICMP by the header that
 * it quotes. */
static int add_answers(struct buffer *script, const struct probe_marks *marks)
{
    return buffer_printf(script,
                         "tcp ackseq %u-%u drop\n"
                         "icmp type { 3, 5, 11, 12 } @th,96,16 %u drop\n"
                         "icmpv6 type { 1, 2, 3, 4 } @th,76,20 %u drop\n",
                         marks->token + 1, marks->token + 2, marks->ip_id, marks->flow);
}

static int add_milestone(struct buffer *script, const struct milestone *milestone)
{
    static const char *const acts[] = {
        [ACT_PASS] = "", [ACT_MARK] = "jump tagged", [ACT_DROP] = "jump sink"};

    return buffer_printf(script, "chain %s { type filter hook %s priority %d; %s\n}\n",
                         milestone->chain, milestone->hook, milestone->priority,
                         acts[milestone->act]);
}

static int add_main_table(struct buffer *script, const struct prober *prober, bool ingress,
                          const char *interface)
{
    int r = buffer_printf(script, "table inet %s {\nflags owner\nchain tagged {\n", prober->table);

    if (r == 0)
        r = add_matches(script, &prober->marks, 32, "meta nftrace set 1");
    if (r == 0)
        r = buffer_printf(script, "}\nchain sink {\n");
    if (r == 0)
        r = add_matches(script, &prober->marks, 31, "drop");
    if (r == 0)
        r = buffer_printf(script, "}\nchain answers { type filter hook output priority %d;\n",
                          FIRST);
    if (r == 0)
        r = add_answers(script, &prober->marks);
    if (r == 0)
        r = buffer_printf(script, "}\n");
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(milestones); i++)
        r = add_milestone(script, &milestones[i]);
    if (r == 0 && ingress)
        r = buffer_printf(script,
                          "chain n0 { type filter hook ingress device \"%s\" priority %d; jump "
                          "tagged\n}\n",
                          interface, FIRST);
    return r == 0 ? buffer_printf(script, "}\n") : r;
}

/* A reject in a netdev table answers past all hooks but this one. */
static int add_egress_table(struct buffer *script, const struct prober *prober,
                            const char *interface)
{
    int r = buffer_printf(script,
                          "table netdev %s {\nflags owner\nchain answers { type filter hook egress "
                          "device \"%s\" priority %d;\n",
                          prober->table, interface, FIRST);

    if (r == 0)
        r = add_answers(script, &prober->marks);
    return r == 0 ? buffer_printf(script, "}\n}\n") : r;
}

static int load_stage(struct prober *prober, const char *interface, bool ingress, bool egress)
{
    struct buffer script = buffer_make(SCRIPT_MAX);
    int r = add_main_table(&script, prober, ingress, interface);

    if (r == 0 && egress)
        r = add_egress_table(&script, prober, interface);
    if (r == 0)
        r = buffer_append(&script, "", 1);
    if (r == 0 && nft_run_cmd_from_buffer(prober->nft, script.data) != 0)
        r = -EINVAL;
    buffer_finish(&script);
    return r;
}

/* What this kernel has: egress hooks since 5.16, ingress in inet tables since 5.10. */
static int set_stage(struct prober *prober, const char *interface, char **ret_why)
{
    prober->nft = nft_ctx_new(NFT_CTX_DEFAULT);
    if (!prober->nft || nft_ctx_buffer_error(prober->nft) != 0 ||
        nft_ctx_buffer_output(prober->nft) != 0)
        return -ENOMEM;
    if (load_stage(prober, interface, true, true) == 0 ||
        load_stage(prober, interface, true, false) == 0 ||
        load_stage(prober, interface, false, false) == 0)
        return 0;
    struct span said = span_str(nft_ctx_get_error_buffer(prober->nft)), line;
    (void)span_next(&said, '\n', &line);
    *ret_why = mem_format("the kernel takes no table for the probe (it needs Linux 5.12 with "
                          "nf_tables): %.*s",
                          SPAN_ARGS(line));
    return -EOPNOTSUPP;
}

/* ---- opening ---- */

static int open_netlink(void)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
    int group = NFNLGRP_NFTRACE, size = RECEIVE_BUFFER;

    if (fd < 0)
        return -errno;
    /* Without the right to more than the system's usual size, that has to do. */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) < 0 ||
        setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0) {
        int r = -errno;
        close(fd);
        return r;
    }
    return fd;
}

static int read_interface(struct prober *prober, const char *interface)
{
    struct ifreq request = {0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int r = 0;

    if (fd < 0)
        return -errno;
    if (strchr(interface, '"')) { /* it would end the string in nft's language */
        close(fd);
        return -ENODEV;
    }
    memcpy(request.ifr_name, interface, strnlen(interface, IF_NAMESIZE - 1));
    if (ioctl(fd, SIOCGIFHWADDR, &request) < 0)
        r = -errno;
    memcpy(prober->hardware, request.ifr_hwaddr.sa_data, sizeof prober->hardware);
    prober->interface = if_nametoindex(interface);
    close(fd);
    return r;
}

static char *explain_error(int r, const char *interface)
{
    switch (r) {
    case -EPERM:
    case -EACCES:
        return mem_string(SPAN("a probe needs root, or the capabilities cap_net_admin and cap_bpf, "
                               "outside of unprivileged containers"));
    case -ENODEV:
        return mem_format("there is no interface %s", interface);
    default:
        return mem_format("a probe could not be prepared: %s", error_text(r));
    }
}

int prober_open(const char *interface, struct prober **ret_prober, char **ret_why)
{
    struct prober *prober = mem_new(struct prober);
    char *why = NULL;
    int r;

    prober->receiver = -1;
    snprintf(prober->table, sizeof prober->table, RULESET_PROBE "%d", (int)getpid());
    r = prober->netlink = open_netlink();
    if (r >= 0)
        r = prober->receiver = bpf_receiver_open();
    if (r >= 0)
        r = read_interface(prober, interface);
    if (r == 0)
        r = probe_marks_draw(&prober->marks);
    if (r == 0)
        r = set_stage(prober, interface, &why);
    if (r < 0) {
        *ret_why = why ? why : explain_error(r, interface);
        prober_close(prober);
        return r == -EACCES ? -EPERM : r;
    }
    *ret_prober = prober;
    return 0;
}

void prober_close(struct prober *prober)
{
    if (!prober)
        return;
    if (prober->nft)
        nft_ctx_free(prober->nft);
    if (prober->receiver >= 0)
        close(prober->receiver);
    if (prober->netlink >= 0)
        close(prober->netlink);
    free(prober);
}

const struct probe_marks *prober_marks(const struct prober *prober)
{
    return &prober->marks;
}

static int receive(struct prober *prober, const struct firewall_probe *probe,
                   const struct probe_marks *marks, unsigned copies)
{
    unsigned char frame[PROBE_FRAME_MAX];
    size_t len = probe_frame_write(probe, marks, prober->hardware, frame);

    return bpf_receive(prober->receiver, prober->interface, span_of((const char *)frame, len),
                       copies);
}

int prober_send(struct prober *prober, const struct firewall_probe *probe)
{
    return receive(prober, probe, &prober->marks, 1);
}

int prober_burst(struct prober *prober, const struct firewall_probe *probe, unsigned copies)
{
    struct probe_marks marks = prober->marks;

    marks.token |= 1;
    return receive(prober, probe, &marks, copies);
}

/* ---- following ---- */

struct follower {
    const struct prober *prober;
    const struct firewall_probe *probe;
    struct prober_trace *trace;
    uint32_t ids[IDS_MAX];
    size_t id_count;
    bool moved; /* since the last event that was kept */
    bool ended; /* nothing can follow */
};

static uint32_t get32(struct span bytes, size_t at)
{
    uint32_t value = 0;

    if (at + sizeof value <= bytes.len)
        memcpy(&value, bytes.ptr + at, sizeof value);
    return ntohl(value);
}

static bool bears_marks(const struct follower *follower, const struct trace_message *message)
{
    const struct probe_marks *marks = &follower->prober->marks;
    size_t token_at = follower->probe->protocol == IPPROTO_TCP ? 4 : 8;
    bool six = follower->probe->family == AF_INET6;

    if (get32(message->transport, token_at) != marks->token)
        return false;
    return six ? (get32(message->network, 0) & ((1U << PROBE_FLOW_BITS) - 1)) == marks->flow
               : get32(message->network, 4) >> 16 == marks->ip_id;
}

static void note_destination(struct follower *follower, const struct trace_message *message)
{
    bool six = follower->probe->family == AF_INET6;
    size_t at = six ? 24 : 16, size = six ? 16 : 4;
    struct prober_trace *trace = follower->trace;

    if (message->network.len < at + size || message->transport.len < 4)
        return;
    uint16_t port = (uint16_t)get32(message->transport, 0);
    if (port == trace->port && memcmp(trace->destination, message->network.ptr + at, size) == 0)
        return;
    memcpy(trace->destination, message->network.ptr + at, size);
    trace->port = port;
    follower->moved = trace->moved = true;
}

/* Is the message about our packet? Learns the packet's numbers from those with headers. */
static bool is_ours(struct follower *follower, const struct trace_message *message)
{
    for (size_t i = 0; i < follower->id_count; i++)
        if (follower->ids[i] == message->id && message->network.len == 0)
            return true;
    if (message->network.len == 0 || !bears_marks(follower, message))
        return false;
    if (follower->id_count < IDS_MAX)
        follower->ids[follower->id_count++] = message->id;
    note_destination(follower, message);
    return true;
}

static void on_milestone(struct follower *follower, const struct trace_message *message)
{
    struct prober_trace *trace = follower->trace;

    if (span_equal(message->chain, SPAN("n0")) && trace->place < PROBER_INGRESS)
        trace->place = PROBER_INGRESS;
    for (size_t i = 0; i < ARRAY_SIZE(milestones); i++)
        if (span_equal(message->chain, span_str(milestones[i].chain)) &&
            milestones[i].place > trace->place)
            trace->place = milestones[i].place;
    follower->ended = trace->place == PROBER_INPUT_END || trace->place == PROBER_FORWARD_END;
}

static void copy_name(char *to, size_t size, struct span name)
{
    size_t len = name.len < size ? name.len : size - 1;

    memcpy(to, name.ptr ? name.ptr : "", len);
    to[len] = '\0';
}

/* The end of a chain that was called, or that has no rule, is no rule's doing; a rule that says
 * "return" is. */
static bool is_mere_end(const struct trace_message *message)
{
    bool goes_on = !message->decided || message->verdict == NFT_CONTINUE;

    return (message->kind == TRACE_RETURN && message->verdict != NFT_RETURN) ||
           (message->kind == TRACE_RULE && message->handle == 0 && goes_on);
}

static void on_message(struct follower *follower, const struct trace_message *message)
{
    struct prober_trace *trace = follower->trace;

    if (!is_ours(follower, message))
        return;
    if (span_equal(message->table, span_str(follower->prober->table))) {
        on_milestone(follower, message);
        return;
    }
    if (is_mere_end(message))
        return;
    if (trace->count == EVENTS_MAX) {
        trace->cut = true;
        trace->count--;
    }
    trace->events = mem_resize(trace->events, trace->count + 1, sizeof *trace->events);
    struct prober_event *event = &trace->events[trace->count++];
    *event = (struct prober_event){.kind = message->kind,
                                   .family = message->family,
                                   .handle = message->handle,
                                   .verdict = message->decided ? message->verdict : NFT_CONTINUE,
                                   .place = trace->place,
                                   .moved = follower->moved};
    copy_name(event->table, sizeof event->table, message->table);
    copy_name(event->chain, sizeof event->chain, message->chain);
    copy_name(event->target, sizeof event->target, message->target);
    follower->moved = false;
    follower->ended = message->decided && message->verdict == NF_DROP;
}

/* Reads what has come. @return > 0 when there was something, 0 when not, < 0 */
static int read_events(struct follower *follower)
{
    _Alignas(struct nlmsghdr) char bytes[16384];
    struct trace_message message;
    ssize_t n = recv(follower->prober->netlink, bytes, sizeof bytes, 0);
    int r;

    if (n < 0 && errno == ENOBUFS) {
        follower->trace->cut = true;
        return 1;
    }
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    struct span rest = span_of(bytes, (size_t)n);
    while ((r = trace_message_next(&rest, &message)) > 0)
        on_message(follower, &message);
    return r < 0 ? r : 1;
}

/* A packet that a program holds comes back late: it is waited for, so that our table still drops
 * it.
 */
bool prober_trace_held(const struct prober_trace *trace)
{
    return trace->count && (trace->events[trace->count - 1].verdict & NF_VERDICT_MASK) == NF_QUEUE;
}

static int follow(struct follower *follower)
{
    nsec_t start = nsec_monotonic(), end = start + PATIENCE_MS * NSEC_PER_MSEC;
    struct pollfd poll_for = {.fd = follower->prober->netlink, .events = POLLIN};
    int r = 0;

    while (!follower->ended && r >= 0) {
        while ((r = read_events(follower)) > 0 && nsec_monotonic() < end)
            ;
        nsec_t now = nsec_monotonic();
        if (r < 0 || follower->ended || now >= end)
            break;
        int most =
            prober_trace_held(follower->trace) ? (int)((end - now) / NSEC_PER_MSEC) : QUIET_MS;
        int ready = poll(&poll_for, 1, most);
        if (ready == 0 || (ready < 0 && errno != EINTR))
            break;
    }
    return r < 0 ? r : 0;
}

/* What earlier probes left in the queue. */
static void drain(int fd)
{
    char bytes[16384];

    for (int i = 0; i < 10000 && (recv(fd, bytes, sizeof bytes, 0) >= 0 || errno == ENOBUFS); i++)
        ;
}

int prober_follow(struct prober *prober, const struct firewall_probe *probe,
                  struct prober_trace *ret_trace)
{
    struct prober_trace trace = {.port = probe->port};
    struct follower follower = {.prober = prober, .probe = probe, .trace = &trace};
    int r;

    memcpy(trace.destination, probe->destination, sizeof trace.destination);
    drain(prober->netlink);
    r = prober_send(prober, probe);
    if (r >= 0)
        r = follow(&follower);
    if (r < 0) {
        prober_trace_finish(&trace);
        return r == -EINVAL ? -EOPNOTSUPP : r;
    }
    *ret_trace = trace;
    return 0;
}

void prober_trace_finish(struct prober_trace *trace)
{
    free(trace->events);
    *trace = (struct prober_trace){0};
}
