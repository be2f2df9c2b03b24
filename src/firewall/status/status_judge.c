/* What is odd about a picture of ports, and how to fix it. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/escape.h"
#include "base/mem.h"
#include "firewall/status/status.h"
#include "report/printer.h"

static const char *const family_names[STATUS_FAMILIES] = {"IPv4", "IPv6"};
static const int families[STATUS_FAMILIES] = {AF_INET, AF_INET6};

static bool is_open(const struct firewall_path *path)
{
    return path->verdict == FIREWALL_ACCEPTED || path->verdict == FIREWALL_FORWARDED;
}

static bool is_closed(const struct firewall_path *path)
{
    return path->verdict == FIREWALL_DROPPED || path->verdict == FIREWALL_REJECTED;
}

static bool belongs(const struct listener *listener, const struct port_status *port)
{
    int protocol = port->port.protocol == PORT_TCP ? IPPROTO_TCP : IPPROTO_UDP;

    return listener->socket.port == port->port.number && listener->socket.protocol == protocol;
}

/* Does somebody listen to strangers of the family? */
static bool meets(const struct firewall_status *status, const struct port_status *port, int family)
{
    for (size_t i = 0; i < status->listeners.count; i++) {
        const struct listener *listener = &status->listeners.items[i];
        if (belongs(listener, port) && !listener->space && !sockdiag_loopback(&listener->socket) &&
            sockdiag_takes(&listener->socket, families[family]))
            return true;
    }
    return false;
}

static bool is_forwarded(const struct port_status *port)
{
    return port->paths[STATUS_IPV4].verdict == FIREWALL_FORWARDED ||
           port->paths[STATUS_IPV6].verdict == FIREWALL_FORWARDED;
}

/* "nginx", or "a program of user 33". @return for free() */
static char *who(const struct listener *listener)
{
    if (listener->holder_count)
        return escape_text(span_str(listener->holders[0].program));
    return mem_format("a program of user %u", (unsigned)listener->socket.uid);
}

static struct finding *add(struct firewall_status *status, const struct port_status *port,
                           enum finding_grade grade, const char *topic, const char *sentence)
{
    char text[PORT_TEXT];
    struct finding *finding = findings_add(&status->findings, grade, topic, "%s", sentence);

    finding_subject(finding, "%s", port_text(port->port, text));
    return finding;
}

/* ---- who listens ---- */

/* Only where nobody else listens to the outside: a second socket on 127.0.0.1 is no mistake. Told
 * once for a port. */
static void judge_loopback(struct firewall_status *status, const struct port_status *port)
{
    const struct listener *listener = NULL;
    char address[80];

    for (size_t i = 0; i < status->listeners.count && !listener; i++)
        if (belongs(&status->listeners.items[i], port) && !status->listeners.items[i].space)
            listener = &status->listeners.items[i];
    if (port->outside || !listener)
        return;
    scoped(mem_release) char *program = who(listener);
    scoped(mem_release) char *sentence =
        mem_format("nobody outside this machine can reach %s: it listens on %s only", program,
                   sockdiag_text(&listener->socket, address));
    struct finding *finding = add(status, port, FINDING_WARNING, "listener", sentence);
    finding_hint(finding,
                 "if others shall reach it, let it listen on all addresses (\":%u\", \"0.0.0.0\" "
                 "and \"[::]\" in most settings)",
                 (unsigned)port->port.number);
}

bool status_queue_full(const struct listener *listener)
{
    const struct sockdiag_socket *socket = &listener->socket;

    return socket->protocol == IPPROTO_TCP && socket->waiting > 0 &&
           socket->waiting >= socket->waiting_most;
}

/* Does it take connections? In another network the way to it may be closed to us. */
static void judge_queue(struct firewall_status *status, const struct port_status *port,
                        const struct listener *listener)
{
    scoped(mem_release) char *program = who(listener), *sentence = NULL;
    char address[80];

    sockdiag_text(&listener->socket, address);
    if (status_queue_full(listener)) {
        sentence = mem_format("%s takes no connections on %s: %u wait, and no more may", program,
                              address, listener->socket.waiting);
        finding_hint(add(status, port, FINDING_BAD, "listener", sentence),
                     "see what it is busy with, or restart it");
    } else if (!listener->space && (listener->connects == 0 || listener->connects == -ETIMEDOUT)) {
        sentence = mem_format("%s listens on %s, and a connection from this machine itself is %s",
                              program, address, listener->connects ? "not answered" : "refused");
        finding_hint(
            add(status, port, FINDING_WARNING, "listener", sentence),
            "let the firewall accept what comes in by lo, or see whether the program runs");
    }
}

/* Those in other networks, told together: a machine may run hundreds of containers. */
static void judge_spaces(struct firewall_status *status, const struct port_status *port)
{
    const struct listener *first = NULL;
    size_t count = 0;

    for (size_t i = 0; i < status->listeners.count; i++)
        if (status->listeners.items[i].space && belongs(&status->listeners.items[i], port)) {
            first = first ? first : &status->listeners.items[i];
            count++;
        }
    if (!first || is_forwarded(port))
        return;
    scoped(mem_release) char *program = who(first);
    scoped(mem_release) char *others =
        count > 1 ? mem_format(" and %zu more", count - 1) : mem_string(SPAN(""));
    scoped(mem_release) char *sentence = mem_format(
        "%s%s listens in %s%s, to which the firewall leads nobody from outside", program, others,
        first->container[0] ? "the container " : "another network namespace", first->container);
    struct finding *finding = add(status, port, FINDING_NOTE, "container", sentence);
    if (first->container[0])
        finding_hint(finding,
                     "if others shall reach it, publish its port (-p %u:%u) when the "
                     "container is made",
                     (unsigned)port->port.number, (unsigned)port->port.number);
}

/* ---- what the firewall says ---- */

/* Does a rule decide that `gardien open` knows to deal with? */
static bool is_rule(const struct firewall_path *path)
{
    return path->culprit != FIREWALL_NO_CULPRIT &&
           (path->steps[path->culprit].layer == FIREWALL_NFTABLES ||
            path->steps[path->culprit].layer == FIREWALL_IPTABLES);
}

static void judge_closed(struct firewall_status *status, const struct port_status *port, int family)
{
    const struct firewall_path *path = &port->paths[family];
    char text[PORT_TEXT];

    if (!is_closed(path) || !meets(status, port, family))
        return;
    scoped(mem_release) char *sentence = mem_format(
        "somebody listens, and the firewall keeps strangers away over %s%s%s", family_names[family],
        path->reason ? ": " : "", path->reason ? path->reason : "");
    struct finding *finding = add(status, port, FINDING_WARNING, "firewall", sentence);
    port_text(port->port, text);
    if (!path->hint)
        finding_hint(finding, "gardien open %s", text);
    else if (is_rule(path))
        finding_hint(finding, "gardien open %s, or by hand: %s", text, path->hint);
    else
        finding_hint(finding, "%s", path->hint);
}

/* The same port seen differently over IPv4 and IPv6 is mostly a mistake. */
static void judge_families(struct firewall_status *status, const struct port_status *port)
{
    char text[PORT_TEXT];

    for (int f = 0; f < STATUS_FAMILIES; f++) {
        int other = !f;
        if (!status->has_family[f] || !status->has_family[other])
            continue;
        if (is_open(&port->paths[f]) && is_closed(&port->paths[other])) {
            scoped(mem_release) char *sentence =
                mem_format("open over %s and closed over %s", family_names[f], family_names[other]);
            finding_hint(add(status, port, FINDING_WARNING, "firewall", sentence),
                         "gardien open %s opens it over both, gardien close %s closes it",
                         port_text(port->port, text), text);
        }
        if (meets(status, port, f) && !meets(status, port, other) && !is_forwarded(port)) {
            scoped(mem_release) char *sentence =
                mem_format("somebody listens to %s and nobody to %s, though this machine has "
                           "addresses of both",
                           family_names[f], family_names[other]);
            finding_hint(add(status, port, FINDING_NOTE, "listener", sentence),
                         "let it listen on [::] too, or take the %s addresses out of the DNS",
                         family_names[other]);
        }
    }
}

/* An open port with nothing behind it: harmless today, and a door for whatever starts tomorrow.
 * Without a firewall all ports are such, and the head says so. */
static void judge_empty(struct firewall_status *status, const struct port_status *port)
{
    char text[PORT_TEXT];
    bool open = is_open(&port->paths[STATUS_IPV4]) || is_open(&port->paths[STATUS_IPV6]);

    if (!status->filtered || !open || port->listens || is_forwarded(port))
        return;
    finding_hint(
        add(status, port, FINDING_WARNING, "firewall", "open, with nobody listening behind it"),
        "start what shall serve there, or: gardien close %s", port_text(port->port, text));
}

/* "to 172.17.0.2:8443": somebody in another network namespace, or another machine. */
static void judge_forwarded(struct firewall_status *status, const struct port_status *port)
{
    for (int f = 0; f < STATUS_FAMILIES; f++) {
        const struct firewall_path *path = &port->paths[f];
        if (path->verdict != FIREWALL_FORWARDED)
            continue;
        scoped(mem_release) char *to =
            escape_text(span_str(path->forwarded ? path->forwarded : "another address"));
        scoped(mem_release) char *sentence =
            mem_format("over %s the firewall sends strangers on to %s: a container or another "
                       "machine",
                       family_names[f], to);
        add(status, port, FINDING_NOTE, "firewall", sentence);
    }
}

/* What to run for the whole answer. */
static void hint_as_root(const struct firewall_status *status, struct finding *finding)
{
    struct buffer ports = buffer_make(PORTS_MAX * PORT_TEXT + 1);
    char text[PORT_TEXT];
    int r = 0;

    for (size_t i = 0; status->named && i < status->count && r >= 0; i++)
        r = buffer_printf(&ports, " %s", port_text(status->ports[i].port, text));
    finding_hint(finding, "ask as root: sudo gardien status%.*s",
                 SPAN_ARGS(r < 0 ? SPAN("") : buffer_span(&ports)));
    buffer_finish(&ports);
}

bool status_unknown(const struct firewall_status *status)
{
    for (size_t i = 0; i < status->count; i++)
        for (int f = 0; f < STATUS_FAMILIES; f++)
            if (status->has_family[f] && status->ports[i].paths[f].verdict == FIREWALL_UNKNOWN)
                return true;
    return false;
}

static void judge_unknown(struct firewall_status *status)
{
    for (size_t i = 0; i < status->count; i++)
        for (int f = 0; f < STATUS_FAMILIES; f++) {
            const struct firewall_path *path = &status->ports[i].paths[f];
            if (!status->has_family[f] || path->verdict != FIREWALL_UNKNOWN)
                continue;
            struct finding *finding =
                findings_add(&status->findings, FINDING_UNKNOWN, "firewall",
                             "what the firewall says could not be told: %s",
                             path->reason ? path->reason : "no reason was given");
            if (geteuid() != 0)
                hint_as_root(status, finding);
            return; /* the reason is nearly always the same */
        }
}

/* ---- what could not be seen ---- */

/* Root sees nearly all: a process with capabilities that we lack stays veiled, as the first one of
 * a machine may be to a container that shares its processes. */
static void judge_hidden(struct firewall_status *status)
{
    const struct listeners *listeners = &status->listeners;
    struct finding *finding = NULL;

    if (listeners->spaces_hidden)
        finding = findings_add(&status->findings, FINDING_UNKNOWN, "container",
                               "other network namespaces (containers) are hidden: %zu",
                               listeners->spaces_hidden);
    else if (listeners->spaces_veiled)
        finding = findings_add(
            &status->findings, geteuid() == 0 ? FINDING_NOTE : FINDING_UNKNOWN, "container",
            "whether processes are in other network namespaces (containers) is "
            "hidden: %zu of them%s",
            listeners->spaces_veiled,
            geteuid() == 0 ? ", which have capabilities that this one lacks" : "");
    if (finding && geteuid() != 0)
        hint_as_root(status, finding);
}

static void judge_listing(struct firewall_status *status)
{
    const struct listeners *listeners = &status->listeners;
    size_t unnamed = 0;

    for (size_t i = 0; i < listeners->count; i++)
        unnamed += listeners->items[i].holder_count == 0;
    if (listeners->tcp_error)
        findings_add(&status->findings, FINDING_UNKNOWN, "listener",
                     "the kernel does not list who listens over TCP: %s",
                     error_text(listeners->tcp_error));
    if (listeners->udp_error)
        findings_add(&status->findings, FINDING_UNKNOWN, "listener",
                     "the kernel does not list who listens over UDP: %s",
                     error_text(listeners->udp_error));
    if (unnamed && listeners->hidden)
        hint_as_root(status, findings_add(&status->findings, FINDING_UNKNOWN, "listener",
                                          "programs of other users are not shown"));
    judge_hidden(status);
    if (listeners->dropped)
        findings_add(&status->findings, FINDING_UNKNOWN, "listener",
                     "there are more sockets than are looked at: %zu were left out",
                     listeners->dropped);
}

void status_judge(struct firewall_status *status)
{
    for (size_t i = 0; i < status->count; i++) {
        const struct port_status *port = &status->ports[i];
        judge_loopback(status, port);
        for (size_t l = 0; l < status->listeners.count; l++)
            if (belongs(&status->listeners.items[l], port))
                judge_queue(status, port, &status->listeners.items[l]);
        judge_spaces(status, port);
        for (int f = 0; f < STATUS_FAMILIES; f++)
            judge_closed(status, port, f);
        judge_families(status, port);
        judge_empty(status, port);
        judge_forwarded(status, port);
    }
    judge_unknown(status);
    judge_listing(status);
}
