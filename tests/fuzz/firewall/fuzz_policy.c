/* Rules of the Windows Firewall, whatever others wrote into them: one line is the name, the ports
 * and the addresses of a rule, between tabs. A plan and a judgement come of any. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "firewall/firewall.h"
#include "firewall/windows/windows_judge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *next(struct span *line)
{
    struct span part;

    return span_next(line, '\t', &part) && part.len ? mem_string(part) : NULL;
}

static void add(struct policy *policy, struct span line)
{
    struct policy_rule rule = {.protocol = POLICY_TCP, .profiles = POLICY_PRIVATE, .enabled = true};

    rule.block = line.len % 2;
    rule.name = next(&line);
    rule.ports = next(&line);
    rule.remote = next(&line);
    if (!rule.name) {
        policy_rule_finish(&rule);
        return;
    }
    policy->rules = mem_resize(policy->rules, policy->count + 1, sizeof *policy->rules);
    policy->rules[policy->count++] = rule;
}

/* The same bytes as the way back of a plan. */
static void parse_plan(const uint8_t *data, size_t size)
{
    json_t *list = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    struct plan plan;

    if (list && policy_plan_parse(list, &plan) >= 0) {
        json_t *again = policy_plan_json(&plan);
        if (json_array_size(again) != json_array_size(list))
            abort();
        json_decref(again);
    }
    if (list)
        plan_finish(&plan);
    json_decref(list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct firewall_request request = {.ports = {.items = {{443, PORT_TCP}}, .count = 1},
                                       .force = true};
    struct span text = span_of((const char *)data, size), line;
    struct firewall_facts facts = {.here = true};
    struct findings findings = {0};
    struct diags diags = {0};

    facts.policy = (struct policy){.seen = true,
                                   .profiles_known = true,
                                   .active = POLICY_PRIVATE,
                                   .enabled = POLICY_PRIVATE,
                                   .rules_known = true};
    parse_plan(data, size);
    while (facts.policy.count < 100 && span_next(&text, '\n', &line))
        add(&facts.policy, line);
    for (int opens = 0; opens < 2; opens++) {
        struct plan plan = {0};
        int r = opens ? manager_windows.plan_open(&facts, &request, &plan, &diags)
                      : manager_windows.plan_close(&facts, &request, &plan, &diags);
        if (r < 0)
            abort();
        plan_finish(&plan);
    }
    if (windows_judge(&facts.policy, &request, &findings) > 1)
        abort();
    findings_finish(&findings);
    diags_finish(&diags);
    firewall_facts_finish(&facts);
    return 0;
}
