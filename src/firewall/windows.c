/* The Windows Firewall: one inbound and one outbound rule a port, with a name that tells whose they
 * are. The plan holds the rules as arguments of INetFwPolicy2 and the command lines that make the
 * same; carrying them out is for a program on Windows. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "firewall/manager.h"

#define NAME "windows"

enum { RULE_NAME = 40, PROFILES_TEXT = 32 };

static void detect(const struct look *look, struct sight *ret_sight)
{
    (void)look;
    *ret_sight = (struct sight){PRESENCE_ABSENT, mem_format("this machine is no Windows")};
}

/* ---- profiles ---- */

static const char *const profile_names[] = {"domain", "private", "public"};

/* Reads "domain,private,public", in whatever order.
 * @return 0, or ERR_SETTINGS told in diags */
static int read_profiles(const struct wish *wish, struct diags *diags, bool ret_wanted[3])
{
    struct span rest = span_str(wish->profile ? wish->profile : "domain,private"), word;

    memset(ret_wanted, 0, 3 * sizeof *ret_wanted);
    while (span_next(&rest, ',', &word)) {
        size_t i = 0;
        word = span_trim(word);
        while (i < 3 && !span_equal_nocase(span_str(profile_names[i]), word))
            i++;
        if (i == 3) {
            diag_hint(diags_add(diags, "Windows has no profile \"%.*s\"", SPAN_ARGS(word)),
                      "its profiles are domain, private and public: --profile "
                      "domain,private,public");
            return ERR_SETTINGS;
        }
        ret_wanted[i] = true;
    }
    return 0;
}

/* "domain,private" */
static const char *profiles_text(const bool wanted[3], char out[PROFILES_TEXT])
{
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < 3; i++)
        if (wanted[i])
            len += (size_t)snprintf(out + len, PROFILES_TEXT - len, "%s%s", len ? "," : "",
                                    profile_names[i]);
    return out;
}

/* ---- rules ---- */

struct rule {
    struct port port;
    bool out;
    char name[RULE_NAME];
    char profiles[PROFILES_TEXT];
    char from[NETWORK_TEXT]; /* "" for everybody */
};

static void name_rule(struct rule *rule, struct port port, bool out)
{
    char text[PORT_TEXT];

    rule->port = port;
    rule->out = out;
    snprintf(rule->name, sizeof rule->name, "gardien %s%s", port_text(port, text),
             out ? " out" : "");
}

static const char *protocol_of(const struct rule *rule)
{
    return rule->port.protocol == PORT_UDP ? "UDP" : "TCP";
}

/* netsh adds a second rule of the same name without a word: it is looked for first. The PowerShell
 * that comes with Windows has no ||, so the line is for cmd.exe. */
static char *type_open(const struct rule *rule)
{
    scoped(mem_release) char *netsh_from =
        *rule->from ? mem_format(" remoteip=%s", rule->from) : mem_string(SPAN(""));
    scoped(mem_release) char *shell_from =
        *rule->from ? mem_format(" -RemoteAddress %s", rule->from) : mem_string(SPAN(""));

    return mem_format(
        "in a command prompt (cmd.exe):\n"
        "netsh advfirewall firewall show rule name=\"%s\" >nul || netsh advfirewall firewall add "
        "rule name=\"%s\" dir=%s action=allow protocol=%s localport=%u%s profile=%s\n"
        "or in PowerShell:\n"
        "if (-not (Get-NetFirewallRule -DisplayName '%s' -ErrorAction SilentlyContinue)) { "
        "New-NetFirewallRule -DisplayName '%s' -Direction %s -Action Allow -Protocol %s "
        "-LocalPort %u%s -Profile %s }",
        rule->name, rule->name, rule->out ? "out" : "in", protocol_of(rule), rule->port.number,
        netsh_from, rule->profiles, rule->name, rule->name, rule->out ? "Outbound" : "Inbound",
        protocol_of(rule), rule->port.number, shell_from, rule->profiles);
}

static char *type_close(const struct rule *rule)
{
    return mem_format("netsh advfirewall firewall delete rule name=\"%s\"\n"
                      "or in PowerShell:\n"
                      "Remove-NetFirewallRule -DisplayName '%s'",
                      rule->name, rule->name);
}

/* What INetFwRule is given, member for member. */
static char *arguments_of(const struct rule *rule, bool opens)
{
    json_t *object = opens
                         ? json_pack("{s:s, s:s, s:s, s:s, s:i, s:s, s:s*}", "do", "add", "name",
                                     rule->name, "direction", rule->out ? "out" : "in", "protocol",
                                     protocol_of(rule), "port", (int)rule->port.number, "profiles",
                                     rule->profiles, "remote", *rule->from ? rule->from : NULL)
                         : json_pack("{s:s, s:s}", "do", "remove", "name", rule->name);
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

    if (!text)
        abort(); /* out of memory */
    json_decref(object);
    return text;
}

static void open_rule(struct rule *rule, struct plan *plan)
{
    struct plan_step *step =
        plan_add(plan, NAME, "lets %u/%s %s on networks of the profile%s %s", rule->port.number,
                 port_protocol_name(rule->port.protocol), rule->out ? "answer" : "in",
                 strchr(rule->profiles, ',') ? "s" : "", rule->profiles);

    step->action = (struct plan_action){.kind = PLAN_SYSTEM, .text = arguments_of(rule, true)};
    step->undo = (struct plan_action){.kind = PLAN_SYSTEM, .text = arguments_of(rule, false)};
    step->typed = type_open(rule);
    step->untyped = type_close(rule);
}

static void note_what_else(const struct wish *wish, const bool wanted[3], struct plan *plan)
{
    unsigned port = wish->ports.count ? wish->ports.items[0].number : 443;

    if (wanted[2])
        findings_add(&plan->notes, FINDING_WARNING, "profile",
                     "the profile public is that of cafés, hotels and every network that Windows "
                     "does not know: everybody there can reach the ports");
    else
        finding_mend(findings_add(&plan->notes, FINDING_NOTE, "profile",
                                  "on a network of the profile public, which a new network has, "
                                  "the ports stay closed; a server at a provider is mostly on one"),
                     "look: Get-NetConnectionProfile; open there too: --profile "
                     "domain,private,public");
    finding_mend(findings_add(&plan->notes, FINDING_NOTE, "block",
                              "a rule that blocks outweighs every rule that allows"),
                 "Get-NetFirewallRule -Enabled True -Direction Inbound -Action Block | "
                 "Get-NetFirewallPortFilter | Where-Object LocalPort -eq %u",
                 port);
    finding_mend(findings_add(&plan->notes, FINDING_NOTE, "rights",
                              "the commands need a terminal that was started as administrator"),
                 "check afterwards from another machine: gardien check HOST:%u, or "
                 "Test-NetConnection HOST -Port %u",
                 port, port);
}

static int plan_open(const struct look *look, const struct wish *wish, struct plan *plan,
                     struct diags *diags)
{
    bool wanted[3];
    struct rule rule = {.out = false};

    (void)look;
    if (wish->interface || wish->zone) {
        diag_hint(diags_add(diags, "rules of the Windows Firewall are for profiles, not for %s",
                            wish->interface ? "an interface by name" : "zones"),
                  "use --profile, and --from for certain addresses");
        return ERR_SETTINGS;
    }
    if (read_profiles(wish, diags, wanted) < 0)
        return ERR_SETTINGS;
    profiles_text(wanted, rule.profiles);
    if (wish->from.family)
        network_text(&wish->from, rule.from);
    for (size_t i = 0; i < wish->ports.count; i++) {
        name_rule(&rule, wish->ports.items[i], false);
        open_rule(&rule, plan);
        name_rule(&rule, wish->ports.items[i], true);
        open_rule(&rule, plan);
    }
    note_what_else(wish, wanted, plan);
    return 0;
}

static int plan_close(const struct look *look, const struct wish *wish, struct plan *plan,
                      struct diags *diags)
{
    struct ports ports = wish->ports.count ? wish->ports : ports_default();

    (void)look;
    (void)diags;
    for (size_t i = 0; i < ports.count * 2; i++) {
        struct rule rule = {.out = false};
        name_rule(&rule, ports.items[i / 2], i % 2);
        struct plan_step *step = plan_add(plan, NAME, "removes the rule \"%s\"", rule.name);
        step->action =
            (struct plan_action){.kind = PLAN_SYSTEM, .text = arguments_of(&rule, false)};
        step->typed = type_close(&rule);
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
