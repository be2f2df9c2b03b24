/* Removes rules of ours by their tags, with the chain and the jumps to it once it is empty. Handles
 * are looked up at that moment, so that what changed meanwhile does not matter. */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "firewall/linux/nft.h"
#include "firewall/linux/nftables.h"

struct untag {
    const char *family, *table, *chain;
    char *const *tags;
    json_t *ruleset;
    struct buffer script;
    int error;
};

static bool is(const json_t *object, const char *key, const char *wanted)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value && strcmp(value, wanted) == 0;
}

static bool has_tag(const struct untag *u, const json_t *rule)
{
    for (char *const *tag = u->tags; *tag; tag++)
        if (strcmp(nftables_comment(rule), *tag) == 0)
            return true;
    return false;
}

static void delete_rule(struct untag *u, const json_t *rule)
{
    if (u->error >= 0)
        u->error = buffer_printf(&u->script, "delete rule %s %s %s handle %llu\n", u->family,
                                 u->table, json_string_value(json_object_get(rule, "chain")),
                                 (unsigned long long)nftables_handle(rule));
}

/* Every rule of the table, in its order. */
static const json_t *next_rule(const struct untag *u, size_t *at)
{
    while (*at < json_array_size(u->ruleset)) {
        const json_t *rule = json_object_get(json_array_get(u->ruleset, (*at)++), "rule");
        if (rule && is(rule, "family", u->family) && is(rule, "table", u->table))
            return rule;
    }
    return NULL;
}

/* @return how many other rules stay in the chain */
static size_t delete_tagged(struct untag *u)
{
    size_t others = 0, at = 0;

    for (const json_t *rule; (rule = next_rule(u, &at));) {
        if (!is(rule, "chain", u->chain))
            continue;
        if (has_tag(u, rule))
            delete_rule(u, rule);
        else
            others++;
    }
    return others;
}

static void delete_chain(struct untag *u)
{
    size_t at = 0;

    for (const json_t *rule; (rule = next_rule(u, &at));)
        if (nftables_jumps_to(rule, u->chain))
            delete_rule(u, rule);
    if (u->error >= 0)
        u->error =
            buffer_printf(&u->script, "delete chain %s %s %s\n", u->family, u->table, u->chain);
}

static bool has_chain(const struct untag *u)
{
    const struct firewall_facts facts = {.ruleset = u->ruleset};

    return firewall_facts_has_chain(&facts, u->family, u->table, u->chain);
}

int nft_untag(const struct plan_action *action, char **ret_error)
{
    struct untag u = {.family = action->argv[0],
                      .table = action->argv[1],
                      .chain = action->argv[2],
                      .tags = action->argv + 3,
                      .script = buffer_make(256 * 1024)};
    int r = nft_ruleset(&u.ruleset);

    if (r < 0)
        return r;
    if (has_chain(&u) && delete_tagged(&u) == 0 && nftables_base_of(u.chain))
        delete_chain(&u);
    scoped(mem_release) char *script = mem_string(buffer_span(&u.script));
    r = u.error;
    if (r >= 0 && *script)
        r = nft_run(script, NFT_PLAIN, NULL, ret_error);
    json_decref(u.ruleset);
    buffer_finish(&u.script);
    return r;
}
