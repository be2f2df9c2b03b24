/* Orders to the Windows Firewall as JSON and back. */
#include "firewall/windows/policy_plan.h"

#include "base/error.h"
#include "base/mem.h"

static const char *const verbs[] = {
    [POLICY_ADD] = "add", [POLICY_REMOVE] = "remove", [POLICY_SWITCH] = "switch"};

static json_t *order_json(const struct policy_order *order)
{
    const struct policy_rule *rule = &order->rule;

    return json_pack("{s:s, s:s, s:s*, s:s*, s:s*, s:i, s:i, s:b, s:b, s:b}", "do",
                     verbs[order->verb], "name", rule->name, "ports", rule->ports, "remote",
                     rule->remote, "program", rule->program, "protocol", rule->protocol, "profiles",
                     (int)rule->profiles, "out", (int)rule->out, "block", (int)rule->block,
                     "enabled", (int)rule->enabled);
}

json_t *policy_plan_json(const struct plan *plan)
{
    json_t *list = json_array();

    for (size_t i = 0; i < plan->count; i++)
        if (plan->items[i].undo.kind == PLAN_SYSTEM)
            json_array_append_new(list, order_json(&plan->items[i].undo.policy));
    return list;
}

static int parse_order(json_t *object, enum policy_verb *ret_verb, struct policy_rule *ret_rule)
{
    const char *verb = NULL, *name = NULL, *ports = NULL, *remote = NULL, *program = NULL;
    int protocol = 0, profiles = 0, out = 0, block = 0, enabled = 0;
    size_t i = 0;
    int r = json_unpack(object, "{s:s, s:s, s?s, s?s, s?s, s:i, s:i, s:b, s:b, s:b}", "do", &verb,
                        "name", &name, "ports", &ports, "remote", &remote, "program", &program,
                        "protocol", &protocol, "profiles", &profiles, "out", &out, "block", &block,
                        "enabled", &enabled);

    while (r == 0 && i < ARRAY_SIZE(verbs) && strcmp(verbs[i], verb) != 0)
        i++;
    if (r < 0 || i == ARRAY_SIZE(verbs))
        return ERR_SYNTAX;
    *ret_verb = (enum policy_verb)i;
    *ret_rule = (struct policy_rule){.name = (char *)name,
                                     .ports = (char *)ports,
                                     .remote = (char *)remote,
                                     .program = (char *)program,
                                     .protocol = protocol,
                                     .profiles = (unsigned)profiles,
                                     .out = out,
                                     .block = block,
                                     .enabled = enabled};
    return 0;
}

int policy_plan_parse(const json_t *list, struct plan *ret_plan)
{
    size_t i;
    json_t *object;

    *ret_plan = (struct plan){0};
    if (!json_is_array(list) || json_array_size(list) > PLAN_STEPS_MAX)
        return ERR_SYNTAX;
    json_array_foreach(list, i, object)
    {
        enum policy_verb verb;
        struct policy_rule rule;
        if (parse_order(object, &verb, &rule) < 0)
            return ERR_SYNTAX;
        plan_policy(&plan_add(ret_plan, "windows", "taken back")->undo, verb, &rule);
    }
    return 0;
}
