/* Tables, chains, rules and sets from nftables' JSON. What stands inside a rule is
 * ruleset_expr.c's; where the JSON comes from is ruleset_read.c's. */
#include "firewall/model/ruleset.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "firewall/model/ruleset_internal.h"

static const char *const families[] = {
    [RULESET_IP] = "ip",         [RULESET_IP6] = "ip6",       [RULESET_INET] = "inet",
    [RULESET_NETDEV] = "netdev", [RULESET_BRIDGE] = "bridge", [RULESET_ARP] = "arp",
};

static const char *const hooks[] = {
    [RULESET_NO_HOOK] = "",
    [RULESET_INGRESS] = "ingress",
    [RULESET_PREROUTING] = "prerouting",
    [RULESET_INPUT] = "input",
    [RULESET_FORWARD] = "forward",
    [RULESET_OUTPUT] = "output",
    [RULESET_POSTROUTING] = "postrouting",
    [RULESET_EGRESS] = "egress",
};

const char *ruleset_family_name(enum ruleset_family family)
{
    return families[family];
}

const char *ruleset_hook_name(enum ruleset_hook hook)
{
    return hooks[hook];
}

static int index_of(const char *word, const char *const *words, size_t count)
{
    for (size_t i = 0; word && i < count; i++)
        if (strcmp(word, words[i]) == 0)
            return (int)i;
    return -1;
}

int ruleset_family_of(const char *name)
{
    return index_of(name, families, ARRAY_SIZE(families));
}

const char *ruleset_extension(const char *prefix)
{
    size_t len = sizeof RULESET_EXTENSION - 1;

    return strncmp(prefix, RULESET_EXTENSION, len) == 0 ? prefix + len : NULL;
}

int ruleset_fail(struct ruleset_reader *reader, int error, const char *sentence, ...)
{
    va_list args;

    if (reader->error)
        return reader->error;
    va_start(args, sentence);
    if (vasprintf(&reader->why, sentence, args) < 0)
        abort();
    va_end(args);
    return reader->error = error;
}

void *ruleset_alloc(struct ruleset_reader *reader, size_t count, size_t size)
{
    void *memory = reader->error ? NULL : arena_alloc(&reader->ruleset->arena, count * size);

    if (!memory)
        ruleset_fail(reader, ERR_LIMIT, "the rules take more than %d MiB of memory",
                     RULESET_MEMORY_MAX >> 20);
    else
        memset(memory, 0, count * size);
    return memory;
}

const char *ruleset_string(struct ruleset_reader *reader, const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    if (!text)
        ruleset_fail(reader, ERR_SYNTAX, "an object lacks the string \"%s\"", key);
    return text;
}

/* ---- finding ---- */

static struct ruleset_table *find_table(const struct ruleset *ruleset, int family, const char *name)
{
    for (struct ruleset_table *table = ruleset->tables; table; table = table->next)
        if ((int)table->family == family && strcmp(table->name, name) == 0)
            return table;
    return NULL;
}

/* FNV-1a: who can name chains can do worse than to slow their own listing down. */
static size_t hash_of(const struct ruleset_table *table, const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u ^ (uintptr_t)table;

    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
    return hash % RULESET_HASH;
}

struct ruleset_chain *ruleset_chain_of(const struct ruleset *ruleset,
                                       const struct ruleset_table *table, const char *name)
{
    struct ruleset_chain *chain = ruleset->chain_hash[hash_of(table, name)];

    while (chain && (chain->table != table || strcmp(chain->name, name) != 0))
        chain = chain->same_hash;
    return chain;
}

const struct ruleset_chain *ruleset_chain_find(const struct ruleset *ruleset,
                                               const struct ruleset_table *table, const char *name)
{
    return ruleset_chain_of(ruleset, table, name);
}

const struct ruleset_set *ruleset_set_find(const struct ruleset *ruleset,
                                           const struct ruleset_table *table, const char *name)
{
    const struct ruleset_set *set = ruleset->set_hash[hash_of(table, name)];

    while (set && (set->table != table || strcmp(set->name, name) != 0))
        set = set->same_hash;
    return set;
}

bool ruleset_has(const struct ruleset *ruleset, enum statement_kind kind)
{
    for (const struct ruleset_chain *chain = ruleset->chains; chain; chain = chain->next)
        for (const struct ruleset_rule *rule = chain->rules; rule; rule = rule->next)
            for (size_t i = 0; i < rule->count; i++)
                if (rule->statements[i].kind == kind)
                    return true;
    return false;
}

/* ---- reading ---- */

/* Where the next item of each list goes. */
struct ends {
    struct ruleset_table **table;
    struct ruleset_set **set;
};

/* A string or an array of strings says `word`. */
static bool says(const json_t *value, const char *word)
{
    const char *text = json_string_value(value);

    if (text)
        return strcmp(text, word) == 0;
    for (size_t i = 0; i < json_array_size(value); i++)
        if (says(json_array_get(value, i), word))
            return true;
    return false;
}

static void read_table(struct ruleset_reader *reader, const json_t *object, struct ends *ends)
{
    const char *family = ruleset_string(reader, object, "family");
    const char *name = ruleset_string(reader, object, "name");
    struct ruleset_table *table = ruleset_alloc(reader, 1, sizeof *table);

    if (!family || !name || !table)
        return;
    if (ruleset_family_of(family) < 0) {
        ruleset_fail(reader, ERR_SYNTAX, "a table is of the unknown family \"%s\"", family);
        return;
    }
    table->family = (enum ruleset_family)ruleset_family_of(family);
    table->name = name;
    table->dormant = says(json_object_get(object, "flags"), "dormant") ||
                     strncmp(name, RULESET_PROBE, sizeof RULESET_PROBE - 1) == 0;
    *ends->table = table;
    ends->table = &table->next;
}

/* The table that an object names, or NULL with a trouble noted. */
static struct ruleset_table *table_of(struct ruleset_reader *reader, const json_t *object)
{
    const char *family = ruleset_string(reader, object, "family");
    const char *name = ruleset_string(reader, object, "table");
    struct ruleset_table *table =
        family && name ? find_table(reader->ruleset, ruleset_family_of(family), name) : NULL;

    if (!table)
        ruleset_fail(reader, ERR_SYNTAX, "table %s %s is named but not listed",
                     family ? family : "", name ? name : "");
    return table;
}

static void read_devices(struct ruleset_reader *reader, const json_t *value,
                         struct ruleset_chain *chain)
{
    size_t count = json_is_array(value) ? json_array_size(value) : json_is_string(value) ? 1 : 0;

    chain->devices = count ? ruleset_alloc(reader, count, sizeof *chain->devices) : NULL;
    for (size_t i = 0; chain->devices && i < count; i++) {
        const json_t *item = json_is_array(value) ? json_array_get(value, i) : value;
        if (json_is_string(item))
            chain->devices[chain->device_count++] = json_string_value(item);
    }
}

static void read_hook(struct ruleset_reader *reader, const json_t *object,
                      struct ruleset_chain *chain)
{
    const char *hook = json_string_value(json_object_get(object, "hook"));
    const json_t *priority = json_object_get(object, "prio");
    int which = index_of(hook, hooks, ARRAY_SIZE(hooks));

    if (!hook)
        return;
    if (which <= 0 || !json_is_integer(priority) || json_integer_value(priority) < INT_MIN ||
        json_integer_value(priority) > INT_MAX) {
        ruleset_fail(reader, ERR_SYNTAX, "chain %s has an unknown hook or no priority",
                     chain->name);
        return;
    }
    chain->hook = (enum ruleset_hook)which;
    chain->priority = (int)json_integer_value(priority);
    chain->nat = says(json_object_get(object, "type"), "nat");
    chain->policy_drops = says(json_object_get(object, "policy"), "drop");
    read_devices(reader, json_object_get(object, "dev"), chain);
}

struct ruleset_chain *ruleset_add_chain(struct ruleset_reader *reader,
                                        const struct ruleset_table *table, struct span name)
{
    struct ruleset *ruleset = reader->ruleset;
    struct ruleset_chain *chain = ruleset_alloc(reader, 1, sizeof *chain);
    const char *copy = chain ? arena_copy(&ruleset->arena, name) : NULL;

    if (!copy)
        return NULL;
    size_t place = hash_of(table, copy);
    *chain = (struct ruleset_chain){.name = copy,
                                    .table = table,
                                    .order = ruleset->chain_count++,
                                    .same_hash = ruleset->chain_hash[place]};
    ruleset->chain_hash[place] = chain;
    *(ruleset->last_chain ? &ruleset->last_chain->next : &ruleset->chains) = chain;
    ruleset->last_chain = chain;
    return chain;
}

struct ruleset_rule *ruleset_add_rule(struct ruleset_reader *reader, struct ruleset_chain *chain)
{
    struct ruleset_rule *rule = ruleset_alloc(reader, 1, sizeof *rule);

    if (!rule)
        return NULL;
    rule->index = chain->rule_count++;
    *(chain->last ? &chain->last->next : &chain->rules) = rule;
    chain->last = rule;
    reader->ruleset->rule_count++;
    return rule;
}

static void read_chain(struct ruleset_reader *reader, const json_t *object)
{
    const char *name = ruleset_string(reader, object, "name");
    struct ruleset_table *table = table_of(reader, object);
    struct ruleset_chain *chain =
        name && table ? ruleset_add_chain(reader, table, span_str(name)) : NULL;

    if (!chain)
        return;
    chain->handle = (uint64_t)json_integer_value(json_object_get(object, "handle"));
    read_hook(reader, object, chain);
}

static void read_set(struct ruleset_reader *reader, const json_t *object, struct ends *ends)
{
    const char *name = ruleset_string(reader, object, "name");
    struct ruleset_table *table = table_of(reader, object);
    struct ruleset_set *set = ruleset_alloc(reader, 1, sizeof *set);

    if (!name || !table || !set)
        return;
    set->name = name;
    set->table = table;
    ruleset_read_elements(reader, json_object_get(object, "elem"),
                          json_object_get(object, "map") != NULL, &set->elements);
    size_t place = hash_of(table, name);
    set->same_hash = reader->ruleset->set_hash[place];
    reader->ruleset->set_hash[place] = set;
    *ends->set = set;
    ends->set = &set->next;
}

static void read_rule(struct ruleset_reader *reader, const json_t *object)
{
    const char *name = ruleset_string(reader, object, "chain");
    struct ruleset_table *table = table_of(reader, object);
    struct ruleset_chain *chain =
        name && table ? ruleset_chain_of(reader->ruleset, table, name) : NULL;
    struct ruleset_rule *rule = chain ? ruleset_add_rule(reader, chain) : NULL;

    if (!chain)
        ruleset_fail(reader, ERR_SYNTAX, "chain %s is named but not listed", name ? name : "");
    if (!rule)
        return;
    rule->handle = (uint64_t)json_integer_value(json_object_get(object, "handle"));
    rule->comment = json_string_value(json_object_get(object, "comment"));
    rule->json = json_object_get(object, "expr");
    if (rule->handle)
        reader->ruleset->handles_known = true;
    ruleset_read_statements(reader, rule->json, rule);
}

static void read_object(struct ruleset_reader *reader, const char *kind, const json_t *object,
                        struct ends *ends)
{
    if (strcmp(kind, "table") == 0)
        read_table(reader, object, ends);
    else if (strcmp(kind, "chain") == 0)
        read_chain(reader, object);
    else if (strcmp(kind, "set") == 0 || strcmp(kind, "map") == 0)
        read_set(reader, object, ends);
}

/* Rules come last: they name chains that stand behind them in the listing. */
static int read_all(struct ruleset_reader *reader, const json_t *list)
{
    struct ends ends = {&reader->ruleset->tables, &reader->ruleset->sets};

    for (int rules = 0; rules < 2; rules++) {
        for (size_t i = 0; i < json_array_size(list) && !reader->error; i++) {
            void *member = json_object_iter(json_array_get(list, i));
            const char *kind = member ? json_object_iter_key(member) : "";
            const json_t *object = member ? json_object_iter_value(member) : NULL;
            if (!rules)
                read_object(reader, kind, object, &ends);
            else if (strcmp(kind, "rule") == 0)
                read_rule(reader, object);
        }
    }
    return reader->error;
}

struct ruleset *ruleset_create(void)
{
    struct ruleset *ruleset = mem_new(struct ruleset);

    arena_init(&ruleset->arena, NULL, 0, RULESET_MEMORY_MAX);
    return ruleset;
}

int ruleset_read_array(json_t *array, struct ruleset **ret_ruleset, char **ret_why)
{
    struct ruleset_reader reader = {.ruleset = ruleset_create()};

    reader.ruleset->json = json_incref(array);
    if (read_all(&reader, array) < 0) {
        ruleset_destroy(reader.ruleset);
        *ret_why = reader.why;
        return reader.error;
    }
    *ret_ruleset = reader.ruleset;
    return 0;
}

int ruleset_parse(struct span text, struct ruleset **ret_ruleset, char **ret_why)
{
    json_error_t error;

    if (text.len > RULESET_TEXT_MAX) {
        *ret_why = mem_format("the listing has more than %d MiB", RULESET_TEXT_MAX >> 20);
        return ERR_LIMIT;
    }
    json_t *json = json_loadb(text.len ? text.ptr : "", text.len, JSON_REJECT_DUPLICATES, &error);
    json_t *array = json_object_get(json, "nftables");
    int r = ERR_SYNTAX;
    if (!json)
        *ret_why = mem_format("line %d, column %d: %s", error.line, error.column, error.text);
    else if (!json_is_array(array))
        *ret_why = mem_string(SPAN("there is no array \"nftables\""));
    else
        r = ruleset_read_array(array, ret_ruleset, ret_why);
    json_decref(json);
    return r;
}

void ruleset_destroy(struct ruleset *ruleset)
{
    if (!ruleset)
        return;
    arena_reset(&ruleset->arena, NULL, 0);
    json_decref(ruleset->json);
    free(ruleset);
}
