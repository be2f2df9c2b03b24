/* A list of results for each chain. */
#include "firewall/model/walk_memo.h"

#include <stdlib.h>

#include "base/mem.h"

enum { STATES_MAX = 8, ENTRIES_MAX = 2048 };

struct entry {
    struct entry *next;
    struct packet_state state;
    struct walk_result result;
};

struct walk_memo {
    struct entry **chains; /* by ruleset_chain.order */
    size_t chain_count;
    size_t count;
};

struct walk_memo *walk_memo_create(size_t chain_count)
{
    struct walk_memo *memo = mem_new(struct walk_memo);

    memo->chains = mem_resize(NULL, chain_count + 1, sizeof *memo->chains);
    memset(memo->chains, 0, (chain_count + 1) * sizeof *memo->chains);
    memo->chain_count = chain_count;
    return memo;
}

void walk_memo_clear(struct walk_memo *memo)
{
    for (size_t i = 0; memo->count && i < memo->chain_count; i++)
        while (memo->chains[i]) {
            struct entry *entry = memo->chains[i];
            memo->chains[i] = entry->next;
            memo->count--;
            free(entry);
        }
}

void walk_memo_destroy(struct walk_memo *memo)
{
    if (!memo)
        return;
    walk_memo_clear(memo);
    free(memo->chains);
    free(memo);
}

const struct walk_result *walk_memo_find(const struct walk_memo *memo,
                                         const struct ruleset_chain *chain,
                                         const struct packet_state *state)
{
    for (const struct entry *entry = memo->chains[chain->order]; entry; entry = entry->next)
        if (packet_state_equal(&entry->state, state))
            return &entry->result;
    return NULL;
}

void walk_memo_add(struct walk_memo *memo, const struct ruleset_chain *chain,
                   const struct packet_state *state, const struct walk_result *result)
{
    struct entry **end = &memo->chains[chain->order];
    size_t states = 0;

    for (; *end; end = &(*end)->next)
        states++;
    if (states == STATES_MAX || memo->count == ENTRIES_MAX)
        return;
    *end = mem_new(struct entry);
    **end = (struct entry){.state = *state, .result = *result};
    memo->count++;
}
