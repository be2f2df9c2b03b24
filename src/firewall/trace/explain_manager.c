/* Which manager a rule belongs to, told from the names that each gives its tables and chains, and
 * the command in that manager's own words that lets the packet through just before the rule. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/nsec.h"
#include "firewall/trace/explain.h"
#include "firewall/trace/hint.h"
#include "os/command.h"

enum { LINE_MAX_BYTES = 1024 };

static bool starts(const char *text, const char *with)
{
    return text && strncmp(text, with, strlen(with)) == 0;
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

/* Is there a line of a file that says just that? */
static bool file_says(const char *path, const char *wanted)
{
    FILE *file = fopen(path, "re");
    char line[LINE_MAX_BYTES];
    bool says = false;

    while (file && !says && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\r\n")] = '\0';
        says = strcasecmp(line, wanted) == 0;
    }
    if (file)
        fclose(file);
    return says;
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

/* Is it a rule for just this port, whatever its action? Such a one ufw changes in its place. */
static bool is_same_rule(const char *tuple, const struct hint_aim *aim)
{
    char protocol[16], port[48], to[64], from_port[48], from[64], direction[16];

    return tuple &&
           sscanf(tuple, "%*s %15s %47s %63s %47s %63s %15s", protocol, port, to, from_port, from,
                  direction) == 6 &&
           strcmp(protocol, aim->protocol) == 0 && strcmp(port, aim->port) == 0 &&
           (strcmp(to, "0.0.0.0/0") == 0 || strcmp(to, "::/0") == 0) &&
           strcmp(from_port, "any") == 0 && strcmp(from, to) == 0 &&
           strcmp(direction, aim->out ? "out" : "in") == 0;
}

/* Rules that users wrote are asked in order: before the first one an accept always counts. */
static void hint_ufw(struct firewall_path *path, const struct firewall_step *step,
                     const char *tuple)
{
    struct hint_aim aim = hint_aim_of(path, step);
    bool user =
        !step->policy && (starts(step->chain, "ufw-user-") || starts(step->chain, "ufw6-user-"));
    const char *first = user && !is_same_rule(tuple, &aim) ? "insert 1 " : "";
    bool own = strstr(step->chain, "-before-") && !step->policy;

    if (own && !starts(step->text, "counter jump"))
        firewall_path_hint(path, "take the rule out of /etc/ufw/%s and run: ufw reload",
                           starts(step->chain, "ufw6-") ? "before6.rules" : "before.rules");
    else if (aim.answer)
        firewall_path_hint(path, "ufw %sallow out proto %s from any port %s", first, aim.protocol,
                           aim.port);
    else if (aim.out)
        firewall_path_hint(path, "ufw %sallow %s%s%s/%s", first,
                           aim.device && *aim.device == 'i' ? "in" : "out",
                           aim.device ? " on lo to any port " : " ", aim.port, aim.protocol);
    else if (aim.address[0])
        firewall_path_hint(path, "ufw route %sallow proto %s from any to %s port %s", first,
                           aim.protocol, aim.address, aim.port);
    else
        firewall_path_hint(path, "ufw %sallow %s/%s", first, aim.port, aim.protocol);
}

static void explain_ufw(struct firewall_path *path, struct firewall_step *step, size_t index)
{
    bool here = index != EXPLAIN_ELSEWHERE;
    bool user = starts(step->chain, "ufw-user-") || starts(step->chain, "ufw6-user-");
    scoped(mem_release) char *tuple =
        user && here && !step->policy
            ? ufw_tuple(path->probe.family == AF_INET6, step->chain, index)
            : NULL;

    if (tuple)
        set_origin(step, mem_format("ufw: %s", tuple));
    else
        set_origin(step, mem_string(span_str(step->policy ? "ufw: the default for what no rule "
                                                            "allows"
                                                          : "a rule of ufw's own")));
    hint_ufw(path, step, tuple);
}

/* With IPV6=no ufw drops all of IPv6 but what stays on lo, and writes no rule for it. */
static bool is_ufw_without_ipv6(const struct firewall_step *step)
{
    return step->policy && strcmp(step->family, "ip6") == 0 &&
           file_says("/etc/ufw/ufw.conf", "ENABLED=yes") &&
           file_says("/etc/default/ufw", "IPV6=no");
}

static void explain_ufw_without_ipv6(struct firewall_path *path, struct firewall_step *step)
{
    struct hint_aim aim = hint_aim_of(path, step);

    set_origin(step, mem_string(SPAN("ufw with IPV6=no, which closes IPv6 altogether")));
    firewall_path_hint(path,
                       "sed -i 's/^IPV6=.*/IPV6=yes/' /etc/default/ufw && ufw reload && ufw allow "
                       "%s%s/%s",
                       aim.out ? "out " : "", aim.port, aim.protocol);
}

/* ---- firewalld ---- */

/* A zone or policy, as a chain's name tells it: "filter_IN_public_allow", "filter_IN_policy_web".
 */
struct firewalld_part {
    char *name;      /* for free(); NULL: neither */
    char *option;    /* " --zone=public", quoted; "" */
    const char *end; /* "_allow", "" */
};

static struct firewalld_part firewalld_part_of(const char *chain)
{
    static const char *const ends[] = {"_pre", "_log", "_deny", "_allow", "_post"};
    bool in = starts(chain, "filter_IN_");
    bool forward = starts(chain, "filter_FWD_") || starts(chain, "filter_OUT_");
    struct firewalld_part part = {.option = mem_string(SPAN("")), .end = ""};

    if (!in && !forward)
        return part;
    struct span name = span_str(chain + (in ? 10 : 11));
    bool policy = span_starts(name, SPAN("policy_"));
    name = span_from(name, policy ? 7 : 0);
    for (size_t e = 0; e < ARRAY_SIZE(ends); e++)
        if (span_ends(name, span_str(ends[e]))) {
            name.len -= strlen(ends[e]);
            part.end = ends[e];
        }
    part.name = mem_string(name);
    scoped(mem_release) char *quoted = hint_quote(part.name);
    free(part.option);
    part.option = mem_format(" --%s=%s", policy ? "policy" : "zone", quoted);
    return part;
}

static void firewalld_part_finish(struct firewalld_part *part)
{
    free(part->name);
    free(part->option);
}

/* The zone that the packet is in. */
static struct firewalld_part firewalld_zone(const struct firewall_path *path)
{
    for (size_t i = path->count; i-- > 0;) {
        struct firewalld_part part =
            firewalld_part_of(path->steps[i].chain ? path->steps[i].chain : "");
        if (part.name && starts(part.option, " --zone="))
            return part;
        firewalld_part_finish(&part);
    }
    return (struct firewalld_part){.option = mem_string(SPAN("")), .end = ""};
}

/* The one rich rule of a zone or policy that drops or rejects. @return for free(), or NULL where
 * there is none, or more than one */
static char *only_closing_rule(const struct firewalld_part *part)
{
    scoped(mem_release) char *words =
        mem_format("--%s=%s", starts(part->option, " --policy=") ? "policy" : "zone", part->name);
    const char *argv[] = {"firewall-cmd", words, "--list-rich-rules", NULL};
    struct command command = {.argv = argv, .timeout = 5 * NSEC_PER_SEC};
    struct command_result result;
    struct span rest, line;
    char *found = NULL;
    size_t count = 0;

    if (command_run(&command, &result) < 0)
        return NULL;
    rest = buffer_span(&result.output);
    while (result.exit_code == 0 && span_next(&rest, '\n', &line)) {
        scoped(mem_release) char *text = mem_string(span_trim(line));
        if (!strstr(text, " drop") && !strstr(text, " reject"))
            continue;
        if (count++ == 0)
            found = take(text);
    }
    command_result_finish(&result);
    if (count != 1)
        free(take(found));
    return found;
}

static void hint_rich_rule(struct firewall_path *path, const struct firewalld_part *part)
{
    scoped(mem_release) char *rule = only_closing_rule(part);

    if (rule) {
        scoped(mem_release) char *quoted = hint_quote(rule);
        firewall_path_hint(
            path, "firewall-cmd --permanent%s --remove-rich-rule=%s && firewall-cmd --reload",
            part->option, quoted);
        return;
    }
    firewall_path_hint(path,
                       "firewall-cmd%s --list-rich-rules shows the rule; take it back with "
                       "firewall-cmd --permanent%s --remove-rich-rule='...' and firewall-cmd "
                       "--reload",
                       part->option, part->option);
}

static void explain_firewalld(struct firewall_path *path, struct firewall_step *step)
{
    struct firewalld_part at = firewalld_part_of(step->chain), zone = firewalld_zone(path);
    struct hint_aim aim = hint_aim_of(path, step);
    bool policy = starts(at.option, " --policy=");

    if (policy)
        set_origin(step, mem_format("firewalld, policy %s", at.name));
    else
        set_origin(step, zone.name ? mem_format("firewalld, zone %s", zone.name)
                                   : mem_string(SPAN("firewalld: no zone takes it")));
    if (starts(step->table, "firewalld_")) {
        set_origin(step, mem_string(SPAN("firewalld in panic mode")));
        firewall_path_hint(path, "firewall-cmd --panic-off && firewall-cmd --reload");
    } else if (*at.end && strcmp(at.end, "_allow") != 0) {
        hint_rich_rule(path, &at);
    } else if (policy && aim.out) {
        firewall_path_hint(path,
                           "firewall-cmd --permanent%s --add-port=%s/%s && firewall-cmd --reload",
                           at.option, aim.port, aim.protocol);
    } else if (policy) {
        firewall_path_hint(path,
                           "firewall-cmd --permanent%s --set-target=CONTINUE && firewall-cmd "
                           "--reload",
                           at.option);
    } else {
        firewall_path_hint(path,
                           "firewall-cmd --permanent%s --add-port=%s/%s && firewall-cmd --reload",
                           zone.option, aim.port, aim.protocol);
    }
    firewalld_part_finish(&at);
    firewalld_part_finish(&zone);
}

/* ---- fail2ban ---- */

static void hint_ban(struct firewall_path *path, const char *jail)
{
    scoped(mem_release) char *quoted = hint_quote(jail);
    char source[FIREWALL_ADDRESS_TEXT];

    firewall_path_hint(path, "fail2ban-client set %s unbanip %s", quoted,
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
    static const char *const chains[] = {"INPUT", "FORWARD", "PREROUTING", "OUTPUT", "POSTROUTING"};
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

/* The program without a suffix is the other one where an alternative says so. */
static const char *program_of(const struct firewall_step *step, size_t index)
{
    bool six = strcmp(step->family, "ip6") == 0;
    char link[256] = "";

    if (index != EXPLAIN_ELSEWHERE &&
        readlink(six ? "/etc/alternatives/ip6tables" : "/etc/alternatives/iptables", link,
                 sizeof link - 1) > 0 &&
        strstr(link, "legacy"))
        return six ? "ip6tables-nft" : "iptables-nft";
    return six ? "ip6tables" : "iptables";
}

static void explain_iptables(struct firewall_path *path, struct firewall_step *step, size_t index)
{
    bool docker = step->address[0] && calls_docker_user(path);
    char *rule = iptables_rule(step, index);
    size_t place = index == EXPLAIN_ELSEWHERE ? 1 : index + 1;

    set_origin(step, rule ? mem_format("iptables: %s", rule) : mem_string(SPAN("iptables")));
    free(rule);
    if (docker)
        hint_iptables(path, step, program_of(step, index), "DOCKER-USER", 1);
    else if (starts(step->chain, "f2b-"))
        hint_ban(path, step->chain + 4);
    else
        hint_iptables(path, step, program_of(step, index), step->chain, step->policy ? 0 : place);
}

void explain_manager(struct firewall_path *path, size_t index)
{
    struct firewall_step *step = &path->steps[path->culprit];
    bool here = index != EXPLAIN_ELSEWHERE, xt = is_iptables(path, step);

    if (step->layer == FIREWALL_IPTABLES) {
        hint_iptables(path, step,
                      strcmp(step->family, "ip6") == 0 ? "ip6tables-legacy" : "iptables-legacy",
                      step->chain, step->policy ? 0 : index + 1);
        return;
    }
    if (explain_fail2ban(path, step))
        return;
    if (strcmp(step->table, "firewalld") == 0 || starts(step->table, "firewalld_"))
        explain_firewalld(path, step);
    else if (xt && here && is_ufw_without_ipv6(step))
        explain_ufw_without_ipv6(path, step);
    else if (xt && (step_named(path, "ufw-") || step_named(path, "ufw6-")))
        explain_ufw(path, step, index);
    else if (xt)
        explain_iptables(path, step, index);
    else
        hint_nft(path, step);
}
