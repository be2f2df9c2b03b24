/* The managers for rules of iptables, in the kernel's nf_tables and in its older own tables: the
 * same plan with other programs, for each IP version on its own. */
#include "firewall/linux/iptables.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "firewall/linux/port_paths.h"

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

struct ruleset *iptables_ruleset(const struct firewall_facts *facts, enum iptables_flavour flavour,
                                 int version)
{
    struct firewall_facts alone = {.has_iptables = true};          /* no other table */
    bool firewalld = firewall_facts_has_firewalld(facts, flavour); /* it writes the whole table */

    if (!firewalld)
        alone.xt[flavour][version] = facts->xt[flavour][version];
    return ruleset_of_facts(&alone);
}

/* Does any rule of the table drop? */
static bool drops_anything(const struct ruleset *ruleset, const struct ruleset_table *table)
{
    for (const struct ruleset_chain *chain = ruleset->chains; chain; chain = chain->next)
        for (const struct ruleset_rule *rule = chain->rules; chain->table == table && rule;
             rule = rule->next)
            for (size_t i = 0; i < rule->count; i++)
                if (rule->statements[i].kind == STATEMENT_VERDICT &&
                    rule->statements[i].left->number == VERDICT_DROP)
                    return true;
    return false;
}

/* Rules of the chain but jumps to what others look after. */
static bool has_rules(const struct ruleset_chain *chain, bool without_ufw)
{
    for (const struct ruleset_rule *rule = chain->rules; rule; rule = rule->next)
        if (!(without_ufw && strstr(rule->line, "-j ufw")))
            return true;
    return false;
}

/* A chain of the filter table with a rule, or one of another that drops.
 * @return its name, or NULL */
static const char *find_filtering(const struct ruleset *ruleset, bool without_ufw)
{
    for (const struct ruleset_chain *chain = ruleset ? ruleset->chains : NULL; chain;
         chain = chain->next) {
        bool filter = strcmp(chain->table->name, "filter") == 0;
        if (!chain->hook || chain->nat)
            continue;
        if ((chain->policy_drops && !(without_ufw && chain->table->ufw)) ||
            (filter && chain->hook != RULESET_OUTPUT && has_rules(chain, without_ufw)) ||
            (chain->rules && (!filter || chain->hook == RULESET_OUTPUT) &&
             has_rules(chain, without_ufw) && drops_anything(ruleset, chain->table)))
            return chain->name;
    }
    return NULL;
}

/* ---- detect ---- */

static bool is_filtering(const struct firewall_facts *facts, enum iptables_flavour flavour,
                         int version, struct detection *ret_state)
{
    struct ruleset *ruleset = iptables_ruleset(facts, flavour, version);
    bool without_ufw = iptables_has_ufw(facts, flavour);
    const char *chain = find_filtering(ruleset, without_ufw);

    if (chain) {
        ret_state->presence = PRESENCE_IN_FORCE;
        ret_state->sentence = mem_format("%s shows rules or a policy of DROP in chain %s%s",
                                         iptables_program(flavour, version), chain,
                                         without_ufw ? ", beside those of ufw" : "");
    }
    ruleset_destroy(ruleset);
    return chain;
}

static void detect(const struct firewall_facts *facts, enum iptables_flavour flavour,
                   struct detection *ret_state)
{
    bool there = flavour == IPTABLES_NFT ? facts->has_iptables : facts->has_iptables_legacy;

    ret_state->presence = there ? PRESENCE_IDLE : PRESENCE_ABSENT;
    for (int version = 0; there && version < 2; version++)
        if (is_filtering(facts, flavour, version, ret_state))
            return;
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
    const struct port_paths *paths;
    struct plan *plan;
    struct moved *moved; /* chains that got rules */
    size_t moved_count;
};

/* Each rule that is put in moves those behind it by one. */
struct moved {
    const struct ruleset_chain *chain;
    size_t count;
};

static size_t *moved_of(struct opening *o, const struct ruleset_chain *chain)
{
    for (size_t i = 0; i < o->moved_count; i++)
        if (o->moved[i].chain == chain)
            return &o->moved[i].count;
    o->moved = mem_resize(o->moved, o->moved_count + 1, sizeof *o->moved);
    o->moved[o->moved_count] = (struct moved){chain, 0};
    return &o->moved[o->moved_count++].count;
}

/* The words of the rule behind its chain and place, NULL-terminated. */
struct rule_words {
    const char *words[32];
    size_t count;
    char port[8], network[NETWORK_TEXT], tag[TAG_TEXT];
};

static void put(struct rule_words *words, const char *const *more)
{
    for (; *more && words->count < ARRAY_SIZE(words->words) - 1; more++)
        words->words[words->count++] = *more;
    words->words[words->count] = NULL;
}

static void rule_words(const struct firewall_request *request, struct port port,
                       const struct passage_block *block, struct rule_words *out)
{
    const char *protocol = port_protocol_name(port.protocol);
    bool answer = block->answer, tracked = !block->early;

    out->count = 0;
    snprintf(out->port, sizeof out->port, "%u", port.number);
    if (request->interface)
        put(out, (const char *[]){answer ? "-o" : "-i", request->interface, NULL});
    if (request->from.family)
        put(out, (const char *[]){answer ? "-d" : "-s", network_text(&request->from, out->network),
                                  NULL});
    put(out, (const char *[]){"-p", protocol, NULL});
    if (block->translated && tracked)
        put(out, (const char *[]){"-m", "conntrack", "--ctorigdstport", out->port, "--ctdir",
                                  answer ? "REPLY" : "ORIGINAL", NULL});
    else
        put(out, (const char *[]){"-m", protocol, answer ? "--sport" : "--dport", out->port, NULL});
    if (answer && tracked && !block->translated)
        put(out, (const char *[]){"-m", "conntrack", "--ctstate", "ESTABLISHED", NULL});
    put(out, (const char *[]){"-m", "comment", "--comment", tag_text(port, out->tag), "-j",
                              "ACCEPT", NULL});
}

/* Docker asks people to put their own rules into DOCKER-USER, which it never flushes. */
static const struct ruleset_chain *place_of(const struct opening *o,
                                            const struct ruleset_chain *base, size_t *before)
{
    const struct ruleset_chain *user =
        ruleset_chain_find(o->paths->ruleset, base->table, "DOCKER-USER");

    if (base->hook != RULESET_FORWARD || !user)
        return base;
    *before = 0;
    return user;
}

/* @param how  "-I" and the rule's place, or "-A" or "-D" and NULL */
static void fill(const struct opening *o, const struct ruleset_chain *chain,
                 const char *const how[2], const struct rule_words *words,
                 struct plan_action *action)
{
    const char *argv[48] = {iptables_program(o->flavour, o->version), "-w", "5"};
    const char *const place[] = {how[0], chain->name, how[1]};
    size_t count = 3;

    if (strcmp(chain->table->name, "filter") != 0) {
        argv[count++] = "-t";
        argv[count++] = chain->table->name;
    }
    for (size_t i = 0; i < ARRAY_SIZE(place) && place[i]; i++)
        argv[count++] = place[i];
    for (size_t i = 0; i < words->count; i++)
        argv[count++] = words->words[i];
    argv[count] = NULL;
    plan_command_array(action, argv);
}

static void plan_rule(struct opening *o, struct port port, const struct passage_block *block)
{
    const struct ruleset_chain *base = block->chain;
    bool by_rule = block->before < base->rule_count;
    size_t *moved = moved_of(o, base), before = block->before + *moved;
    const struct ruleset_chain *chain = place_of(o, base, &before);
    char number[24], text[PORT_TEXT];
    struct rule_words words;

    rule_words(o->request, port, block, &words);
    snprintf(number, sizeof number, "%zu", before + 1);
    bool inserts = by_rule || chain != base;
    struct plan_step *step =
        plan_add(o->plan, iptables_name(o->flavour),
                 "%s over IPv%d: chain %s drops %s by %s, so the rule %s", port_text(port, text),
                 o->version ? 6 : 4, base->name, block->answer ? "its answers" : "it",
                 by_rule ? "a rule" : "its policy",
                 chain != base ? "goes into DOCKER-USER, which Docker leaves to you"
                 : by_rule     ? "goes before that one"
                               : "goes to its end");
    fill(o, chain, (const char *[]){inserts ? "-I" : "-A", inserts ? number : NULL}, &words,
         &step->action);
    fill(o, chain, (const char *[]){"-D", NULL}, &words, &step->undo);
    plan_spell(step);
    ++*moved;
}

static bool is_ours_to_change(const struct opening *o, const struct ruleset_table *table)
{
    return table->source ==
               (o->flavour == IPTABLES_NFT ? RULESET_IPTABLES_NFT : RULESET_IPTABLES_LEGACY) &&
           table->family == (o->version ? RULESET_IP6 : RULESET_IP) &&
           !firewall_facts_has_firewalld(o->facts, o->flavour);
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
    if (facts->firewalld_on_bus)
        finding_hint(findings_add(&plan->notes, FINDING_WARNING, "restart",
                                  "firewalld takes rules away from iptables' tables when it "
                                  "reloads: these last until then"),
                     "take the rule that closes the port out of firewalld: firewall-cmd --direct "
                     "--get-all-rules shows those of iptables");
    if (flavour == IPTABLES_NFT && facts->nftables_unit)
        findings_add(&plan->notes, FINDING_WARNING, "restart",
                     "nftables.service is enabled as well: when it starts, reloads or stops it "
                     "flushes the rules of iptables-nft too");
}

static void open_ports(struct opening *o)
{
    for (size_t i = 0; i < o->request->ports.count; i++) {
        const struct passage *passage = port_paths_of(o->paths, o->request, i, o->version);
        for (size_t b = 0; passage && b < passage->count; b++)
            if (is_ours_to_change(o, passage->blocks[b].chain->table))
                plan_rule(o, o->request->ports.items[i], &passage->blocks[b]);
    }
    free(o->moved);
}

static int plan_open(const struct firewall_facts *facts, const struct firewall_request *request,
                     enum iptables_flavour flavour, struct plan *plan)
{
    size_t before = plan->count;
    struct port_paths paths;

    port_paths_take(facts, request, &paths);
    for (int version = 0; version < 2; version++) {
        struct opening o = {.facts = facts,
                            .request = request,
                            .flavour = flavour,
                            .version = version,
                            .paths = &paths,
                            .plan = plan};
        open_ports(&o);
    }
    port_paths_finish(&paths);
    if (plan->count > before && !leaves_files(facts, request))
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
