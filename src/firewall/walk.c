/* Rules and chains as nf_tables runs them (nft_do_chain() of the kernel), with packets that may go
 * two ways at once: where a rule perhaps matches, both ways are followed, and what is changed on
 * one of them is unknown afterwards. */
#include "firewall/walk.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/mem.h"

enum { DEPTH_MAX = 16 }; /* NFT_JUMP_STACK_SIZE */

/* What may come of a rule or chain, and the packet's state on each way that goes on. */
struct outcome {
    unsigned may;
    struct packet_state next;
    struct packet_state back;
};

/* A rule that is being looked at. */
struct look {
    const struct ruleset_chain *chain;
    const struct ruleset_rule *rule;
    struct packet_state state; /* as the rule's statements changed it */
    bool certain;              /* all that came before in the rule surely matched */
    bool changes;              /* its statements change the packet or its marks */
    unsigned depth;
    struct outcome out;
};

static unsigned walk_chain(struct walk *walk, const struct ruleset_chain *chain,
                           struct packet_state *state, unsigned depth);

void packet_state_join(struct packet_state *state, const struct packet_state *other)
{
    packet_join(&state->packet, &other->packet);
    state->mark = value_join(state->mark, other->mark);
    state->ct_mark = value_join(state->ct_mark, other->ct_mark);
    state->ct_state = value_join(state->ct_state, other->ct_state);
    state->ct_status = value_join(state->ct_status, other->ct_status);
    state->translated = value_join(state->translated, other->translated);
    state->local = value_join(state->local, other->local);
}

static void add(struct outcome *outcome, unsigned may, const struct packet_state *state)
{
    struct packet_state *kept = may == MAY_NEXT ? &outcome->next : &outcome->back;

    if (may & (MAY_NEXT | MAY_RETURN)) {
        if (outcome->may & may)
            packet_state_join(kept, state);
        else
            *kept = *state;
    }
    outcome->may |= may;
}

static void add_accepted(struct walk *walk, const struct packet_state *state)
{
    if (walk->any_accepted)
        packet_state_join(&walk->accepted, state);
    else
        walk->accepted = *state;
    walk->any_accepted = true;
}

/* ---- steps ---- */

struct firewall_step *walk_step(struct walk *walk, const struct ruleset_chain *chain,
                                enum firewall_action action)
{
    struct firewall_step *step = firewall_path_step(walk->path);

    step->action = action;
    if (!chain)
        return step;
    step->family = mem_string(span_str(ruleset_family_name(chain->table->family)));
    step->table = mem_string(span_str(chain->table->name));
    step->chain = mem_string(span_str(chain->name));
    if (chain->hook)
        step->hook = mem_string(span_str(ruleset_hook_name(chain->hook)));
    step->priority = chain->priority;
    return step;
}

static struct firewall_step *rule_step(struct walk *walk, const struct look *look,
                                       enum firewall_action action)
{
    struct firewall_step *step =
        walk_step(walk, look->chain, look->certain && walk->met ? action : FIREWALL_PERHAPS);

    if (walk->matches == 0)
        walk->too_deep = true;
    else
        walk->matches--;
    step->handle = look->rule->handle;
    step->text = ruleset_rule_text(look->rule);
    return step;
}

void walk_doubt(struct walk *walk, const char *what, const char *which)
{
    if (walk->doubt)
        return;
    walk->doubt = mem_format("%s%s%s", what, *which ? " " : "", which);
    walk->doubt_step = walk->path->count - 1;
}

/* After a step of this rule: when the rule itself is in doubt, so is what follows from it. */
static void note_doubt(struct walk *walk, const struct look *look)
{
    if (!look->certain)
        walk_doubt(walk, walk->context.doubt[0], walk->context.doubt[1]);
}

static void cause(struct walk *walk, struct walk_cause *cause, uint64_t handle)
{
    cause->count++;
    cause->step = walk->path->count - 1;
    cause->handle = handle;
}

/* ---- verdicts ---- */

static void end(struct walk *walk, struct look *look, unsigned may, enum firewall_action action)
{
    rule_step(walk, look, action);
    note_doubt(walk, look);
    if (may == MAY_ACCEPT)
        add_accepted(walk, &look->state);
    if (may == MAY_DROP)
        cause(walk, &walk->drop, look->rule->handle);
    if (may == MAY_REJECT)
        cause(walk, &walk->reject, look->rule->handle);
    add(&look->out, may, &look->state);
}

static void leave(struct walk *walk, struct look *look, const char *target, bool jump)
{
    const struct ruleset_chain *chain =
        ruleset_chain_find(walk->context.ruleset, look->chain->table, target);
    struct packet_state state = look->state;
    struct firewall_step *step = rule_step(walk, look, jump ? FIREWALL_JUMP : FIREWALL_GOTO);

    step->target = mem_string(span_str(target));
    note_doubt(walk, look);
    if (!chain || look->depth == DEPTH_MAX) {
        walk->too_deep = true;
        return;
    }
    unsigned may = walk_chain(walk, chain, &state, look->depth + 1);
    look->out.may |= may & ~(unsigned)MAY_RETURN;
    if (may & MAY_RETURN)
        add(&look->out, jump ? MAY_NEXT : MAY_RETURN, &state);
}

static void verdict(struct walk *walk, struct look *look, const struct expr *expr)
{
    switch ((enum verdict)expr->number) {
    case VERDICT_ACCEPT:
        end(walk, look, MAY_ACCEPT, FIREWALL_ACCEPT);
        break;
    case VERDICT_DROP:
        end(walk, look, MAY_DROP, FIREWALL_DROP);
        break;
    case VERDICT_RETURN:
        end(walk, look, MAY_RETURN, FIREWALL_RETURN);
        break;
    case VERDICT_CONTINUE:
        rule_step(walk, look, FIREWALL_CONTINUE);
        add(&look->out, MAY_NEXT, &look->state);
        break;
    case VERDICT_JUMP:
    case VERDICT_GOTO:
        leave(walk, look, expr->word ? expr->word : "", expr->number == VERDICT_JUMP);
        break;
    }
}

/* ---- changes ---- */

/* An assignment that perhaps happens leaves what it was, or makes it the new value. */
static void assign(struct look *look, struct value *place, struct value value)
{
    look->changes = true;
    value.type = place->type;
    value.bits = place->bits;
    *place = look->certain && value.absent == TRI_NO ? value : value_join(*place, value);
    place->absent = TRI_NO;
}

/* @return false when the rule ends here: the packet has no such field, or the map no such key */
static bool mangle(struct walk *walk, struct look *look, const struct statement *statement)
{
    const struct expr *what = statement->left;
    bool mark = what->word && strcmp(what->word, "mark") == 0;
    struct value hint = value_unknown(TYPE_NUMBER, 32);

    if (what->kind == EXPR_PAYLOAD)
        hint = packet_field(&look->state.packet, what->word, what->more);
    struct value value = match_eval(&walk->context, &look->state, statement->right, hint);
    if (value.absent == TRI_YES || hint.absent == TRI_YES)
        return false;
    if (value.absent == TRI_PERHAPS)
        look->certain = false;
    if (what->kind == EXPR_META && mark)
        assign(look, &look->state.mark, value);
    else if (what->kind == EXPR_CT && mark)
        assign(look, &look->state.ct_mark, value);
    if (what->kind == EXPR_PAYLOAD) {
        assign(look, &hint, value);
        packet_set(&look->state.packet, what->word, what->more, hint);
    }
    return true;
}

/* "dnat to ... map" may give address and port together. */
static void nat_target(struct walk *walk, const struct look *look, const struct expr *expr,
                       struct value *address, struct value *port)
{
    const struct expr *set =
        expr->kind == EXPR_MAP ? match_set(&walk->context, &expr->items[1]) : NULL;
    const struct expr *element;
    struct match_key key;
    enum tri match;
    size_t cursor = 0;

    if (set)
        match_key(&walk->context, &look->state, &expr->items[0], &key);
    element = set ? match_next(&walk->context, &look->state, set, &key, &cursor, &match) : NULL;
    if (element && match == TRI_YES && element->kind == EXPR_PAIR &&
        element->items[1].kind == EXPR_CONCAT && element->items[1].count == 2) {
        expr = &element->items[1];
        *address = match_eval(&walk->context, &look->state, &expr->items[0], *address);
        *port = match_eval(&walk->context, &look->state, &expr->items[1], *port);
    } else {
        *address = match_eval(&walk->context, &look->state, expr, *address);
    }
}

/* The new destination, where a rule says none the old one. */
static void translate(struct walk *walk, struct look *look, struct value address, struct value port,
                      bool redirect)
{
    struct packet_state *state = &look->state;
    struct value old = packet_destination(&state->packet);
    struct value old_port = packet_field(&state->packet, "th", "dport");
    enum tri same = tri_and(value_equal(old, address), value_equal(old_port, port));
    struct value changed = value_known(TYPE_CT_STATUS, 32, same == TRI_NO ? CT_STATUS_DNAT : 0);

    if (same == TRI_PERHAPS)
        changed.unknown = CT_STATUS_DNAT;
    packet_set_destination(&state->packet, address);
    packet_set(&state->packet, "th", "dport", port);
    state->ct_status = changed;
    state->translated = value_known(TYPE_NUMBER, 1, 1);
    state->local = redirect ? value_known(TYPE_NUMBER, 1, 1) : value_unknown(TYPE_NUMBER, 1);
    struct firewall_step *step = rule_step(walk, look, FIREWALL_NAT);
    char text[FIREWALL_ADDRESS_TEXT] = "?";
    unsigned char bytes[16];
    size_t size = state->packet.family == AF_INET ? 4 : 16;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(address.number >> 8 * (size - 1 - i));
    if (!address.unknown)
        firewall_address_text(state->packet.family, bytes, text);
    step->target = mem_format(size == 4 ? "%s:%u" : "[%s]:%u", text, (unsigned)port.number);
    note_doubt(walk, look);
    add_accepted(walk, state);
    add(&look->out, MAY_ACCEPT, state);
}

/* For a packet of another family than the address nothing is done; where the map has no such key,
 * the rule does not match. @return true when the next statement follows */
static bool destination_nat(struct walk *walk, struct look *look, const struct statement *statement)
{
    struct value address = packet_destination(&look->state.packet);
    struct value port = packet_field(&look->state.packet, "th", "dport");
    bool redirect = statement->kind == STATEMENT_REDIRECT;
    int own = look->state.packet.family == AF_INET ? RULESET_IP : RULESET_IP6;

    if (!redirect && statement->family >= 0 && statement->family != RULESET_INET &&
        statement->family != own)
        return true;
    if (redirect)
        address = walk->context.redirect;
    if (statement->left)
        nat_target(walk, look, statement->left, &address, &port);
    if (statement->right)
        port = match_eval(&walk->context, &look->state, statement->right, port);
    if (address.absent == TRI_YES || port.absent == TRI_YES)
        return false;
    if (address.absent || port.absent)
        look->certain = false;
    translate(walk, look, address, port, redirect);
    return false;
}

/* Verdicts that the ruleset does not say, those of chains that may be jumped to among them:
 * anything may come of it. What is doubted is the context's. */
static void anything(struct walk *walk, struct look *look)
{
    look->certain = false;
    rule_step(walk, look, FIREWALL_PERHAPS);
    note_doubt(walk, look);
    look->state.mark = value_unknown(TYPE_NUMBER, 32);
    look->state.ct_mark = look->state.mark;
    look->state.ct_state =
        value_join(look->state.ct_state, value_known(TYPE_CT_STATE, 32, CT_UNTRACKED));
    if (look->chain->nat) {
        struct value address = packet_destination(&look->state.packet);
        packet_set_destination(&look->state.packet, value_unknown(address.type, address.bits));
        packet_set(&look->state.packet, "th", "dport", value_unknown(TYPE_NUMBER, 16));
        look->state.local = look->state.translated = value_unknown(TYPE_NUMBER, 1);
        look->state.ct_status = value_unknown(TYPE_CT_STATUS, 32);
    } else {
        cause(walk, &walk->drop, look->rule->handle);
        look->out.may |= MAY_DROP;
    }
    add_accepted(walk, &look->state);
    add(&look->out, MAY_ACCEPT, &look->state);
    add(&look->out, MAY_RETURN, &look->state);
    add(&look->out, MAY_NEXT, &look->state);
}

/* A target of iptables that nftables does not describe. */
static void foreign(struct walk *walk, struct look *look, const struct statement *statement)
{
    walk->context.doubt[0] = WALK_EXTENSION, walk->context.doubt[1] = statement->word;
    anything(walk, look);
}

/* ---- maps of verdicts ---- */

/* The verdicts of all elements that the key may be. */
static void verdict_map(struct walk *walk, struct look *look, const struct statement *statement)
{
    const struct expr *set = match_set(&walk->context, statement->right), *element;
    struct match_key key;
    enum tri match = TRI_NO;
    size_t cursor = 0;
    bool certain = look->certain;

    walk->context.doubt[0] = "vmap", walk->context.doubt[1] = "";
    match_key(&walk->context, &look->state, statement->left, &key);
    if (key.absent == TRI_YES)
        return;
    if (!set) {
        match_doubt_set(&walk->context, statement->right);
        anything(walk, look);
        return;
    }
    if (key.absent == TRI_PERHAPS)
        certain = false;
    while ((element = match_next(&walk->context, &look->state, set, &key, &cursor, &match))) {
        look->certain = certain && match == TRI_YES;
        if (match == TRI_PERHAPS)
            certain = false;
        if (element->kind == EXPR_PAIR && element->items[1].kind == EXPR_VERDICT)
            verdict(walk, look, &element->items[1]);
    }
    look->certain = certain && match == TRI_YES;
}

static void notrack(struct look *look)
{
    struct value invalid = value_known(TYPE_CT_STATE, 32, CT_INVALID);

    if (value_equal(look->state.ct_state, invalid) != TRI_NO)
        assign(look, &look->state.ct_state, value_known(TYPE_CT_STATE, 32, CT_UNTRACKED));
}

/* Only where there is such an answer to the packet. @return false: the rule ends either way */
static bool reject(struct walk *walk, struct look *look, const char *type)
{
    const struct packet *packet = &look->state.packet;
    bool fits = strcmp(type, "tcp reset") == 0 ? packet->protocol == IPPROTO_TCP
                : strcmp(type, "icmp") == 0    ? packet->family == AF_INET
                : strcmp(type, "icmpv6") == 0  ? packet->family == AF_INET6
                                               : true;

    if (!fits)
        return false;
    end(walk, look, MAY_REJECT, FIREWALL_REJECT);
    struct firewall_step *step = &walk->path->steps[walk->path->count - 1];
    const char *with = strstr(step->text, "reject with ");
    if (with)
        step->target = mem_string(span_str(with + strlen("reject with ")));
    return false;
}

/* ---- rules ---- */

/* @return false when the rule ends here */
static bool condition(struct walk *walk, struct look *look, const struct statement *statement)
{
    enum tri match = TRI_PERHAPS;
    const char *before[2] = {walk->context.doubt[0], walk->context.doubt[1]};

    walk->context.doubt[0] = statement->extension ? WALK_EXTENSION : statement->word;
    walk->context.doubt[1] = statement->extension ? statement->word : "";
    if (statement->kind == STATEMENT_MATCH)
        match = match_statement(&walk->context, &look->state, statement);
    if (match == TRI_PERHAPS && look->certain)
        look->certain = false;
    else
        walk->context.doubt[0] = before[0], walk->context.doubt[1] = before[1];
    return match != TRI_NO;
}

/* @return true when the next statement follows */
static bool statement_run(struct walk *walk, struct look *look, const struct statement *statement)
{
    switch (statement->kind) {
    case STATEMENT_MATCH:
    case STATEMENT_UNSURE:
        return condition(walk, look, statement);
    case STATEMENT_VERDICT:
        return verdict(walk, look, statement->left), false;
    case STATEMENT_VMAP:
        return verdict_map(walk, look, statement), false;
    case STATEMENT_REJECT:
        return reject(walk, look, statement->word);
    case STATEMENT_QUEUE:
    case STATEMENT_TAKEN:
        end(walk, look, MAY_QUEUE, FIREWALL_QUEUE);
        return walk_doubt(walk, "what becomes of packets after", statement->word), false;
    case STATEMENT_DNAT:
    case STATEMENT_REDIRECT:
        return destination_nat(walk, look, statement);
    case STATEMENT_SNAT:
        return end(walk, look, MAY_ACCEPT, FIREWALL_ACCEPT), false;
    case STATEMENT_FOREIGN:
        return foreign(walk, look, statement), false;
    case STATEMENT_MANGLE:
        return mangle(walk, look, statement);
    case STATEMENT_NOTRACK:
        return notrack(look), true;
    case STATEMENT_UPDATE:
        return match_updated(&walk->context, statement->word), true;
    case STATEMENT_QUIET:
        break;
    }
    return true;
}

/* Runs one rule. *state becomes that of packets which go on to the next rule; *ret_back that of
 * those which leave the chain. */
static unsigned walk_rule(struct walk *walk, struct look *look, struct packet_state *state,
                          struct packet_state *ret_back)
{
    size_t i = 0, count = look->rule->count;

    look->state = *state;
    look->certain = true;
    look->changes = false;
    look->out.may = 0;
    while (i < count && statement_run(walk, look, &look->rule->statements[i]))
        i++;
    if (i == count && (look->certain || look->changes))
        rule_step(walk, look, FIREWALL_CONTINUE);
    if (look->out.may && !look->certain) {
        add(&look->out, MAY_NEXT, state);
        add(&look->out, MAY_NEXT, &look->state);
    } else if (!look->out.may) {
        add(&look->out, MAY_NEXT, &look->state);
        if (!look->certain)
            add(&look->out, MAY_NEXT, state);
    }
    if (look->out.may & MAY_NEXT)
        *state = look->out.next;
    if (look->out.may & MAY_RETURN)
        *ret_back = look->out.back;
    return look->out.may;
}

/* Runs a chain's rules. *state becomes that of packets which leave it at its end or by return.
 * @return MAY_RETURN when some do, and what else may happen */
static unsigned walk_chain(struct walk *walk, const struct ruleset_chain *chain,
                           struct packet_state *state, unsigned depth)
{
    struct look look = {.chain = chain, .depth = depth};
    struct outcome all = {0};
    struct packet_state back;
    unsigned may = MAY_NEXT;

    for (look.rule = chain->rules; look.rule && may & MAY_NEXT; look.rule = look.rule->next) {
        if (walk->budget == 0 || walk->too_deep) {
            walk->too_deep = true;
            return all.may | MAY_END;
        }
        walk->budget--;
        may = walk_rule(walk, &look, state, &back);
        all.may |= may & (MAY_ACCEPT | MAY_END);
        if (may & MAY_RETURN)
            add(&all, MAY_RETURN, &back);
    }
    if (may & MAY_NEXT)
        add(&all, MAY_RETURN, state);
    if (all.may & MAY_RETURN)
        *state = all.back;
    return all.may;
}

/* What happens to packets that no rule decided about. */
static unsigned policy(struct walk *walk, const struct ruleset_chain *chain,
                       const struct packet_state *state)
{
    enum firewall_action action = chain->policy_drops ? FIREWALL_DROP : FIREWALL_ACCEPT;
    struct firewall_step *step = walk_step(walk, chain, walk->met ? action : FIREWALL_PERHAPS);

    step->policy = true;
    step->text = mem_format("policy %s", chain->policy_drops ? "drop" : "accept");
    if (!chain->policy_drops)
        return add_accepted(walk, state), MAY_ACCEPT;
    cause(walk, &walk->drop, 0);
    return MAY_DROP;
}

unsigned walk_base_chain(struct walk *walk, const struct ruleset_chain *chain, bool certain,
                         struct packet_state *state)
{
    struct packet_state inner = *state;

    walk->context.table = chain->table;
    walk->any_accepted = false;
    walk->met = certain;
    unsigned may = walk_chain(walk, chain, &inner, 0);
    if (may & MAY_RETURN)
        may |= policy(walk, chain, &inner);
    if (!certain) {
        may |= MAY_ACCEPT;
        add_accepted(walk, state);
    }
    if (walk->any_accepted)
        *state = walk->accepted;
    return may & (MAY_ACCEPT | MAY_END);
}
