/* What the files of the nftables manager share: which chains are ours, the drop-in file. */
#pragma once

#include "firewall/linux/port_paths.h"
#include "firewall/plan/manager.h"

/** Does the chain belong to a manager with rules of its own making: firewalld, iptables-nft? */
bool nftables_is_foreign(const struct firewall_facts *facts, const struct ruleset_chain *chain);
/** The name of the base chain that a chain "gardien_NAME" of ours stands for, or NULL. */
const char *nftables_base_of(const char *chain);
/** The comment of a rule, "" for none; borrowed. */
const char *nftables_comment(const struct ruleset_rule *rule);
/** Is the rule a jump to that chain? */
bool nftables_jumps_to(const struct ruleset_rule *rule, const char *chain);
/** The rule at a place of the chain, or NULL behind its end. */
const struct ruleset_rule *nftables_rule_at(const struct ruleset_chain *chain, size_t index);
/** The text of a rule as nft prints it. @return for free(), or NULL where it is not to be seen */
char *nftables_rule_text(const struct firewall_facts *facts, const struct ruleset_chain *chain,
                         uint64_t handle);

/** Rules of ours in one chain, as they shall be after the plan. */
struct ours {
    char *family, *table, *base; /**< owned */
    bool at_end;                 /**< the jump stands at the chain's end, where its policy drops */
    char **bodies;               /**< owned, with their comments */
    size_t count;
};

struct ours_list {
    struct ours *items;
    size_t count;
};

/** What is there now, without the rules of `without` (NULL: with all).
 *  @param without  ports with count 0 mean all */
void ours_read(const struct firewall_facts *facts, const struct ruleset *ruleset,
               const struct ports *without, struct ours_list *ret_list);
void ours_add(struct ours_list *list, const struct ruleset_chain *base, bool at_end,
              const char *body);
void ours_finish(struct ours_list *list);

/** Adds the steps that make the drop-in file say what the list does, and /etc/nftables.conf read
 * it; an empty list removes both. Notes when nothing loads rules at a start. */
void nftables_plan_file(const struct firewall_facts *facts, const struct ours_list *list,
                        struct plan *plan);

int nftables_plan_close(const struct firewall_facts *facts, const struct firewall_request *request,
                        struct plan *plan, struct diags *diags);
