/* The hooks that a packet from outside passes, their base chains in the kernel's order, conntrack
 * and the route between them. What happens inside a chain is walk.c's. */
#include "firewall/model/simulate.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "firewall/model/conntrack.h"
#include "firewall/model/walk.h"

enum {
    RULES_MAX = 200000,        /* looked at for one packet */
    MATCHES_MAX = 10000,       /* of them, rules that match */
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
    if (hook == RULESET_INGRESS)
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
    return chain->hook == RULESET_PREROUTING ? PRIORITY_NAT_DST : PRIORITY_NAT_SRC;
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

/* From its priority on, conntrack knows the packet as the first of a connection. */
static void track(struct packet_state *state, int priority)
{
    struct value fresh = value_known(TYPE_CT_STATE, 32, CT_NEW);
    struct value invalid = value_known(TYPE_CT_STATE, 32, CT_INVALID);

    if (priority < PRIORITY_CONNTRACK || value_equal(state->ct_state, fresh) == TRI_YES)
        return;
    if (value_equal(state->ct_state, invalid) == TRI_NO)
        return; /* notrack */
    if (priority == PRIORITY_CONNTRACK || state->ct_state.unknown)
        state->ct_state = value_join(state->ct_state, fresh);
    else
        state->ct_state = fresh;
}

static enum tri listens_on(const struct ruleset_chain *chain, const char *interface)
{
    if (chain->device_count == 0 || !interface[0])
        return TRI_MAYBE;
    for (size_t i = 0; i < chain->device_count; i++)
        if (strcmp(chain->devices[i], interface) == 0)
            return TRI_YES;
    return TRI_NO;
}

/* Whether a base chain sees the packet at all. */
static enum tri meets(struct walk *walk, const struct ruleset_chain *chain,
                      const struct packet_state *state)
{
    struct value fresh = value_known(TYPE_CT_STATE, 32, CT_NEW);
    enum tri meets = TRI_YES;

    if (chain->hook == RULESET_INGRESS)
        meets = listens_on(chain, walk->context.interface);
    else if (chain->nat && !walk->tracked)
        meets = TRI_NO;
    else if (chain->nat)
        meets = value_equal(state->ct_state, fresh);
    if (chain->nat && chain->hook == RULESET_PREROUTING)
        meets = tri_and(meets, value_equal(state->translated, value_known(TYPE_NUMBER, 1, 0)));
    return meets;
}

/* ---- stages ---- */

/* Runs a hook's base chains in order. @return MAY_ACCEPT when packets go on, and MAY_END bits */
static unsigned run_hook(struct walk *walk, enum ruleset_hook hook, struct packet_state *state)
{
    struct stage stage = stage_of(walk->context.ruleset, state->packet.family, hook);
    unsigned all = 0, may = MAY_ACCEPT;

    walk->context.hook = hook;
    for (size_t i = 0; i < stage.count && may & MAY_ACCEPT; i++) {
        if (hook == RULESET_PREROUTING)
            track(state, place(stage.chains[i]));
        enum tri met = meets(walk, stage.chains[i], state);
        if (met == TRI_NO)
            continue;
        may = walk_base_chain(walk, stage.chains[i], met == TRI_YES, state);
        if (met == TRI_MAYBE && may & MAY_END)
            walk_doubt(walk, "whether the packet meets chain", stage.chains[i]->name);
        all |= may & MAY_END;
    }
    free(stage.chains);
    if (hook == RULESET_PREROUTING)
        track(state, 0);
    return all | (may & MAY_ACCEPT);
}

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

static void set_route(struct walk *walk, const struct simulate_host *host,
                      struct packet_state *state)
{
    enum tri local = state->local.unknown == 0 && state->local.number
                         ? TRI_YES
                         : is_local(host, &walk->path->probe, &state->packet, state->translated);

    state->local = local == TRI_MAYBE ? value_unknown(TYPE_NUMBER, 1)
                                      : value_known(TYPE_NUMBER, 1, local == TRI_YES);
}

/* A machine that is no router drops what is for others. */
static unsigned forwarding(struct walk *walk, const struct simulate_host *host)
{
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
static const char *way_out(const struct simulate_host *host, const struct packet *packet)
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

static unsigned run_forward(struct walk *walk, const struct simulate_host *host,
                            struct packet_state *state)
{
    unsigned may = forwarding(walk, host), all = may & MAY_END;

    walk->context.out = way_out(host, &state->packet);
    if (may & MAY_ACCEPT) {
        may = run_hook(walk, RULESET_FORWARD, state);
        all |= may & MAY_END;
    }
    if (may & MAY_ACCEPT) {
        may = run_hook(walk, RULESET_POSTROUTING, state);
        all |= may & MAY_END;
    }
    return all | (may & MAY_ACCEPT);
}

/* What may become of the packet; *ret_local and *ret_forwarded: accepted there. */
static unsigned run_all(struct walk *walk, const struct simulate_host *host,
                        struct packet_state *state, bool *ret_local, bool *ret_forwarded)
{
    static const enum ruleset_hook before[] = {RULESET_INGRESS, RULESET_PREROUTING};
    unsigned all = 0, may = MAY_ACCEPT;

    *ret_local = *ret_forwarded = false;
    for (size_t i = 0; i < ARRAY_SIZE(before) && may & MAY_ACCEPT; i++) {
        may = run_hook(walk, before[i], state);
        all |= may & MAY_END;
    }
    if (!(may & MAY_ACCEPT))
        return all;
    set_route(walk, host, state);
    if (state->local.unknown)
        walk_doubt(walk, "the address that it is sent on to", "");
    if (state->local.unknown || !state->local.number) {
        struct packet_state forwarded = *state;
        may = run_forward(walk, host, &forwarded);
        *ret_forwarded = may & MAY_ACCEPT;
        all |= may;
        if (!state->local.unknown)
            *state = forwarded;
    }
    if (state->local.unknown || state->local.number) {
        may = run_hook(walk, RULESET_INPUT, state);
        *ret_local = may & MAY_ACCEPT;
        all |= may;
    }
    return all;
}

/* ---- the answer ---- */

static void tell_forwarded(struct walk *walk, const struct packet_state *state)
{
    struct value to = packet_destination(&state->packet);
    struct value port = packet_field(&state->packet, "th", "dport");
    size_t size = state->packet.family == AF_INET ? 4 : 16;
    unsigned char address[16] = {0};
    char text[FIREWALL_ADDRESS_TEXT];

    firewall_path_reason(walk->path, "the rules let it through to another host");
    if (to.unknown || port.unknown)
        return;
    for (size_t i = 0; i < size; i++)
        address[i] = (unsigned char)(to.number >> 8 * (size - 1 - i));
    firewall_address_text(state->packet.family, address, text);
    walk->path->forwarded =
        mem_format(size == 4 ? "%s:%u" : "[%s]:%u", text, (unsigned)port.number);
    firewall_path_reason(walk->path, "the rules let it through to %s", walk->path->forwarded);
}

static void tell_closed(struct walk *walk, const struct walk_cause *cause, const char *how)
{
    const struct firewall_step *step;

    walk->path->culprit = cause->step;
    step = &walk->path->steps[cause->step];
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

    if (span_starts(doubt, SPAN("meta iif")) && !path->probe.interface[0])
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
                             RULES_MAX, MATCHES_MAX);
        return;
    }
    if (walk->doubt_step < path->count)
        path->culprit = walk->doubt_step;
    firewall_path_reason(path, "the rules alone do not tell%s: it depends on %s",
                         may & MAY_ACCEPT ? "" : " how it is closed",
                         walk->doubt ? walk->doubt : "what the kernel does");
    ask_for_more(walk);
}

static void answer(struct walk *walk, unsigned may, bool local, bool forwarded,
                   const struct packet_state *state)
{
    struct firewall_path *path = walk->path;

    path->witness = FIREWALL_BY_SIMULATOR;
    if (may == MAY_ACCEPT && local && !forwarded && !walk->too_deep) {
        path->verdict = FIREWALL_ACCEPTED;
        firewall_path_reason(path, "the rules let it in");
    } else if (may == MAY_ACCEPT && forwarded && !local && !walk->too_deep) {
        path->verdict = FIREWALL_FORWARDED;
        tell_forwarded(walk, state);
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

void simulate(const struct ruleset *ruleset, const struct simulate_host *host,
              struct firewall_path *path)
{
    struct walk walk = {
        .context = {.ruleset = ruleset, .interface = path->probe.interface},
        .path = path,
        .doubt_step = FIREWALL_NO_CULPRIT,
        .budget = RULES_MAX,
        .matches = MATCHES_MAX,
        .tracked = conntrack_is_used(ruleset, path->probe.family),
    };
    struct packet_state state = {
        .mark = value_known(TYPE_NUMBER, 32, 0),
        .ct_mark = value_known(TYPE_NUMBER, 32, 0),
        .ct_state = value_known(TYPE_CT_STATE, 32, CT_INVALID),
        .ct_status = value_known(TYPE_CT_STATUS, 32, 0),
        .translated = value_known(TYPE_NUMBER, 1, 0),
    };
    bool local, forwarded;

    packet_init(&state.packet, &path->probe);
    walk.context.original = state.packet;
    walk.context.redirect = redirect_address(host, &path->probe);
    set_route(&walk, host, &state);
    unsigned may = run_all(&walk, host, &state, &local, &forwarded);
    answer(&walk, may, local, forwarded, &state);
    free(walk.doubt);
}
