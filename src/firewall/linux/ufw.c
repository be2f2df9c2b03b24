/* The manager ufw: its own command says what is wanted, for both IP versions at once, and ufw keeps
 * it. Rules of ours carry the tag as ufw's comment, which is how they are found again. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "firewall/linux/port_paths.h"
#include "firewall/linux/ufw_rules.h"
#include "firewall/plan/manager.h"

#define NAME "ufw"

/* ---- detect ---- */

static bool has_chain(const struct firewall_facts *facts)
{
    const char *filter = facts->xt[IPTABLES_LEGACY][0].filter;

    return firewall_facts_has_chain(facts, "ip", "filter", "ufw-user-input") ||
           (filter && strstr(filter, "-N ufw-user-input\n"));
}

static void detect(const struct firewall_facts *facts, struct detection *ret_state)
{
    bool chain = has_chain(facts), file = facts->ufw_enabled;

    if (!facts->has_ufw)
        *ret_state = (struct detection){PRESENCE_ABSENT, mem_format("ufw is not installed")};
    else if (file && chain)
        *ret_state = (struct detection){
            PRESENCE_IN_FORCE,
            mem_format("ENABLED=yes in /etc/ufw/ufw.conf, and the kernel has ufw-user-input")};
    else if (file && !facts->privileged)
        *ret_state = (struct detection){
            PRESENCE_UNKNOWN,
            mem_format("ENABLED=yes in /etc/ufw/ufw.conf; the kernel's rules are root's to see")};
    else if (file)
        *ret_state = (struct detection){
            PRESENCE_IDLE,
            mem_format("ENABLED=yes in /etc/ufw/ufw.conf, but the kernel has none of its chains")};
    else
        *ret_state = (struct detection){
            PRESENCE_IDLE,
            mem_format("ufw is installed, but /etc/ufw/ufw.conf does not enable it")};
}

/* ---- commands ---- */

/* "ufw", "delete"?, "allow", … NULL; words are borrowed. */
struct words {
    const char *items[24];
    size_t count;
};

static void put(struct words *words, const char *word)
{
    if (words->count < ARRAY_SIZE(words->items) - 1)
        words->items[words->count++] = word;
    words->items[words->count] = NULL;
}

static void put_pair(struct words *words, const char *key, const char *value)
{
    put(words, key);
    put(words, value);
}

/* What a request and a port become: `allow 443/tcp`, or ufw's long form where more is said. */
struct allowance {
    int version;    /* 4 or 6: for that IP version alone; 0: for both, or those of the network */
    bool first;     /* before all other rules */
    bool only_ipv4; /* ufw has no rules for IPv6 */
    char port[PORT_TEXT], number[8], network[NETWORK_TEXT], tag[TAG_TEXT];
    struct words allow, erase;
};

/* Where everybody goes to; naming no address means both IP versions. */
static const char *everywhere(int version)
{
    return version == 4 ? "0.0.0.0/0" : version == 6 ? "::/0" : "any";
}

static void put_request(struct words *words, const struct firewall_request *request,
                        struct port port, const struct allowance *text)
{
    if (!request->interface && !request->from.family && !text->version) {
        put(words, text->port);
        return;
    }
    if (request->interface) {
        put(words, "in");
        put_pair(words, "on", request->interface);
    }
    put_pair(words, "from", request->from.family ? text->network : "any");
    put_pair(words, "to", everywhere(text->version));
    put_pair(words, "port", text->number);
    put_pair(words, "proto", port_protocol_name(port.protocol));
}

/* @param ret  its `version` and `first` are given */
static void make_allowance(const struct firewall_request *request, struct port port,
                           struct allowance *ret)
{
    port_text(port, ret->port);
    tag_text(port, ret->tag);
    snprintf(ret->number, sizeof ret->number, "%u", port.number);
    if (request->from.family)
        network_text(&request->from, ret->network);
    put(&ret->allow, "ufw");
    if (ret->first)
        put(&ret->allow, "prepend");
    put(&ret->allow, "allow");
    put_request(&ret->allow, request, port, ret);
    put_pair(&ret->allow, "comment", ret->tag);
    put(&ret->erase, "ufw");
    put_pair(&ret->erase, "delete", "allow");
    put_request(&ret->erase, request, port, ret);
}

/* ---- open ---- */

static bool allows(const struct ufw_rule *rule)
{
    return strcmp(rule->action, "allow") == 0 || strcmp(rule->action, "limit") == 0;
}

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Is a rule about exactly those whom the request means? */
static bool is_request(const struct ufw_rule *rule, const struct firewall_request *request)
{
    char network[NETWORK_TEXT];

    if (!request->from.family)
        return same(rule->interface, request->interface) &&
               (strcmp(rule->from, "0.0.0.0/0") == 0 || strcmp(rule->from, "::/0") == 0);
    return same(rule->interface, request->interface) &&
           strcmp(rule->from, network_text(&request->from, network)) == 0;
}

/* A port, and whether DNAT sends it on to another host, by IP version. */
struct forwarding {
    struct port port;
    bool forwarded[2];
};

enum state { STATE_OPEN, STATE_UNSAID, STATE_REFUSED };

/* What ufw does with the port in one IP version: its first rule that speaks of it decides. Rules
 * for some of those whom the request means decide nothing: a ban of one network is to stay one. */
static enum state judge(const struct ufw_rules *rules, int version,
                        const struct firewall_request *request, struct port port)
{
    for (size_t i = 0; i < rules->count; i++) {
        const struct ufw_rule *rule = &rules->items[i];
        if (rule->version != version || !ufw_rule_covers(rule, port))
            continue;
        if (ufw_rule_for_all(rule) || is_request(rule, request))
            return allows(rule) ? STATE_OPEN : STATE_REFUSED;
    }
    return STATE_UNSAID;
}

/* ufw would turn such a rule round instead of adding one, and could not turn it back. */
static const struct ufw_rule *find_opposite(const struct ufw_rules *rules,
                                            const struct firewall_request *request,
                                            struct port port)
{
    for (size_t i = 0; i < rules->count; i++) {
        const struct ufw_rule *rule = &rules->items[i];
        if (!allows(rule) && !rule->application && ufw_rule_is_for(rule, port) &&
            strcmp(rule->protocol, port_protocol_name(port.protocol)) == 0 &&
            is_request(rule, request))
            return rule;
    }
    return NULL;
}

static bool has_ipv6(const struct firewall_facts *facts)
{
    scoped(mem_release) char *text = firewall_facts_file(facts, "/etc/default/ufw");
    struct span rest = span_str(text), line;
    bool on = true;

    while (text && span_next(&rest, '\n', &line))
        if (span_starts(span_trim(line), SPAN("IPV6=")))
            on = span_find(line, 'y') >= 0 || span_find(line, 'Y') >= 0;
    return on;
}

static void add_step(const struct firewall_request *request, struct port port,
                     struct allowance text, struct plan *plan)
{
    make_allowance(request, port, &text);
    struct plan_step *step =
        plan_add(plan, NAME, "lets %s in%s%s", text.port,
                 text.version == 4      ? " over IPv4, as it is already over IPv6"
                 : text.version == 6    ? " over IPv6, as it is already over IPv4"
                 : request->from.family ? ""
                 : text.only_ipv4       ? " over IPv4"
                                        : ", for IPv4 and IPv6 alike",
                 text.first ? ", before the rule of ufw that keeps it out" : "");
    plan_command_array(&step->action, text.allow.items);
    plan_command_array(&step->undo, text.erase.items);
    plan_spell(step);
}

static int refuse(const struct ufw_rule *rule, struct port port, struct diags *diags)
{
    char text[PORT_TEXT];

    diag_hint(
        diags_add(diags, "a rule of ufw says %s for %s%s%s", rule->action, port_text(port, text),
                  rule->comment ? ": " : "", rule->comment ? rule->comment : ""),
        "if that is no longer meant, `ufw delete %s %s`, then open it again", rule->action, text);
    return ERR_SETTINGS;
}

/* `ufw allow` is about packets for this host; those that DNAT sends on are asked of routes. */
static void open_route(const struct firewall_request *request, struct port port,
                       const struct passage *passage, struct plan *plan)
{
    char number[8], tag[TAG_TEXT], text[PORT_TEXT], network[NETWORK_TEXT];
    struct words allow = {0}, erase = {0};
    struct words *const both[] = {&allow, &erase};

    snprintf(number, sizeof number, "%u", passage->port);
    put_pair(&allow, "ufw", "route");
    put_pair(&erase, "ufw", "route");
    put(&erase, "delete");
    for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
        put(both[i], "allow");
        put_pair(both[i], "proto", port_protocol_name(port.protocol));
        put_pair(both[i], "from",
                 request->from.family ? network_text(&request->from, network) : "any");
        put_pair(both[i], "to", passage->destination);
        put_pair(both[i], "port", number);
    }
    put_pair(&allow, "comment", tag_text(port, tag));
    struct plan_step *step =
        plan_add(plan, NAME, "DNAT sends %s on to %s port %s, which ufw asks of its routes",
                 port_text(port, text), passage->destination, number);
    plan_command_array(&step->action, allow.items);
    plan_command_array(&step->undo, erase.items);
    plan_spell(step);
}

/* Does a chain for forwarded packets close the port, in a table that ufw looks after? */
static bool needs_route(const struct passage *passage)
{
    for (size_t i = 0; passage && passage->forwarded && i < passage->count; i++)
        if (passage->blocks[i].chain->hook == RULESET_FORWARD && !passage->blocks[i].answer &&
            passage->blocks[i].chain->table->ufw)
            return true;
    return false;
}

/* What the ports of one request are opened with. */
struct opening {
    const struct firewall_facts *facts;
    const struct ufw_rules *rules;
    const struct firewall_request *request;
    struct plan *plan;
    struct diags *diags;
};

static int open_port(const struct opening *opening, const struct forwarding *forwarding)
{
    const struct firewall_facts *facts = opening->facts;
    const struct ufw_rules *rules = opening->rules;
    const struct firewall_request *request = opening->request;
    struct port port = forwarding->port;
    bool both = !request->from.family && has_ipv6(facts);
    enum state v4 = request->from.family == 6 || forwarding->forwarded[0]
                        ? STATE_OPEN
                        : judge(rules, 4, request, port);
    enum state v6 = (request->from.family != 6 && !both) || forwarding->forwarded[1]
                        ? STATE_OPEN
                        : judge(rules, 6, request, port);

    if (v4 == STATE_OPEN && v6 == STATE_OPEN)
        return 0;
    const struct ufw_rule *opposite = find_opposite(rules, request, port);
    if (opposite)
        return refuse(opposite, port, opening->diags);
    /* A command for both versions would put our comment on somebody's rule for the one. */
    add_step(request, port,
             (struct allowance){.version = !both              ? 0
                                           : v4 == STATE_OPEN ? 6
                                           : v6 == STATE_OPEN ? 4
                                                              : 0,
                                .first = v4 == STATE_REFUSED || v6 == STATE_REFUSED,
                                .only_ipv4 = !has_ipv6(facts)},
             opening->plan);
    return 0;
}

static void note_closed_ipv6(const struct firewall_facts *facts, struct plan *plan)
{
    if (facts->here && !has_ipv6(facts))
        finding_hint(
            findings_add(&plan->notes, FINDING_WARNING, "firewall",
                         "IPV6=no in /etc/default/ufw: ufw drops all of IPv6 but what "
                         "stays on this host; what gardien opens over it lasts until ufw reloads"),
            "sed -i 's/^IPV6=.*/IPV6=yes/' /etc/default/ufw && ufw reload, then open the "
            "ports again");
}

static int plan_open(const struct firewall_facts *facts, const struct firewall_request *request,
                     struct plan *plan, struct diags *diags)
{
    struct ufw_rules rules;
    struct port_paths paths;
    int r = 0;

    if (facts->files_of_others) {
        finding_hint(findings_add(&plan->notes, FINDING_BAD, "namespace",
                                  "ufw keeps its rules in files, which belong to another network "
                                  "namespace here"),
                     "run it where ufw was started");
        return 0;
    }

    ufw_rules_read(facts, &rules);
    port_paths_take_all(facts, request, &paths);
    note_closed_ipv6(facts, plan);
    const struct opening opening = {facts, &rules, request, plan, diags};
    for (size_t i = 0; i < request->ports.count; i++) {
        struct forwarding forwarding = {.port = request->ports.items[i]};
        for (int version = 0; version < 2; version++) {
            const struct passage *passage = port_paths_of(&paths, request, i, version);
            forwarding.forwarded[version] = passage && passage->forwarded;
            if (needs_route(passage))
                open_route(request, forwarding.port, passage, plan);
        }
        int result = open_port(&opening, &forwarding);
        r = result < 0 ? result : r;
    }
    port_paths_finish(&paths);
    ufw_rules_finish(&rules);
    return r;
}

/* ---- close ---- */

/* @param version  as of everywhere() */
static const char *network_word(const char *network, int version)
{
    bool everybody = strcmp(network, "0.0.0.0/0") == 0 || strcmp(network, "::/0") == 0;

    return everybody ? everywhere(version) : network;
}

/* "443/tcp", where that says all of the rule; for free(). */
static char *short_form(const struct ufw_rule *rule, int version)
{
    if (version || rule->route || !ufw_rule_for_all(rule) || rule->application ||
        strcmp(rule->ports, "any") == 0)
        return NULL;
    return strcmp(rule->protocol, "any") == 0 ? mem_format("%s", rule->ports)
                                              : mem_format("%s/%s", rule->ports, rule->protocol);
}

/* The words of a rule, as `ufw delete` and `ufw` take them.
 * @param version  as of everywhere() */
static void put_rule(struct words *words, const struct ufw_rule *rule, const char *brief,
                     int version)
{
    if (rule->route && words->count == 1)
        put(words, "route");
    put(words, rule->action);
    if (rule->interface) {
        put(words, "in");
        put_pair(words, "on", rule->interface);
    }
    if (*rule->log)
        put(words, rule->log);
    if (brief) {
        put(words, brief);
        return;
    }
    put_pair(words, "from", network_word(rule->from, 0));
    if (strcmp(rule->from_ports, "any") != 0)
        put_pair(words, "port", rule->from_ports);
    put_pair(words, "to", network_word(rule->to, version));
    if (rule->application) {
        put_pair(words, "app", rule->application);
        return;
    }
    put_pair(words, "port", rule->ports);
    if (strcmp(rule->protocol, "any") != 0)
        put_pair(words, "proto", rule->protocol);
}

static bool is_planned(const struct plan *plan, size_t from, const struct words *words)
{
    for (size_t i = from; i < plan->count; i++) {
        char *const *argv = plan->items[i].action.argv;
        size_t k = 0;
        while (argv && argv[k] && k < words->count && strcmp(argv[k], words->items[k]) == 0)
            k++;
        if (argv && !argv[k] && k == words->count)
            return true;
    }
    return false;
}

/* The IP version that a command is to name, because the other has the same rule with another
 * comment: ufw deletes by what a rule does, whatever its comment says. 0: none. */
static int version_to_name(const struct ufw_rules *rules, const struct ufw_rule *rule)
{
    for (size_t i = 0; i < rules->count; i++) {
        const struct ufw_rule *other = &rules->items[i];
        if (other->version != rule->version && ufw_rule_same(other, rule) &&
            !same(other->comment, rule->comment))
            return rule->version;
    }
    return 0;
}

static void erase(const struct ufw_rules *rules, const struct ufw_rule *rule, size_t from,
                  struct plan *plan)
{
    int version = version_to_name(rules, rule);
    scoped(mem_release) char *brief = short_form(rule, version);
    struct words erase = {0}, again = {0};

    put(&erase, "ufw");
    if (rule->route)
        put(&erase, "route");
    put(&erase, "delete");
    put_rule(&erase, rule, brief, version);
    if (is_planned(plan, from, &erase)) /* one command for IPv4 and IPv6 */
        return;
    put(&again, "ufw");
    put_rule(&again, rule, brief, version);
    if (rule->comment)
        put_pair(&again, "comment", rule->comment);
    struct plan_step *step =
        plan_add(plan, NAME, "takes back the rule for %s/%s%s%s", rule->ports, rule->protocol,
                 rule->comment ? ", with comment " : "", rule->comment ? rule->comment : "");
    plan_command_array(&step->action, erase.items);
    plan_command_array(&step->undo, again.items);
    plan_spell(step);
}

static bool is_ours(const struct ufw_rule *rule, const struct firewall_request *request)
{
    struct port tagged;

    return rule->comment && tag_parse(rule->comment, &tagged) &&
           (request->ports.count == 0 || ports_have(&request->ports, tagged));
}

/* A rule of others: it goes when it is forced and speaks of a wanted port alone. */
static bool is_theirs(const struct ufw_rule *rule, const struct firewall_request *request)
{
    bool named = false;

    for (size_t i = 0; i < request->ports.count; i++)
        named = named || ufw_rule_is_for(rule, request->ports.items[i]);
    return request->force && allows(rule) && named;
}

static void note_theirs(const struct ufw_rule *rule, struct plan *plan)
{
    findings_add(&plan->notes, FINDING_WARNING, "firewall",
                 "a rule of ufw that gardien did not make: ufw %s %s from %s%s", rule->action,
                 rule->ports, rule->from,
                 strcmp(rule->protocol, "any") == 0 ? ", over TCP and UDP" : "");
}

static int plan_close(const struct firewall_facts *facts, const struct firewall_request *request,
                      struct plan *plan, struct diags *diags)
{
    struct ufw_rules rules;
    size_t from = plan->count;

    (void)diags;
    ufw_rules_read(facts, &rules);
    for (size_t i = 0; i < rules.count; i++) {
        bool ours = is_ours(&rules.items[i], request);
        bool theirs = !ours && is_theirs(&rules.items[i], request);
        if (theirs)
            note_theirs(&rules.items[i], plan);
        if (ours || theirs)
            erase(&rules, &rules.items[i], from, plan);
    }
    ufw_rules_finish(&rules);
    return 0;
}

const struct manager manager_ufw = {
    .name = NAME,
    .system = "linux",
    .detect = detect,
    .plan_open = plan_open,
    .plan_close = plan_close,
};
