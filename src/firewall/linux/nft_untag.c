/* Removes rules of ours by their tags, with the chain and the jumps to it once it is empty. Handles
 * are looked up at that moment, so that what changed meanwhile does not matter. */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "firewall/linux/nft.h"
#include "firewall/linux/nftables.h"

struct untag {
    char *const *tags;
    struct buffer script;
    int error;
};

static bool has_tag(const struct untag *u, const struct ruleset_rule *rule)
{
    for (char *const *tag = u->tags; *tag; tag++)
        if (strcmp(nftables_comment(rule), *tag) == 0)
            return true;
    return false;
}

static void delete_rule(struct untag *u, const struct ruleset_chain *chain,
                        const struct ruleset_rule *rule)
{
    if (u->error >= 0)
        u->error = buffer_printf(&u->script, "delete rule %s %s %s handle %llu\n",
                                 ruleset_family_name(chain->table->family), chain->table->name,
                                 chain->name, (unsigned long long)rule->handle);
}

/* @return how many other rules stay in the chain */
static size_t delete_tagged(struct untag *u, const struct ruleset_chain *chain)
{
    size_t others = 0;

    for (const struct ruleset_rule *rule = chain->rules; rule; rule = rule->next) {
        if (has_tag(u, rule))
            delete_rule(u, chain, rule);
        else
            others++;
    }
    return others;
}

static void delete_chain(struct untag *u, const struct ruleset *ruleset,
                         const struct ruleset_chain *ours)
{
    for (const struct ruleset_chain *chain = ruleset->chains; chain; chain = chain->next)
        for (const struct ruleset_rule *rule = chain->rules; rule; rule = rule->next)
            if (chain->table == ours->table && nftables_jumps_to(rule, ours->name))
                delete_rule(u, chain, rule);
    if (u->error >= 0)
        u->error =
            buffer_printf(&u->script, "delete chain %s %s %s\n",
                          ruleset_family_name(ours->table->family), ours->table->name, ours->name);
}

static const struct ruleset_chain *find_chain(const struct ruleset *ruleset, char *const names[3])
{
    for (const struct ruleset_chain *chain = ruleset->chains; chain; chain = chain->next)
        if (strcmp(ruleset_family_name(chain->table->family), names[0]) == 0 &&
            strcmp(chain->table->name, names[1]) == 0 && strcmp(chain->name, names[2]) == 0)
            return chain;
    return NULL;
}

static int read_rules(struct ruleset **ret_ruleset, char **ret_error)
{
    scoped(mem_release) char *why = NULL;
    json_t *array = NULL;
    int r = nft_ruleset(&array);

    if (r < 0)
        return r;
    r = ruleset_read_array(array, ret_ruleset, &why);
    json_decref(array);
    if (r < 0 && ret_error)
        *ret_error = take(why);
    return r;
}

int nft_untag(const struct plan_action *action, char **ret_error)
{
    struct untag u = {.tags = action->argv + 3, .script = buffer_make(256 * 1024)};
    struct ruleset *ruleset;
    int r = read_rules(&ruleset, ret_error);

    if (r < 0)
        return r;
    const struct ruleset_chain *chain = find_chain(ruleset, action->argv);
    if (chain && delete_tagged(&u, chain) == 0 && nftables_base_of(chain->name))
        delete_chain(&u, ruleset, chain);
    scoped(mem_release) char *script = mem_string(buffer_span(&u.script));
    r = u.error;
    if (r >= 0 && *script)
        r = nft_run(script, NFT_PLAIN, NULL, ret_error);
    ruleset_destroy(ruleset);
    buffer_finish(&u.script);
    return r;
}
