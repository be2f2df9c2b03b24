/* Rules of the Windows Firewall as data. */
#include "firewall/windows/policy.h"

#include <stdlib.h>

#include "base/mem.h"

static char *copy_of(const char *text)
{
    return text ? mem_string(span_str(text)) : NULL;
}

struct policy_rule policy_rule_copy(const struct policy_rule *rule)
{
    struct policy_rule copy = *rule;

    copy.name = copy_of(rule->name);
    copy.ports = copy_of(rule->ports);
    copy.remote = copy_of(rule->remote);
    copy.program = copy_of(rule->program);
    return copy;
}

void policy_rule_finish(struct policy_rule *rule)
{
    free(rule->name);
    free(rule->ports);
    free(rule->remote);
    free(rule->program);
}

void policy_finish(struct policy *policy)
{
    for (size_t i = 0; i < policy->count; i++)
        policy_rule_finish(&policy->rules[i]);
    free(policy->rules);
    *policy = (struct policy){0};
}

bool policy_ports_hold(const char *ports, uint16_t port)
{
    struct span rest = span_str(ports), part;

    if (!ports || strcmp(ports, "*") == 0)
        return true;
    while (span_next(&rest, ',', &part)) {
        struct span last = span_trim(part), first;
        uint64_t from, to;
        if (!span_next(&last, '-', &first) || span_to_uint(span_trim(first), &from) < 0)
            continue;
        to = from;
        if (last.ptr && span_to_uint(span_trim(last), &to) < 0)
            continue;
        if (from <= port && port <= to)
            return true;
    }
    return false;
}
