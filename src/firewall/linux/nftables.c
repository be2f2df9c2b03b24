/* The manager for rules that nft(8) loaded itself. A rule that accepts overrides no other chain, so
 * each base chain that would drop gets a jump to a chain of ours beside it, just before the rule
 * that decides, or at its end where the policy does. */
#include "firewall/linux/nftables.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/mem.h"

static const char name_start[] = "gardien_";

/* ---- whose chain ---- */

static bool is_xt_table(const struct ruleset_table *table)
{
    static const char *const tables[] = {"filter", "nat", "mangle", "raw", "security"};
    bool known = false;

    for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
        known = known || strcmp(table->name, tables[i]) == 0;
    return known && (table->family == RULESET_IP || table->family == RULESET_IP6);
}

bool nftables_is_foreign(const struct firewall_facts *facts, const struct ruleset_chain *chain)
{
    static const char *const builtin[] = {"INPUT", "FORWARD", "OUTPUT", "PREROUTING",
                                          "POSTROUTING"};
    const struct ruleset_table *table = chain->table;

    if (table->source == RULESET_IPTABLES_LEGACY || strcmp(table->name, "firewalld") == 0 ||
        strncmp(table->name, "firewalld_", 10) == 0)
        return true;
    if (!facts->has_iptables || !is_xt_table(table))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(builtin); i++)
        if (firewall_facts_has_chain(facts, ruleset_family_name(table->family), table->name,
                                     builtin[i]))
            return true;
    return false;
}

/* Does a running program keep the chain's table to itself? The kernel lets nobody else change it.
 * The text tells: libnftables 1.0.6 has nonsense for this flag in JSON. */
static bool is_owned(const struct firewall_facts *facts, const struct ruleset_chain *chain)
{
    scoped(mem_release) char *table =
        mem_format("table %s %s {", ruleset_family_name(chain->table->family), chain->table->name);
    struct span rest = span_str(facts->ruleset_text), line;
    bool in_table = false;

    while (facts->ruleset_text && span_next(&rest, '\n', &line)) {
        if (line.len && line.ptr[0] != '\t')
            in_table = span_starts(line, span_str(table));
        if (!in_table || !span_starts(line, SPAN("\tflags ")))
            continue;
        scoped(mem_release) char *flags = mem_string(line);
        return strstr(flags, "owner") != NULL;
    }
    return false;
}

const char *nftables_base_of(const char *chain)
{
    return strncmp(chain, name_start, sizeof name_start - 1) == 0 ? chain + sizeof name_start - 1
                                                                  : NULL;
}

const char *nftables_comment(const struct ruleset_rule *rule)
{
    return rule->comment ? rule->comment : "";
}

bool nftables_jumps_to(const struct ruleset_rule *rule, const char *chain)
{
    for (size_t i = 0; i < rule->count; i++) {
        const struct statement *statement = &rule->statements[i];
        if (statement->kind == STATEMENT_VERDICT && statement->left->number == VERDICT_JUMP &&
            strcmp(statement->left->word, chain) == 0)
            return true;
    }
    return false;
}

const struct ruleset_rule *nftables_rule_at(const struct ruleset_chain *chain, size_t index)
{
    const struct ruleset_rule *rule = chain->rules;

    while (rule && rule->index < index)
        rule = rule->next;
    return rule;
}

/* ---- detect ---- */

/* Chains of bridges and of ARP, also those that ebtables and arptables made, close no port. */
static bool is_about_ip(const struct ruleset_chain *chain)
{
    return chain->table->family != RULESET_BRIDGE && chain->table->family != RULESET_ARP;
}

static const struct ruleset_chain *find_filtering(const struct firewall_facts *facts,
                                                  const struct ruleset *ruleset)
{
    for (const struct ruleset_chain *chain = ruleset ? ruleset->chains : NULL; chain;
         chain = chain->next)
        if (chain->hook && (chain->rule_count || chain->policy_drops) && is_about_ip(chain) &&
            !nftables_is_foreign(facts, chain))
            return chain;
    return NULL;
}

static void detect(const struct firewall_facts *facts, struct detection *ret_state)
{
    if (!facts->privileged) {
        ret_state->presence = facts->nftables_unit ? PRESENCE_UNKNOWN : PRESENCE_ABSENT;
        ret_state->sentence =
            mem_format("nftables.service is %s; the rules can be seen by root only",
                       facts->nftables_unit ? "enabled" : "not enabled");
        return;
    }
    struct ruleset *ruleset = ruleset_of_facts(facts);
    const struct ruleset_chain *found = find_filtering(facts, ruleset);
    ret_state->presence = found || !ruleset ? PRESENCE_IN_FORCE
                          : facts->has_nft  ? PRESENCE_IDLE
                                            : PRESENCE_ABSENT;
    ret_state->sentence =
        found     ? mem_format("chain %s of table %s %s has rules or a policy of drop", found->name,
                               ruleset_family_name(found->table->family), found->table->name)
        : ruleset ? mem_format("no table of its own has rules")
                  : mem_format("there are rules that could not be read");
    ruleset_destroy(ruleset);
}

/* ---- which chains need which ports ---- */

/* A rule that a base chain needs. */
struct needed {
    struct port port;
    bool answer, early, translated;
};

/* A base chain with the ports that it closes. */
struct need {
    const struct ruleset_chain *chain;
    const char *family, *table; /* of the chain */
    size_t before;
    bool some_dropped;
    struct needed *rules;
    size_t count;
    struct ports ports;
};

static void add_needed(struct need *need, struct port port, const struct passage_block *block)
{
    struct needed rule = {port, block->answer, block->early, block->translated};

    if (need->count == 0 || block->before < need->before)
        need->before = block->before;
    need->some_dropped = need->some_dropped || block->some_dropped;
    for (size_t i = 0; i < need->count; i++)
        if (port_equal(need->rules[i].port, port) && need->rules[i].answer == rule.answer) {
            need->rules[i].translated = need->rules[i].translated || rule.translated;
            return;
        }
    need->rules = mem_resize(need->rules, need->count + 1, sizeof *need->rules);
    need->rules[need->count++] = rule;
    int r = ports_add(&need->ports, port);
    (void)r; /* it is one of the request's, which fit */
}

static void find_need(const struct port_paths *paths, const struct firewall_request *request,
                      struct need *need)
{
    for (size_t i = 0; i < request->ports.count; i++)
        for (int version = 0; version < 2; version++) {
            const struct passage *passage = port_paths_of(paths, request, i, version);
            for (size_t b = 0; passage && b < passage->count; b++)
                if (passage->blocks[b].chain == need->chain)
                    add_needed(need, request->ports.items[i], &passage->blocks[b]);
        }
}

/* ---- the rules ---- */

/* `iifname "eth0" ip saddr 192.0.2.0/24 tcp dport 443 accept comment "gardien:443/tcp"`; of an
 * answer `oifname "eth0" ip daddr 192.0.2.0/24 tcp sport 443 ct state established accept ...` */
static char *rule_body(const struct firewall_request *request, const struct needed *rule)
{
    char network[NETWORK_TEXT] = "", tag[TAG_TEXT];
    const char *protocol = port_protocol_name(rule->port.protocol);
    bool answer = rule->answer;
    scoped(mem_release) char *by =
        mem_format(request->interface ? "%sifname \"%s\" " : "%.0s%.0s", answer ? "o" : "i",
                   request->interface ? request->interface : "");
    scoped(mem_release) char *from =
        request->from.family ? mem_format("%s %caddr %s ", request->from.family == 4 ? "ip" : "ip6",
                                          answer ? 'd' : 's', network_text(&request->from, network))
                             : mem_format("%s", "");
    scoped(mem_release) char *to =
        rule->translated && !rule->early
            ? mem_format("meta l4proto %s ct original proto-dst %u ct direction %s", protocol,
                         rule->port.number, answer ? "reply" : "original")
            : mem_format("%s %cport %u%s", protocol, answer ? 's' : 'd', rule->port.number,
                         answer && !rule->early ? " ct state established" : "");

    return mem_format("%s%s%s accept comment \"%s\"", by, from, to, tag_text(rule->port, tag));
}

/* Where our jump stands in the chain; `rule_count` for none. */
static size_t find_jump(const struct ruleset_chain *chain, const char *ours)
{
    for (const struct ruleset_rule *rule = chain->rules; rule; rule = rule->next)
        if (nftables_jumps_to(rule, ours))
            return rule->index;
    return chain->rule_count;
}

static void add_jump(struct buffer *script, const struct need *need, const char *ours)
{
    const struct ruleset_chain *chain = need->chain;
    size_t jump = find_jump(chain, ours);
    int r = 0;

    if (jump < need->before)
        return;
    if (jump < chain->rule_count) /* it came to stand behind a rule that decides */
        r = buffer_printf(script, "delete rule %s %s %s handle %llu\n", need->family, need->table,
                          chain->name, (unsigned long long)nftables_rule_at(chain, jump)->handle);
    if (r >= 0 && need->before < chain->rule_count)
        r = buffer_printf(script, "insert rule %s %s %s handle %llu jump %s comment \"gardien\"\n",
                          need->family, need->table, chain->name,
                          (unsigned long long)nftables_rule_at(chain, need->before)->handle, ours);
    else if (r >= 0)
        r = buffer_printf(script, "add rule %s %s %s jump %s comment \"gardien\"\n", need->family,
                          need->table, chain->name, ours);
    (void)r; /* the ceiling is that of 64 ports */
}

static void note_order(const struct need *need, struct plan *plan)
{
    if (!need->some_dropped || need->before >= need->chain->rule_count)
        return;
    struct finding *note =
        findings_add(&plan->notes, FINDING_WARNING, "order",
                     "rules of chain %s in table %s %s drop some senders; they stand before "
                     "gardien's rule now, but after a restart of nftables.service behind it",
                     need->chain->name, need->family, need->table);
    finding_hint(note,
                 "to keep the order, write the ports into %s in /etc/nftables.conf yourself, "
                 "where `gardien open --dry-run` puts them",
                 need->chain->name);
}

static char *list_ports(const struct ports *ports)
{
    struct buffer text = buffer_make(PORTS_MAX * (PORT_TEXT + 2));
    char port[PORT_TEXT];

    for (size_t i = 0; i < ports->count; i++)
        if (buffer_printf(&text, "%s%s", i ? ", " : "", port_text(ports->items[i], port)) < 0)
            break;
    char *list = mem_string(buffer_span(&text));
    buffer_finish(&text);
    return list;
}

/* The undo finds the rules by their tags, since their handles are not known yet. */
static void plan_undo_of(struct plan_step *step, const struct need *need, const char *ours)
{
    const char *argv[PORTS_MAX + 4] = {need->family, need->table, ours};
    char tags[PORTS_MAX][TAG_TEXT];
    scoped(mem_release) char *ports = list_ports(&need->ports);

    for (size_t i = 0; i < need->ports.count; i++)
        argv[3 + i] = tag_text(need->ports.items[i], tags[i]);
    plan_command_array(&step->undo, argv);
    step->undo.kind = PLAN_UNTAG;
    step->untyped = mem_format("gardien close %s", ports);
    for (char *comma = step->untyped; (comma = strchr(comma, ','));)
        memmove(comma, comma + 1, strlen(comma));
}

static void plan_chain(const struct firewall_request *request, const struct need *need,
                       struct ours_list *list, struct plan *plan)
{
    const struct ruleset_chain *chain = need->chain;
    bool by_rule = need->before < chain->rule_count;
    scoped(mem_release) char *ours = mem_format("%s%s", name_start, chain->name);
    scoped(mem_release) char *ports = list_ports(&need->ports);
    struct buffer script = buffer_make(64 * 1024);
    int r = buffer_printf(&script, "add chain %s %s %s\n", need->family, need->table, ours);

    for (size_t i = 0; r >= 0 && i < need->count; i++) {
        scoped(mem_release) char *body = rule_body(request, &need->rules[i]);
        r = buffer_printf(&script, "add rule %s %s %s %s\n", need->family, need->table, ours, body);
        ours_add(list, chain, !by_rule, body);
    }
    add_jump(&script, need, ours);
    struct plan_step *step =
        plan_add(plan, manager_nftables.name,
                 "chain %s of table %s %s drops %s%s by %s, and no other chain can override that",
                 chain->name, need->family, need->table,
                 need->rules[0].answer ? "the answers of " : "", ports,
                 by_rule ? "a rule, so gardien's come just before it"
                         : "its policy, so gardien's rules come at its end");
    scoped(mem_release) char *text = mem_string(buffer_span(&script));
    plan_nft(&step->action, "%s", text);
    plan_undo_of(step, need, ours);
    plan_spell(step);
    note_order(need, plan);
    buffer_finish(&script);
}

static void note_owner(const struct need *need, struct plan *plan)
{
    scoped(mem_release) char *ports = list_ports(&need->ports);
    struct finding *note = findings_add(
        &plan->notes, FINDING_BAD, "owner",
        "chain %s of table %s %s drops %s, and only the program that owns the table can change it",
        need->chain->name, need->family, need->table, ports);

    finding_hint(note, "open it in that program's settings; nft list table %s %s names it",
                 need->family, need->table);
}

static void note_forwarding(const struct port_paths *paths, const struct firewall_request *request,
                            struct plan *plan)
{
    char text[PORT_TEXT];

    for (size_t i = 0; i < request->ports.count; i++)
        for (int version = 0; version < 2; version++) {
            const struct passage *passage = port_paths_of(paths, request, i, version);
            if (!passage || !passage->forwarded)
                continue;
            struct finding *note = findings_add(
                &plan->notes, FINDING_NOTE, "forwarded",
                "over IPv%d DNAT sends it to %s: chains at forward decide, not those at input",
                version ? 6 : 4, *passage->destination ? passage->destination : "another host");
            finding_subject(note, "%s", port_text(request->ports.items[i], text));
        }
}

static void note_unread(struct plan *plan)
{
    finding_hint(findings_add(&plan->notes, FINDING_UNKNOWN, "rules",
                              "the rules are more than can be read, or of a form not known here"),
                 "gardien why --ruleset - says what is wrong: nft -j list ruleset | gardien why "
                 "--ruleset -");
}

static int plan_open(const struct firewall_facts *facts, const struct firewall_request *request,
                     struct plan *plan, struct diags *diags)
{
    struct port_paths paths;
    struct ours_list list;
    bool any = false;

    port_paths_take(facts, request, &paths);
    if (!paths.ruleset) {
        note_unread(plan);
        port_paths_finish(&paths);
        return 0;
    }
    ours_read(facts, paths.ruleset, NULL, &list);
    note_forwarding(&paths, request, plan);
    for (const struct ruleset_chain *chain = paths.ruleset->chains; chain; chain = chain->next) {
        struct need need = {.chain = chain,
                            .family = ruleset_family_name(chain->table->family),
                            .table = chain->table->name};
        if (!chain->hook || nftables_is_foreign(facts, chain))
            continue;
        find_need(&paths, request, &need);
        if (need.count && is_owned(facts, chain)) {
            note_owner(&need, plan);
        } else if (need.count) {
            plan_chain(request, &need, &list, plan);
            any = true;
        }
        free(need.rules);
    }
    if (any && !leaves_files(facts, request))
        nftables_plan_file(facts, &list, plan);
    ours_finish(&list);
    port_paths_finish(&paths);
    return 0;
}

const struct manager manager_nftables = {
    .name = "nftables",
    .system = "linux",
    .detect = detect,
    .plan_open = plan_open,
    .plan_close = nftables_plan_close,
};
