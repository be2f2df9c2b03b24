/* Looks for rules that make the kernel track connections (nf_ct_netns_get() and its callers). */
#include "firewall/model/conntrack.h"
#include "os/net.h"

static bool covers(enum ruleset_family of, int family)
{
    return of == RULESET_INET || of == (family == AF_INET ? RULESET_IP : RULESET_IP6);
}

/* Bounded by the depth that a ruleset is read to. */
static bool asks(const struct expr *expr)
{
    if (!expr)
        return false;
    if (expr->kind == EXPR_CT)
        return true;
    for (size_t i = 0; expr->kind != EXPR_SET && i < expr->count; i++)
        if (asks(&expr->items[i]))
            return true;
    return false;
}

static bool statement_uses(const struct statement *statement, enum ruleset_family table, int family)
{
    enum ruleset_family nat =
        statement->family < 0 ? table : (enum ruleset_family)statement->family;

    switch (statement->kind) {
    case STATEMENT_DNAT:
    case STATEMENT_SNAT:
        return covers(nat, family);
    case STATEMENT_REDIRECT:
    case STATEMENT_FOREIGN:
        return true;
    case STATEMENT_UNSURE:
    case STATEMENT_TAKEN:
    case STATEMENT_QUIET:
        return statement->extension ||
               (statement->word && (strncmp(statement->word, "ct ", 3) == 0 ||
                                    strcmp(statement->word, "synproxy") == 0));
    default:
        return asks(statement->left) || asks(statement->right);
    }
}

static bool rule_uses(const struct ruleset_rule *rule, enum ruleset_family table, int family)
{
    for (size_t i = 0; i < rule->count; i++)
        if (statement_uses(&rule->statements[i], table, family))
            return true;
    return false;
}

bool conntrack_is_used(const struct ruleset *ruleset, int family)
{
    for (const struct ruleset_chain *chain = ruleset->chains; chain; chain = chain->next)
        for (const struct ruleset_rule *rule = chain->rules; rule; rule = rule->next)
            if (covers(chain->table->family, family) &&
                rule_uses(rule, chain->table->family, family))
                return true;
    return false;
}
