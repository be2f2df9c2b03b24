/* The manager for rules that nft(8) loaded itself. A rule that accepts overrides no other chain, so
 * each base chain that would drop gets a jump to a chain of ours beside it, just before the rule
 * that decides, or at its end where the policy does. */
#include "firewall/linux/nftables.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "firewall/linux/flows.h"

static const char name_start[] = "gardien_";

/* ---- whose chain ---- */

static bool is_xt_table(const struct rules_chain *chain)
{
    static const char *const tables[] = {"filter", "nat", "mangle", "raw", "security"};
    bool known = false;

    for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
        known = known || strcmp(chain->table, tables[i]) == 0;
    return known && (strcmp(chain->family, "ip") == 0 || strcmp(chain->family, "ip6") == 0);
}

bool nftables_is_foreign(const struct firewall_facts *facts, const struct rules_chain *chain)
{
    static const char *const builtin[] = {"INPUT", "FORWARD", "OUTPUT", "PREROUTING",
                                          "POSTROUTING"};

    if (strcmp(chain->table, "firewalld") == 0 || strncmp(chain->table, "firewalld_", 10) == 0)
        return true;
    if (!facts->has_iptables || !is_xt_table(chain))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(builtin); i++)
        if (firewall_facts_has_chain(facts, chain->family, chain->table, builtin[i]))
            return true;
    return false;
}

/* Does a running program keep the chain's table to itself? The kernel lets nobody else change it.
 * The text tells: libnftables 1.0.6 has nonsense for this flag in JSON. */
static bool is_owned(const struct firewall_facts *facts, const struct rules_chain *chain)
{
    scoped(mem_release) char *table = mem_format("table %s %s {", chain->family, chain->table);
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

const char *nftables_comment(const json_t *rule)
{
    const char *comment = json_string_value(json_object_get(rule, "comment"));

    return comment ? comment : "";
}

uint64_t nftables_handle(const json_t *rule)
{
    return (uint64_t)json_integer_value(json_object_get(rule, "handle"));
}

bool nftables_jumps_to(const json_t *rule, const char *chain)
{
    size_t i;
    json_t *statement;

    json_array_foreach(json_object_get(rule, "expr"), i, statement)
    {
        const char *target =
            json_string_value(json_object_get(json_object_get(statement, "jump"), "target"));
        if (target && strcmp(target, chain) == 0)
            return true;
    }
    return false;
}

/* ---- detect ---- */

/* Chains of bridges and of ARP, also those that ebtables and arptables made, close no port. */
static bool is_about_ip(const struct rules_chain *chain)
{
    return strcmp(chain->family, "bridge") != 0 && strcmp(chain->family, "arp") != 0;
}

static void detect(const struct firewall_facts *facts, struct detection *ret_state)
{
    struct rules rules;
    const struct rules_chain *found = NULL;

    if (!facts->privileged) {
        ret_state->presence = facts->nftables_unit ? PRESENCE_UNKNOWN : PRESENCE_ABSENT;
        ret_state->sentence =
            mem_format("nftables.service is %s; the rules can be seen by root only",
                       facts->nftables_unit ? "enabled" : "not enabled");
        return;
    }
    rules_of_nft(facts, &rules);
    for (size_t i = 0; i < rules.count && !found; i++) {
        const struct rules_chain *chain = &rules.chains[i];
        if (chain->hook && (chain->count || chain->drops) && is_about_ip(chain) &&
            !nftables_is_foreign(facts, chain))
            found = chain;
    }
    ret_state->presence = found            ? PRESENCE_IN_FORCE
                          : facts->has_nft ? PRESENCE_IDLE
                                           : PRESENCE_ABSENT;
    ret_state->sentence = found
                              ? mem_format("chain %s of table %s %s has rules or a policy of drop",
                                           found->name, found->family, found->table)
                              : mem_format("no table of its own has rules");
    rules_finish(&rules);
}

/* ---- which chains need which ports ---- */

enum { NEEDS_MAX = PORTS_MAX };

/* A base chain with the ports that it closes. */
struct need {
    const struct rules_chain *chain;
    size_t before;
    bool some_dropped;
    bool translated[NEEDS_MAX]; /* the chain sees another port than the client named */
    struct ports ports;
};

static bool stands_in_the_way(const struct rules_chain *chain, const struct flow *flow)
{
    const char *hook = chain->hook;

    if (!hook || strcmp(chain->type, "filter") != 0 || !is_about_ip(chain) ||
        strcmp(chain->family, flow->family == 4 ? "ip6" : "ip") == 0)
        return false;
    return strcmp(hook, flow->forwarded ? "forward" : "input") == 0 ||
           strcmp(hook, "prerouting") == 0 || strcmp(hook, "ingress") == 0;
}

static void look_at(const struct rules *rules, const struct flow *flow, struct need *need)
{
    bool early =
        strcmp(need->chain->hook, "prerouting") == 0 || strcmp(need->chain->hook, "ingress") == 0;
    const struct flow seen = early ? flow_before_nat(flow) : *flow;
    struct port port = {flow->asked, flow->port.protocol};
    struct rules_end end;

    rules_walk(rules, need->chain, &seen, &end);
    if (end.outcome != OUTCOME_CLOSED)
        return;
    if (need->ports.count == 0 || end.before < need->before)
        need->before = end.before;
    need->some_dropped = need->some_dropped || end.some_dropped;
    if (ports_add(&need->ports, port) >= 0)
        need->translated[need->ports.count - 1] = seen.translated;
}

static void find_need(const struct firewall_facts *facts, const struct rules *rules,
                      const struct firewall_request *request, struct need *need)
{
    for (size_t i = 0; i < request->ports.count; i++)
        for (int family = 4; family <= 6; family += 2) {
            struct flow flow = {.family = family};
            if (flow_make(facts, rules, request, request->ports.items[i], &flow) &&
                stands_in_the_way(need->chain, &flow))
                look_at(rules, &flow, need);
        }
}

/* ---- the rules ---- */

/* `iifname "eth0" ip saddr 192.0.2.0/24 tcp dport 443 accept comment "gardien:443/tcp"` */
static char *rule_body(const struct firewall_request *request, struct port port, bool translated)
{
    char network[NETWORK_TEXT] = "", tag[TAG_TEXT];
    const char *protocol = port_protocol_name(port.protocol);
    scoped(mem_release) char *by =
        request->interface ? mem_format("iifname \"%s\" ", request->interface)
                           : mem_format("%s", "");
    scoped(mem_release) char *from =
        request->from.family ? mem_format("%s saddr %s ", request->from.family == 4 ? "ip" : "ip6",
                                          network_text(&request->from, network))
                             : mem_format("%s", "");
    scoped(mem_release) char *to =
        translated ? mem_format("meta l4proto %s ct original proto-dst %u ct direction original",
                                protocol, port.number)
                   : mem_format("%s dport %u", protocol, port.number);

    return mem_format("%s%s%s accept comment \"%s\"", by, from, to, tag_text(port, tag));
}

/* Where our jump stands in the chain; `count` for none. */
static size_t find_jump(const struct rules_chain *chain, const char *ours)
{
    size_t at = 0;

    while (at < chain->count && !nftables_jumps_to(chain->rules[at], ours))
        at++;
    return at;
}

static void add_jump(struct buffer *script, const struct need *need, const char *ours)
{
    const struct rules_chain *chain = need->chain;
    size_t jump = find_jump(chain, ours);
    int r = 0;

    if (jump < need->before)
        return;
    if (jump < chain->count) /* it came to stand behind a rule that decides */
        r = buffer_printf(script, "delete rule %s %s %s handle %llu\n", chain->family, chain->table,
                          chain->name, (unsigned long long)nftables_handle(chain->rules[jump]));
    if (r >= 0 && need->before < chain->count)
        r = buffer_printf(script, "insert rule %s %s %s handle %llu jump %s comment \"gardien\"\n",
                          chain->family, chain->table, chain->name,
                          (unsigned long long)nftables_handle(chain->rules[need->before]), ours);
    else if (r >= 0)
        r = buffer_printf(script, "add rule %s %s %s jump %s comment \"gardien\"\n", chain->family,
                          chain->table, chain->name, ours);
    (void)r; /* the ceiling is that of 64 ports */
}

static void note_order(const struct need *need, struct plan *plan)
{
    if (!need->some_dropped || need->before >= need->chain->count)
        return;
    struct finding *note =
        findings_add(&plan->notes, FINDING_WARNING, "order",
                     "rules of chain %s in table %s %s drop some senders; they stand before "
                     "gardien's rule now, but after a restart of nftables.service behind it",
                     need->chain->name, need->chain->family, need->chain->table);
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
    const char *argv[NEEDS_MAX + 4] = {need->chain->family, need->chain->table, ours};
    char tags[NEEDS_MAX][TAG_TEXT];
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
    const struct rules_chain *chain = need->chain;
    scoped(mem_release) char *ours = mem_format("%s%s", name_start, chain->name);
    scoped(mem_release) char *ports = list_ports(&need->ports);
    struct buffer script = buffer_make(64 * 1024);
    int r = buffer_printf(&script, "add chain %s %s %s\n", chain->family, chain->table, ours);

    for (size_t i = 0; r >= 0 && i < need->ports.count; i++) {
        scoped(mem_release) char *body =
            rule_body(request, need->ports.items[i], need->translated[i]);
        r = buffer_printf(&script, "add rule %s %s %s %s\n", chain->family, chain->table, ours,
                          body);
        ours_add(list, chain, need->before >= chain->count, body);
    }
    add_jump(&script, need, ours);
    struct plan_step *step =
        plan_add(plan, manager_nftables.name,
                 "chain %s of table %s %s drops %s by %s, and no other chain can "
                 "override that",
                 chain->name, chain->family, chain->table, ports,
                 need->before < chain->count ? "a rule, so gardien's come just before it"
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
    const struct rules_chain *chain = need->chain;
    scoped(mem_release) char *ports = list_ports(&need->ports);
    struct finding *note = findings_add(
        &plan->notes, FINDING_BAD, "owner",
        "chain %s of table %s %s drops %s, and only the program that owns the table can change it",
        chain->name, chain->family, chain->table, ports);

    finding_hint(note, "open it in that program's settings; nft list table %s %s names it",
                 chain->family, chain->table);
}

static void note_forwarding(const struct firewall_facts *facts, const struct rules *rules,
                            const struct firewall_request *request, struct plan *plan)
{
    char text[PORT_TEXT];

    for (size_t i = 0; i < request->ports.count; i++)
        for (int family = 4; family <= 6; family += 2) {
            struct flow flow = {.family = family};
            if (flow_make(facts, rules, request, request->ports.items[i], &flow) &&
                flow.forwarded) {
                struct finding *note = findings_add(
                    &plan->notes, FINDING_NOTE, "forwarded",
                    "over IPv%d DNAT sends it to %s: chains at forward decide, not those at input",
                    family, *flow.destination ? flow.destination : "another host");
                finding_subject(note, "%s", port_text(request->ports.items[i], text));
            }
        }
}

static int plan_open(const struct firewall_facts *facts, const struct firewall_request *request,
                     struct plan *plan, struct diags *diags)
{
    struct rules rules;
    struct ours_list list;
    bool any = false;

    rules_of_nft(facts, &rules);
    ours_read(facts, &rules, NULL, &list);
    note_forwarding(facts, &rules, request, plan);
    for (size_t i = 0; i < rules.count; i++) {
        struct need need = {.chain = &rules.chains[i]};
        if (!need.chain->hook || nftables_is_foreign(facts, need.chain))
            continue;
        find_need(facts, &rules, request, &need);
        if (need.ports.count == 0)
            continue;
        if (is_owned(facts, need.chain)) {
            note_owner(&need, plan);
            continue;
        }
        plan_chain(request, &need, &list, plan);
        any = true;
    }
    if (any)
        nftables_plan_file(facts, &list, plan);
    ours_finish(&list);
    rules_finish(&rules);
    return 0;
}

const struct manager manager_nftables = {
    .name = "nftables",
    .system = "linux",
    .detect = detect,
    .plan_open = plan_open,
    .plan_close = nftables_plan_close,
};
