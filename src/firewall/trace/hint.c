/* Rules that accept one packet, or its answer. */
#include "firewall/trace/hint.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "firewall/plan/plan.h"

enum { PRIORITY_CONNTRACK = -200 };

char *hint_quote(const char *word)
{
    struct buffer out = buffer_make(4096);

    plan_quote(&out, word);
    char *quoted = mem_string(buffer_span(&out));
    buffer_finish(&out);
    return quoted;
}

/* The base chain from which the step was reached knows the priority. */
static bool is_tracked(const struct firewall_path *path, const struct firewall_step *step)
{
    const struct firewall_step *base = step;

    while (!base->hook && base > path->steps)
        base--;
    return strcmp(step->family ? step->family : "", "netdev") != 0 &&
           !(base->hook && base->priority <= PRIORITY_CONNTRACK) &&
           strcmp(step->table ? step->table : "", "raw") != 0;
}

/* An accept for what this host sends to itself is for lo alone. */
static const char *device_of(const struct firewall_path *path, const struct firewall_step *step)
{
    const struct firewall_step *base = step;

    if (!path->probe.out || strcmp(path->probe.interface, "lo") != 0)
        return NULL;
    while (!base->hook && base > path->steps)
        base--;
    const char *hook = base->hook ? base->hook : "";
    return strcmp(hook, "output") == 0 || strcmp(hook, "postrouting") == 0 ? "o" : "i";
}

struct hint_aim hint_aim_of(const struct firewall_path *path, const struct firewall_step *step)
{
    struct hint_aim aim = {.protocol = path->probe.protocol == IPPROTO_UDP ? "udp" : "tcp",
                           .answer = step->answer,
                           .out = path->probe.out && !step->answer,
                           .device = device_of(path, step),
                           .tracked = is_tracked(path, step)};

    snprintf(aim.port, sizeof aim.port, "%u",
             (unsigned)(step->port ? step->port : path->probe.port));
    snprintf(aim.address, sizeof aim.address, "%s", step->address);
    return aim;
}

void hint_nft(struct firewall_path *path, const struct firewall_step *step)
{
    struct hint_aim aim = hint_aim_of(path, step);
    scoped(mem_release) char *table = hint_quote(step->table), *chain = hint_quote(step->chain);
    scoped(mem_release) char *host =
        mem_format(aim.address[0] ? "%s %saddr %s " : "%.0s%.0s%.0s",
                   strchr(aim.address, ':') ? "ip6" : "ip", aim.answer ? "s" : "d", aim.address);
    scoped(mem_release) char *handle =
        mem_format(step->handle && !step->policy ? " handle %llu" : "%.0llu",
                   (unsigned long long)step->handle);

    scoped(mem_release) char *device =
        mem_format(aim.device ? "%sifname lo " : "%.0s", aim.device ? aim.device : "");

    firewall_path_hint(path, "nft %s rule %s %s %s%s %s%s%s %sport %s%s accept",
                       step->policy ? "add" : "insert", step->family, table, chain, handle, device,
                       host, aim.protocol, aim.answer ? "s" : "d", aim.port,
                       aim.answer && aim.tracked ? " ct state established" : "");
}

void hint_iptables(struct firewall_path *path, const struct firewall_step *step,
                   const char *program, const char *chain, size_t place)
{
    struct hint_aim aim = hint_aim_of(path, step);
    scoped(mem_release) char *quoted = hint_quote(chain);
    scoped(mem_release) char *table =
        mem_format(strcmp(step->table, "filter") == 0 ? "%.0s" : " -t %s", step->table);
    scoped(mem_release) char *host =
        mem_format(aim.address[0] ? " -%s %s" : "%.0s%.0s", aim.answer ? "s" : "d", aim.address);
    scoped(mem_release) char *device =
        mem_format(aim.device ? " -%s lo" : "%.0s", aim.device ? aim.device : "");
    char number[24] = "";

    if (place)
        snprintf(number, sizeof number, " %zu", place);
    firewall_path_hint(path, "%s%s -%c %s%s%s%s -p %s --%sport %s%s -j ACCEPT", program, table,
                       place ? 'I' : 'A', quoted, number, device, host, aim.protocol,
                       aim.answer ? "s" : "d", aim.port,
                       aim.answer && aim.tracked ? " -m conntrack --ctstate ESTABLISHED" : "");
}
