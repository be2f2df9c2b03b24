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
    const struct ruleset *ruleset;
    struct plan *plan;
};

static bool is_meant(const struct firewall_request *request, const struct ruleset_rule *rule)
{
    struct port port;

    return tag_parse(nftables_comment(rule), &port) &&
           (request->ports.count == 0 || ports_have(&request->ports, port));
}

/* ---- ours ---- */

static const char *family_of(const struct ruleset_chain *chain)
{
    return ruleset_family_name(chain->table->family);
}

/* The script that puts the rules back where they are now. */
static void add_back(struct buffer *script, const struct closing *c,
                     const struct ruleset_chain *chain)
{
    int r = buffer_printf(script, "add chain %s %s %s\n", family_of(chain), chain->table->name,
                          chain->name);

    for (const struct ruleset_rule *rule = chain->rules; r >= 0 && rule; rule = rule->next) {
        if (!is_meant(c->request, rule))
            continue;
        scoped(mem_release) char *text = nftables_rule_text(c->facts, chain, rule->handle);
        if (text)
            r = buffer_printf(script, "add rule %s %s %s %s\n", family_of(chain),
                              chain->table->name, chain->name, text);
    }
    (void)r; /* bounded by the rules that are there */
}

static void add_jump_back(struct buffer *script, const struct ruleset_chain *chain,
                          const struct ruleset_rule *jump, const char *ours)
{
    int r;

    if (jump->next)
        r = buffer_printf(script, "insert rule %s %s %s handle %llu jump %s comment \"gardien\"\n",
                          family_of(chain), chain->table->name, chain->name,
                          (unsigned long long)jump->next->handle, ours);
    else
        r = buffer_printf(script, "add rule %s %s %s jump %s comment \"gardien\"\n",
                          family_of(chain), chain->table->name, chain->name, ours);
    (void)r;
}

static void add_jumps_back(struct buffer *script, const struct closing *c,
                           const struct ruleset_chain *ours)
{
    for (const struct ruleset_chain *chain = c->ruleset->chains; chain; chain = chain->next)
        for (const struct ruleset_rule *rule = chain->rules; rule; rule = rule->next)
            if (chain->table == ours->table && nftables_jumps_to(rule, ours->name))
                add_jump_back(script, chain, rule, ours->name);
}

static int spell_delete(struct buffer *script, const struct ruleset_chain *chain,
                        const struct ruleset_rule *rule)
{
    return buffer_printf(script, "nft delete rule %s %s %s handle %llu\n", family_of(chain),
                         chain->table->name, chain->name, (unsigned long long)rule->handle);
}

static void spell(struct buffer *script, const struct closing *c, const struct ruleset_chain *ours,
                  bool whole)
{
    int r = 0;

    for (const struct ruleset_rule *rule = ours->rules; r >= 0 && rule; rule = rule->next)
        if (is_meant(c->request, rule))
            r = spell_delete(script, ours, rule);
    for (const struct ruleset_chain *chain = c->ruleset->chains; whole && chain;
         chain = chain->next)
        for (const struct ruleset_rule *rule = chain->rules; r >= 0 && rule; rule = rule->next)
            if (chain->table == ours->table && nftables_jumps_to(rule, ours->name))
                r = spell_delete(script, chain, rule);
    if (whole && r >= 0)
        r = buffer_printf(script, "nft delete chain %s %s %s", family_of(ours), ours->table->name,
                          ours->name);
    (void)r;
}

/* Removes the tagged rules of one chain; of one of ours with nothing else in it, the chain too. */
static void close_chain(const struct closing *c, const struct ruleset_chain *chain, size_t meant)
{
    bool whole = meant == chain->rule_count && nftables_base_of(chain->name);
    struct buffer back = buffer_make(256 * 1024), typed = buffer_make(256 * 1024);
    const char **argv = mem_resize(NULL, meant + 4, sizeof *argv);
    size_t count = 3;

    argv[0] = family_of(chain), argv[1] = chain->table->name, argv[2] = chain->name;
    for (const struct ruleset_rule *rule = chain->rules; rule; rule = rule->next)
        if (is_meant(c->request, rule))
            argv[count++] = nftables_comment(rule);
    argv[count] = NULL;
    struct plan_step *step =
        plan_add(c->plan, manager_nftables.name, "%zu %s of table %s %s %s gardien's tag", meant,
                 meant == 1 ? "rule" : "rules", family_of(chain), chain->table->name,
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
static bool accepts_one(const struct ruleset_rule *rule, struct port *ret_port)
{
    bool accepts = false, found = false;

    for (size_t i = 0; i < rule->count; i++) {
        const struct statement *statement = &rule->statements[i];
        const struct expr *left = statement->left, *right = statement->right;
        accepts = accepts ||
                  (statement->kind == STATEMENT_VERDICT && left && left->number == VERDICT_ACCEPT);
        if (statement->kind != STATEMENT_MATCH || left->kind != EXPR_PAYLOAD ||
            strcmp(left->more, "dport") != 0 || right->kind != EXPR_NUMBER)
            continue;
        *ret_port = (struct port){(uint16_t)right->number,
                                  strcmp(left->word, "udp") == 0 ? PORT_UDP : PORT_TCP};
        found = true;
    }
    return accepts && found;
}

static void close_other(const struct closing *c, const struct ruleset_chain *chain,
                        const struct ruleset_rule *rule)
{
    scoped(mem_release) char *text = nftables_rule_text(c->facts, chain, rule->handle);
    const char *family = family_of(chain), *table = chain->table->name;
    struct plan_step *step = plan_add(c->plan, manager_nftables.name,
                                      "somebody else's rule in chain %s of table %s %s: %s",
                                      chain->name, family, table, text ? text : "not to be seen");

    plan_nft(&step->action, "delete rule %s %s %s handle %llu", family, table, chain->name,
             (unsigned long long)rule->handle);
    if (text && rule->next)
        plan_nft(&step->undo, "insert rule %s %s %s handle %llu %s", family, table, chain->name,
                 (unsigned long long)rule->next->handle, text);
    else if (text)
        plan_nft(&step->undo, "add rule %s %s %s %s", family, table, chain->name, text);
    plan_spell(step);
}

static void close_others(const struct closing *c, const struct ruleset_chain *chain)
{
    struct port port, ours;
    bool any = false;

    for (size_t i = chain->rule_count; i-- > 0;) { /* from the end: an undo leans on what follows */
        const struct ruleset_rule *rule = nftables_rule_at(chain, i);
        if (!accepts_one(rule, &port) || !ports_have(&c->request->ports, port) ||
            tag_parse(nftables_comment(rule), &ours))
            continue;
        close_other(c, chain, rule);
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
    struct ours_list left;

    if (!facts->privileged)
        return 0;
    struct ruleset *ruleset = ruleset_of_facts(facts);
    struct closing c = {facts, request, ruleset, plan};
    for (const struct ruleset_chain *chain = ruleset ? ruleset->chains : NULL; chain;
         chain = chain->next) {
        size_t meant = 0;
        if (chain->table->source != RULESET_NATIVE)
            continue;
        for (const struct ruleset_rule *rule = chain->rules; rule; rule = rule->next)
            meant += is_meant(request, rule);
        if (meant)
            close_chain(&c, chain, meant);
        if (request->force && !nftables_is_foreign(facts, chain))
            close_others(&c, chain);
    }
    if (!ruleset)
        return 0;
    ours_read(facts, ruleset, &request->ports, &left);
    if (!facts->files_of_others && (left.count == 0 || plan->count))
        nftables_plan_file(facts, &left, plan);
    ours_finish(&left);
    ruleset_destroy(ruleset);
    return 0;
}
