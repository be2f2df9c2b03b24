/* Closing of what the iptables managers opened, found by the tags; with force, of rules for the
 * same ports that others made. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "firewall/linux/iptables.h"
#include "firewall/model/iptables_words.h"

enum { WORDS_MAX = 64, WORD_MAX = 512 };

/* A line of `iptables -S`, taken apart. */
struct line {
    char words[WORDS_MAX][WORD_MAX];
    size_t count;
};

static void read_line(const char *text, struct line *line)
{
    line->count = 0;
    while (line->count < WORDS_MAX &&
           iptables_next_word(&text, line->words[line->count], sizeof line->words[0]))
        line->count++;
}

static const char *value_of(const struct line *line, const char *option)
{
    for (size_t i = 0; i + 1 < line->count; i++)
        if (strcmp(line->words[i], option) == 0)
            return line->words[i + 1];
    return NULL;
}

static bool is_ours(const struct line *line, struct port *ret_port)
{
    const char *comment = value_of(line, "--comment");

    return comment && tag_parse(comment, ret_port);
}

/* The port of a rule that accepts exactly one. */
static bool accepts_one(const struct line *line, struct port *ret_port)
{
    const char *target = value_of(line, "-j"), *port = value_of(line, "--dport");
    const char *protocol = value_of(line, "-p");
    struct diags diags = {0};

    if (!target || !port || !protocol || strcmp(target, "ACCEPT") != 0)
        return false;
    scoped(mem_release) char *text = mem_format("%s/%s", port, protocol);
    bool one = port_parse(text, &diags, ret_port) >= 0;
    diags_finish(&diags);
    return one;
}

static bool is_meant(const struct firewall_request *request, const struct line *line,
                     bool *ret_ours)
{
    struct port port;

    *ret_ours = is_ours(line, &port);
    if (*ret_ours)
        return request->ports.count == 0 || ports_have(&request->ports, port);
    return request->force && accepts_one(line, &port) && ports_have(&request->ports, port);
}

/* Which program changes which table, for whom. */
struct place {
    const char *program, *table, *manager;
};

/* The rule's words behind `-A CHAIN`. */
static void fill(const struct place *place, const char *how, const struct line *line,
                 const char *number, struct plan_action *action)
{
    const char *argv[WORDS_MAX + 10] = {place->program, "-w", "5"};
    size_t count = 3;

    if (strcmp(place->table, "filter") != 0) {
        argv[count++] = "-t";
        argv[count++] = place->table;
    }
    argv[count++] = how;
    argv[count++] = line->words[1];
    if (number)
        argv[count++] = number;
    for (size_t i = 2; i < line->count; i++)
        argv[count++] = line->words[i];
    argv[count] = NULL;
    plan_command_array(action, argv);
}

static void close_rule(const struct place *place, const struct line *line,
                       const struct ruleset_rule *rule, bool ours, struct plan *plan)
{
    char number[24];
    struct plan_step *step =
        ours ? plan_add(plan, place->manager, "the rule in chain %s carries gardien's tag",
                        line->words[1])
             : plan_add(plan, place->manager, "somebody else's rule: %s", rule->line);

    snprintf(number, sizeof number, "%zu", rule->index + 1);
    fill(place, "-D", line, NULL, &step->action);
    fill(place, "-I", line, number, &step->undo);
    plan_spell(step);
}

/* From the end of a chain on, so that the places of those before it stay for an undo. */
static void close_chain(const struct firewall_request *request, const struct place *place,
                        const struct ruleset_chain *chain, struct plan *plan)
{
    const struct ruleset_rule **rules = mem_resize(NULL, chain->rule_count + 1, sizeof *rules);
    struct line *line = mem_new(struct line);
    bool ours;

    for (const struct ruleset_rule *rule = chain->rules; rule; rule = rule->next)
        rules[rule->index] = rule;
    for (size_t i = chain->rule_count; i-- > 0;) {
        read_line(rules[i]->line, line);
        if (line->count > 2 && is_meant(request, line, &ours))
            close_rule(place, line, rules[i], ours, plan);
    }
    free(line);
    free(rules);
}

int iptables_plan_close(const struct firewall_facts *facts, const struct firewall_request *request,
                        enum iptables_flavour flavour, struct plan *plan)
{
    size_t before = plan->count;

    for (int version = 0; version < 2; version++) {
        struct ruleset *ruleset = iptables_ruleset(facts, flavour, version);
        for (const struct ruleset_chain *chain = ruleset ? ruleset->chains : NULL; chain;
             chain = chain->next) {
            const struct place place = {iptables_program(flavour, version), chain->table->name,
                                        iptables_name(flavour)};
            if (strncmp(chain->name, "ufw", 3) != 0)
                close_chain(request, &place, chain, plan);
        }
        ruleset_destroy(ruleset);
    }
    if (plan->count > before && !facts->files_of_others)
        iptables_plan_save(facts, flavour, plan);
    return 0;
}
