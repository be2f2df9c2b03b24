/* The walk over chains. What a single rule means is its language's judge's. */
#include "firewall/model/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "os/net.h"

enum {
    DEPTH_MAX = 16,          /* jumps, as the kernel allows */
    VISITS_MAX = 1000 * 1000 /* rules looked at in one walk */
};

struct walk {
    const struct rules *rules;
    const struct flow *flow;
    size_t visits;
    bool some_dropped;
    struct rule_view decided;
};

/* How a chain ended: the rule that ended it, or none, after which its caller goes on. */
enum chain_end { CHAIN_NONE, CHAIN_OPEN, CHAIN_CLOSED, CHAIN_UNKNOWN };

static enum chain_end walk_chain(struct walk *walk, const struct rules_chain *chain, unsigned depth,
                                 size_t *ret_at);

static enum chain_end walk_target(struct walk *walk, const struct rules_chain *from,
                                  const struct rule_view *view, unsigned depth)
{
    const struct rules_chain *target =
        rules_find(walk->rules, from->family, from->table, view->target);
    size_t at;

    if (!target || depth == DEPTH_MAX)
        return CHAIN_NONE;
    enum chain_end end = walk_chain(walk, target, depth + 1, &at);
    if (view->matches == TRUTH_YES)
        return end;
    walk->some_dropped = walk->some_dropped || end == CHAIN_CLOSED;
    return CHAIN_NONE;
}

/* @return true when the rule ended the chain */
static bool walk_rule(struct walk *walk, const struct rules_chain *chain,
                      const struct rule_view *view, unsigned depth, enum chain_end *ret_end)
{
    bool sure = view->matches == TRUTH_YES;

    switch (view->does) {
    case RULE_GOES_ON:
        return false;
    case RULE_RETURNS:
        *ret_end = CHAIN_NONE;
        return sure;
    case RULE_JUMPS:
    case RULE_GOES_TO:
        *ret_end = walk_target(walk, chain, view, depth);
        return *ret_end != CHAIN_NONE || (sure && view->does == RULE_GOES_TO);
    case RULE_DROPS:
        walk->some_dropped = walk->some_dropped || !sure;
        *ret_end = CHAIN_CLOSED;
        break;
    default:
        *ret_end = CHAIN_OPEN;
    }
    if (sure)
        walk->decided = *view;
    return sure;
}

static enum chain_end walk_chain(struct walk *walk, const struct rules_chain *chain, unsigned depth,
                                 size_t *ret_at)
{
    enum chain_end end;

    for (size_t i = 0; i < chain->count; i++) {
        struct rule_view view = {.matches = TRUTH_YES};
        if (++walk->visits > VISITS_MAX)
            return CHAIN_UNKNOWN;
        walk->rules->judge(walk->rules, chain, chain->rules[i], walk->flow, &view);
        *ret_at = i;
        if (view.matches != TRUTH_NO && walk_rule(walk, chain, &view, depth, &end))
            return end;
    }
    *ret_at = chain->count;
    return CHAIN_NONE;
}

void rules_walk(const struct rules *rules, const struct rules_chain *chain, const struct flow *flow,
                struct rules_end *ret_end)
{
    struct walk walk = {.rules = rules, .flow = flow};
    struct rules_end end = {.outcome = OUTCOME_OPEN};

    switch (walk_chain(&walk, chain, 0, &end.before)) {
    case CHAIN_CLOSED:
        end.outcome = OUTCOME_CLOSED;
        break;
    case CHAIN_UNKNOWN:
        end.outcome = OUTCOME_UNKNOWN;
        break;
    case CHAIN_NONE:
        end.before = chain->count;
        end.outcome = chain->drops ? OUTCOME_CLOSED : OUTCOME_OPEN;
        break;
    case CHAIN_OPEN:
        break;
    }
    end.some_dropped = walk.some_dropped;
    end.decided = walk.decided;
    *ret_end = end;
}

void rules_translate(const struct rules *rules, struct flow *flow)
{
    struct rules_end end;

    for (size_t i = 0; i < rules->count; i++) {
        const struct rules_chain *chain = &rules->chains[i];
        if (!chain->hook || strcmp(chain->hook, "prerouting") != 0 ||
            strcmp(chain->type, "nat") != 0 ||
            (strcmp(chain->family, flow->family == 4 ? "ip6" : "ip") == 0))
            continue;
        rules_walk(rules, chain, flow, &end);
        if (end.decided.does != RULE_FORWARDS && end.decided.does != RULE_REDIRECTS)
            continue;
        if (end.decided.port)
            flow->port.number = (uint16_t)end.decided.port;
        flow->translated = true;
        flow->forwarded = end.decided.does == RULE_FORWARDS;
        snprintf(flow->destination, sizeof flow->destination, "%.*s",
                 SPAN_ARGS(end.decided.destination));
        return;
    }
}

/* ---- chains ---- */

struct rules_chain *rules_add_chain(struct rules *rules)
{
    rules->chains = mem_resize(rules->chains, rules->count + 1, sizeof *rules->chains);
    struct rules_chain *chain = &rules->chains[rules->count++];
    *chain = (struct rules_chain){.family = ""};
    return chain;
}

void rules_add(struct rules_chain *chain, const void *rule)
{
    if ((chain->count & (chain->count - 1)) == 0) /* full at each power of two */
        chain->rules =
            mem_resize(chain->rules, chain->count ? 2 * chain->count : 1, sizeof *chain->rules);
    chain->rules[chain->count++] = rule;
}

struct rules_chain *rules_find(const struct rules *rules, const char *family, const char *table,
                               const char *name)
{
    for (size_t i = 0; i < rules->count; i++) {
        struct rules_chain *chain = &rules->chains[i];
        if (strcmp(chain->name, name) == 0 && strcmp(chain->table, table) == 0 &&
            strcmp(chain->family, family) == 0)
            return chain;
    }
    return NULL;
}

void rules_finish(struct rules *rules)
{
    for (size_t i = 0; i < rules->count; i++)
        free(rules->chains[i].rules);
    free(rules->chains);
    free(rules->text);
    *rules = (struct rules){0};
}

/* ---- what a flow is ---- */

static bool same_bits(const unsigned char *a, const unsigned char *b, unsigned bits)
{
    if (memcmp(a, b, bits / 8) != 0)
        return false;
    unsigned char mask = (unsigned char)(0xff00u >> bits % 8);
    return bits % 8 == 0 || ((a[bits / 8] ^ b[bits / 8]) & mask) == 0;
}

enum truth flow_is_from(const struct flow *flow, const char *network, unsigned prefix)
{
    unsigned char bytes[16];
    int family = strchr(network, ':') ? 6 : 4;
    const struct network *from = flow->from;

    if (inet_pton(family == 4 ? AF_INET : AF_INET6, network, bytes) != 1)
        return TRUTH_MAYBE;
    if (family != flow->family)
        return TRUTH_NO;
    if (prefix == 0)
        return TRUTH_YES;
    if (!from || from->family == 0)
        return TRUTH_MAYBE;
    if (prefix <= from->prefix)
        return truth_of(same_bits(bytes, from->bytes, prefix));
    return same_bits(bytes, from->bytes, from->prefix) ? TRUTH_MAYBE : TRUTH_NO;
}

/* Bridges of containers and virtual machines, by which nobody comes from outside. */
static bool is_inner_bridge(const char *name)
{
    static const char *const starts[] = {"docker", "br-", "virbr", "lxcbr",
                                         "veth",   "cni", "podman"};

    for (size_t i = 0; i < ARRAY_SIZE(starts); i++)
        if (strncmp(name, starts[i], strlen(starts[i])) == 0)
            return true;
    return false;
}

enum truth flow_comes_by(const struct flow *flow, const char *name)
{
    size_t len = strlen(name);

    if (strcmp(name, "lo") == 0)
        return TRUTH_NO;
    if (!flow->interface && is_inner_bridge(name))
        return TRUTH_NO;
    if (!flow->interface)
        return len == 1 && (*name == '+' || *name == '*') ? TRUTH_YES : TRUTH_MAYBE;
    if (len && (name[len - 1] == '+' || name[len - 1] == '*'))
        return truth_of(strncmp(flow->interface, name, len - 1) == 0);
    return truth_of(strcmp(flow->interface, name) == 0);
}
