/* Closing of what the iptables managers opened, found by the tags; with force, of rules for the
 * same ports that others made. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "firewall/linux/iptables.h"

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
           xt_next_word(&text, line->words[line->count], sizeof line->words[0]))
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

/* The rule's words behind `-A CHAIN`. */
static void fill(const char *program, const char *how, const struct line *line, const char *number,
                 struct plan_action *action)
{
    const char *argv[WORDS_MAX + 8] = {program, "-w", "5", how, line->words[1]};
    size_t count = 5;

    if (number)
        argv[count++] = number;
    for (size_t i = 2; i < line->count; i++)
        argv[count++] = line->words[i];
    argv[count] = NULL;
    plan_command_array(action, argv);
}

static void close_rule(const char *program, enum iptables_flavour flavour, const struct line *line,
                       size_t at, bool ours, const char *text, struct plan *plan)
{
    char number[24];
    struct plan_step *step =
        ours ? plan_add(plan, iptables_name(flavour), "the rule in chain %s carries gardien's tag",
                        line->words[1])
             : plan_add(plan, iptables_name(flavour), "somebody else's rule: %s", text);

    snprintf(number, sizeof number, "%zu", at + 1);
    fill(program, "-D", line, NULL, &step->action);
    fill(program, "-I", line, number, &step->undo);
    plan_spell(step);
}

/* From the end of a chain on, so that the places of those before it stay for an undo. */
static void close_chain(const struct firewall_request *request, enum iptables_flavour flavour,
                        int version, const struct rules_chain *chain, struct plan *plan)
{
    struct line *line = mem_new(struct line);
    bool ours;

    for (size_t i = chain->count; i-- > 0;) {
        read_line(chain->rules[i], line);
        if (line->count > 2 && is_meant(request, line, &ours))
            close_rule(iptables_program(flavour, version), flavour, line, i, ours, chain->rules[i],
                       plan);
    }
    free(line);
}

int iptables_plan_close(const struct firewall_facts *facts, const struct firewall_request *request,
                        enum iptables_flavour flavour, struct plan *plan)
{
    size_t before = plan->count;
    struct rules rules;

    for (int version = 0; version < 2; version++) {
        iptables_rules(facts, flavour, version, &rules);
        for (size_t i = 0; i < rules.count; i++)
            if (strncmp(rules.chains[i].name, "ufw", 3) != 0)
                close_chain(request, flavour, version, &rules.chains[i], plan);
        rules_finish(&rules);
    }
    if (plan->count > before)
        iptables_plan_save(facts, flavour, plan);
    return 0;
}
