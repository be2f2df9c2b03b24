/* Tables of iptables, from what `iptables -S` or iptables-save prints, as part of the one model.
 * Those of iptables-nft are in nftables' listing too: what that leaves open is taken from here. */
#include "firewall/model/ruleset_iptables.h"

#include <stdlib.h>

#include "base/mem.h"
#include "firewall/model/iptables_rule.h"
#include "firewall/model/iptables_words.h"

enum { NAME_MAX_BYTES = 256 };

bool iptables_next_word(const char **at, char *out, size_t size)
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
        if (len + 1 < size)
            out[len++] = *from;
    }
    out[len] = '\0';
    *at = from;
    return true;
}

/* ---- what iptables' names mean ---- */

static const struct {
    const char *name;
    enum ruleset_hook hook;
} hooks[] = {{"PREROUTING", RULESET_PREROUTING},
             {"INPUT", RULESET_INPUT},
             {"FORWARD", RULESET_FORWARD},
             {"OUTPUT", RULESET_OUTPUT},
             {"POSTROUTING", RULESET_POSTROUTING}};

static void set_hook(struct ruleset_chain *chain, const char *policy)
{
    static const struct {
        const char *table;
        int priority;
    } places[] = {{"raw", -300}, {"mangle", -150}, {"nat", -100}, {"filter", 0}, {"security", 50}};

    for (size_t i = 0; i < ARRAY_SIZE(hooks); i++)
        if (strcmp(chain->name, hooks[i].name) == 0)
            chain->hook = hooks[i].hook;
    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        if (strcmp(chain->table->name, places[i].table) == 0)
            chain->priority = places[i].priority;
    chain->nat = strcmp(chain->table->name, "nat") == 0;
    if (chain->nat && (chain->hook == RULESET_INPUT || chain->hook == RULESET_POSTROUTING))
        chain->priority = 100;
    chain->policy_drops = strcmp(policy, "DROP") == 0;
}

/* ---- reading ---- */

/* A text that is being read. */
struct text {
    struct ruleset_reader reader;
    struct ruleset_table *table;
    enum ruleset_family family;
    enum ruleset_source source;
    bool fills; /* the table is there, from nftables' listing: rules are taken for its own */
    struct ruleset_chain *chain; /* of the last rule */
    size_t at;                   /* its place there */
};

static void begin_table(struct text *text, struct span name)
{
    struct ruleset *ruleset = text->reader.ruleset;
    struct ruleset_table **end = &ruleset->tables;
    char *copy = arena_copy(&ruleset->arena, name);

    text->chain = NULL;
    text->table = NULL;
    for (; *end; end = &(*end)->next)
        if (text->source == RULESET_IPTABLES_NFT && (*end)->family == text->family &&
            span_equal(span_str((*end)->name), name))
            text->table = *end;
    text->fills = text->table != NULL;
    if (text->fills)
        text->table->source = text->source;
    if (text->fills || !copy)
        return;
    text->table = *end = ruleset_alloc(&text->reader, 1, sizeof **end);
    if (text->table)
        *text->table =
            (struct ruleset_table){.name = copy, .family = text->family, .source = text->source};
}

/* ":INPUT DROP [12:720]" or "-P INPUT DROP" or "-N name": what stands behind the first word. */
static void begin_chain(struct text *text, const char *words)
{
    char name[NAME_MAX_BYTES], policy[NAME_MAX_BYTES] = "";

    if (!text->table || !iptables_next_word(&words, name, sizeof name))
        return;
    (void)!iptables_next_word(&words, policy, sizeof policy); /* a chain of -N has none */
    if (strncmp(name, "ufw", 3) == 0)
        text->table->ufw = true;
    if (text->fills)
        return;
    struct ruleset_chain *chain = ruleset_add_chain(&text->reader, text->table, span_str(name));
    if (chain)
        set_hook(chain, policy);
}

/* A rule of the listing that has been read: its statements are replaced where it has extensions,
 * of which the listing does not say what they do. */
static void fill_rule(struct text *text, const char *line, const char *words)
{
    struct ruleset_rule *rule = text->at == 0 ? text->chain->rules : text->chain->last;

    for (rule = text->chain->rules; rule && rule->index < text->at; rule = rule->next)
        ;
    if (!rule)
        return;
    rule->line = arena_copy(&text->reader.ruleset->arena, span_str(line));
    for (size_t i = 0; i < rule->count; i++)
        if (rule->statements[i].extension) {
            iptables_rule_read(&text->reader, text->table, words, rule);
            return;
        }
}

static void read_rule(struct text *text, const char *line)
{
    const char *words = line + 3;
    char name[NAME_MAX_BYTES];
    struct ruleset_chain *chain = text->table && iptables_next_word(&words, name, sizeof name)
                                      ? ruleset_chain_of(text->reader.ruleset, text->table, name)
                                      : NULL;

    if (!chain)
        return;
    text->at = chain == text->chain ? text->at + 1 : 0;
    text->chain = chain;
    if (text->fills) {
        fill_rule(text, line, words);
        return;
    }
    struct ruleset_rule *rule = ruleset_add_rule(&text->reader, chain);
    if (!rule)
        return;
    rule->line = arena_copy(&text->reader.ruleset->arena, span_str(line));
    rule->words = rule->line ? rule->line + (words - line) : "";
}

/* Targets name chains that may stand behind them in the text. */
static void read_words(struct text *text)
{
    for (struct ruleset_chain *chain = text->reader.ruleset->chains; chain; chain = chain->next)
        for (struct ruleset_rule *rule = chain->rules; rule; rule = rule->next)
            if (rule->words && !rule->statements)
                iptables_rule_read(&text->reader, chain->table, rule->words, rule);
}

static void read_line(struct text *text, char *line)
{
    if (line[0] == '[') { /* the counters of `iptables-save -c` */
        char *end = strchr(line, ']');
        line = end ? end + 1 + strspn(end + 1, " ") : line;
    }
    if (line[0] == '*')
        begin_table(text, span_str(line + 1));
    else if (line[0] == ':')
        begin_chain(text, line + 1);
    else if (strncmp(line, "-P ", 3) == 0 || strncmp(line, "-N ", 3) == 0)
        begin_chain(text, line + 3);
    else if (strncmp(line, "-A ", 3) == 0)
        read_rule(text, line);
}

int ruleset_add_iptables(struct ruleset *ruleset, const char *printed,
                         const struct ruleset_iptables *what)
{
    struct text text = {
        .reader = {.ruleset = ruleset}, .family = what->family, .source = what->source};
    scoped(mem_release) char *copy = mem_string(span_str(printed));

    if (what->table)
        begin_table(&text, span_str(what->table));
    for (char *line = copy, *next; *line && !text.reader.error; line = next) {
        next = line + strcspn(line, "\n");
        if (*next)
            *next++ = '\0';
        read_line(&text, line);
    }
    if (!text.reader.error)
        read_words(&text);
    free(text.reader.why);
    return text.reader.error;
}
