/* The proof on Linux: a probe into the kernel's own stack. */
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/error.h"
#include "firewall/plan/open.h"
#include "firewall/trace/why.h"

/* Lost to routing or its checks, which no manager can fix? */
static bool is_lost_elsewhere(const struct firewall_path *path)
{
    return path->culprit < path->count && path->steps[path->culprit].layer == FIREWALL_KERNEL;
}

/* @return 1 when the port is closed */
static size_t prove(const struct firewall_request *request, struct port port, int family,
                    struct findings *findings)
{
    int protocol = port.protocol == PORT_UDP ? IPPROTO_UDP : IPPROTO_TCP;
    struct firewall_path path;
    struct finding *finding;
    char text[PORT_TEXT];
    size_t closed = 0;
    int r = firewall_prove(port.number, protocol, family, request->interface, &path);

    if (r == ERR_NOT_FOUND) { /* this host does not have the family */
        firewall_path_finish(&path);
        return 0;
    }
    const char *version = family == AF_INET ? "IPv4" : "IPv6";
    if (firewall_proved(&path)) {
        finding =
            findings_add(findings, FINDING_GOOD, "open", "a probe gets through over %s", version);
    } else if (path.verdict == FIREWALL_UNKNOWN) {
        finding = findings_add(findings, FINDING_UNKNOWN, "open", "not proved over %s: %s", version,
                               path.reason ? path.reason : "no probe could be sent");
    } else {
        finding = findings_add(findings, FINDING_BAD, "closed", "a probe is lost over %s: %s",
                               version, path.reason ? path.reason : "dropped");
        finding_hint(finding, "gardien why %s", port_text(port, text));
        closed = 1;
        if (is_lost_elsewhere(&path)) {
            finding->grade = FINDING_WARNING;
            closed = 0;
        }
    }
    finding_subject(finding, "%s", port_text(port, text));
    firewall_path_finish(&path);
    return closed;
}

size_t open_prove(const struct firewall_request *request, struct findings *findings)
{
    size_t closed = 0;

    /* A probe is for everybody: what is open for some cannot be proved by it. */
    for (size_t i = 0; request->from.family == 0 && i < request->ports.count; i++) {
        closed += prove(request, request->ports.items[i], AF_INET, findings);
        closed += prove(request, request->ports.items[i], AF_INET6, findings);
    }
    return closed;
}
