/* A verdict for one packet: what is said about its way, and about that of the answer. */
#include "firewall/model/simulate.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "firewall/model/journey.h"
#include "os/net.h"

/* ---- the way in ---- */

static void tell_forwarded(struct walk *walk, const struct packet_state *state)
{
    struct value to = packet_destination(&state->packet);
    struct value port = packet_field(&state->packet, "th", "dport");
    char text[FIREWALL_ADDRESS_TEXT];

    firewall_path_reason(walk->path, "the rules let it through to another host");
    if (to.unknown || port.unknown)
        return;
    value_address_text(to, state->packet.family, text);
    walk->path->forwarded = mem_format(state->packet.family == AF_INET ? "%s:%u" : "[%s]:%u", text,
                                       (unsigned)port.number);
    firewall_path_reason(walk->path, "the rules let it through to %s", walk->path->forwarded);
}

static void tell_closed(struct walk *walk, const struct walk_cause *cause, const char *how)
{
    const struct firewall_step *step = &walk->path->steps[cause->step];

    walk->path->culprit = cause->step;
    if (step->layer == FIREWALL_KERNEL)
        firewall_path_reason(walk->path, "%s", step->text);
    else if (cause->count > 1)
        firewall_path_reason(walk->path,
                             "the packet is %s, if not by this rule then by one before it that "
                             "may match",
                             how);
    else if (step->policy)
        firewall_path_reason(walk->path, "no rule of chain %s accepts it, and its policy is drop",
                             step->chain);
    else
        firewall_path_reason(walk->path, "a rule of chain %s %s it", step->chain,
                             cause == &walk->drop ? "drops" : "rejects");
}

/* What the user can add to the question. */
static void ask_for_more(struct walk *walk)
{
    struct firewall_path *path = walk->path;
    struct span doubt = span_str(walk->doubt);
    static const unsigned char any[sizeof path->probe.destination];

    if (path->probe.out && span_starts(doubt, SPAN("meta oif")) && !path->probe.interface[0])
        firewall_path_hint(path, "say by which interface it leaves: --interface NAME");
    else if (path->probe.out && span_starts(doubt, SPAN("meta skuid")) && !path->probe.has_user)
        firewall_path_hint(path, "say whose program sends it: --user NAME");
    else if (span_starts(doubt, SPAN("meta iif")) && !path->probe.interface[0])
        firewall_path_hint(path, "say by which interface it comes in: --interface NAME");
    else if (span_ends(doubt, SPAN("daddr")) &&
             memcmp(path->probe.destination, any, sizeof any) == 0)
        firewall_path_hint(path, "say which address of the host it is for: --to ADDR");
    else if (span_starts(doubt, SPAN(MATCH_ELEMENTS)))
        firewall_path_hint(path, "save the rules with the elements of their sets (this listing "
                                 "shows none of any set, as with `nft -t`): nft -j list ruleset > "
                                 "rules.json");
    else if (span_starts(doubt, SPAN(WALK_EXTENSION)))
        firewall_path_hint(path, "save the rules as text, which tells what iptables' extensions "
                                 "do: nft -a list ruleset > rules.nft");
}

static void tell_unknown(struct walk *walk, unsigned may)
{
    struct firewall_path *path = walk->path;

    path->verdict = FIREWALL_UNKNOWN;
    if (walk->too_deep) {
        firewall_path_reason(path,
                             "the rules jump deeper than the kernel allows, or too often: %d rules "
                             "are looked at, %d may match",
                             WALK_RULES_MAX, WALK_MATCHES_MAX);
        return;
    }
    if (walk->doubt_step < path->count)
        path->culprit = walk->doubt_step;
    firewall_path_reason(path, "the rules alone do not tell%s: it depends on %s",
                         may & MAY_ACCEPT ? "" : " how it is closed",
                         walk->doubt ? walk->doubt : "what the kernel does");
    ask_for_more(walk);
}

static void tell(const struct journey *journey, struct walk *walk, unsigned may)
{
    struct firewall_path *path = walk->path;
    bool local = journey->local || journey->out, forwarded = journey->forwarded;

    path->witness = FIREWALL_BY_SIMULATOR;
    if (may == MAY_ACCEPT && local && !forwarded && !walk->too_deep) {
        path->verdict = FIREWALL_ACCEPTED;
        firewall_path_reason(path, "the rules let it %s", journey->out ? "out" : "in");
    } else if (may == MAY_ACCEPT && forwarded && !local && !walk->too_deep) {
        path->verdict = FIREWALL_FORWARDED;
        tell_forwarded(walk, &journey->state);
    } else if (may == MAY_DROP && !walk->too_deep) {
        path->verdict = FIREWALL_DROPPED;
        tell_closed(walk, &walk->drop, "dropped");
    } else if (may == MAY_REJECT && !walk->too_deep) {
        path->verdict = FIREWALL_REJECTED;
        tell_closed(walk, &walk->reject, "rejected");
    } else {
        tell_unknown(walk, may);
    }
}

/* ---- the answer ---- */

/* What is so far so good, and what is not: "the packet gets in, but its answer does not get out".
 */
static const char *way_there(const struct firewall_path *path)
{
    return path->probe.out ? "gets out" : "gets in";
}

static const char *way_back(const struct firewall_path *path)
{
    return path->probe.out ? "in" : "out";
}

/* A rule that rejects an answer tells the server; the client hears nothing. */
static void tell_answer_closed(struct walk *walk)
{
    struct firewall_path *path = walk->path;
    const struct walk_cause *cause = walk->drop.count ? &walk->drop : &walk->reject;
    const struct firewall_step *step = &path->steps[cause->step];

    path->verdict = FIREWALL_DROPPED;
    path->culprit = cause->step;
    if (cause->count > 1)
        firewall_path_reason(path,
                             "the packet %s, but its answer is lost, if not by this rule then by "
                             "one before it that may match",
                             way_there(path));
    else if (step->policy)
        firewall_path_reason(path,
                             "the packet %s, but its answer does not get %s: no rule of chain %s "
                             "accepts it, and the policy is drop",
                             way_there(path), way_back(path), step->chain);
    else
        firewall_path_reason(path,
                             "the packet %s, but its answer does not get %s: a rule of chain %s "
                             "%s it",
                             way_there(path), way_back(path), step->chain,
                             cause == &walk->drop ? "drops" : "rejects");
}

/* The steps of an answer that gets out are of no interest. */
static void follow_answer(struct journey *journey)
{
    struct walk *walk = &journey->walk;
    struct firewall_path *path = walk->path;
    size_t before = path->count;

    walk->drop = walk->reject = (struct walk_cause){0};
    unsigned may = journey->out ? journey_return(journey) : journey_answer(journey);
    for (size_t i = before; i < path->count; i++)
        path->steps[i].answer = true;
    if (walk->too_deep)
        return;
    if (may == MAY_ACCEPT) {
        firewall_path_cut(path, before);
    } else if (!(may & (MAY_ACCEPT | MAY_QUEUE))) {
        tell_answer_closed(walk);
    } else {
        path->verdict = FIREWALL_UNKNOWN;
        path->culprit = walk->doubt_step < path->count ? walk->doubt_step : FIREWALL_NO_CULPRIT;
        firewall_path_reason(path,
                             "the packet %s, but whether its answer gets %s the rules alone do not "
                             "tell: it depends on %s",
                             way_there(path), way_back(path),
                             walk->doubt ? walk->doubt : "what the kernel does");
    }
}

void simulate(const struct ruleset *ruleset, const struct simulate_host *host,
              struct firewall_path *path)
{
    struct journey journey;

    journey_begin(&journey, ruleset, host, path);
    unsigned may = path->probe.out ? journey_leave(&journey) : journey_arrive(&journey);
    tell(&journey, &journey.walk, may);
    if (path->verdict == FIREWALL_ACCEPTED || path->verdict == FIREWALL_FORWARDED)
        follow_answer(&journey);
    journey_finish(&journey);
}

/* What the rules make of the packet on its way in, where they tell the same as the trace: its
 * marks, and whether conntrack saw it. Else what they may make of it. */
static void take_state(struct journey *journey, const struct simulate_host *host)
{
    const struct ruleset *ruleset = journey->walk.context.ruleset;
    struct value fresh = value_known(TYPE_CT_STATE, 32, CT_NEW);
    struct firewall_path path;
    struct journey in;

    firewall_path_init(&path, &journey->walk.path->probe);
    journey_begin(&in, ruleset, host, &path);
    bool same = journey_arrive(&in) == MAY_ACCEPT && !in.walk.too_deep &&
                in.local == journey->local && in.forwarded == journey->forwarded;
    if (same)
        journey->state = in.state;
    journey_finish(&in);
    firewall_path_finish(&path);
    if (same)
        return;
    journey->state.ct_state = ruleset_has(ruleset, STATEMENT_NOTRACK)
                                  ? value_join(fresh, value_known(TYPE_CT_STATE, 32, CT_UNTRACKED))
                                  : fresh;
    if (ruleset_has(ruleset, STATEMENT_MANGLE) || ruleset_has(ruleset, STATEMENT_FOREIGN))
        journey->state.ct_mark = value_unknown(TYPE_NUMBER, 32);
}

void simulate_answer(const struct ruleset *ruleset, const struct simulate_host *host,
                     const struct simulate_arrival *arrival, struct firewall_path *path)
{
    struct journey journey;
    struct packet_state *state = &journey.state;

    journey_begin(&journey, ruleset, host, path);
    journey.forwarded = path->verdict == FIREWALL_FORWARDED;
    journey.local = !journey.forwarded;
    take_state(&journey, host);
    if (arrival->moved) {
        packet_set_destination(&state->packet,
                               value_of_address(path->probe.family, arrival->destination));
        packet_set(&state->packet, "th", "dport", value_known(TYPE_NUMBER, 16, arrival->port));
        state->translated = value_known(TYPE_NUMBER, 1, 1);
        state->ct_status.number |= CT_STATUS_DNAT;
    }
    if (journey.forwarded)
        journey.walk.context.out = journey_route_out(host, &state->packet);
    follow_answer(&journey);
    journey_finish(&journey);
}
