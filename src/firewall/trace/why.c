/* The order of the questions: is the way there at all, what does the trace say, what else lost the
 * packet, and who listens behind the firewall. */
#include "firewall/trace/why.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "firewall/trace/answer_rules.h"
#include "firewall/trace/drop_reason.h"
#include "firewall/trace/explain.h"
#include "firewall/trace/prober.h"
#include "os/sockdiag.h"

/* ---- what is no firewall ---- */

/* The interface's flags (IFF_*); up and running where they cannot be read. */
static int flags_of(const char *interface)
{
    struct ifreq request = {0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    memcpy(request.ifr_name, interface, strnlen(interface, IF_NAMESIZE - 1));
    bool read = fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0;
    if (fd >= 0)
        close(fd);
    return read ? (unsigned short)request.ifr_flags : IFF_UP | IFF_RUNNING;
}

static void say_link_down(struct firewall_path *path)
{
    path->obstacle = FIREWALL_LINK_DOWN;
    firewall_path_reason(path, "the interface %s is down", path->probe.interface);
    firewall_path_hint(path, "ip link set %s up", path->probe.interface);
}

struct heard {
    bool here;      /* somebody takes the packet */
    unsigned user;  /* whose program that is */
    bool elsewhere; /* somebody listens on the port, but not at this address */
    char where[80];
};

/* Would a socket bound there take a packet to this address? */
static bool takes(const struct sockdiag_socket *socket, const struct firewall_path *path,
                  const unsigned char *destination)
{
    static const unsigned char any[16];
    size_t size = path->probe.family == AF_INET6 ? 16 : 4;

    if (socket->interface && socket->interface != if_nametoindex(path->probe.interface))
        return false;
    if (!sockdiag_takes(socket, path->probe.family))
        return false;
    if (memcmp(socket->address, any, socket->family == AF_INET6 ? 16 : 4) == 0)
        return true;
    return socket->family == path->probe.family && memcmp(socket->address, destination, size) == 0;
}

static int listen_for(const struct firewall_path *path, const struct prober_trace *trace,
                      struct heard *ret_heard)
{
    struct sockdiag_list list = {0};
    int r = sockdiag_list(path->probe.protocol, trace->port, &list);

    for (size_t i = 0; r == 0 && i < list.count; i++) {
        if (takes(&list.items[i], path, trace->destination)) {
            ret_heard->here = true;
            ret_heard->user = list.items[i].uid;
        } else {
            ret_heard->elsewhere = true;
            sockdiag_text(&list.items[i], ret_heard->where);
        }
    }
    sockdiag_finish(&list);
    return r;
}

static void look_for_listener(const struct prober_trace *trace, struct firewall_path *path)
{
    const char *protocol = path->probe.protocol == IPPROTO_UDP ? "udp" : "tcp";
    struct heard heard = {0};
    char at[64];
    int r = listen_for(path, trace, &heard);

    if (r < 0) {
        findings_add(&path->notes, FINDING_UNKNOWN, "listener",
                     "who listens could not be asked: %s", error_text(r));
        return;
    }
    if (heard.here)
        return;
    path->obstacle = heard.elsewhere ? FIREWALL_LISTENS_ELSEWHERE : FIREWALL_NO_LISTENER;
    explain_destination(trace, path->probe.family, at);
    if (heard.elsewhere) {
        firewall_path_reason(path,
                             "the firewall lets it through, but the program on %u/%s listens "
                             "only on %s, not on %s",
                             (unsigned)trace->port, protocol, heard.where, at);
        firewall_path_hint(path,
                           "let that program listen on %s, or on all addresses (0.0.0.0 and "
                           "[::])",
                           at);
    } else {
        firewall_path_reason(path, "the firewall lets it through, but nothing listens on %u/%s",
                             (unsigned)trace->port, protocol);
        firewall_path_hint(path,
                           "start the server, for example: gardien serve ./public --https "
                           ":%u",
                           (unsigned)trace->port);
    }
}

static void look_for_way_back(struct firewall_path *path)
{
    char source[FIREWALL_ADDRESS_TEXT];

    if (source_has_route_to(path->probe.family, path->probe.source))
        return;
    firewall_address_text(path->probe.family, path->probe.source, source);
    path->obstacle = FIREWALL_NO_WAY_BACK;
    firewall_path_reason(path,
                         "the firewall lets it through, but there is no route for the answer "
                         "to %s",
                         source);
    firewall_path_hint(path, "ip route add %s via GATEWAY dev %s", source, path->probe.interface);
}

static void warn_of_carrier(struct firewall_path *path)
{
    if (flags_of(path->probe.interface) & IFF_RUNNING)
        return;
    struct finding *note =
        findings_add(&path->notes, FINDING_WARNING, "link",
                     "%s has no carrier: no packet comes in there", path->probe.interface);
    finding_hint(note, "connect its cable, or its other end");
}

static void look_at_destination(const struct prober_trace *trace, struct firewall_path *path)
{
    char address[FIREWALL_ADDRESS_TEXT];

    if (path->verdict == FIREWALL_ACCEPTED)
        look_for_listener(trace, path);
    if (path->verdict == FIREWALL_ACCEPTED && path->obstacle == FIREWALL_NO_OBSTACLE)
        look_for_way_back(path);
    if (path->verdict != FIREWALL_FORWARDED)
        return;
    if (trace->moved) {
        findings_add(&path->notes, FINDING_NOTE, "listener",
                     "whether anybody listens at %s, a container or another host, was not asked",
                     path->forwarded);
        return;
    }
    firewall_address_text(path->probe.family, path->probe.destination, address);
    path->obstacle = FIREWALL_NOT_LOCAL;
    firewall_path_reason(path, "%s is no address of this host, which would send the packet on",
                         address);
    firewall_path_hint(path,
                       "give the address to an interface (ip address add %s dev %s), or ask "
                       "with --to for one that `ip address` shows",
                       address, path->probe.interface);
}

/* ---- the question ---- */

static void say_unknown(struct firewall_path *path, const char *why)
{
    path->verdict = FIREWALL_UNKNOWN;
    firewall_path_reason(path, "%s", why);
}

/* After the simulator, which leaves out who listens. */
static void look_behind(struct firewall_path *path)
{
    struct prober_trace trace = {.port = path->probe.port};

    memcpy(trace.destination, path->probe.destination, sizeof trace.destination);
    for (size_t i = 0; i < path->count; i++)
        if (path->steps[i].action == FIREWALL_NAT)
            return;
    look_at_destination(&trace, path);
}

/* No probe: the simulator, when there is one, says what it can. */
static void do_without(struct firewall_path *path, firewall_simulate *fallback, int error,
                       const char *why)
{
    int r = fallback ? fallback(path) : ERR_NOT_FOUND;

    if (r == 0) {
        findings_add(&path->notes, FINDING_NOTE, "probe", "told from the rules alone: %s", why);
        look_behind(path);
        return;
    }
    say_unknown(path, why);
    if (error == -EPERM)
        firewall_path_hint(path, "run it as root: sudo gardien why %u/%s",
                           (unsigned)path->probe.port,
                           path->probe.protocol == IPPROTO_UDP ? "udp" : "tcp");
}

/* What is kept for the next question: a prober for the same interface, the texts of chains, and the
 * rules that answers meet. */
struct stage {
    struct prober *prober;
    struct explain_chains *chains;
    struct answer_rules *rules;
    char interface[IF_NAMESIZE];
    int error; /* of opening it there, with `why`: it would be the same again */
    char *why;
};

static int stage_open(struct stage *stage, const char *interface, char **ret_why)
{
    if (stage->interface[0] && strcmp(stage->interface, interface) == 0) {
        if (stage->error && stage->why)
            *ret_why = mem_string(span_str(stage->why));
        return stage->error;
    }
    prober_close(take(stage->prober));
    free(take(stage->why));
    memcpy(stage->interface, interface, sizeof stage->interface);
    stage->error = prober_open(interface, &stage->prober, ret_why);
    if (stage->error && *ret_why)
        stage->why = mem_string(span_str(*ret_why));
    return stage->error;
}

static void stage_close(struct stage *stage)
{
    prober_close(stage->prober);
    free(stage->why);
    explain_chains_destroy(stage->chains);
    answer_rules_destroy(stage->rules);
}

/* No answer is sent: what becomes of it the rules tell. */
static void follow_answer(struct stage *stage, const struct prober_trace *trace,
                          struct firewall_path *path)
{
    struct simulate_arrival arrival = {.moved = trace->moved, .port = trace->port};
    struct heard heard = {0};
    bool known =
        path->verdict == FIREWALL_ACCEPTED && listen_for(path, trace, &heard) == 0 && heard.here;

    memcpy(arrival.destination, trace->destination, sizeof arrival.destination);
    answer_rules_follow(stage->rules, &arrival, known ? &heard.user : NULL, path);
}

static void ask(struct firewall_path *path, firewall_simulate *fallback, struct stage *stage)
{
    struct prober_trace trace;
    char *why = NULL;
    int r = stage_open(stage, path->probe.interface, &why);

    if (r == 0) {
        r = prober_follow(stage->prober, &path->probe, &trace);
        if (r < 0)
            why = r == -EOPNOTSUPP
                      ? mem_string(SPAN("this kernel cannot receive a forged packet, which it can "
                                        "from Linux 5.18 on"))
                      : mem_format("the probe could not be sent: %s", error_text(r));
    }
    if (r < 0) {
        do_without(path, fallback, r, why);
    } else {
        explain_trace(stage->chains, &trace, path);
        if (path->verdict == FIREWALL_UNKNOWN && !path->reason)
            drop_reason_explain(stage->prober, &trace, path);
        if (firewall_proved(path) && (path->verdict == FIREWALL_ACCEPTED || trace.moved))
            follow_answer(stage, &trace, path);
        look_at_destination(&trace, path);
        drop_reason_warn_of_xdp(path);
        warn_of_carrier(path);
        if (trace.cut)
            findings_add(&path->notes, FINDING_NOTE, "trace",
                         "the packet met more rules than are kept: some are not shown");
        if (prober_trace_held(&trace)) /* it may come back beside the next: that gets other marks */
            stage->interface[0] = '\0';
        prober_trace_finish(&trace);
    }
    free(why);
}

static int answer(const struct firewall_question *question, int family, firewall_simulate *fallback,
                  struct stage *stage, struct firewall_path *ret_path)
{
    struct firewall_probe probe = {
        .family = family, .protocol = question->protocol, .port = question->port};
    char *why = NULL;
    int r = source_choose(question, family, &probe, &why);

    firewall_path_init(ret_path, &probe);
    if (r < 0) {
        say_unknown(ret_path, why ? why : error_text(r));
        free(why);
        return ERR_NOT_FOUND;
    }
    if (!(flags_of(probe.interface) & IFF_UP))
        say_link_down(ret_path);
    else
        ask(ret_path, fallback, stage);
    return 0;
}

int firewall_why(const struct firewall_question *question, int family, firewall_simulate *fallback,
                 struct firewall_path *ret_path)
{
    struct stage stage = {.chains = explain_chains_create(), .rules = answer_rules_create()};
    int r = answer(question, family, fallback, &stage, ret_path);

    stage_close(&stage);
    return r;
}

void firewall_why_each(firewall_simulate *fallback, struct firewall_answer *answers, size_t count)
{
    struct stage stage = {.chains = explain_chains_create(), .rules = answer_rules_create()};

    for (size_t i = 0; i < count; i++)
        answers[i].result =
            answer(answers[i].question, answers[i].family, fallback, &stage, &answers[i].path);
    stage_close(&stage);
}

int firewall_prove(uint16_t port, int protocol, int family, const char *interface,
                   struct firewall_path *ret_path)
{
    struct firewall_question question = {
        .port = port, .protocol = protocol, .interface = interface};

    return firewall_why(&question, family, NULL, ret_path);
}

bool firewall_proved(const struct firewall_path *path)
{
    return path->verdict == FIREWALL_ACCEPTED ||
           (path->verdict == FIREWALL_FORWARDED && path->obstacle != FIREWALL_NOT_LOCAL);
}
