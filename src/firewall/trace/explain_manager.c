/* Which manager a rule belongs to, told from the names that each gives its tables and chains, and
 * the command in that manager's own words that lets the packet through just before the rule. */
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "base/nsec.h"
#include "firewall/trace/explain.h"
#include "os/command.h"

enum { LINE_MAX_BYTES = 1024 };

/* What a packet looks like where the culprit meets it. */
struct aim {
    const char *protocol; /* "tcp" */
    char port[8];
    char address[FIREWALL_ADDRESS_TEXT]; /* "" unless the packet is forwarded there */
};

static bool starts(const char *text, const char *with)
{
    return text && strncmp(text, with, strlen(with)) == 0;
}

static struct aim aim_of(const struct firewall_path *path)
{
    struct aim aim = {.protocol = path->probe.protocol == IPPROTO_UDP ? "udp" : "tcp"};
    const char *colon = path->forwarded ? strrchr(path->forwarded, ':') : NULL;

    snprintf(aim.port, sizeof aim.port, "%u", (unsigned)path->probe.port);
    if (!colon)
        return aim;
    const char *from = path->forwarded + (path->forwarded[0] == '[');
    size_t len = strcspn(from, "]");
    if (from == path->forwarded)
        len = (size_t)(colon - from);
    snprintf(aim.port, sizeof aim.port, "%s", colon + 1);
    snprintf(aim.address, sizeof aim.address, "%.*s", (int)len, from);
    return aim;
}

static const struct firewall_step *step_named(const struct firewall_path *path, const char *prefix)
{
    for (size_t i = path->count; i-- > 0;)
        if (path->steps[i].layer == FIREWALL_NFTABLES && starts(path->steps[i].chain, prefix))
            return &path->steps[i];
    return NULL;
}

static void set_origin(struct firewall_step *step, char *origin)
{
    free(step->origin);
    step->origin = origin;
}

/* ---- ufw ---- */

/* The index-th rule that ufw keeps for a chain: "deny tcp 443 0.0.0.0/0 any 0.0.0.0/0 in".
 * @return for free(); NULL when its file may not be read */
static char *ufw_tuple(bool six, const char *chain, size_t index)
{
    FILE *file = fopen(six ? "/etc/ufw/user6.rules" : "/etc/ufw/user.rules", "re");
    char line[LINE_MAX_BYTES], tuple[LINE_MAX_BYTES] = "", wanted[128];
    size_t seen = 0;
    bool found = false;

    if (!file)
        return NULL;
    snprintf(wanted, sizeof wanted, "-A %s ", chain);
    while (!found && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\r\n")] = '\0';
        if (starts(line, "### tuple ### "))
            memcpy(tuple, line + sizeof "### tuple ### " - 1,
                   strlen(line) - sizeof "### tuple ### " + 2);
        else if (starts(line, wanted))
            found = seen++ == index;
    }
    fclose(file);
    return found && *tuple ? mem_string(span_str(tuple)) : NULL;
}

/* The command that takes a plain rule back; NULL for rules with addresses. */
static char *ufw_delete(const char *tuple)
{
    char action[16], protocol[16], port[48], to[64], from_port[48], from[64];

    if (sscanf(tuple, "%15s %15s %47s %63s %47s %63s", action, protocol, port, to, from_port,
               from) != 6)
        return NULL;
    bool all = strcmp(from_port, "any") == 0 &&
               (strcmp(to, "0.0.0.0/0") == 0 || strcmp(to, "::/0") == 0) &&
               (strcmp(from, "0.0.0.0/0") == 0 || strcmp(from, "::/0") == 0);
    if (!all)
        return NULL;
    if (strcmp(protocol, "any") == 0)
        return mem_format("ufw delete %s %s", action, port);
    return mem_format("ufw delete %s %s/%s", action, port, protocol);
}

static void explain_ufw(struct firewall_path *path, struct firewall_step *step, size_t index,
                        const struct aim *aim)
{
    bool here = index != EXPLAIN_ELSEWHERE;
    bool user = starts(step->chain, "ufw-user-") || starts(step->chain, "ufw6-user-");
    scoped(mem_release) char *tuple =
        user && here && !step->policy
            ? ufw_tuple(path->probe.family == AF_INET6, step->chain, index)
            : NULL;
    char *delete = tuple ? ufw_delete(tuple) : NULL;

    if (tuple)
        set_origin(step, mem_format("ufw: %s", tuple));
    else
        set_origin(step, mem_string(span_str(step->policy ? "ufw: the default for what no rule "
                                                            "allows"
                                                          : "a rule of ufw's own")));
    if (delete)
        firewall_path_hint(path, "%s", delete);
    else if (aim->address[0])
        firewall_path_hint(path, "ufw route allow proto %s from any to %s port %s", aim->protocol,
                           aim->address, aim->port);
    else if (user)
        firewall_path_hint(path, "ufw insert 1 allow %s/%s", aim->port, aim->protocol);
    else
        firewall_path_hint(path, "ufw allow %s/%s", aim->port, aim->protocol);
    free(delete);
}

/* ---- firewalld ---- */

/* "public" of "filter_IN_public_allow". @return for free(), or NULL */
static char *firewalld_zone(const struct firewall_path *path)
{
    static const char *const ends[] = {"_pre", "_log", "_deny", "_allow", "_post"};

    for (size_t i = path->count; i-- > 0;) {
        const char *chain = path->steps[i].chain;
        bool in = starts(chain, "filter_IN_"), forward = starts(chain, "filter_FWD_");
        if ((!in && !forward) || starts(chain, "filter_IN_policy_"))
            continue;
        struct span zone = span_str(chain + (in ? 10 : 11));
        for (size_t e = 0; e < ARRAY_SIZE(ends); e++)
            if (span_ends(zone, span_str(ends[e])))
                zone.len -= strlen(ends[e]);
        return mem_string(zone);
    }
    return NULL;
}

static void explain_firewalld(struct firewall_path *path, struct firewall_step *step,
                              const struct aim *aim)
{
    scoped(mem_release) char *zone = firewalld_zone(path);
    scoped(mem_release) char *option = zone ? mem_format(" --zone=%s", zone) : NULL;
    const char *said = option ? option : "";

    set_origin(step, zone ? mem_format("firewalld, zone %s", zone)
                          : mem_string(SPAN("firewalld: no zone takes it")));
    if (strstr(step->chain, "_deny"))
        firewall_path_hint(path,
                           "firewall-cmd%s --list-rich-rules shows the rule; take it back "
                           "with firewall-cmd --permanent%s --remove-rich-rule='...' and "
                           "firewall-cmd --reload",
                           said, said);
    else
        firewall_path_hint(path,
                           "firewall-cmd --permanent%s --add-port=%s/%s && firewall-cmd "
                           "--reload",
                           said, aim->port, aim->protocol);
}

/* ---- fail2ban ---- */

static void hint_ban(struct firewall_path *path, const char *jail)
{
    char source[FIREWALL_ADDRESS_TEXT];

    firewall_path_hint(path, "fail2ban-client set %s unbanip %s", jail,
                       firewall_address_text(path->probe.family, path->probe.source, source));
}

/* "sshd" of "tcp dport 22 ip saddr @addr-set-sshd reject". @return for free(), or NULL */
static char *banned_by(const struct firewall_step *step)
{
    const char *set = step->text ? strstr(step->text, "@addr") : NULL;
    const char *jail = set ? strstr(set, "-set-") : NULL;

    if (strcmp(step->table, "f2b-table") != 0 || !jail)
        return NULL;
    jail += sizeof "-set-" - 1;
    return mem_string(span_of(jail, strcspn(jail, " ")));
}

static bool explain_fail2ban(struct firewall_path *path, struct firewall_step *step)
{
    scoped(mem_release) char *jail = banned_by(step);

    if (!jail)
        return false;
    set_origin(step, mem_format("fail2ban, jail %s", jail));
    hint_ban(path, jail);
    return true;
}

/* ---- iptables ---- */

static bool is_iptables(const struct firewall_path *path, const struct firewall_step *step)
{
    static const char *const chains[] = {"INPUT", "FORWARD", "PREROUTING"};
    static const char *const tables[] = {"filter", "raw", "mangle", "nat", "security"};
    bool known = false;

    if (strcmp(step->family, "ip") != 0 && strcmp(step->family, "ip6") != 0)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
        known = known || strcmp(step->table, tables[i]) == 0;
    for (size_t i = 0; known && i < path->count; i++)
        for (size_t c = 0; c < ARRAY_SIZE(chains); c++)
            if (path->steps[i].table && strcmp(path->steps[i].table, step->table) == 0 &&
                strcmp(path->steps[i].chain, chains[c]) == 0)
                return true;
    return false;
}

/* The index-th rule of a chain in iptables' own words. @return for free(), or NULL */
static char *iptables_rule(const struct firewall_step *step, size_t index)
{
    const char *program = strcmp(step->family, "ip6") == 0 ? "ip6tables-nft" : "iptables-nft";
    const char *argv[] = {program, "-t", step->table, "-S", step->chain, NULL};
    struct command command = {.argv = argv, .timeout = 2 * NSEC_PER_SEC};
    struct command_result result;
    struct span rest, line;
    char *rule = NULL;

    if (step->policy || index == EXPLAIN_ELSEWHERE || command_run(&command, &result) < 0)
        return NULL;
    rest = buffer_span(&result.output);
    while (result.exit_code == 0 && !rule && span_next(&rest, '\n', &line))
        if (span_starts(line, SPAN("-A ")) && index-- == 0)
            rule = mem_string(line);
    command_result_finish(&result);
    return rule;
}

/* Docker's chain for rules of the machine's owner, which Docker never rewrites. */
static bool calls_docker_user(const struct firewall_path *path)
{
    for (size_t i = 0; i < path->count; i++)
        if (path->steps[i].target && strcmp(path->steps[i].target, "DOCKER-USER") == 0)
            return true;
    return false;
}

static void explain_iptables(struct firewall_path *path, struct firewall_step *step, size_t index,
                             const struct aim *aim)
{
    const char *program = strcmp(step->family, "ip6") == 0 ? "ip6tables" : "iptables";
    bool docker = aim->address[0] && calls_docker_user(path);
    const char *chain = docker ? "DOCKER-USER" : step->chain;
    scoped(mem_release) char *table =
        strcmp(step->table, "filter") == 0 ? NULL : mem_format(" -t %s", step->table);
    scoped(mem_release) char *to = aim->address[0] ? mem_format(" -d %s", aim->address) : NULL;
    char *rule = iptables_rule(step, index);
    char place[24] = "";

    set_origin(step, rule ? mem_format("iptables: %s", rule) : mem_string(SPAN("iptables")));
    free(rule);
    if (starts(chain, "f2b-")) {
        hint_ban(path, chain + 4);
        return;
    }
    if (!step->policy && index != EXPLAIN_ELSEWHERE)
        snprintf(place, sizeof place, " %zu", docker ? (size_t)1 : index + 1);
    firewall_path_hint(path, "%s%s %s %s%s%s -p %s --dport %s -j ACCEPT", program,
                       table ? table : "", step->policy && !docker ? "-A" : "-I", chain, place,
                       to ? to : "", aim->protocol, aim->port);
}

/* ---- nftables itself ---- */

/* Is the rule about this port alone, so that it may go? */
static bool is_about_port(const struct firewall_step *step, const struct aim *aim)
{
    char about[32];

    if (!step->text)
        return false;
    snprintf(about, sizeof about, "%s dport %s ", aim->protocol, aim->port);
    return starts(step->text, about);
}

static void explain_nftables(struct firewall_path *path, const struct firewall_step *step,
                             const struct aim *aim)
{
    scoped(mem_release) char *to =
        aim->address[0]
            ? mem_format("%s daddr %s ", strchr(aim->address, ':') ? "ip6" : "ip", aim->address)
            : NULL;

    if (step->policy)
        firewall_path_hint(path, "nft add rule %s %s %s %s%s dport %s accept", step->family,
                           step->table, step->chain, to ? to : "", aim->protocol, aim->port);
    else if (!step->handle)
        firewall_path_hint(path, "nft insert rule %s %s %s %s%s dport %s accept", step->family,
                           step->table, step->chain, to ? to : "", aim->protocol, aim->port);
    else if (is_about_port(step, aim))
        firewall_path_hint(path, "nft delete rule %s %s %s handle %llu", step->family, step->table,
                           step->chain, (unsigned long long)step->handle);
    else
        firewall_path_hint(path, "nft insert rule %s %s %s handle %llu %s%s dport %s accept",
                           step->family, step->table, step->chain, (unsigned long long)step->handle,
                           to ? to : "", aim->protocol, aim->port);
}

void explain_manager(struct firewall_path *path, size_t index)
{
    struct firewall_step *step = &path->steps[path->culprit];
    struct aim aim = aim_of(path);

    if (explain_fail2ban(path, step))
        return;
    if (strcmp(step->table, "firewalld") == 0)
        explain_firewalld(path, step, &aim);
    else if (is_iptables(path, step) && (step_named(path, "ufw-") || step_named(path, "ufw6-")))
        explain_ufw(path, step, index, &aim);
    else if (is_iptables(path, step))
        explain_iptables(path, step, index, &aim);
    else
        explain_nftables(path, step, &aim);
}
