/* Closing of what the nftables manager opened, found by the tags; with force, of rules for the same
 * ports that others made. */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "firewall/linux/nftables.h"

struct closing {
    const struct firewall_facts *facts;
    const struct firewall_request *request;
    const struct rules *rules;
    struct plan *plan;
};

static bool is_meant(const struct firewall_request *request, const json_t *rule)
{
    struct port port;

    return tag_parse(nftables_comment(rule), &port) &&
           (request->ports.count == 0 || ports_have(&request->ports, port));
}

/* ---- ours ---- */

/* The script that puts the rules back where they are now. */
static void add_back(struct buffer *script, const struct closing *c,
                     const struct rules_chain *chain)
{
    int r = buffer_printf(script, "add chain %s %s %s\n", chain->family, chain->table, chain->name);

    for (size_t i = 0; r >= 0 && i < chain->count; i++) {
        if (!is_meant(c->request, chain->rules[i]))
            continue;
        scoped(mem_release) char *text =
            nftables_rule_text(c->facts, chain, nftables_handle(chain->rules[i]));
        if (text)
            r = buffer_printf(script, "add rule %s %s %s %s\n", chain->family, chain->table,
                              chain->name, text);
    }
    (void)r; /* bounded by the rules that are there */
}

static void add_jumps_back(struct buffer *script, const struct closing *c,
                           const struct rules_chain *ours)
{
    for (size_t i = 0; i < c->rules->count; i++) {
        const struct rules_chain *chain = &c->rules->chains[i];
        if (strcmp(chain->family, ours->family) != 0 || strcmp(chain->table, ours->table) != 0)
            continue;
        for (size_t j = 0; j < chain->count; j++) {
            int r = 0;
            if (!nftables_jumps_to(chain->rules[j], ours->name))
                continue;
            if (j + 1 < chain->count)
                r = buffer_printf(script,
                                  "insert rule %s %s %s handle %llu jump %s comment "
                                  "\"gardien\"\n",
                                  chain->family, chain->table, chain->name,
                                  (unsigned long long)nftables_handle(chain->rules[j + 1]),
                                  ours->name);
            else
                r = buffer_printf(script, "add rule %s %s %s jump %s comment \"gardien\"\n",
                                  chain->family, chain->table, chain->name, ours->name);
            (void)r;
        }
    }
}

static void spell(struct buffer *script, const struct closing *c, const struct rules_chain *chain,
                  bool whole)
{
    int r = 0;

    for (size_t i = 0; r >= 0 && i < chain->count; i++)
        if (is_meant(c->request, chain->rules[i]))
            r = buffer_printf(script, "nft delete rule %s %s %s handle %llu\n", chain->family,
                              chain->table, chain->name,
                              (unsigned long long)nftables_handle(chain->rules[i]));
    for (size_t i = 0; whole && i < c->rules->count; i++) {
        const struct rules_chain *from = &c->rules->chains[i];
        if (strcmp(from->family, chain->family) != 0 || strcmp(from->table, chain->table) != 0)
            continue;
        for (size_t j = 0; r >= 0 && j < from->count; j++)
            if (nftables_jumps_to(from->rules[j], chain->name))
                r = buffer_printf(script, "nft delete rule %s %s %s handle %llu\n", from->family,
                                  from->table, from->name,
                                  (unsigned long long)nftables_handle(from->rules[j]));
    }
    if (whole && r >= 0)
        r = buffer_printf(script, "nft delete chain %s %s %s", chain->family, chain->table,
                          chain->name);
}

/* Removes the tagged rules of one chain; of one of ours with nothing else in it, the chain too. */
static void close_chain(const struct closing *c, const struct rules_chain *chain, size_t meant)
{
    bool whole = meant == chain->count && nftables_base_of(chain->name);
    struct buffer back = buffer_make(256 * 1024), typed = buffer_make(256 * 1024);
    const char **argv = mem_resize(NULL, meant + 4, sizeof *argv);
    size_t count = 3;

    argv[0] = chain->family, argv[1] = chain->table, argv[2] = chain->name;
    for (size_t i = 0; i < chain->count; i++)
        if (is_meant(c->request, chain->rules[i]))
            argv[count++] = nftables_comment(chain->rules[i]);
    argv[count] = NULL;
    struct plan_step *step =
        plan_add(c->plan, manager_nftables.name, "%zu %s of table %s %s %s gardien's tag", meant,
                 meant == 1 ? "rule" : "rules", chain->family, chain->table,
                 meant == 1 ? "carries" : "carry");
    plan_command_array(&step->action, argv);
    step->action.kind = PLAN_UNTAG;
    add_back(&back, c, chain);
    if (whole)
        add_jumps_back(&back, c, chain);
    scoped(mem_release) char *script = mem_string(buffer_span(&back));
    plan_nft(&step->undo, "%s", script);
    spell(&typed, c, chain, whole);
    step->typed = mem_string(buffer_span(&typed));
    plan_spell(step);
    buffer_finish(&back);
    buffer_finish(&typed);
    free(argv);
}

/* ---- those of others ---- */

/* The port of a rule that accepts exactly one: `tcp dport 443 accept`, whatever stands beside it.
 */
static bool accepts_one(const json_t *rule, struct port *ret_port)
{
    bool accepts = false, found = false;
    size_t i;
    json_t *statement;

    json_array_foreach(json_object_get(rule, "expr"), i, statement)
    {
        const json_t *match = json_object_get(statement, "match");
        const json_t *payload = json_object_get(json_object_get(match, "left"), "payload");
        const json_t *right = json_object_get(match, "right");
        const char *protocol = json_string_value(json_object_get(payload, "protocol"));
        const char *field = json_string_value(json_object_get(payload, "field"));
        accepts = accepts || json_object_get(statement, "accept");
        if (!field || !protocol || strcmp(field, "dport") != 0 || !json_is_integer(right))
            continue;
        *ret_port = (struct port){(uint16_t)json_integer_value(right),
                                  strcmp(protocol, "udp") == 0 ? PORT_UDP : PORT_TCP};
        found = true;
    }
    return accepts && found;
}

static void close_other(const struct closing *c, const struct rules_chain *chain, size_t at)
{
    const json_t *rule = chain->rules[at];
    uint64_t handle = nftables_handle(rule);
    scoped(mem_release) char *text = nftables_rule_text(c->facts, chain, handle);
    struct plan_step *step = plan_add(
        c->plan, manager_nftables.name, "somebody else's rule in chain %s of table %s %s: %s",
        chain->name, chain->family, chain->table, text ? text : "not to be seen");

    plan_nft(&step->action, "delete rule %s %s %s handle %llu", chain->family, chain->table,
             chain->name, (unsigned long long)handle);
    if (text && at + 1 < chain->count)
        plan_nft(&step->undo, "insert rule %s %s %s handle %llu %s", chain->family, chain->table,
                 chain->name, (unsigned long long)nftables_handle(chain->rules[at + 1]), text);
    else if (text)
        plan_nft(&step->undo, "add rule %s %s %s %s", chain->family, chain->table, chain->name,
                 text);
    plan_spell(step);
}

static void close_others(const struct closing *c, const struct rules_chain *chain)
{
    struct port port, ours;
    bool any = false;

    for (size_t i = chain->count; i-- > 0;) /* from the end: an undo leans on the rule behind */
        if (accepts_one(chain->rules[i], &port) && ports_have(&c->request->ports, port) &&
            !tag_parse(nftables_comment(chain->rules[i]), &ours)) {
            close_other(c, chain, i);
            any = true;
        }
    if (any) {
        struct finding *note =
            findings_add(&c->plan->notes, FINDING_WARNING, "restart",
                         "rules of others come back from the file that they were loaded from");
        finding_hint(note, "take them out of /etc/nftables.conf or what it includes");
    }
}

/* ---- all chains ---- */

int nftables_plan_close(const struct firewall_facts *facts, const struct firewall_request *request,
                        struct plan *plan, struct diags *diags)
{
    struct rules rules;
    struct closing c = {facts, request, &rules, plan};
    struct ours_list left;

    if (!facts->privileged)
        return 0;
    rules_of_nft(facts, &rules);
    for (size_t i = 0; i < rules.count; i++) {
        const struct rules_chain *chain = &rules.chains[i];
        size_t meant = 0;
        for (size_t j = 0; j < chain->count; j++)
            meant += is_meant(request, chain->rules[j]);
        if (meant)
            close_chain(&c, chain, meant);
        if (request->force && !nftables_is_foreign(facts, chain))
            close_others(&c, chain);
    }
    ours_read(facts, &rules, &request->ports, &left);
    if (left.count == 0 || plan->count)
        nftables_plan_file(facts, &left, plan);
    ours_finish(&left);
    rules_finish(&rules);
    return 0;
}
