/* The hooks that a packet passes, their base chains in the kernel's order, conntrack and the route
 * between them. What happens inside a chain is walk.c's. */
#include "firewall/model/journey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "firewall/model/conntrack.h"
#include "os/net.h"

enum {
    PRIORITY_CONNTRACK = -200, /* NF_IP_PRI_CONNTRACK */
    PRIORITY_NAT_DST = -100,
    PRIORITY_NAT_SRC = 100,
};

struct stage {
    const struct ruleset_chain **chains;
    size_t count;
};

/* ---- which chains ---- */

static bool in_family(const struct ruleset_table *table, int family, enum ruleset_hook hook)
{
    if (hook == RULESET_INGRESS || hook == RULESET_EGRESS)
        return table->family == RULESET_NETDEV || table->family == RULESET_INET;
    return table->family == RULESET_INET ||
           table->family == (family == AF_INET ? RULESET_IP : RULESET_IP6);
}

/* Chains of type nat run where the kernel's translation is hooked in, whatever their priority,
 * which orders them among each other only. */
static int place(const struct ruleset_chain *chain)
{
    if (!chain->nat)
        return chain->priority;
    return chain->hook == RULESET_PREROUTING || chain->hook == RULESET_OUTPUT ? PRIORITY_NAT_DST
                                                                              : PRIORITY_NAT_SRC;
}

/* Among equals the one that was registered last comes first (nf_hook_entries_grow()). */
static int by_place(const void *a, const void *b)
{
    const struct ruleset_chain *x = *(const struct ruleset_chain *const *)a;
    const struct ruleset_chain *y = *(const struct ruleset_chain *const *)b;

    if (place(x) != place(y))
        return place(x) < place(y) ? -1 : 1;
    if (x->nat && y->nat && x->priority != y->priority)
        return x->priority < y->priority ? -1 : 1;
    return x->order > y->order ? -1 : 1;
}

static struct stage stage_of(const struct ruleset *ruleset, int family, enum ruleset_hook hook)
{
    struct stage stage = {mem_resize(NULL, ruleset->chain_count + 1, sizeof *stage.chains), 0};

    for (const struct ruleset_chain *chain = ruleset->chains; chain; chain = chain->next)
        if (chain->hook == hook && !chain->table->dormant && in_family(chain->table, family, hook))
            stage.chains[stage.count++] = chain;
    qsort(stage.chains, stage.count, sizeof *stage.chains, by_place);
    return stage;
}

/* ---- conntrack, nat, devices ---- */

/* From its priority on, conntrack knows the packet's connection. */
static void track(struct journey *journey, int priority)
{
    struct packet_state *state = &journey->state;
    struct value invalid = value_known(TYPE_CT_STATE, 32, CT_INVALID);

    if (priority < PRIORITY_CONNTRACK || value_equal(state->ct_state, journey->tracked) == TRI_YES)
        return;
    if (value_equal(state->ct_state, invalid) == TRI_NO)
        return; /* notrack */
    if (priority == PRIORITY_CONNTRACK || state->ct_state.unknown)
        state->ct_state = value_join(state->ct_state, journey->tracked);
    else
        state->ct_state = journey->tracked;
}

/* On its way out, the answer gets back the address and port that the client asked for. */
static void translate_back(struct journey *journey, int priority)
{
    struct packet_state *state = &journey->state;
    const struct packet *asked = &journey->walk.context.original;
    struct packet_state back = *state;

    if (!journey->answer || priority <= PRIORITY_NAT_SRC ||
        value_equal(state->translated, value_known(TYPE_NUMBER, 1, 0)) == TRI_YES)
        return;
    packet_set_source(&back.packet, packet_destination(asked));
    packet_set(&back.packet, "th", "sport", packet_field(asked, "th", "dport"));
    if (state->translated.unknown)
        packet_state_join(state, &back);
    else
        *state = back;
}

static enum tri listens_on(const struct ruleset_chain *chain, const char *interface)
{
    if (chain->device_count == 0 || !interface || !interface[0])
        return TRI_MAYBE;
    for (size_t i = 0; i < chain->device_count; i++)
        if (strcmp(chain->devices[i], interface) == 0)
            return TRI_YES;
    return TRI_NO;
}

/* Whether a base chain sees the packet at all. */
static enum tri meets(const struct journey *journey, const struct ruleset_chain *chain)
{
    const struct match_context *context = &journey->walk.context;
    struct value fresh = value_known(TYPE_CT_STATE, 32, CT_NEW);
    enum tri meets = TRI_YES;

    if (chain->hook == RULESET_INGRESS || chain->hook == RULESET_EGRESS) {
        meets =
            listens_on(chain, chain->hook == RULESET_INGRESS ? context->interface : context->out);
        return journey->walk.any_interface || (meets == TRI_MAYBE && journey->walk.sure_only)
                   ? TRI_YES
                   : meets;
    }
    if (chain->nat && !journey->walk.tracked)
        meets = TRI_NO;
    else if (chain->nat)
        meets = value_equal(journey->state.ct_state, fresh);
    if (chain->nat && chain->hook == RULESET_PREROUTING)
        meets =
            tri_and(meets, value_equal(journey->state.translated, value_known(TYPE_NUMBER, 1, 0)));
    return meets == TRI_MAYBE && journey->walk.sure_only ? TRI_NO : meets;
}

/* ---- hooks ---- */

static unsigned run_chain(struct journey *journey, const struct ruleset_chain *chain)
{
    struct walk *walk = &journey->walk;
    enum tri met = meets(journey, chain);

    if (met == TRI_NO)
        return MAY_ACCEPT;
    struct packet_state before = journey->state;
    unsigned may = walk_base_chain(walk, chain, met == TRI_YES, &journey->state);
    if (met == TRI_MAYBE && may & MAY_END)
        walk_doubt(walk, "whether the packet meets chain", chain->name);
    return journey->on_chain ? journey->on_chain(journey, chain, &before, may) : may;
}

/* Runs a hook's base chains in order. @return MAY_ACCEPT when packets go on, and MAY_END bits */
static unsigned run_hook(struct journey *journey, enum ruleset_hook hook)
{
    struct stage stage =
        stage_of(journey->walk.context.ruleset, journey->state.packet.family, hook);
    bool tracks = hook == RULESET_PREROUTING || hook == RULESET_OUTPUT;
    unsigned all = 0, may = MAY_ACCEPT;

    journey->walk.context.hook = hook;
    for (size_t i = 0; i < stage.count && may & MAY_ACCEPT; i++) {
        if (tracks)
            track(journey, place(stage.chains[i]));
        if (hook == RULESET_POSTROUTING)
            translate_back(journey, place(stage.chains[i]));
        may = run_chain(journey, stage.chains[i]);
        all |= may & MAY_END;
    }
    free(stage.chains);
    if (tracks)
        track(journey, 0);
    if (hook == RULESET_POSTROUTING)
        translate_back(journey, PRIORITY_NAT_SRC + 1);
    return all | (may & MAY_ACCEPT);
}

static unsigned run_hooks(struct journey *journey, const enum ruleset_hook *hooks, size_t count)
{
    unsigned all = 0, may = MAY_ACCEPT;

    for (size_t i = 0; i < count && may & MAY_ACCEPT; i++) {
        may = run_hook(journey, hooks[i]);
        all |= may & MAY_END;
    }
    return all | (may & MAY_ACCEPT);
}

/* ---- the route ---- */

static bool is_loopback(int family, struct value address)
{
    return family == AF_INET ? address.number >> 24 == 127 : address.number == 1;
}

/* Whether the packet's destination is this host. */
static enum tri is_local(const struct simulate_host *host, const struct firewall_probe *probe,
                         const struct packet *packet, struct value translated)
{
    struct value to = packet_destination(packet);
    enum tri found = TRI_NO;

    if (!host || !host->addresses) /* what is translated goes on, unless it comes back to us */
        return tri_or(value_equal(translated, value_known(TYPE_NUMBER, 1, 0)),
                      value_equal(to, value_of_address(probe->family, probe->destination)));
    if (!to.unknown && is_loopback(packet->family, to))
        return strcmp(probe->interface, "lo") == 0 ? TRI_YES : TRI_MAYBE;
    for (size_t i = 0; i < host->count && found != TRI_YES; i++) {
        const struct simulate_address *own = &host->addresses[i];
        enum tri equal = own->family != packet->family
                             ? TRI_NO
                             : value_equal(to, value_of_address(own->family, own->address));
        found = equal == TRI_NO ? found : equal;
    }
    return found;
}

static void set_route(struct journey *journey)
{
    struct packet_state *state = &journey->state;
    enum tri local = state->local.unknown == 0 && state->local.number
                         ? TRI_YES
                         : is_local(journey->host, &journey->walk.path->probe, &state->packet,
                                    state->translated);

    state->local = local == TRI_MAYBE ? value_unknown(TYPE_NUMBER, 1)
                                      : value_known(TYPE_NUMBER, 1, local == TRI_YES);
}

/* A machine that is no router drops what is for others. */
static unsigned forwarding(struct journey *journey)
{
    const struct simulate_host *host = journey->host;
    struct walk *walk = &journey->walk;
    bool ipv4 = walk->path->probe.family == AF_INET;

    if (!host || !host->addresses || (ipv4 ? host->forwards_ipv4 : host->forwards_ipv6))
        return MAY_ACCEPT;
    struct firewall_step *step = walk_step(walk, NULL, FIREWALL_DROP);
    step->layer = FIREWALL_KERNEL;
    step->policy = true;
    step->text = mem_format("this host does not forward IPv%d packets", ipv4 ? 4 : 6);
    walk->drop.count++;
    walk->drop.step = walk->path->count - 1;
    return MAY_DROP;
}

/* The interface of the smallest network of ours that the destination is in. */
const char *journey_route_out(const struct simulate_host *host, const struct packet *packet)
{
    struct value to = packet_destination(packet);
    const struct simulate_address *best = NULL;

    for (size_t i = 0; host && i < host->count; i++) {
        const struct simulate_address *own = &host->addresses[i];
        if (own->family == packet->family && own->prefix && (!best || own->prefix > best->prefix) &&
            value_in_prefix(to, value_of_address(own->family, own->address), own->prefix) ==
                TRI_YES)
            best = own;
    }
    return best ? best->interface : NULL;
}

static unsigned run_forward(struct journey *journey)
{
    static const enum ruleset_hook hooks[] = {RULESET_FORWARD, RULESET_POSTROUTING, RULESET_EGRESS};
    unsigned may = forwarding(journey), all = may & MAY_END;

    journey->walk.context.out = journey_route_out(journey->host, &journey->state.packet);
    if (may & MAY_ACCEPT) {
        may = run_hooks(journey, hooks, ARRAY_SIZE(hooks));
        all |= may & MAY_END;
    }
    return all | (may & MAY_ACCEPT);
}

unsigned journey_arrive(struct journey *journey)
{
    static const enum ruleset_hook before[] = {RULESET_INGRESS, RULESET_PREROUTING};
    struct packet_state *state = &journey->state;
    unsigned may = run_hooks(journey, before, ARRAY_SIZE(before)), all = may & MAY_END;

    if (!(may & MAY_ACCEPT))
        return all;
    set_route(journey);
    if (state->local.unknown)
        walk_doubt(&journey->walk, "the address that it is sent on to", "");
    if (state->local.unknown || !state->local.number) {
        struct packet_state here = *state;
        may = run_forward(journey);
        journey->forwarded = may & MAY_ACCEPT;
        all |= may;
        if (here.local.unknown)
            *state = here;
    }
    if (state->local.unknown || state->local.number) {
        may = run_hook(journey, RULESET_INPUT);
        journey->local = may & MAY_ACCEPT;
        all |= may;
    }
    return all;
}

/* ---- the answer ---- */

/* What conntrack makes of the answer. Without having seen the first packet of a TCP connection it
 * takes the second for invalid. */
static struct value reply_state(const struct packet_state *state)
{
    bool tcp = state->packet.protocol == IPPROTO_TCP;
    struct value established = value_known(TYPE_CT_STATE, 32, CT_ESTABLISHED);
    struct value unseen = value_known(TYPE_CT_STATE, 32, tcp ? CT_INVALID : CT_NEW);
    enum tri seen = value_equal(state->ct_state, value_known(TYPE_CT_STATE, 32, CT_NEW));

    return seen == TRI_YES  ? established
           : seen == TRI_NO ? unseen
                            : value_join(established, unseen);
}

static void turn_round(struct journey *journey)
{
    struct match_context *context = &journey->walk.context;
    struct packet_state *state = &journey->state;
    const char *in = context->interface;

    journey->answer = context->reply = true;
    context->local_output = !journey->forwarded;
    journey->tracked = reply_state(state);
    state->ct_state = value_known(TYPE_CT_STATE, 32, CT_INVALID);
    state->ct_status.number |= CT_STATUS_SEEN_REPLY | CT_STATUS_CONFIRMED;
    state->mark = value_known(TYPE_NUMBER, 32, 0);
    state->local = value_known(TYPE_NUMBER, 1, 0);
    packet_turn_round(&state->packet);
    context->interface = journey->forwarded ? context->out : "";
    context->interface = context->interface ? context->interface : "";
    context->out = in[0] ? in : NULL;
}

unsigned journey_answer(struct journey *journey)
{
    static const enum ruleset_hook from_here[] = {RULESET_OUTPUT, RULESET_POSTROUTING,
                                                  RULESET_EGRESS};
    static const enum ruleset_hook from_there[] = {
        RULESET_INGRESS, RULESET_PREROUTING, RULESET_FORWARD, RULESET_POSTROUTING, RULESET_EGRESS};

    turn_round(journey);
    return journey->forwarded ? run_hooks(journey, from_there, ARRAY_SIZE(from_there))
                              : run_hooks(journey, from_here, ARRAY_SIZE(from_here));
}

/* ---- what this host sends ---- */

/* Where it goes after a chain of type nat has changed its destination. */
static void route_again(struct journey *journey)
{
    const struct packet_state *state = &journey->state;
    const struct firewall_probe *probe = &journey->walk.path->probe;
    struct value to = packet_destination(&state->packet), one = value_known(TYPE_NUMBER, 1, 1);

    if (value_equal(state->translated, value_known(TYPE_NUMBER, 1, 0)) == TRI_YES)
        return;
    journey->local = value_equal(state->local, one) == TRI_YES ||
                     (!to.unknown && is_loopback(probe->family, to)) ||
                     (journey->host && journey->host->addresses &&
                      is_local(journey->host, probe, &state->packet, state->translated) == TRI_YES);
    journey->walk.context.out =
        journey->local ? "lo" : journey_route_out(journey->host, &state->packet);
}

/* On its way in by lo a packet keeps what conntrack knows of it, and chains of type nat at
 * prerouting have had their turn at output. */
static unsigned come_in_by_lo(struct journey *journey)
{
    static const enum ruleset_hook hooks[] = {RULESET_INGRESS, RULESET_PREROUTING, RULESET_INPUT};
    struct match_context *context = &journey->walk.context;

    context->local_output = false;
    context->interface = "lo";
    journey->state.translated = value_known(TYPE_NUMBER, 1, 1);
    journey->state.local = value_known(TYPE_NUMBER, 1, 1);
    return run_hooks(journey, hooks, ARRAY_SIZE(hooks));
}

static unsigned leave_and_come_in(struct journey *journey, unsigned all)
{
    static const enum ruleset_hook hooks[] = {RULESET_POSTROUTING, RULESET_EGRESS};
    unsigned may = run_hooks(journey, hooks, ARRAY_SIZE(hooks));

    all |= may & MAY_END;
    if (may & MAY_ACCEPT && journey->local) {
        may = come_in_by_lo(journey);
        all |= may & MAY_END;
    }
    return all | (may & MAY_ACCEPT);
}

unsigned journey_leave(struct journey *journey)
{
    unsigned may = run_hook(journey, RULESET_OUTPUT), all = may & MAY_END;

    if (!(may & MAY_ACCEPT))
        return all;
    route_again(journey);
    return leave_and_come_in(journey, all);
}

unsigned journey_return(struct journey *journey)
{
    static const enum ruleset_hook in[] = {RULESET_INGRESS, RULESET_PREROUTING, RULESET_INPUT};
    struct match_context *context = &journey->walk.context;
    const char *device = context->out;

    turn_round(journey);
    if (!journey->local) {
        context->local_output = false;
        context->interface = device ? device : "";
        journey->state.local = value_known(TYPE_NUMBER, 1, 1);
        return run_hooks(journey, in, ARRAY_SIZE(in));
    }
    context->local_output = true;
    context->interface = "";
    context->out = "lo";
    context->user = value_unknown(TYPE_NUMBER, 32);
    unsigned may = run_hook(journey, RULESET_OUTPUT), all = may & MAY_END;
    return may & MAY_ACCEPT ? leave_and_come_in(journey, all) : all;
}

/* ---- begin and end ---- */

/* "redirect" sends to the first address of the interface that the packet came in by. */
static struct value redirect_address(const struct simulate_host *host,
                                     const struct firewall_probe *probe)
{
    bool ipv4 = probe->family == AF_INET;

    for (size_t i = 0; host && i < host->count; i++)
        if (host->addresses[i].family == probe->family && ipv4 &&
            strcmp(host->addresses[i].interface, probe->interface) == 0)
            return value_of_address(probe->family, host->addresses[i].address);
    return value_unknown(ipv4 ? TYPE_IPV4 : TYPE_IPV6, ipv4 ? 32 : 128);
}

/* To an address of its own a host sends by lo. */
static void set_out(struct journey *journey)
{
    struct match_context *context = &journey->walk.context;
    const struct firewall_probe *probe = &journey->walk.path->probe;
    struct value to = packet_destination(&journey->state.packet);
    bool ipv4 = probe->family == AF_INET;

    journey->out = true;
    journey->local = strcmp(probe->interface, "lo") == 0 || is_loopback(probe->family, to);
    journey->state.local = value_known(TYPE_NUMBER, 1, journey->local);
    context->local_output = true;
    context->interface = "";
    context->out = journey->local ? "lo" : probe->interface[0] ? probe->interface : NULL;
    context->redirect =
        ipv4 ? value_known(TYPE_IPV4, 32, 0x7f000001) : value_known(TYPE_IPV6, 128, 1);
    if (probe->has_user)
        context->user = value_known(TYPE_NUMBER, 32, probe->user);
}

void journey_begin(struct journey *journey, const struct ruleset *ruleset,
                   const struct simulate_host *host, struct firewall_path *path)
{
    *journey = (struct journey){
        .walk = {.context = {.ruleset = ruleset, .interface = path->probe.interface},
                 .path = path,
                 .doubt_step = FIREWALL_NO_CULPRIT,
                 .budget = WALK_RULES_MAX,
                 .matches = WALK_MATCHES_MAX,
                 .tracked = conntrack_is_used(ruleset, path->probe.family)},
        .host = host,
        .state = {.mark = value_known(TYPE_NUMBER, 32, 0),
                  .ct_mark = value_known(TYPE_NUMBER, 32, 0),
                  .ct_state = value_known(TYPE_CT_STATE, 32, CT_INVALID),
                  .ct_status = value_known(TYPE_CT_STATUS, 32, 0),
                  .translated = value_known(TYPE_NUMBER, 1, 0)},
        .tracked = value_known(TYPE_CT_STATE, 32, CT_NEW),
    };
    packet_init(&journey->state.packet, &path->probe);
    journey->walk.context.original = journey->state.packet;
    journey->walk.context.redirect = redirect_address(host, &path->probe);
    journey->walk.context.user = host && host->user_known ? value_known(TYPE_NUMBER, 32, host->user)
                                                          : value_unknown(TYPE_NUMBER, 32);
    walk_begin(&journey->walk);
    if (path->probe.out)
        set_out(journey);
    else
        set_route(journey);
}

void journey_finish(struct journey *journey)
{
    walk_finish(&journey->walk);
    free(journey->walk.doubt);
}
