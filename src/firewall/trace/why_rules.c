/* The question of why.h answered from rules alone: those of this host, where no probe may be sent,
 * or those of a file. The walk through them is the simulator's. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
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

    probe.out = question->out;
    probe.has_user = question->has_user;
    probe.user = question->user;
    if (question->from_family == family)
        memcpy(probe.source, question->from, sizeof probe.source);
    else if (!question->out)
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

int firewall_why_out(const struct firewall_question *question, int family,
                     struct firewall_path *ret_path)
{
    struct firewall_probe probe = {
        .family = family, .protocol = question->protocol, .port = question->port, .out = true};
    scoped(mem_release) char *why = NULL;
    int r = source_choose_out(question, family, &probe, &why);

    firewall_path_init(ret_path, &probe);
    if (r < 0) {
        memcpy(ret_path->probe.destination, question->to, sizeof probe.destination);
        ret_path->obstacle = r == ERR_NOT_FOUND ? FIREWALL_NO_ROUTE : FIREWALL_NO_OBSTACLE;
        firewall_path_reason(ret_path, "%s", why ? why : error_text(r));
        return r;
    }
    r = firewall_simulate_live(ret_path);
    if (r < 0)
        firewall_path_reason(ret_path, "the firewall's rules cannot be read: %s", error_text(r));
    if (r == -EPERM || r == -EACCES)
        firewall_path_hint(ret_path, "run it with sudo, or with the capability cap_net_admin");
    return r;
}

bool firewall_keeps_in(const struct sockaddr *address, int protocol, struct firewall_path *ret_path)
{
    struct firewall_question question = {.out = true, .protocol = protocol, .has_user = false};
    const void *any = address;

    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *four = any;
        memcpy(question.to, &four->sin_addr, 4);
        question.port = ntohs(four->sin_port);
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *six = any;
        memcpy(question.to, &six->sin6_addr, 16);
        question.port = ntohs(six->sin6_port);
    } else {
        return false;
    }
    question.to_family = address->sa_family;
    if (firewall_why_out(&question, address->sa_family, ret_path) == 0 &&
        (ret_path->verdict == FIREWALL_DROPPED || ret_path->verdict == FIREWALL_REJECTED))
        return true;
    firewall_path_finish(ret_path);
    return false;
}
