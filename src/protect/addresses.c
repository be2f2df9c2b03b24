/* The lists are short and most routes have none, so they are read as they are written. */
#include "protect/addresses.h"

#include "protect/notes.h"
#include "protect/peer_network.h"

static const char denied[] = "the settings deny this address";
static const char not_allowed[] = "the settings allow other addresses only";

static bool lists(const struct config_strings *networks, struct peer_address address)
{
    struct peer_network network;

    for (size_t i = 0; i < networks->count; i++)
        if (peer_network_parse(span_str(networks->items[i]), &network) == 0 &&
            peer_network_contains(&network, address))
            return true;
    return false;
}

const char *addresses_judge(const struct protect_rules *rules, struct peer_address address)
{
    if (rules->deny && lists(rules->deny, address))
        return denied;
    return rules->allow && !lists(rules->allow, address) ? not_allowed : NULL;
}

static struct verdict on_request(void *policy, struct protect_question *question, unsigned number)
{
    const struct protect_rules *rules = question->rules;

    (void)number;
    if (!rules || likely(!rules->allow && !rules->deny))
        return verdict_pass();
    const char *reason = addresses_judge(rules, question->address);
    if (!reason)
        return verdict_pass();
    protect_note(policy, question, "addresses", true, reason);
    return verdict_refuse(403, reason);
}

const struct protect_policy addresses_policy = {.name = "addresses", .on_request = on_request};
