/* Rules of nftables as libnftables gives them in JSON (libnftables-json(5)). What is not known here
 * is answered with perhaps. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "firewall/model/rules.h"

struct judging {
    const struct rules *rules;
    const struct rules_chain *chain;
    const struct flow *flow;
};

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static bool is(const json_t *object, const char *key, const char *wanted)
{
    return strcmp(text_at(object, key), wanted) == 0;
}

/* ---- one value against the flow ---- */

static enum truth is_port(unsigned port, const json_t *value)
{
    const json_t *range = json_object_get(value, "range");

    if (json_is_integer(value))
        return truth_of(json_integer_value(value) == (json_int_t)port);
    if (range)
        return truth_of(json_integer_value(json_array_get(range, 0)) <= (json_int_t)port &&
                        (json_int_t)port <= json_integer_value(json_array_get(range, 1)));
    return TRUTH_MAYBE;
}

static enum truth is_protocol(const struct flow *flow, const json_t *value)
{
    json_int_t number = flow->port.protocol == PORT_UDP ? 17 : 6;
    const char *name = json_string_value(value);

    if (json_is_integer(value))
        return truth_of(json_integer_value(value) == number);
    return name ? truth_of(strcmp(name, port_protocol_name(flow->port.protocol)) == 0)
                : TRUTH_MAYBE;
}

static enum truth is_source(const struct flow *flow, const json_t *value)
{
    const json_t *prefix = json_object_get(value, "prefix");
    const char *address = prefix ? text_at(prefix, "addr") : json_string_value(value);

    if (!address)
        return TRUTH_MAYBE;
    unsigned full = strchr(address, ':') ? 128 : 32;
    return flow_is_from(flow, address,
                        prefix ? (unsigned)json_integer_value(json_object_get(prefix, "len"))
                               : full);
}

/* The packet's own headers. */
static enum truth payload_is(const struct judging *at, const json_t *payload, const json_t *value)
{
    const struct flow *flow = at->flow;
    const char *protocol = text_at(payload, "protocol"), *field = text_at(payload, "field");
    bool inet = strcmp(protocol, "ip") == 0 || strcmp(protocol, "ip6") == 0;

    if (inet && (strcmp(protocol, "ip") == 0) != (flow->family == 4))
        return TRUTH_NO;
    if (inet && strcmp(field, "saddr") == 0)
        return is_source(flow, value);
    if (inet && (strcmp(field, "protocol") == 0 || strcmp(field, "nexthdr") == 0))
        return is_protocol(flow, value);
    if (inet && strcmp(field, "daddr") == 0 && *flow->destination && json_is_string(value))
        return truth_of(strcmp(flow->destination, json_string_value(value)) == 0);
    if (inet)
        return TRUTH_MAYBE;
    if (strcmp(protocol, "th") != 0 &&
        strcmp(protocol, port_protocol_name(flow->port.protocol)) != 0)
        return strcmp(protocol, "ether") == 0 || strcmp(protocol, "vlan") == 0 ? TRUTH_MAYBE
                                                                               : TRUTH_NO;
    return strcmp(field, "dport") == 0 ? is_port(flow->port.number, value) : TRUTH_MAYBE;
}

static enum truth meta_is(const struct judging *at, const char *key, const json_t *value)
{
    const char *name = json_string_value(value);

    if (strcmp(key, "l4proto") == 0)
        return is_protocol(at->flow, value);
    if (!name)
        return TRUTH_MAYBE;
    if (strcmp(key, "nfproto") == 0)
        return truth_of(strcmp(name, at->flow->family == 4 ? "ipv4" : "ipv6") == 0);
    if (strcmp(key, "protocol") == 0)
        return truth_of(strcmp(name, at->flow->family == 4 ? "ip" : "ip6") == 0);
    if (strcmp(key, "iifname") == 0 || strcmp(key, "iif") == 0)
        return flow_comes_by(at->flow, name);
    return TRUTH_MAYBE;
}

static enum truth ct_is(const struct judging *at, const json_t *ct, const json_t *value)
{
    const char *key = text_at(ct, "key"), *name = json_string_value(value);

    if (strcmp(key, "state") == 0 && name)
        return truth_of(strcmp(name, "new") == 0);
    if (strcmp(key, "status") == 0 && name && strcmp(name, "dnat") == 0)
        return truth_of(at->flow->forwarded);
    if (strcmp(key, "direction") == 0 && name)
        return truth_of(strcmp(name, "original") == 0);
    if (strcmp(key, "proto-dst") == 0 && is(ct, "dir", "original"))
        return is_port(at->flow->asked, value);
    return TRUTH_MAYBE;
}

static enum truth value_is(const struct judging *at, const json_t *left, const json_t *value)
{
    const json_t *fib = json_object_get(left, "fib");
    const json_t *inner;

    if ((inner = json_object_get(value, "elem"))) /* with a timeout, counter or comment */
        return value_is(at, left, json_object_get(inner, "val"));
    if ((inner = json_object_get(left, "payload")))
        return payload_is(at, inner, value);
    if ((inner = json_object_get(left, "meta")))
        return meta_is(at, text_at(inner, "key"), value);
    if ((inner = json_object_get(left, "ct")))
        return ct_is(at, inner, value);
    if (fib && is(fib, "result", "type") && json_is_string(value) && !at->flow->forwarded)
        return truth_of(strcmp(json_string_value(value), "local") == 0);
    return TRUTH_MAYBE;
}

static enum truth concat_is(const struct judging *at, const json_t *left, const json_t *value)
{
    const json_t *parts = json_object_get(left, "concat");
    const json_t *inner = json_object_get(value, "elem");
    const json_t *values = json_object_get(inner ? json_object_get(inner, "val") : value, "concat");
    enum truth truth = TRUTH_YES;
    size_t i;
    json_t *part;

    json_array_foreach(parts, i, part) truth =
        truth_and(truth, value_is(at, part, json_array_get(values, i)));
    return truth;
}

/* ---- a match: one value, a list, a set, a set by name ---- */

/* The elements of a set or map of the chain's table, NULL when it is empty or not there. */
static const json_t *named_set(const struct judging *at, const char *name)
{
    size_t i;
    json_t *item;

    json_array_foreach(at->rules->ruleset, i, item)
    {
        const json_t *set = json_object_get(item, "set");
        set = set ? set : json_object_get(item, "map");
        if (set && is(set, "name", name) && is(set, "table", at->chain->table) &&
            is(set, "family", at->chain->family))
            return json_object_get(set, "elem");
    }
    return NULL;
}

static enum truth element_is(const struct judging *at, const json_t *left, const json_t *value)
{
    return json_object_get(left, "concat") ? concat_is(at, left, value) : value_is(at, left, value);
}

static enum truth right_is(const struct judging *at, const json_t *left, const json_t *right)
{
    const char *name = json_string_value(right);
    const json_t *list = json_is_array(right) ? right : json_object_get(right, "set");
    enum truth truth = TRUTH_NO;
    size_t i;
    json_t *value;

    if (name && *name == '@')
        list = named_set(at, name + 1);
    else if (!list)
        return element_is(at, left, right);
    json_array_foreach(list, i, value) truth = truth_or(truth, element_is(at, left, value));
    return truth;
}

static enum truth match_is(const struct judging *at, const json_t *match)
{
    const json_t *left = json_object_get(match, "left");
    const char *op = text_at(match, "op");
    enum truth truth = right_is(at, left, json_object_get(match, "right"));

    if (strcmp(op, "==") == 0 || strcmp(op, "in") == 0)
        return truth;
    if (strcmp(op, "!=") != 0)
        return TRUTH_MAYBE;
    /* "not equal" is of a packet that has the header at all */
    const json_t *payload = json_object_get(left, "payload");
    if (payload && truth == TRUTH_NO) {
        bool other_family = (is(payload, "protocol", "ip") && at->flow->family != 4) ||
                            (is(payload, "protocol", "ip6") && at->flow->family != 6);
        bool other_protocol =
            is(payload, "protocol", at->flow->port.protocol == PORT_UDP ? "tcp" : "udp");
        if (other_family || other_protocol)
            return TRUTH_NO;
    }
    return truth_not(truth);
}

/* ---- statements ---- */

static bool is_verdict(const json_t *statement, struct rule_view *view)
{
    static const struct {
        const char *name;
        enum rule_does does;
    } verdicts[] = {
        {"accept", RULE_ACCEPTS}, {"drop", RULE_DROPS},         {"reject", RULE_DROPS},
        {"jump", RULE_JUMPS},     {"goto", RULE_GOES_TO},       {"return", RULE_RETURNS},
        {"dnat", RULE_FORWARDS},  {"redirect", RULE_REDIRECTS}, {"continue", RULE_GOES_ON},
    };

    for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++) {
        const json_t *value = json_object_get(statement, verdicts[i].name);
        if (!value)
            continue;
        view->does = verdicts[i].does;
        view->target = text_at(value, "target");
        view->destination = span_str(text_at(value, "addr"));
        view->port = (unsigned)json_integer_value(json_object_get(value, "port"));
        return true;
    }
    return false;
}

/* The first element whose key matches decides; one that may match makes the rest uncertain. */
static void judge_vmap(const struct judging *at, const json_t *vmap, struct rule_view *view)
{
    const json_t *key = json_object_get(vmap, "key"), *data = json_object_get(vmap, "data");
    const char *name = json_string_value(data);
    const json_t *list = name && *name == '@' ? named_set(at, name + 1) : NULL;
    enum truth before = view->matches;
    size_t i;
    json_t *pair;

    list = list ? list : json_object_get(data, "set");
    view->matches = TRUTH_NO;
    json_array_foreach(list, i, pair)
    {
        struct rule_view element = {.does = RULE_GOES_ON};
        element.matches = truth_and(before, element_is(at, key, json_array_get(pair, 0)));
        if (element.matches > view->matches && is_verdict(json_array_get(pair, 1), &element))
            *view = element;
    }
}

static void judge_statement(const struct judging *at, const json_t *statement,
                            struct rule_view *view)
{
    static const char *const harmless[] = {"counter", "log",  "notrack",
                                           "mangle",  "meta", "comment"};
    const json_t *inner;

    if ((inner = json_object_get(statement, "match"))) {
        view->matches = truth_and(view->matches, match_is(at, inner));
        return;
    }
    if ((inner = json_object_get(statement, "vmap"))) {
        judge_vmap(at, inner, view);
        return;
    }
    if (is_verdict(statement, view))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
        if (json_object_get(statement, harmless[i]))
            return;
    view->matches = truth_and(view->matches, TRUTH_MAYBE);
}

static void judge(const struct rules *rules, const struct rules_chain *chain, const void *rule,
                  const struct flow *flow, struct rule_view *ret_view)
{
    const struct judging at = {rules, chain, flow};
    size_t i;
    json_t *statement;

    json_array_foreach(json_object_get(rule, "expr"), i, statement)
        judge_statement(&at, statement, ret_view);
    if ((strcmp(chain->family, "ip") == 0 && flow->family != 4) ||
        (strcmp(chain->family, "ip6") == 0 && flow->family != 6))
        ret_view->matches = TRUTH_NO;
}

/* ---- the chains ---- */

static void add_chain(struct rules *rules, const json_t *from)
{
    struct rules_chain *chain = rules_add_chain(rules);

    chain->family = text_at(from, "family");
    chain->table = text_at(from, "table");
    chain->name = text_at(from, "name");
    chain->hook = json_string_value(json_object_get(from, "hook"));
    chain->type = text_at(from, "type");
    chain->drops = is(from, "policy", "drop");
}

void rules_of_nft(const struct firewall_facts *facts, struct rules *ret_rules)
{
    struct rules rules = {.judge = judge, .ruleset = facts->ruleset};
    size_t i;
    json_t *item;

    json_array_foreach(facts->ruleset, i, item) if (json_object_get(item, "chain"))
        add_chain(&rules, json_object_get(item, "chain"));
    json_array_foreach(facts->ruleset, i, item)
    {
        const json_t *rule = json_object_get(item, "rule");
        struct rules_chain *chain = rule
                                        ? rules_find(&rules, text_at(rule, "family"),
                                                     text_at(rule, "table"), text_at(rule, "chain"))
                                        : NULL;
        if (chain)
            rules_add(chain, rule);
    }
    *ret_rules = rules;
}
