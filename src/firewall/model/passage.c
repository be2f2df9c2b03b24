/* Three journeys: of the probe, which is one client; of a packet from any sender, since an accept
 * that holds for one address is not for everybody; and once more of that, for what may drop. */
#include "firewall/model/passage.h"

#include <stdlib.h>

#include "firewall/model/journey.h"
#include "os/net.h"

/* No interface has this name, as any may have another: a rule for one alone is passed over, and one
 * for all others counts. */
static const char any_interface[] = "any outside";

struct search {
    struct passage *passage;
    bool surveys; /* nothing is added: what may drop is told */
};

/* ---- blocks ---- */

static struct passage_block *block_of(struct passage *passage, const struct ruleset_chain *chain,
                                      bool answer)
{
    for (size_t i = 0; i < passage->count; i++)
        if (passage->blocks[i].chain == chain && passage->blocks[i].answer == answer)
            return &passage->blocks[i];
    return NULL;
}

/* Do the server's address and port differ from those that the client asked for? */
static bool is_translated(const struct journey *journey, const struct packet_state *state)
{
    const struct packet *asked = &journey->walk.context.original, *seen = &state->packet;
    struct value address = journey->answer ? packet_source(seen) : packet_destination(seen);
    struct value port = packet_field(seen, "th", journey->answer ? "sport" : "dport");
    enum tri same = tri_and(value_equal(address, packet_destination(asked)),
                            value_equal(port, packet_field(asked, "th", "dport")));

    return same == TRI_NO ||
           (same == TRI_MAYBE && !state->translated.unknown && state->translated.number);
}

static void add_block(struct search *search, const struct journey *journey,
                      const struct ruleset_chain *chain, const struct packet_state *state)
{
    struct passage *passage = search->passage;
    struct passage_block *block = block_of(passage, chain, journey->answer);
    bool netdev = chain->hook == RULESET_INGRESS || chain->hook == RULESET_EGRESS;

    if (!block && passage->count == PASSAGE_BLOCKS_MAX)
        return;
    if (!block) {
        block = &passage->blocks[passage->count++];
        *block = (struct passage_block){.chain = chain,
                                        .before = SIZE_MAX,
                                        .answer = journey->answer,
                                        .translated = is_translated(journey, state)};
        block->early = netdev || value_equal(state->ct_state, journey->tracked) != TRI_YES;
    }
    if (journey->walk.first_root < block->before)
        block->before = journey->walk.first_root;
}

/* Whatever a chain does, the packet goes on: an accept will stand there. */
static unsigned on_chain(struct journey *journey, const struct ruleset_chain *chain,
                         const struct packet_state *state, unsigned may)
{
    struct search *search = journey->context;
    struct passage_block *block = block_of(search->passage, chain, journey->answer);

    if (search->surveys && block && may & (MAY_DROP | MAY_REJECT) &&
        journey->walk.first_root < block->before)
        block->some_dropped = true;
    if (!search->surveys && !journey->walk.too_deep && may & (MAY_DROP | MAY_REJECT))
        add_block(search, journey, chain, state);
    journey->walk.too_deep = false;
    return MAY_ACCEPT;
}

/* ---- journeys ---- */

/* Anybody, or anybody of the network. */
static struct value anybody(const struct passage_question *question)
{
    int family = question->probe.family;
    bool ipv4 = family == AF_INET;
    struct value source = value_of_address(family, question->probe.source);
    unsigned known = question->from && question->from->family ? question->from->prefix : 0;

    source.unknown = bits_mask((ipv4 ? 32 : 128) - known);
    return source;
}

static void keep_arrival(const struct journey *journey, struct passage *passage)
{
    const struct packet_state *state = &journey->state;
    struct value to = packet_destination(&state->packet);
    struct value port = packet_field(&state->packet, "th", "dport");

    passage->translated = !state->translated.unknown && state->translated.number;
    passage->forwarded = journey->forwarded && passage->translated;
    passage->port = (uint16_t)port.number;
    if (passage->translated && !to.unknown)
        value_address_text(to, state->packet.family, passage->destination);
}

static void travel(const struct passage_question *question, struct search *search, bool everybody)
{
    struct firewall_path path;
    struct journey journey;

    firewall_path_init(&path, &question->probe);
    if (!path.probe.interface[0])
        memcpy(path.probe.interface, any_interface, sizeof any_interface);
    journey_begin(&journey, question->ruleset, question->host, &path);
    if (everybody) {
        packet_set_source(&journey.state.packet, anybody(question));
        journey.walk.context.original = journey.state.packet;
    }
    journey.walk.sure_only = !search->surveys;
    journey.walk.any_interface = !question->probe.interface[0];
    journey.walk.without_ufw = question->without_ufw;
    journey.walk.decisive = question->decisive;
    journey.walk.decisive_count = question->decisive_count;
    journey.on_chain = on_chain;
    journey.context = search;
    unsigned may = journey_arrive(&journey);
    if (!everybody)
        keep_arrival(&journey, search->passage);
    if (may & MAY_ACCEPT)
        journey_answer(&journey);
    journey_finish(&journey);
    firewall_path_finish(&path);
}

void passage_find(const struct passage_question *question, struct passage *ret_passage)
{
    struct search search = {.passage = ret_passage};

    *ret_passage = (struct passage){.count = 0};
    travel(question, &search, false);
    travel(question, &search, true);
    search.surveys = true;
    if (ret_passage->count)
        travel(question, &search, true);
}
