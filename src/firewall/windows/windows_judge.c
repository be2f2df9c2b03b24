/* Reading back: what the rules of the Windows Firewall say of ports, and of the network that the
 * machine is on. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "firewall/windows/windows_judge.h"

enum { PROGRAMS_MAX = 8 };

static const char *const profile_names[] = {"domain", "private", "public"};

int windows_profiles(const char *text, struct diags *diags, unsigned *ret_profiles)
{
    struct span rest = span_str(text ? text : "domain,private"), word;
    unsigned profiles = 0;

    while (span_next(&rest, ',', &word)) {
        size_t i = 0;
        word = span_trim(word);
        while (i < POLICY_PROFILES && !span_equal_nocase(span_str(profile_names[i]), word))
            i++;
        if (i == POLICY_PROFILES) {
            diag_hint(diags_add(diags, "Windows has no profile \"%.*s\"", SPAN_ARGS(word)),
                      "its profiles are domain, private and public: --profile "
                      "domain,private,public");
            return ERR_SETTINGS;
        }
        profiles |= 1u << i;
    }
    *ret_profiles = profiles;
    return 0;
}

const char *windows_profiles_text(unsigned profiles, char out[WINDOWS_PROFILES_TEXT])
{
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < POLICY_PROFILES; i++)
        if (profiles & 1u << i)
            len += (size_t)snprintf(out + len, WINDOWS_PROFILES_TEXT - len, "%s%s", len ? "," : "",
                                    profile_names[i]);
    return out;
}

const char *windows_name(struct port port, bool outbound, char out[WINDOWS_NAME])
{
    char text[PORT_TEXT];

    snprintf(out, WINDOWS_NAME, "gardien %s%s", port_text(port, text), outbound ? " out" : "");
    return out;
}

static bool is_protocol(const struct policy_rule *rule, struct port port)
{
    return rule->protocol == (port.protocol == PORT_UDP ? POLICY_UDP : POLICY_TCP);
}

bool windows_is_just(const struct policy_rule *rule, struct port port)
{
    char number[8];

    snprintf(number, sizeof number, "%u", port.number);
    return is_protocol(rule, port) && rule->ports && strcmp(rule->ports, number) == 0;
}

/* ---- one port ---- */

/* A rule in force that blocks it whatever others allow, but for one program only. */
static const struct policy_rule *find_block(const struct policy *policy, struct port port)
{
    for (size_t i = 0; i < policy->count; i++) {
        const struct policy_rule *rule = &policy->rules[i];
        if (rule->block && rule->enabled && !rule->out && !rule->program && !rule->remote &&
            (rule->protocol == POLICY_ANY || is_protocol(rule, port)) &&
            (rule->profiles & policy->active) && policy_ports_hold(rule->ports, port.number))
            return rule;
    }
    return NULL;
}

static const struct policy_rule *find_ours(const struct policy *policy, struct port port)
{
    char name[WINDOWS_NAME];

    windows_name(port, false, name);
    for (size_t i = 0; i < policy->count; i++) {
        const struct policy_rule *rule = &policy->rules[i];
        if (strcmp(rule->name, name) == 0 && !rule->out && !rule->block && rule->enabled &&
            windows_is_just(rule, port))
            return rule;
    }
    return NULL;
}

static struct finding *add(struct findings *findings, enum finding_grade grade, struct port port,
                           const char *topic, const char *sentence)
{
    char text[PORT_TEXT];
    struct finding *finding = findings_add(findings, grade, topic, "%s", sentence);

    finding_subject(finding, "%s", port_text(port, text));
    return finding;
}

/* @return 1 when no network of the machine has a profile that the rule is for */
static size_t judge_profiles(const struct policy *policy, const struct policy_rule *rule,
                             struct port port, struct findings *findings)
{
    char has[WINDOWS_PROFILES_TEXT], made[WINDOWS_PROFILES_TEXT], text[PORT_TEXT], sentence[160];
    bool closed = !(rule->profiles & policy->active);

    windows_profiles_text(policy->active & ~rule->profiles, has);
    windows_profiles_text(rule->profiles, made);
    snprintf(sentence, sizeof sentence,
             "the rule is for networks of the profiles %s, and %s has the profile %s", made,
             closed ? "this one" : "one of this machine", has);
    finding_hint(add(findings, closed ? FINDING_BAD : FINDING_WARNING, port, "closed", sentence),
                 "gardien open %s --profile domain,private,public; or, where you know everybody on "
                 "that network: Set-NetConnectionProfile -InterfaceAlias NAME -NetworkCategory "
                 "Private",
                 port_text(port, text));
    return closed;
}

static size_t judge_port(const struct policy *policy, struct port port, struct findings *findings)
{
    const struct policy_rule *rule = find_ours(policy, port), *block = find_block(policy, port);
    char profiles[WINDOWS_PROFILES_TEXT], sentence[512];
    size_t closed = 1;

    if (!rule) {
        finding_hint(add(findings, FINDING_BAD, port, "closed", "the rule is not there"),
                     "a group policy may forbid local rules: run gpresult /h report.html");
    } else if (block) {
        snprintf(sentence, sizeof sentence,
                 "the rule \"%s\" blocks it, which outweighs every rule that allows", block->name);
        finding_hint(add(findings, FINDING_BAD, port, "closed", sentence),
                     "wf.msc shows it under Inbound Rules: switch it off there");
    } else if (policy->profiles_known && (policy->active & ~rule->profiles)) {
        closed = judge_profiles(policy, rule, port, findings);
    } else {
        windows_profiles_text(rule->profiles, profiles);
        snprintf(sentence, sizeof sentence, "the rule is there, for networks of the profiles %s",
                 profiles);
        add(findings, FINDING_GOOD, port, "open", sentence);
        closed = 0;
    }
    return closed;
}

/* Who refused a program's question whether it may be reached left a rule that blocks all of it.
 * Which program will listen is not known here. */
static void note_programs(const struct policy *policy, struct findings *findings)
{
    size_t noted = 0;

    for (size_t i = 0; i < policy->count && noted < PROGRAMS_MAX; i++) {
        const struct policy_rule *rule = &policy->rules[i];
        if (!rule->block || !rule->enabled || rule->out || !rule->program || rule->ports ||
            !(rule->profiles & policy->active))
            continue;
        struct finding *note = findings_add(
            findings, FINDING_NOTE, "program",
            "the rule \"%s\" blocks this program, whatever port it listens on", rule->name);
        finding_subject(note, "%s", rule->program);
        finding_hint(note,
                     "if it is the one that serves: wf.msc shows the rule under Inbound Rules");
        noted++;
    }
}

/* ---- all of it ---- */

size_t windows_judge(const struct policy *policy, const struct firewall_request *request,
                     struct findings *findings)
{
    char profiles[WINDOWS_PROFILES_TEXT];
    size_t closed = 0;

    if (policy->profiles_known && policy->active && !(policy->active & policy->enabled)) {
        findings_add(findings, FINDING_NOTE, "open", "the Windows Firewall is switched off");
        return 0;
    }
    if (policy->profiles_known && (policy->active & policy->blocks_all)) {
        windows_profiles_text(policy->active & policy->blocks_all, profiles);
        finding_hint(findings_add(findings, FINDING_BAD, "closed",
                                  "all that comes in is blocked on networks of the profile %s, "
                                  "whatever rules allow",
                                  profiles),
                     "netsh advfirewall set currentprofile firewallpolicy "
                     "blockinbound,allowoutbound");
        return request->ports.count;
    }
    if (!policy->rules_known) {
        finding_hint(
            findings_add(findings, FINDING_UNKNOWN, "open", "the rules could not be read back"),
            "look: netsh advfirewall firewall show rule name=all");
        return 0;
    }
    for (size_t i = 0; i < request->ports.count; i++)
        closed += judge_port(policy, request->ports.items[i], findings);
    note_programs(policy, findings);
    if (policy->overridden)
        finding_hint(findings_add(findings, FINDING_WARNING, "policy",
                                  "a group policy of the domain outweighs rules that are made on "
                                  "this machine: the ports may stay closed"),
                     "gpresult /h report.html shows it; its administrator can let the ports in");
    return closed;
}
