/* The question of why.h answered from rules alone: those of this host, where no probe may be sent,
 * or those of a file. The walk through them is the simulator's. */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "firewall/model/simulate.h"
#include "firewall/trace/explain.h"
#include "firewall/trace/why.h"

static bool is_closed_by_rules(const struct firewall_path *path)
{
    return (path->verdict == FIREWALL_DROPPED || path->verdict == FIREWALL_REJECTED) &&
           path->culprit < path->count &&
           (path->steps[path->culprit].layer == FIREWALL_NFTABLES ||
            path->steps[path->culprit].layer == FIREWALL_IPTABLES);
}

void explain_rules(struct firewall_path *path)
{
    if (is_closed_by_rules(path))
        explain_manager(path, path->steps[path->culprit].index);
}

int firewall_simulate_live(struct firewall_path *path)
{
    struct ruleset *ruleset;
    struct simulate_host host;
    scoped(mem_release) char *why = NULL;
    int r = ruleset_read_live(&ruleset, &why);

    if (r < 0)
        return r;
    r = simulate_host_look(&host);
    if (r == 0) {
        simulate(ruleset, &host, path);
        simulate_host_finish(&host);
    }
    if (r == 0)
        explain_rules(path);
    ruleset_destroy(ruleset);
    return r;
}

void firewall_why_rules(const struct firewall_question *question, int family,
                        const struct ruleset *ruleset, struct firewall_path *ret_path)
{
    struct firewall_probe probe = {
        .family = family, .protocol = question->protocol, .port = question->port};

    if (question->from_family == family)
        memcpy(probe.source, question->from, sizeof probe.source);
    else
        firewall_internet_address(family, probe.source);
    if (question->to_family == family)
        memcpy(probe.destination, question->to, sizeof probe.destination);
    if (question->interface)
        memcpy(probe.interface, question->interface,
               strnlen(question->interface, sizeof probe.interface - 1));
    firewall_path_init(ret_path, &probe);
    simulate(ruleset, NULL, ret_path);
    if (is_closed_by_rules(ret_path))
        explain_manager(ret_path, EXPLAIN_ELSEWHERE);
}
