/* The managers for rules of iptables, in the kernel's nf_tables and in its older own tables: the
 * same plan with other programs, for each IP version on its own. */
#include "firewall/linux/iptables.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "firewall/linux/flows.h"

/* ---- facts ---- */

const char *iptables_program(enum iptables_flavour flavour, int version)
{
    static const char *const programs[IPTABLES_FLAVOURS][2] = {
        {"iptables-nft", "ip6tables-nft"}, {"iptables-legacy", "ip6tables-legacy"}};

    return programs[flavour][version];
}

const char *iptables_name(enum iptables_flavour flavour)
{
    return flavour == IPTABLES_NFT ? manager_iptables_nft.name : manager_iptables_legacy.name;
}

bool iptables_has_ufw(const struct firewall_facts *facts, enum iptables_flavour flavour)
{
    for (int version = 0; version < 2; version++) {
        const char *filter = facts->xt[flavour][version].filter;
        if (facts->ufw_enabled && filter && strstr(filter, "-N ufw-user-input\n"))
            return true;
    }
    return false;
}

void iptables_rules(const struct firewall_facts *facts, enum iptables_flavour flavour, int version,
                    struct rules *ret_rules)
{
    bool firewalld = firewall_facts_has_firewalld(facts, flavour); /* it writes the whole table */

    rules_of_xt(firewalld ? NULL : facts->xt[flavour][version].filter, version ? "ip6" : "ip",
                "filter", iptables_has_ufw(facts, flavour), ret_rules);
}

/* Rules of the chain but jumps to what others look after. */
static size_t count_rules(const struct rules_chain *chain, bool without_ufw)
{
    size_t count = 0;

    for (size_t i = 0; i < chain->count; i++)
        count += !(without_ufw && strstr(chain->rules[i], "-j ufw"));
    return count;
}

/* @return the name of a chain at input or forward that can close a port, or NULL */
static const char *find_filtering(const struct rules *rules)
{
    for (size_t i = 0; i < rules->count; i++) {
        const struct rules_chain *chain = &rules->chains[i];
        if (chain->hook && (chain->drops || count_rules(chain, rules->without_ufw)))
            return chain->name;
    }
    return NULL;
}

/* ---- detect ---- */

static void detect(const struct firewall_facts *facts, enum iptables_flavour flavour,
                   struct detection *ret_state)
{
    bool there = flavour == IPTABLES_NFT ? facts->has_iptables : facts->has_iptables_legacy;
    struct rules rules;

    ret_state->presence = there ? PRESENCE_IDLE : PRESENCE_ABSENT;
    for (int version = 0; there && version < 2; version++) {
        iptables_rules(facts, flavour, version, &rules);
        const char *chain = find_filtering(&rules);
        if (chain) {
            ret_state->presence = PRESENCE_IN_FORCE;
            ret_state->sentence = mem_format("%s shows rules or a policy of DROP in chain %s%s",
                                             iptables_program(flavour, version), chain,
                                             rules.without_ufw ? ", beside those of ufw" : "");
        }
        rules_finish(&rules);
        if (chain)
            return;
    }
    if (there && !facts->privileged)
        ret_state->presence = facts->persistent_unit ? PRESENCE_UNKNOWN : PRESENCE_IDLE;
    ret_state->sentence =
        mem_format("%s %s", iptables_program(flavour, 0),
                   !there                                         ? "is not installed"
                   : !facts->privileged                           ? "shows its rules to root only"
                   : iptables_has_ufw(facts, flavour)             ? "has ufw's rules only"
                   : firewall_facts_has_firewalld(facts, flavour) ? "has firewalld's rules"
                                                                  : "has no rules");
}

static void detect_nft(const struct firewall_facts *facts, struct detection *ret_state)
{
    detect(facts, IPTABLES_NFT, ret_state);
}

static void detect_legacy(const struct firewall_facts *facts, struct detection *ret_state)
{
    detect(facts, IPTABLES_LEGACY, ret_state);
}

/* ---- open ---- */

struct opening {
    const struct firewall_facts *facts;
    const struct firewall_request *request;
    enum iptables_flavour flavour;
    int version;
    const struct rules *rules;
    struct plan *plan;
};

/* The words of the rule behind its chain and place, NULL-terminated, borrowed from `room`. */
struct rule_words {
    const char *words[32];
    char port[8], number[16], network[NETWORK_TEXT], tag[TAG_TEXT];
};

static void put(struct rule_words *words, size_t *count, const char *const *more)
{
    for (; *more && *count < ARRAY_SIZE(words->words) - 1; more++)
        words->words[(*count)++] = *more;
    words->words[*count] = NULL;
}

static void rule_words(const struct firewall_request *request, const struct flow *flow,
                       struct rule_words *out)
{
    struct port port = {flow->asked, flow->port.protocol};
    const char *protocol = port_protocol_name(port.protocol);
    size_t count = 0;

    snprintf(out->port, sizeof out->port, "%u", port.number);
    if (request->interface)
        put(out, &count, (const char *[]){"-i", request->interface, NULL});
    if (request->from.family)
        put(out, &count, (const char *[]){"-s", network_text(&request->from, out->network), NULL});
    put(out, &count, (const char *[]){"-p", protocol, NULL});
    if (flow->translated)
        put(out, &count,
            (const char *[]){"-m", "conntrack", "--ctorigdstport", out->port, "--ctdir", "ORIGINAL",
                             NULL});
    else
        put(out, &count, (const char *[]){"-m", protocol, "--dport", out->port, NULL});
    put(out, &count,
        (const char *[]){"-m", "comment", "--comment", tag_text(port, out->tag), "-j", "ACCEPT",
                         NULL});
}

/* Docker asks people to put their own rules into DOCKER-USER, which it never flushes. */
static const struct rules_chain *place_of(const struct opening *o, const struct rules_chain *base,
                                          size_t *before)
{
    const struct rules_chain *user = rules_find(o->rules, base->family, "filter", "DOCKER-USER");

    if (strcmp(base->name, "FORWARD") != 0 || !user)
        return base;
    *before = 0;
    return user;
}

static void plan_rule(const struct opening *o, const struct rules_chain *base,
                      const struct rules_end *end, size_t moved, const struct flow *flow)
{
    bool by_rule = end->before < base->count;
    size_t before = end->before + moved;
    const struct rules_chain *chain = place_of(o, base, &before);
    const char *program = iptables_program(o->flavour, o->version);
    struct port port = {flow->asked, flow->port.protocol};
    const char *head[] = {program, "-w", "5", "-I", chain->name, NULL, NULL};
    const char *argv[48];
    char number[24], text[PORT_TEXT];
    struct rule_words words;
    size_t count = 0;

    rule_words(o->request, flow, &words);
    snprintf(number, sizeof number, "%zu", before + 1);
    if (by_rule || chain != base)
        head[5] = number;
    else
        head[3] = "-A";
    for (size_t i = 0; head[i]; i++)
        argv[count++] = head[i];
    for (size_t i = 0; words.words[i]; i++)
        argv[count++] = words.words[i];
    argv[count] = NULL;
    struct plan_step *step =
        plan_add(o->plan, iptables_name(o->flavour),
                 "%s over IPv%d: chain %s drops it by %s, so the rule %s", port_text(port, text),
                 o->version ? 6 : 4, base->name, by_rule ? "a rule" : "its policy",
                 chain != base ? "goes into DOCKER-USER, which Docker leaves to you"
                 : by_rule     ? "goes before that one"
                               : "goes to its end");
    plan_command_array(&step->action, argv);
    size_t at = 3;
    argv[at++] = "-D";
    argv[at++] = chain->name;
    for (size_t i = 0; words.words[i]; i++)
        argv[at++] = words.words[i];
    argv[at] = NULL;
    plan_command_array(&step->undo, argv);
    plan_spell(step);
}

/* Each rule that is put in moves those behind it by one. */
static void open_port(const struct opening *o, const struct rules *nft, struct port port,
                      size_t moved[2])
{
    struct flow flow = {.family = o->version ? 6 : 4};
    struct rules_end end;

    if (!flow_make(o->facts, nft, o->request, port, &flow))
        return;
    const struct rules_chain *chain = rules_find(o->rules, o->version ? "ip6" : "ip", "filter",
                                                 flow.forwarded ? "FORWARD" : "INPUT");
    if (!chain)
        return;
    rules_walk(o->rules, chain, &flow, &end);
    if (end.outcome != OUTCOME_CLOSED)
        return;
    size_t *by = &moved[flow.forwarded];
    plan_rule(o, chain, &end, *by, &flow);
    ++*by;
}

void iptables_plan_save(const struct firewall_facts *facts, enum iptables_flavour flavour,
                        struct plan *plan)
{
    const char *name = iptables_name(flavour);

    if (facts->has_persistent) {
        struct plan_step *step =
            plan_add(plan, name,
                     "the kernel forgets rules at a restart; netfilter-persistent "
                     "saves all that are there now and loads them at the next start");
        plan_command(&step->action, "netfilter-persistent", "save", (char *)NULL);
        plan_command(&step->undo, "netfilter-persistent", "save", (char *)NULL);
        step->undo.lenient = true;
        step->undo_last = true;
        plan_spell(step);
    } else {
        struct finding *note =
            findings_add(&plan->notes, FINDING_WARNING, "restart",
                         "netfilter-persistent is not installed: the rules last until the next "
                         "restart");
        finding_hint(note, "apt install iptables-persistent, then run: netfilter-persistent save");
    }
    if (flavour == IPTABLES_NFT && facts->nftables_unit)
        findings_add(&plan->notes, FINDING_WARNING, "restart",
                     "nftables.service is enabled as well: when it starts, reloads or stops it "
                     "flushes the rules of iptables-nft too");
}

static int plan_open(const struct firewall_facts *facts, const struct firewall_request *request,
                     enum iptables_flavour flavour, struct plan *plan)
{
    size_t before = plan->count;
    struct rules nft, rules;

    rules_of_nft(facts, &nft);
    for (int version = 0; version < 2; version++) {
        size_t moved[2] = {0, 0};
        iptables_rules(facts, flavour, version, &rules);
        const struct opening o = {facts, request, flavour, version, &rules, plan};
        for (size_t i = 0; i < request->ports.count; i++)
            open_port(&o, &nft, request->ports.items[i], moved);
        rules_finish(&rules);
    }
    rules_finish(&nft);
    if (plan->count > before)
        iptables_plan_save(facts, flavour, plan);
    return 0;
}

static int plan_open_nft(const struct firewall_facts *facts, const struct firewall_request *request,
                         struct plan *plan, struct diags *diags)
{
    return plan_open(facts, request, IPTABLES_NFT, plan);
}

static int plan_open_legacy(const struct firewall_facts *facts,
                            const struct firewall_request *request, struct plan *plan,
                            struct diags *diags)
{
    return plan_open(facts, request, IPTABLES_LEGACY, plan);
}

static int plan_close_nft(const struct firewall_facts *facts,
                          const struct firewall_request *request, struct plan *plan,
                          struct diags *diags)
{
    return iptables_plan_close(facts, request, IPTABLES_NFT, plan);
}

static int plan_close_legacy(const struct firewall_facts *facts,
                             const struct firewall_request *request, struct plan *plan,
                             struct diags *diags)
{
    return iptables_plan_close(facts, request, IPTABLES_LEGACY, plan);
}

const struct manager manager_iptables_nft = {
    .name = "iptables-nft",
    .system = "linux",
    .detect = detect_nft,
    .plan_open = plan_open_nft,
    .plan_close = plan_close_nft,
};

const struct manager manager_iptables_legacy = {
    .name = "iptables-legacy",
    .system = "linux",
    .detect = detect_legacy,
    .plan_open = plan_open_legacy,
    .plan_close = plan_close_legacy,
};
