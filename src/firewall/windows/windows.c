/* The Windows Firewall: one inbound and one outbound rule a port, with a name that tells whose they
 * are. The plan holds orders to INetFwPolicy2, and the command lines that do the same. */
#include "firewall/windows/windows_judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/mem.h"

#define NAME "windows"

static void detect(const struct firewall_facts *facts, struct detection *ret_state)
{
    const struct policy *policy = &facts->policy;
    unsigned active = policy->active ? policy->active : (1u << POLICY_PROFILES) - 1;
    char profiles[WINDOWS_PROFILES_TEXT];

    windows_profiles_text(active & policy->enabled ? active & policy->enabled : active, profiles);
    if (!policy->seen)
        *ret_state = (struct detection){PRESENCE_ABSENT, mem_format("no Windows Firewall answers")};
    else if (!policy->profiles_known)
        *ret_state = (struct detection){
            PRESENCE_IN_FORCE, mem_format("it answers, but not for which networks it is on")};
    else if (active & policy->enabled)
        *ret_state = (struct detection){
            PRESENCE_IN_FORCE, mem_format("it is on for networks of the profile %s", profiles)};
    else
        *ret_state = (struct detection){
            PRESENCE_IDLE, mem_format("it is off for networks of the profile %s", profiles)};
}

/* ---- what a person would type ---- */

static const char *protocol_of(const struct policy_rule *rule)
{
    return rule->protocol == POLICY_UDP ? "UDP" : "TCP";
}

/* netsh adds a second rule of the same name without a word: it is looked for first. The PowerShell
 * that comes with Windows has no ||, so the line is for cmd.exe. */
static char *type_open(const struct policy_rule *rule, bool here)
{
    const char *ports = rule->ports ? rule->ports : "any";
    char profiles[WINDOWS_PROFILES_TEXT];
    scoped(mem_release) char *netsh_from =
        rule->remote ? mem_format(" remoteip=%s", rule->remote) : mem_string(SPAN(""));
    scoped(mem_release) char *shell_from =
        rule->remote ? mem_format(" -RemoteAddress %s", rule->remote) : mem_string(SPAN(""));

    windows_profiles_text(rule->profiles, profiles);
    scoped(mem_release) char *add = mem_format(
        "netsh advfirewall firewall add rule name=\"%s\" dir=%s action=allow protocol=%s "
        "localport=%s%s profile=%s",
        rule->name, rule->out ? "out" : "in", protocol_of(rule), ports, netsh_from, profiles);
    if (here) /* where it is known that no rule of the name is there */
        return take(add);
    return mem_format(
        "in a command prompt (cmd.exe):\n"
        "netsh advfirewall firewall show rule name=\"%s\" >nul || %s\n"
        "or in PowerShell:\n"
        "if (-not (Get-NetFirewallRule -DisplayName '%s' -ErrorAction SilentlyContinue)) { "
        "New-NetFirewallRule -DisplayName '%s' -Direction %s -Action Allow -Protocol %s "
        "-LocalPort %s%s -Profile %s }",
        rule->name, add, rule->name, rule->name, rule->out ? "Outbound" : "Inbound",
        protocol_of(rule), ports, shell_from, profiles);
}

static char *type_close(const struct policy_rule *rule, bool here)
{
    if (here)
        return mem_format("netsh advfirewall firewall delete rule name=\"%s\"", rule->name);
    return mem_format("netsh advfirewall firewall delete rule name=\"%s\"\n"
                      "or in PowerShell:\n"
                      "Remove-NetFirewallRule -DisplayName '%s'",
                      rule->name, rule->name);
}

/* The name is somebody else's: within quotes a quote is doubled. */
static char *type_switch(const struct policy_rule *rule, bool on)
{
    struct buffer name = buffer_make(4 * POLICY_TEXT_MAX);
    int r = 0;

    for (const char *at = rule->name; r >= 0 && *at; at++)
        r = buffer_printf(&name, *at == '\'' ? "''" : "%c", *at);
    char *typed = mem_format("in PowerShell:\n"
                             "Get-NetFirewallRule -DisplayName '%.*s' | Where-Object { ($_ | "
                             "Get-NetFirewallPortFilter).LocalPort -eq %s } | %s-NetFirewallRule",
                             SPAN_ARGS(buffer_span(&name)), rule->ports, on ? "Enable" : "Disable");
    buffer_finish(&name);
    return typed;
}

/* ---- open ---- */

/* @return for policy_rule_finish() */
static struct policy_rule make_rule(struct port port, bool outbound, unsigned profiles,
                                    const struct network *from)
{
    char name[WINDOWS_NAME], network[NETWORK_TEXT];

    return (struct policy_rule){
        .name = mem_string(span_str(windows_name(port, outbound, name))),
        .ports = mem_format("%u", port.number),
        .remote = from->family ? mem_string(span_str(network_text(from, network))) : NULL,
        .protocol = port.protocol == PORT_UDP ? POLICY_UDP : POLICY_TCP,
        .profiles = profiles,
        .out = outbound,
        .enabled = true,
    };
}

/* Windows writes 192.0.2.0/24 as 192.0.2.0/255.255.255.0. @return whether it could be read */
static bool read_remote(const char *text, struct network *ret_network)
{
    struct span mask = span_str(text), address, part;
    struct diags diags = {0};
    unsigned bits = 0;
    int r;

    span_next(&mask, '/', &address);
    if (mask.ptr && span_find(mask, '.') >= 0) {
        while (span_next(&mask, '.', &part)) {
            uint64_t byte = 0;
            if (span_to_uint(part, &byte) < 0)
                return false;
            bits += (unsigned)__builtin_popcountll(byte & 0xff);
        }
        scoped(mem_release) char *again = mem_format("%.*s/%u", SPAN_ARGS(address), bits);
        r = network_parse(again, &diags, ret_network);
    } else {
        r = network_parse(text, &diags, ret_network);
    }
    diags_finish(&diags);
    return r >= 0;
}

static bool is_same_remote(const char *there, const char *wanted)
{
    struct network a, b;

    if (!there || !wanted)
        return !there && !wanted;
    return read_remote(there, &a) && read_remote(wanted, &b) && a.family == b.family &&
           a.prefix == b.prefix && memcmp(a.bytes, b.bytes, a.family == 4 ? 4 : 16) == 0;
}

static bool is_same(const struct policy_rule *there, const struct policy_rule *wanted)
{
    return there->enabled && !there->block && !there->program && there->out == wanted->out &&
           there->protocol == wanted->protocol && there->profiles == wanted->profiles &&
           there->ports && strcmp(there->ports, wanted->ports) == 0 &&
           is_same_remote(there->remote, wanted->remote);
}

/* All rules of a name go with the first step; each step's undo brings one back. */
static void remove_step(const struct policy_rule *rule, const char *why, struct plan *plan)
{
    struct plan_step *step = plan_add(plan, NAME, "removes the rule \"%s\"%s", rule->name, why);

    plan_policy(&step->action, POLICY_REMOVE, rule);
    step->typed = type_close(rule, true);
    plan_policy(&step->undo, POLICY_ADD, rule);
    step->untyped = type_open(rule, true);
}

static void open_rule(const struct firewall_facts *facts, const struct policy_rule *rule,
                      struct plan *plan)
{
    char profiles[WINDOWS_PROFILES_TEXT];
    const struct policy *policy = &facts->policy;
    size_t named = 0, same = 0;

    for (size_t i = 0; i < policy->count; i++)
        if (strcmp(policy->rules[i].name, rule->name) == 0) {
            named++;
            same += is_same(&policy->rules[i], rule);
        }
    if (named == 1 && same == 1)
        return;
    for (size_t i = 0; i < policy->count; i++)
        if (strcmp(policy->rules[i].name, rule->name) == 0)
            remove_step(&policy->rules[i], ", which is another one than is wanted", plan);
    windows_profiles_text(rule->profiles, profiles);
    struct plan_step *step =
        plan_add(plan, NAME, "lets %s/%s %s on networks of the profile%s %s", rule->ports,
                 rule->protocol == POLICY_UDP ? "udp" : "tcp", rule->out ? "answer" : "in",
                 strchr(profiles, ',') ? "s" : "", profiles);
    plan_policy(&step->action, POLICY_ADD, rule);
    plan_policy(&step->undo, POLICY_REMOVE, rule);
    step->typed = type_open(rule, policy->rules_known);
    step->untyped = type_close(rule, policy->rules_known);
}

static void note_elsewhere(const struct firewall_request *request, unsigned wanted,
                           struct plan *plan)
{
    unsigned port = request->ports.count ? request->ports.items[0].number : 443;

    if (wanted & POLICY_PUBLIC)
        findings_add(&plan->notes, FINDING_WARNING, "profile",
                     "the profile public is that of cafés, hotels and every network that Windows "
                     "does not know: everybody there can reach the ports");
    else
        finding_hint(findings_add(&plan->notes, FINDING_NOTE, "profile",
                                  "on a network of the profile public, which a new network has, "
                                  "the ports stay closed; a server at a provider is mostly on one"),
                     "look: Get-NetConnectionProfile; open there too: --profile "
                     "domain,private,public");
    finding_hint(findings_add(&plan->notes, FINDING_NOTE, "block",
                              "a rule that blocks outweighs every rule that allows"),
                 "Get-NetFirewallRule -Enabled True -Direction Inbound -Action Block | "
                 "Get-NetFirewallPortFilter | Where-Object LocalPort -eq %u",
                 port);
    finding_hint(findings_add(&plan->notes, FINDING_NOTE, "rights",
                              "the commands need a terminal that was started as administrator"),
                 "check afterwards from another machine: gardien check HOST:%u, or "
                 "Test-NetConnection HOST -Port %u",
                 port, port);
}

static void note_here(const struct firewall_facts *facts, unsigned wanted, struct plan *plan)
{
    const struct policy *policy = &facts->policy;
    char profiles[WINDOWS_PROFILES_TEXT];

    if (wanted & POLICY_PUBLIC)
        findings_add(&plan->notes, FINDING_WARNING, "profile",
                     "the profile public is that of cafés, hotels and every network that Windows "
                     "does not know: everybody there can reach the ports");
    if (policy->profiles_known && (policy->active & ~wanted))
        finding_hint(findings_add(&plan->notes, FINDING_WARNING, "profile",
                                  "this machine is on a network of the profile %s, where the ports "
                                  "stay closed",
                                  windows_profiles_text(policy->active & ~wanted, profiles)),
                     "open there too: --profile domain,private,public; or, where you know "
                     "everybody on that network: Set-NetConnectionProfile -InterfaceAlias NAME "
                     "-NetworkCategory Private");
    if (policy->profiles_known && policy->active && !(policy->active & ~policy->allows_all))
        findings_add(&plan->notes, FINDING_NOTE, "default",
                     "the firewall lets in all that no rule blocks, with and without these rules");
    if (!policy->rules_known)
        findings_add(&plan->notes, FINDING_UNKNOWN, "rules",
                     "which rules are there could not be read");
    else if (policy->cut)
        findings_add(&plan->notes, FINDING_UNKNOWN, "rules",
                     "there are more than %d rules; the first ones are looked at",
                     POLICY_RULES_MAX);
}

static int plan_open(const struct firewall_facts *facts, const struct firewall_request *request,
                     struct plan *plan, struct diags *diags)
{
    unsigned profiles;

    if (request->interface || request->zone) {
        diag_hint(diags_add(diags, "rules of the Windows Firewall are for profiles, not for %s",
                            request->interface ? "an interface by name" : "zones"),
                  "use --profile, and --from for certain addresses");
        return ERR_SETTINGS;
    }
    if (windows_profiles(request->profile, diags, &profiles) < 0)
        return ERR_SETTINGS;
    for (size_t i = 0; i < request->ports.count * 2; i++) {
        struct policy_rule rule =
            make_rule(request->ports.items[i / 2], i % 2, profiles, &request->from);
        open_rule(facts, &rule, plan);
        policy_rule_finish(&rule);
    }
    if (facts->here)
        note_here(facts, profiles, plan);
    else
        note_elsewhere(request, profiles, plan);
    return 0;
}

/* ---- close ---- */

/* Reads "gardien 443/tcp" and "gardien 443/tcp out". @return false for the name of another's */
static bool read_name(const char *name, struct port *ret_port)
{
    static const struct span start = SPAN("gardien "), end = SPAN(" out");
    struct span port = span_str(name);
    struct diags diags = {0};

    if (!span_starts(port, start))
        return false;
    port = span_from(port, start.len);
    if (span_ends(port, end))
        port.len -= end.len;
    scoped(mem_release) char *text = mem_string(port);
    bool ours = port_parse(text, &diags, ret_port) >= 0;
    diags_finish(&diags);
    return ours;
}

static void close_ours(const struct firewall_facts *facts, const struct firewall_request *request,
                       struct plan *plan)
{
    for (size_t i = 0; i < facts->policy.count && plan->count < PLAN_STEPS_MAX / 2; i++) {
        const struct policy_rule *rule = &facts->policy.rules[i];
        struct port port;
        if (read_name(rule->name, &port) &&
            (!request->ports.count || ports_have(&request->ports, port)))
            remove_step(rule, "", plan);
    }
}

/* What is there is not known: rules of the names are removed, where there are such. */
static void close_blindly(const struct firewall_facts *facts,
                          const struct firewall_request *request, struct plan *plan)
{
    static const struct network everybody = {.family = 0};
    struct ports ports = request->ports.count ? request->ports : ports_default();

    for (size_t i = 0; i < ports.count * 2; i++) {
        struct policy_rule rule = make_rule(ports.items[i / 2], i % 2, 0, &everybody);
        struct plan_step *step = plan_add(plan, NAME, "removes the rule \"%s\"", rule.name);
        plan_policy(&step->action, POLICY_REMOVE, &rule);
        step->typed = type_close(&rule, facts->here);
        policy_rule_finish(&rule);
    }
}

/* Rules of others are switched off, not removed: they may say more than can be made again. */
static void close_others(const struct firewall_facts *facts, struct port port, struct plan *plan)
{
    char text[PORT_TEXT];

    port_text(port, text);
    for (size_t i = 0; i < facts->policy.count && plan->count < PLAN_STEPS_MAX; i++) {
        const struct policy_rule *rule = &facts->policy.rules[i];
        struct port named;
        if (rule->out || rule->block || !rule->enabled || !windows_is_just(rule, port) ||
            read_name(rule->name, &named))
            continue;
        findings_add(&plan->notes, FINDING_WARNING, "force",
                     "the rule \"%s\" of somebody else, which lets in %s, is switched off",
                     rule->name, text);
        struct plan_step *step = plan_add(plan, NAME, "switches off the rule \"%s\"", rule->name);
        plan_policy(&step->action, POLICY_SWITCH, rule);
        step->action.policy.rule.enabled = false;
        plan_policy(&step->undo, POLICY_SWITCH, rule);
        step->typed = type_switch(rule, false);
        step->untyped = type_switch(rule, true);
    }
}

static int plan_close(const struct firewall_facts *facts, const struct firewall_request *request,
                      struct plan *plan, struct diags *diags)
{
    (void)diags;
    if (facts->here && !facts->policy.seen)
        return 0;
    if (facts->policy.rules_known)
        close_ours(facts, request, plan);
    else
        close_blindly(facts, request, plan);
    for (size_t i = 0; request->force && i < request->ports.count; i++) {
        close_others(facts, request->ports.items[i], plan);
        if (!facts->policy.rules_known)
            finding_hint(findings_add(&plan->notes, FINDING_UNKNOWN, "force",
                                      "rules of others for the port are not known from here"),
                         "Get-NetFirewallPortFilter | Where-Object LocalPort -eq %u | "
                         "Get-NetFirewallRule",
                         request->ports.items[i].number);
    }
    return 0;
}

const struct manager manager_windows = {
    .name = NAME,
    .system = "windows",
    .detect = detect,
    .plan_open = plan_open,
    .plan_close = plan_close,
};
