/* Rules and chains as nf_tables runs them (nft_do_chain() of the kernel), with packets that may go
 * two ways at once: where a rule may match, both ways are followed, and what is changed on
 * one of them is unknown afterwards. */
#include "firewall/model/walk.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "firewall/model/walk_memo.h"
#include "os/net.h"

enum { DEPTH_MAX = 16 }; /* NFT_JUMP_STACK_SIZE */

/* What may come of a rule or chain, and the packet's state on each way that goes on. */
struct outcome {
    unsigned may;
    struct packet_state next;
    struct packet_state back;
};

/* A rule that is being looked at. */
struct rule_cursor {
    const struct ruleset_chain *chain;
    const struct ruleset_rule *rule;
    struct packet_state state; /* as the rule's statements changed it */
    bool certain;              /* all that came before in the rule surely matched */
    bool changes;              /* its statements change the packet or its marks */
    unsigned depth;
    struct outcome out;
};

static unsigned walk_known(struct walk *walk, const struct ruleset_chain *chain,
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

bool packet_state_equal(const struct packet_state *a, const struct packet_state *b)
{
    const struct value *const x[] = {&a->mark,      &a->ct_mark,    &a->ct_state,
                                     &a->ct_status, &a->translated, &a->local};
    const struct value *const y[] = {&b->mark,      &b->ct_mark,    &b->ct_state,
                                     &b->ct_status, &b->translated, &b->local};

    for (size_t i = 0; i < ARRAY_SIZE(x); i++)
        if (!value_same(*x[i], *y[i]))
            return false;
    return packet_same(&a->packet, &b->packet);
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

    walk->rules[walk->path->count - 1] = NULL;
    step->action = action;
    if (!chain)
        return step;
    if (chain->table->source == RULESET_IPTABLES_LEGACY)
        step->layer = FIREWALL_IPTABLES;
    step->family = mem_string(span_str(ruleset_family_name(chain->table->family)));
    step->table = mem_string(span_str(chain->table->name));
    step->chain = mem_string(span_str(chain->name));
    if (chain->hook)
        step->hook = mem_string(span_str(ruleset_hook_name(chain->hook)));
    step->priority = chain->priority;
    return step;
}

/* The server's address and port as they are at a step. */
static void note_server(const struct walk *walk, const struct packet_state *state,
                        struct firewall_step *step)
{
    const struct packet *packet = &state->packet;
    bool reply = walk->context.reply;
    struct value port = packet_field(packet, "th", reply ? "sport" : "dport");
    struct value address = reply ? packet_source(packet) : packet_destination(packet);
    struct value asked = packet_destination(&walk->context.original);

    if (!port.unknown)
        step->port = (uint16_t)port.number;
    if (!address.unknown && value_equal(address, asked) == TRI_NO)
        value_address_text(address, packet->family, step->address);
}

static struct firewall_step *rule_step(struct walk *walk, const struct rule_cursor *cursor,
                                       enum firewall_action action)
{
    struct firewall_step *step =
        walk_step(walk, cursor->chain, cursor->certain && walk->met ? action : FIREWALL_MAYBE);

    note_server(walk, &cursor->state, step);
    if (walk->matches == 0)
        walk->too_deep = true;
    else
        walk->matches--;
    step->handle = cursor->rule->handle;
    step->index = cursor->rule->index;
    walk->rules[walk->path->count - 1] = cursor->rule;
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
static void note_doubt(struct walk *walk, const struct rule_cursor *cursor)
{
    if (!cursor->certain)
        walk_doubt(walk, walk->context.doubt[0], walk->context.doubt[1]);
}

static void cause(struct walk *walk, struct walk_cause *cause, uint64_t handle)
{
    cause->count++;
    cause->step = walk->path->count - 1;
    cause->handle = handle;
    if (walk->root < walk->first_root)
        walk->first_root = walk->root;
}

/* ---- verdicts ---- */

static void end(struct walk *walk, struct rule_cursor *cursor, unsigned may,
                enum firewall_action action)
{
    rule_step(walk, cursor, action);
    note_doubt(walk, cursor);
    if (may == MAY_ACCEPT)
        add_accepted(walk, &cursor->state);
    if (may == MAY_DROP)
        cause(walk, &walk->drop, cursor->rule->handle);
    if (may == MAY_REJECT)
        cause(walk, &walk->reject, cursor->rule->handle);
    add(&cursor->out, may, &cursor->state);
}

static void leave(struct walk *walk, struct rule_cursor *cursor, const char *target, bool jump)
{
    const struct ruleset_chain *chain =
        ruleset_chain_find(walk->context.ruleset, cursor->chain->table, target);
    struct packet_state state = cursor->state;

    if (walk->without_ufw && strncmp(target, "ufw", 3) == 0) {
        add(&cursor->out, MAY_NEXT, &state);
        return;
    }
    struct firewall_step *step = rule_step(walk, cursor, jump ? FIREWALL_JUMP : FIREWALL_GOTO);

    step->target = mem_string(span_str(target));
    note_doubt(walk, cursor);
    if (!chain || cursor->depth == DEPTH_MAX) {
        walk->too_deep = true;
        return;
    }
    unsigned may = walk_known(walk, chain, &state, cursor->depth + 1);
    cursor->out.may |= may & ~(unsigned)MAY_RETURN;
    if (may & MAY_RETURN)
        add(&cursor->out, jump ? MAY_NEXT : MAY_RETURN, &state);
}

static void verdict(struct walk *walk, struct rule_cursor *cursor, const struct expr *expr)
{
    switch ((enum rule_verdict)expr->number) {
    case VERDICT_ACCEPT:
        end(walk, cursor, MAY_ACCEPT, FIREWALL_ACCEPT);
        break;
    case VERDICT_DROP:
        end(walk, cursor, MAY_DROP, FIREWALL_DROP);
        break;
    case VERDICT_RETURN:
        end(walk, cursor, MAY_RETURN, FIREWALL_RETURN);
        break;
    case VERDICT_CONTINUE:
        rule_step(walk, cursor, FIREWALL_CONTINUE);
        add(&cursor->out, MAY_NEXT, &cursor->state);
        break;
    case VERDICT_JUMP:
    case VERDICT_GOTO:
        leave(walk, cursor, expr->word ? expr->word : "", expr->number == VERDICT_JUMP);
        break;
    }
}

/* ---- changes ---- */

/* An assignment that may happen leaves what it was, or makes it the new value. */
static void assign(struct rule_cursor *cursor, struct value *place, struct value value)
{
    cursor->changes = true;
    value.type = place->type;
    value.bits = place->bits;
    *place = cursor->certain && value.absent == TRI_NO ? value : value_join(*place, value);
    place->absent = TRI_NO;
}

/* @return false when the rule ends here: the packet has no such field, or the map no such key */
static bool mangle(struct walk *walk, struct rule_cursor *cursor, const struct statement *statement)
{
    const struct expr *what = statement->left;
    bool mark = what->word && strcmp(what->word, "mark") == 0;
    struct value hint = value_unknown(TYPE_NUMBER, 32);

    if (what->kind == EXPR_PAYLOAD)
        hint = packet_field(&cursor->state.packet, what->word, what->more);
    struct value value = match_eval(&walk->context, &cursor->state, statement->right, hint);
    if (value.absent == TRI_YES || hint.absent == TRI_YES)
        return false;
    if (value.absent == TRI_MAYBE && walk->sure_only)
        return false;
    if (value.absent == TRI_MAYBE)
        cursor->certain = false;
    if (what->kind == EXPR_META && mark)
        assign(cursor, &cursor->state.mark, value);
    else if (what->kind == EXPR_CT && mark)
        assign(cursor, &cursor->state.ct_mark, value);
    if (what->kind == EXPR_PAYLOAD) {
        assign(cursor, &hint, value);
        packet_set(&cursor->state.packet, what->word, what->more, hint);
    }
    return true;
}

/* "dnat to ... map" may give address and port together. */
static void nat_target(struct walk *walk, const struct rule_cursor *cursor, const struct expr *expr,
                       struct value *address, struct value *port)
{
    const struct expr *set =
        expr->kind == EXPR_MAP ? match_set(&walk->context, &expr->items[1]) : NULL;
    const struct expr *element;
    struct match_key key;
    enum tri match;
    size_t at = 0;

    if (set)
        match_key(&walk->context, &cursor->state, &expr->items[0], &key);
    element = set ? match_next(&walk->context, &cursor->state, set, &key, &at, &match) : NULL;
    if (element && match == TRI_YES && element->kind == EXPR_PAIR &&
        element->items[1].kind == EXPR_CONCAT && element->items[1].count == 2) {
        expr = &element->items[1];
        *address = match_eval(&walk->context, &cursor->state, &expr->items[0], *address);
        *port = match_eval(&walk->context, &cursor->state, &expr->items[1], *port);
    } else {
        *address = match_eval(&walk->context, &cursor->state, expr, *address);
    }
}

/* The new destination, where a rule says none the old one. */
static void translate(struct walk *walk, struct rule_cursor *cursor, struct value address,
                      struct value port, bool redirect)
{
    struct packet_state *state = &cursor->state;
    struct value old = packet_destination(&state->packet);
    struct value old_port = packet_field(&state->packet, "th", "dport");
    enum tri same = tri_and(value_equal(old, address), value_equal(old_port, port));
    struct value changed = value_known(TYPE_CT_STATUS, 32, same == TRI_NO ? CT_STATUS_DNAT : 0);

    if (same == TRI_MAYBE)
        changed.unknown = CT_STATUS_DNAT;
    packet_set_destination(&state->packet, address);
    packet_set(&state->packet, "th", "dport", port);
    state->ct_status = changed;
    state->translated = value_known(TYPE_NUMBER, 1, 1);
    state->local = redirect ? value_known(TYPE_NUMBER, 1, 1) : value_unknown(TYPE_NUMBER, 1);
    struct firewall_step *step = rule_step(walk, cursor, FIREWALL_NAT);
    bool ipv4 = state->packet.family == AF_INET;
    char text[FIREWALL_ADDRESS_TEXT] = "?";
    if (!address.unknown)
        value_address_text(address, state->packet.family, text);
    step->target = mem_format(ipv4 ? "%s:%u" : "[%s]:%u", text, (unsigned)port.number);
    note_doubt(walk, cursor);
    add_accepted(walk, state);
    add(&cursor->out, MAY_ACCEPT, state);
}

/* For a packet of another family than the address nothing is done; where the map has no such key,
 * the rule does not match. @return true when the next statement follows */
static bool destination_nat(struct walk *walk, struct rule_cursor *cursor,
                            const struct statement *statement)
{
    struct value address = packet_destination(&cursor->state.packet);
    struct value port = packet_field(&cursor->state.packet, "th", "dport");
    bool redirect = statement->kind == STATEMENT_REDIRECT;
    int own = cursor->state.packet.family == AF_INET ? RULESET_IP : RULESET_IP6;

    if (!redirect && statement->family >= 0 && statement->family != RULESET_INET &&
        statement->family != own)
        return true;
    if (redirect)
        address = walk->context.redirect;
    if (statement->left)
        nat_target(walk, cursor, statement->left, &address, &port);
    if (statement->right)
        port = match_eval(&walk->context, &cursor->state, statement->right, port);
    if (address.absent == TRI_YES || port.absent == TRI_YES)
        return false;
    if ((address.absent || port.absent) && walk->sure_only)
        return false;
    if (address.absent || port.absent)
        cursor->certain = false;
    translate(walk, cursor, address, port, redirect);
    return false;
}

/* Verdicts that the ruleset does not say, those of chains that may be jumped to among them:
 * anything may come of it. What is doubted is the context's. */
static void anything(struct walk *walk, struct rule_cursor *cursor)
{
    cursor->certain = false;
    rule_step(walk, cursor, FIREWALL_MAYBE);
    note_doubt(walk, cursor);
    cursor->state.mark = value_unknown(TYPE_NUMBER, 32);
    cursor->state.ct_mark = cursor->state.mark;
    cursor->state.ct_state =
        value_join(cursor->state.ct_state, value_known(TYPE_CT_STATE, 32, CT_UNTRACKED));
    if (cursor->chain->nat) {
        struct value address = packet_destination(&cursor->state.packet);
        packet_set_destination(&cursor->state.packet, value_unknown(address.type, address.bits));
        packet_set(&cursor->state.packet, "th", "dport", value_unknown(TYPE_NUMBER, 16));
        cursor->state.local = cursor->state.translated = value_unknown(TYPE_NUMBER, 1);
        cursor->state.ct_status = value_unknown(TYPE_CT_STATUS, 32);
    } else {
        cause(walk, &walk->drop, cursor->rule->handle);
        cursor->out.may |= MAY_DROP;
    }
    add_accepted(walk, &cursor->state);
    add(&cursor->out, MAY_ACCEPT, &cursor->state);
    add(&cursor->out, MAY_RETURN, &cursor->state);
    add(&cursor->out, MAY_NEXT, &cursor->state);
}

/* A target of iptables that nftables does not describe. */
static void foreign(struct walk *walk, struct rule_cursor *cursor,
                    const struct statement *statement)
{
    walk->context.doubt[0] = WALK_EXTENSION, walk->context.doubt[1] = statement->word;
    if (!walk->sure_only)
        anything(walk, cursor);
}

/* ---- maps of verdicts ---- */

/* The verdicts of all elements that the key may be. */
static void verdict_map(struct walk *walk, struct rule_cursor *cursor,
                        const struct statement *statement)
{
    const struct expr *set = match_set(&walk->context, statement->right), *element;
    struct match_key key;
    enum tri match = TRI_NO;
    size_t at = 0;
    bool certain = cursor->certain;

    walk->context.doubt[0] = "vmap", walk->context.doubt[1] = "";
    match_key(&walk->context, &cursor->state, statement->left, &key);
    if (key.absent == TRI_YES || (walk->sure_only && (key.absent || !set)))
        return;
    if (!set) {
        match_doubt_set(&walk->context, statement->right);
        anything(walk, cursor);
        return;
    }
    if (key.absent == TRI_MAYBE)
        certain = false;
    while ((element = match_next(&walk->context, &cursor->state, set, &key, &at, &match))) {
        if (match == TRI_MAYBE && walk->sure_only)
            continue;
        cursor->certain = certain && match == TRI_YES;
        if (match == TRI_MAYBE)
            certain = false;
        if (element->kind == EXPR_PAIR && element->items[1].kind == EXPR_VERDICT)
            verdict(walk, cursor, &element->items[1]);
    }
    cursor->certain = certain && match == TRI_YES;
}

static void notrack(struct rule_cursor *cursor)
{
    struct value invalid = value_known(TYPE_CT_STATE, 32, CT_INVALID);

    if (value_equal(cursor->state.ct_state, invalid) != TRI_NO)
        assign(cursor, &cursor->state.ct_state, value_known(TYPE_CT_STATE, 32, CT_UNTRACKED));
}

/* Only where there is such an answer to the packet. @return false: the rule ends either way */
static bool reject(struct walk *walk, struct rule_cursor *cursor, const char *type)
{
    const struct packet *packet = &cursor->state.packet;
    bool fits = strcmp(type, "tcp reset") == 0 ? packet->protocol == IPPROTO_TCP
                : strcmp(type, "icmp") == 0    ? packet->family == AF_INET
                : strcmp(type, "icmpv6") == 0  ? packet->family == AF_INET6
                                               : true;

    if (!fits)
        return false;
    end(walk, cursor, MAY_REJECT, FIREWALL_REJECT);
    return false;
}

/* ---- rules ---- */

static bool is_decisive(const struct walk *walk, const struct ruleset_rule *rule)
{
    for (size_t i = 0; i < walk->decisive_count; i++)
        if (walk->decisive[i] == rule)
            return true;
    return false;
}

/* @return false when the rule ends here */
static bool condition(struct walk *walk, struct rule_cursor *cursor,
                      const struct statement *statement)
{
    enum tri match = TRI_MAYBE;
    const char *before[2] = {walk->context.doubt[0], walk->context.doubt[1]};

    walk->context.doubt[0] = statement->extension ? WALK_EXTENSION : statement->word;
    walk->context.doubt[1] = statement->extension ? statement->word : "";
    if (statement->kind == STATEMENT_MATCH)
        match = match_statement(&walk->context, &cursor->state, statement);
    if (match == TRI_MAYBE && walk->sure_only)
        match = is_decisive(walk, cursor->rule) ? TRI_YES : TRI_NO;
    if (match == TRI_MAYBE && cursor->certain)
        cursor->certain = false;
    else
        walk->context.doubt[0] = before[0], walk->context.doubt[1] = before[1];
    return match != TRI_NO;
}

/* @return true when the next statement follows */
static bool statement_run(struct walk *walk, struct rule_cursor *cursor,
                          const struct statement *statement)
{
    switch (statement->kind) {
    case STATEMENT_MATCH:
    case STATEMENT_UNSURE:
        return condition(walk, cursor, statement);
    case STATEMENT_VERDICT:
        return verdict(walk, cursor, statement->left), false;
    case STATEMENT_VMAP:
        return verdict_map(walk, cursor, statement), false;
    case STATEMENT_REJECT:
        return reject(walk, cursor, statement->word);
    case STATEMENT_QUEUE:
    case STATEMENT_TAKEN:
        end(walk, cursor, MAY_QUEUE, FIREWALL_QUEUE);
        return walk_doubt(walk, "what becomes of packets after", statement->word), false;
    case STATEMENT_DNAT:
    case STATEMENT_REDIRECT:
        return destination_nat(walk, cursor, statement);
    case STATEMENT_SNAT:
        return end(walk, cursor, MAY_ACCEPT, FIREWALL_ACCEPT), false;
    case STATEMENT_FOREIGN:
        return foreign(walk, cursor, statement), false;
    case STATEMENT_MANGLE:
        return mangle(walk, cursor, statement);
    case STATEMENT_NOTRACK:
        return notrack(cursor), true;
    case STATEMENT_UPDATE:
        return match_updated(&walk->context, statement->word), true;
    case STATEMENT_QUIET:
        break;
    }
    return true;
}

/* Runs one rule. *state becomes that of packets which go on to the next rule; *ret_back that of
 * those which leave the chain. */
static unsigned walk_rule(struct walk *walk, struct rule_cursor *cursor, struct packet_state *state,
                          struct packet_state *ret_back)
{
    size_t i = 0, count = cursor->rule->count;

    cursor->state = *state;
    cursor->certain = true;
    cursor->changes = false;
    cursor->out.may = 0;
    while (i < count && statement_run(walk, cursor, &cursor->rule->statements[i]))
        i++;
    if (i == count && (cursor->certain || cursor->changes))
        rule_step(walk, cursor, FIREWALL_CONTINUE);
    if (cursor->out.may && !cursor->certain) {
        add(&cursor->out, MAY_NEXT, state);
        add(&cursor->out, MAY_NEXT, &cursor->state);
    } else if (!cursor->out.may) {
        add(&cursor->out, MAY_NEXT, &cursor->state);
        if (!cursor->certain)
            add(&cursor->out, MAY_NEXT, state);
    }
    if (cursor->out.may & MAY_NEXT)
        *state = cursor->out.next;
    if (cursor->out.may & MAY_RETURN)
        *ret_back = cursor->out.back;
    return cursor->out.may;
}

/* Runs a chain's rules. *state becomes that of packets which leave it at its end or by return.
 * @return MAY_RETURN when some do, and what else may happen */
static unsigned walk_chain(struct walk *walk, const struct ruleset_chain *chain,
                           struct packet_state *state, unsigned depth)
{
    struct rule_cursor cursor = {.chain = chain, .depth = depth};
    struct outcome all = {0};
    struct packet_state back;
    unsigned may = MAY_NEXT;

    for (cursor.rule = chain->rules; cursor.rule && may & MAY_NEXT;
         cursor.rule = cursor.rule->next) {
        if (walk->budget == 0 || walk->too_deep) {
            walk->too_deep = true;
            return all.may | MAY_END;
        }
        walk->budget--;
        if (depth == 0)
            walk->root = cursor.rule->index;
        may = walk_rule(walk, &cursor, state, &back);
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

static void cause_join(struct walk_cause *cause, const struct walk_cause *more)
{
    size_t count = cause->count + more->count;

    if (more->count)
        *cause = *more;
    cause->count = count;
}

/* What a chain left behind becomes part of what its caller does. */
static unsigned take_result(struct walk *walk, const struct walk_result *result,
                            struct packet_state *state)
{
    if (result->any_accepted)
        add_accepted(walk, &result->accepted);
    if ((result->drop.count || result->reject.count) && walk->root < walk->first_root)
        walk->first_root = walk->root;
    cause_join(&walk->drop, &result->drop);
    cause_join(&walk->reject, &result->reject);
    if (result->may & MAY_RETURN)
        *state = result->back;
    return result->may;
}

/* Runs a chain that is jumped to, or remembers what came of it for such a packet. Its steps are
 * shown once. */
static unsigned walk_known(struct walk *walk, const struct ruleset_chain *chain,
                           struct packet_state *state, unsigned depth)
{
    const struct walk_result *known = walk_memo_find(walk->memo, chain, state);
    struct walk outer = *walk;
    struct packet_state before = *state;

    if (known) {
        walk->too_deep = walk->too_deep || depth + known->depth > DEPTH_MAX;
        return take_result(walk, known, state);
    }
    walk->any_accepted = false;
    walk->drop = walk->reject = (struct walk_cause){0};
    walk->depth = depth;
    struct walk_result result = {.may = walk_chain(walk, chain, state, depth)};
    result.back = *state;
    result.accepted = walk->accepted;
    result.any_accepted = walk->any_accepted;
    result.drop = walk->drop;
    result.reject = walk->reject;
    result.depth = walk->depth - depth;
    if (!walk->too_deep && walk->context.updated_count == outer.context.updated_count)
        walk_memo_add(walk->memo, chain, &before, &result);
    walk->accepted = outer.accepted;
    walk->any_accepted = outer.any_accepted;
    walk->drop = outer.drop;
    walk->reject = outer.reject;
    walk->depth = walk->depth > outer.depth ? walk->depth : outer.depth;
    return take_result(walk, &result, state);
}

/* What happens to packets that no rule decided about. */
static unsigned policy(struct walk *walk, const struct ruleset_chain *chain,
                       const struct packet_state *state)
{
    bool drops = chain->policy_drops && !(walk->without_ufw && chain->table->ufw);
    enum firewall_action action = drops ? FIREWALL_DROP : FIREWALL_ACCEPT;
    struct firewall_step *step = walk_step(walk, chain, walk->met ? action : FIREWALL_MAYBE);

    note_server(walk, state, step);
    step->policy = true;
    step->text = mem_format("policy %s", drops ? "drop" : "accept");
    walk->root = chain->rule_count;
    if (!drops)
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
    walk->first_root = SIZE_MAX;
    walk->depth = 0;
    walk_memo_clear(walk->memo);
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

/* ---- begin and end ---- */

void walk_begin(struct walk *walk)
{
    walk->rules = mem_resize(NULL, FIREWALL_STEPS_MAX, sizeof *walk->rules);
    memset(walk->rules, 0, FIREWALL_STEPS_MAX * sizeof *walk->rules);
    walk->memo = walk_memo_create(walk->context.ruleset->chain_count);
    walk->first_root = SIZE_MAX;
}

void walk_finish(struct walk *walk)
{
    for (size_t i = 0; i < walk->path->count; i++) {
        struct firewall_step *step = &walk->path->steps[i];
        if (!walk->rules[i])
            continue;
        step->text = ruleset_rule_text(walk->rules[i]);
        const char *with =
            step->action == FIREWALL_REJECT ? strstr(step->text, "reject with ") : NULL;
        if (with)
            step->target = mem_string(span_str(with + strlen("reject with ")));
    }
    walk_memo_destroy(walk->memo);
    free(walk->rules);
}
