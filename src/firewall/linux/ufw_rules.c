/* Reads the lines "### tuple ### allow tcp 443 0.0.0.0/0 any 0.0.0.0/0 in comment=…", from which
 * ufw itself builds what `ufw status` shows. What the rules below them do is ufw's business. */
#include "firewall/linux/ufw_rules.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "firewall/plan/facts.h"

enum { WORDS_MAX = 12 };

/* ---- reading ---- */

static size_t split(struct span line, struct span words[WORDS_MAX])
{
    size_t count = 0;

    while (count < WORDS_MAX && span_next(&line, ' ', &words[count]))
        count += words[count].len > 0;
    return count;
}

static int hex(char c)
{
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, ascii_lower(c)) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* Comments are hexadecimal, so that they hold no space. @return NULL for what is none */
static char *decode(struct span text)
{
    char *out = mem_zalloc(text.len / 2 + 1);

    for (size_t i = 0; i + 1 < text.len; i += 2) {
        int high = hex(text.ptr[i]), low = hex(text.ptr[i + 1]);
        if (high < 0 || low < 0 || high + low == 0) {
            free(out);
            return NULL;
        }
        out[i / 2] = (char)(high * 16 + low);
    }
    return out;
}

/* "Nginx%20HTTPS"; "-" is none. */
static char *application(struct span name)
{
    if (span_equal(name, SPAN("-")))
        return NULL;
    char *text = mem_string(name), *at = text;

    while ((at = strstr(at, "%20"))) {
        *at++ = ' ';
        memmove(at, at + 2, strlen(at + 2) + 1);
    }
    return text;
}

static void read_action(struct span word, struct ufw_rule *rule)
{
    ptrdiff_t mark = span_find(word, '_');

    rule->action = mem_string(mark < 0 ? word : span_of(word.ptr, (size_t)mark));
    rule->log = mem_string(mark < 0 ? SPAN("") : span_from(word, (size_t)mark + 1));
}

/* action protocol ports to from-ports from [to-application from-application] direction
 * [comment=HEX] */
static bool read_tuple(struct span line, struct ufw_rule *ret_rule)
{
    struct span words[WORDS_MAX], comment = {0};
    size_t count = split(line, words);
    struct span mark = SPAN("comment=");

    if (count && span_starts(words[count - 1], mark))
        comment = span_from(words[--count], mark.len);
    bool route = span_starts(words[0], SPAN("route:"));
    if (route)
        words[0] = span_from(words[0], strlen("route:"));
    if (count != 7 && count != 9)
        return false;
    struct span direction = words[count - 1];
    bool everywhere = span_equal(direction, SPAN("in"));
    if (!everywhere && !span_starts(direction, SPAN("in_")))
        return false;
    *ret_rule = (struct ufw_rule){
        .route = route,
        .protocol = mem_string(words[1]),
        .ports = mem_string(words[2]),
        .to = mem_string(words[3]),
        .from_ports = mem_string(words[4]),
        .from = mem_string(words[5]),
        .application = count == 9 ? application(words[6]) : NULL,
        .interface = everywhere ? NULL : mem_string(span_from(direction, 3)),
        .comment = comment.len ? decode(comment) : NULL,
    };
    read_action(words[0], ret_rule);
    return true;
}

void ufw_rules_parse(struct span text, int version, struct ufw_rules *rules)
{
    struct span mark = SPAN("### tuple ### "), line;
    struct ufw_rule rule;

    while (rules->count < UFW_RULES_MAX && span_next(&text, '\n', &line)) {
        if (!span_starts(line, mark) || !read_tuple(span_from(line, mark.len), &rule))
            continue;
        rule.version = version;
        rules->items = mem_resize(rules->items, rules->count + 1, sizeof *rules->items);
        rules->items[rules->count++] = rule;
    }
}

void ufw_rules_read(const struct firewall_facts *facts, struct ufw_rules *ret_rules)
{
    scoped(mem_release) char *v4 = firewall_facts_file(facts, "/etc/ufw/user.rules");
    scoped(mem_release) char *v6 = firewall_facts_file(facts, "/etc/ufw/user6.rules");

    *ret_rules = (struct ufw_rules){0};
    ufw_rules_parse(span_str(v4), 4, ret_rules);
    ufw_rules_parse(span_str(v6), 6, ret_rules);
}

void ufw_rules_finish(struct ufw_rules *rules)
{
    for (size_t i = 0; i < rules->count; i++) {
        struct ufw_rule *rule = &rules->items[i];
        char *const owned[] = {rule->action,    rule->log,    rule->protocol,   rule->ports,
                               rule->to,        rule->from,   rule->from_ports, rule->application,
                               rule->interface, rule->comment};
        for (size_t k = 0; k < ARRAY_SIZE(owned); k++)
            free(owned[k]);
    }
    free(rules->items);
    *rules = (struct ufw_rules){0};
}

/* ---- judging ---- */

/* Is the number in "443", "8000:8100"? */
static bool in_range(struct span range, uint16_t number)
{
    ptrdiff_t colon = span_find(range, ':');
    struct span first = colon < 0 ? range : span_of(range.ptr, (size_t)colon);
    struct span last = colon < 0 ? range : span_from(range, (size_t)colon + 1);
    uint64_t from, to;

    return span_to_uint(first, &from) >= 0 && span_to_uint(last, &to) >= 0 && from <= number &&
           number <= to;
}

static bool speaks(const struct ufw_rule *rule, struct port port)
{
    if (rule->route) /* it is about no port of this host */
        return false;
    return strcmp(rule->protocol, "any") == 0 ||
           strcmp(rule->protocol, port_protocol_name(port.protocol)) == 0;
}

bool ufw_rule_covers(const struct ufw_rule *rule, struct port port)
{
    struct span rest = span_str(rule->ports), part;
    bool found = span_equal(rest, SPAN("any"));

    while (!found && span_next(&rest, ',', &part))
        found = in_range(part, port.number);
    return found && speaks(rule, port);
}

bool ufw_rule_is_for(const struct ufw_rule *rule, struct port port)
{
    uint64_t number;

    return speaks(rule, port) && span_to_uint(span_str(rule->ports), &number) >= 0 &&
           number == port.number;
}

static bool is_everybody(const char *network)
{
    return strcmp(network, "0.0.0.0/0") == 0 || strcmp(network, "::/0") == 0;
}

bool ufw_rule_for_all(const struct ufw_rule *rule)
{
    return !rule->interface && is_everybody(rule->from) && is_everybody(rule->to) &&
           strcmp(rule->from_ports, "any") == 0;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_network(const char *a, const char *b)
{
    return (is_everybody(a) && is_everybody(b)) || strcmp(a, b) == 0;
}

bool ufw_rule_same(const struct ufw_rule *a, const struct ufw_rule *b)
{
    return a->route == b->route && same_text(a->action, b->action) &&
           same_text(a->protocol, b->protocol) && same_text(a->ports, b->ports) &&
           same_text(a->from_ports, b->from_ports) && same_network(a->from, b->from) &&
           same_network(a->to, b->to) && same_text(a->interface, b->interface) &&
           same_text(a->application, b->application);
}
