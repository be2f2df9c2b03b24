/* Rules of iptables as `iptables -S` prints them (iptables(8), iptables-extensions(8)). What is not
 * known here is answered with perhaps. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "firewall/model/rules.h"

enum { WORD_MAX = 512 };

bool xt_next_word(const char **at, char *out, size_t room)
{
    const char *from = *at;
    size_t len = 0;
    bool quoted = false;

    while (*from == ' ')
        from++;
    if (!*from)
        return false;
    for (; *from && (quoted || *from != ' '); from++) {
        if (*from == '"') {
            quoted = !quoted;
            continue;
        }
        if (*from == '\\' && quoted && from[1])
            from++;
        if (len + 1 < room)
            out[len++] = *from;
    }
    out[len] = '\0';
    *at = from;
    return true;
}

/* ---- one option against the flow ---- */

static enum truth is_protocol(const struct flow *flow, const char *name)
{
    if (strcmp(name, "all") == 0)
        return TRUTH_YES;
    return truth_of(strcmp(name, port_protocol_name(flow->port.protocol)) == 0 ||
                    strcmp(name, flow->port.protocol == PORT_UDP ? "17" : "6") == 0);
}

/* "443", "80:90", "22,80:90" */
static enum truth has_port(unsigned port, const char *list)
{
    struct span rest = span_str(list), part;
    uint64_t first, last;

    while (span_next(&rest, ',', &part)) {
        struct span from = part;
        ptrdiff_t colon = span_find(part, ':');
        if (colon >= 0)
            from.len = (size_t)colon;
        if (span_to_uint(from, &first) < 0)
            return TRUTH_MAYBE;
        last = first;
        if (colon >= 0 && span_to_uint(span_from(part, (size_t)colon + 1), &last) < 0)
            return TRUTH_MAYBE;
        if (first <= port && port <= last)
            return TRUTH_YES;
    }
    return TRUTH_NO;
}

static enum truth is_source(const struct flow *flow, const char *network)
{
    char address[64];
    uint64_t prefix = flow->family == 4 ? 32 : 128;
    const char *slash = strchr(network, '/');

    if (slash && span_to_uint(span_str(slash + 1), &prefix) < 0)
        return TRUTH_MAYBE; /* a mask with holes */
    snprintf(address, sizeof address, "%.*s", (int)(slash ? slash - network : 63), network);
    return flow_is_from(flow, address, (unsigned)prefix);
}

static enum truth is_destination(const struct flow *flow, const char *network)
{
    size_t len = strcspn(network, "/");
    bool whole = !network[len] || strcmp(network + len, flow->family == 4 ? "/32" : "/128") == 0;

    if (strcmp(network, "0.0.0.0/0") == 0 || strcmp(network, "::/0") == 0)
        return TRUTH_YES;
    if (!*flow->destination || !whole)
        return TRUTH_MAYBE;
    return truth_of(strlen(flow->destination) == len &&
                    strncmp(flow->destination, network, len) == 0);
}

static bool list_has(const char *list, const char *word)
{
    struct span rest = span_str(list), part;

    while (span_next(&rest, ',', &part))
        if (span_equal(part, span_str(word)))
            return true;
    return false;
}

struct reading {
    const struct flow *flow;
    enum truth
        to_there; /* what -d said, which -o follows: where a packet goes out lies in where to */
};

/* @return false for an option that is not known */
static bool option_is(struct reading *reading, const char *option, const char *value,
                      enum truth *ret_truth)
{
    const struct flow *flow = reading->flow;

    if (strcmp(option, "-p") == 0)
        *ret_truth = is_protocol(flow, value);
    else if (strcmp(option, "-s") == 0)
        *ret_truth = is_source(flow, value);
    else if (strcmp(option, "-d") == 0)
        *ret_truth = reading->to_there = is_destination(flow, value);
    else if (strcmp(option, "-o") == 0)
        *ret_truth = reading->to_there;
    else if (strcmp(option, "-i") == 0)
        *ret_truth = flow_comes_by(flow, value);
    else if (strcmp(option, "--dport") == 0 || strcmp(option, "--dports") == 0)
        *ret_truth = has_port(flow->port.number, value);
    else if (strcmp(option, "--ctorigdstport") == 0)
        *ret_truth = has_port(flow->asked, value);
    else if (strcmp(option, "--ctstate") == 0 || strcmp(option, "--state") == 0)
        *ret_truth =
            truth_of(list_has(value, "NEW") || (flow->forwarded && list_has(value, "DNAT")));
    else if (strcmp(option, "--ctdir") == 0)
        *ret_truth = truth_of(strcmp(value, "ORIGINAL") == 0);
    else if (strcmp(option, "--dst-type") == 0)
        *ret_truth = flow->forwarded ? TRUTH_MAYBE : truth_of(list_has(value, "LOCAL"));
    else
        return false;
    return true;
}

/* Modules whose options are all in the lists here. */
static bool is_known_module(const char *name)
{
    static const char *const known[] = {"tcp",   "udp",       "comment", "conntrack",
                                        "state", "multiport", "addrtype"};

    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (strcmp(name, known[i]) == 0)
            return true;
    return false;
}

/* ---- what it does ---- */

static void read_target(const struct rules *rules, const char *name, struct rule_view *view)
{
    static const struct {
        const char *name;
        enum rule_does does;
    } targets[] = {{"ACCEPT", RULE_ACCEPTS}, {"DROP", RULE_DROPS},    {"REJECT", RULE_DROPS},
                   {"RETURN", RULE_RETURNS}, {"DNAT", RULE_FORWARDS}, {"REDIRECT", RULE_REDIRECTS}};

    view->does = RULE_GOES_ON;
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
        if (strcmp(targets[i].name, name) == 0)
            view->does = targets[i].does;
    for (size_t i = 0; i < rules->count; i++)
        if (strcmp(rules->chains[i].name, name) == 0) {
            view->does = RULE_JUMPS;
            view->target = rules->chains[i].name;
        }
    if (rules->without_ufw && strncmp(name, "ufw", 3) == 0)
        view->does = RULE_GOES_ON;
}

/* "172.17.0.2:8443", "[fd00::2]:8443", a range of either: the destination stays borrowed. */
static void read_destination(const char *rule, struct rule_view *view)
{
    const char *at = strstr(rule, "--to-destination ");
    size_t len = at ? strcspn(at += 17, " ") : 0;
    struct span to = span_of(at, len);
    ptrdiff_t colon = len ? span_find_last(to, ':') : -1;
    uint64_t port;

    if (!len)
        return;
    bool v6 = span_find(to, ':') != colon;
    if (colon >= 0 && (!v6 || to.ptr[0] == '[') &&
        span_to_uint(span_from(to, (size_t)colon + 1), &port) == 0 && port <= UINT16_MAX) {
        view->port = (unsigned)port;
        to.len = (size_t)colon;
    }
    if (to.len > 2 && to.ptr[0] == '[')
        to = span_of(to.ptr + 1, to.len - 2);
    view->destination = to;
}

/* Options that take a value and match nothing. */
static bool is_harmless(const char *option)
{
    static const char *const names[] = {"-A",     "--comment",        "--reject-with",
                                        "--log-", "--to-destination", "--nflog-",
                                        "--set-", "--to-source",      "--clamp-mss-to-pmtu"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strncmp(option, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static void judge_option(struct reading *reading, const struct rules *rules, const char *option,
                         const char **at, struct rule_view *view)
{
    char value[WORD_MAX] = "";
    bool negated = strcmp(option, "!") == 0;
    char inner[WORD_MAX];
    enum truth truth = TRUTH_MAYBE;
    uint64_t port;

    if (negated) {
        if (!xt_next_word(at, inner, sizeof inner))
            return;
        option = inner;
    }
    if (*option != '-')
        return; /* a further value of an option that is not known */
    const char *after = *at;
    if (xt_next_word(&after, value, sizeof value) && *value != '-' && *value != '!')
        *at = after;
    if (strcmp(option, "-j") == 0 || strcmp(option, "-g") == 0) {
        read_target(rules, value, view);
        if (option[1] == 'g' && view->does == RULE_JUMPS)
            view->does = RULE_GOES_TO;
    } else if (strcmp(option, "--to-ports") == 0) {
        view->port = span_to_uint(span_str(value), &port) == 0 ? (unsigned)port : 0;
    } else if (strcmp(option, "-m") == 0 && is_known_module(value)) {
        return;
    } else if (option_is(reading, option, value, &truth)) {
        view->matches = truth_and(view->matches, negated ? truth_not(truth) : truth);
    } else if (!is_harmless(option)) {
        view->matches = truth_and(view->matches, TRUTH_MAYBE);
    }
}

static void judge(const struct rules *rules, const struct rules_chain *chain, const void *rule,
                  const struct flow *flow, struct rule_view *ret_view)
{
    struct reading reading = {flow, TRUTH_MAYBE};
    const char *at = rule;
    char word[WORD_MAX];

    while (xt_next_word(&at, word, sizeof word))
        judge_option(&reading, rules, word, &at, ret_view);
    if (ret_view->does == RULE_FORWARDS)
        read_destination(rule, ret_view);
}

/* ---- the chains ---- */

static const char *hook_of(const char *chain)
{
    static const char *const names[][2] = {
        {"INPUT", "input"}, {"FORWARD", "forward"}, {"PREROUTING", "prerouting"}};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcmp(chain, names[i][0]) == 0)
            return names[i][1];
    return NULL;
}

/* "-P INPUT DROP", "-N name": the name is cut out of the text. */
static void read_chain(struct rules *rules, char *line, const char *family, const char *table)
{
    char *name = line + 3, *policy = strchr(name, ' ');
    struct rules_chain *chain = rules_add_chain(rules);

    if (policy)
        *policy++ = '\0';
    *chain = (struct rules_chain){.family = family,
                                  .table = table,
                                  .name = name,
                                  .hook = hook_of(name),
                                  .type = strcmp(table, "nat") == 0 ? "nat" : "filter",
                                  .drops = policy && strcmp(policy, "DROP") == 0};
    if (rules->without_ufw)
        chain->drops = false;
}

static void read_rule(struct rules *rules, const char *line, const char *family, const char *table)
{
    const char *at = line + 3;
    char name[WORD_MAX];
    struct rules_chain *chain =
        xt_next_word(&at, name, sizeof name) ? rules_find(rules, family, table, name) : NULL;

    if (chain)
        rules_add(chain, line);
}

void rules_of_xt(const char *text, const char *family, const char *table, bool without_ufw,
                 struct rules *ret_rules)
{
    struct rules rules = {.judge = judge, .without_ufw = without_ufw};

    rules.text = text ? mem_string(span_str(text)) : NULL;
    for (char *line = rules.text, *next; line && *line; line = next) {
        next = line + strcspn(line, "\n");
        if (*next)
            *next++ = '\0';
        if (strncmp(line, "-P ", 3) == 0 || strncmp(line, "-N ", 3) == 0)
            read_chain(&rules, line, family, table);
        else if (strncmp(line, "-A ", 3) == 0)
            read_rule(&rules, line, family, table);
    }
    *ret_rules = rules;
}
