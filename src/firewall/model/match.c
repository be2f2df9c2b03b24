/* What a rule's expressions say about a packet, in three values. */
#include "firewall/model/match.h"
#include "os/net.h"

static const struct value any_number = {.type = TYPE_NUMBER, .bits = 128};

static struct value doubtful(struct match_context *context, struct value value, const char *what,
                             const char *which)
{
    if (value.unknown || value.absent == TRI_MAYBE) {
        context->doubt[0] = what;
        context->doubt[1] = which;
    }
    return value;
}

/* ---- meta ---- */

static struct value interface_value(const struct match_context *context, bool in)
{
    if (in && context->local_output)
        return value_known(TYPE_IFNAME, 128, 0);
    if (in)
        return context->interface[0] ? value_of_word(TYPE_IFNAME, 128, context->interface)
                                     : value_unknown(TYPE_IFNAME, 128);
    if (context->hook == RULESET_FORWARD || context->hook == RULESET_POSTROUTING ||
        context->hook == RULESET_OUTPUT || context->hook == RULESET_EGRESS)
        return context->out ? value_of_word(TYPE_IFNAME, 128, context->out)
                            : value_unknown(TYPE_IFNAME, 128);
    return value_known(TYPE_IFNAME, 128, 0); /* none yet: the empty name */
}

static struct value packet_type(const struct packet *packet)
{
    struct value to = packet_destination(packet);
    bool multicast = packet->family == AF_INET ? to.number >> 28 == 14 : to.number >> 120 == 0xff;

    if (to.unknown || multicast || (packet->family == AF_INET && to.number == 0xffffffff))
        return value_unknown(TYPE_PKTTYPE, 8);
    return value_known(TYPE_PKTTYPE, 8, 0);
}

static struct value meta(const struct match_context *context, const struct packet_state *state,
                         const char *key)
{
    bool ipv4 = state->packet.family == AF_INET;

    if (strcmp(key, "mark") == 0)
        return state->mark;
    if (strcmp(key, "l4proto") == 0)
        return value_known(TYPE_PROTOCOL, 8, (unsigned)state->packet.protocol);
    if (strcmp(key, "protocol") == 0)
        return value_known(TYPE_ETHERTYPE, 16, ipv4 ? 0x0800 : 0x86dd);
    if (strcmp(key, "nfproto") == 0 && context->table->family != RULESET_NETDEV)
        return value_known(TYPE_NFPROTO, 8, ipv4 ? 2 : 10);
    if (strcmp(key, "iif") == 0 || strcmp(key, "iifname") == 0)
        return interface_value(context, true);
    if (strcmp(key, "oif") == 0 || strcmp(key, "oifname") == 0)
        return interface_value(context, false);
    if (strcmp(key, "skuid") == 0 && context->local_output)
        return context->user;
    if (strcmp(key, "pkttype") == 0 && !context->local_output)
        return packet_type(&state->packet);
    return value_unknown(TYPE_NUMBER, 128);
}

/* ---- conntrack ---- */

static struct value ct_address(const struct match_context *context,
                               const struct packet_state *state, const char *key)
{
    bool ipv6 = strncmp(key, "ip6 ", 4) == 0, ipv4 = strncmp(key, "ip ", 3) == 0;
    const char *field = ipv6 ? key + 4 : ipv4 ? key + 3 : key;

    if ((ipv6 && state->packet.family == AF_INET) || (ipv4 && state->packet.family == AF_INET6))
        return value_absent();
    return strcmp(field, "saddr") == 0 ? packet_source(&context->original)
                                       : packet_destination(&context->original);
}

/* The first packet of a connection goes in the original direction. */
static struct value ct_original(const struct match_context *context,
                                const struct packet_state *state, const char *key)
{
    size_t len = strlen(key);

    if (len >= 5 && (strcmp(key + len - 5, "saddr") == 0 || strcmp(key + len - 5, "daddr") == 0))
        return ct_address(context, state, key);
    if (strcmp(key, "proto-src") == 0)
        return packet_field(&context->original, "th", "sport");
    if (strcmp(key, "proto-dst") == 0)
        return packet_field(&context->original, "th", "dport");
    return value_unknown(TYPE_NUMBER, 128);
}

static struct value ct_known(const struct match_context *context, const struct packet_state *state,
                             const struct expr *expr)
{
    if (expr->more && strcmp(expr->more, "original") == 0)
        return ct_original(context, state, expr->word);
    if (strcmp(expr->word, "mark") == 0)
        return state->ct_mark;
    if (strcmp(expr->word, "status") == 0)
        return state->ct_status;
    if (strcmp(expr->word, "direction") == 0)
        return value_known(TYPE_CT_DIRECTION, 8, context->reply);
    if (strcmp(expr->word, "protocol") == 0)
        return value_known(TYPE_PROTOCOL, 8, (unsigned)state->packet.protocol);
    return value_unknown(TYPE_NUMBER, 128);
}

/* As iptables asks: the state's bits, and above them those of a translation. */
static struct value state_or_status(const struct packet_state *state)
{
    struct value both = state->ct_state;
    bits_t translated = CT_STATUS_SNAT | CT_STATUS_DNAT;

    both.type = TYPE_NUMBER;
    both.number |= (state->ct_status.number & translated) << 8;
    both.unknown |= (state->ct_status.unknown & translated) << 8;
    return both;
}

/* Before conntrack has seen the packet, and without it, only its state can be asked for. */
static struct value ct(const struct match_context *context, const struct packet_state *state,
                       const struct expr *expr)
{
    struct value tracked =
        value_known(TYPE_CT_STATE, 32, (unsigned)~(CT_INVALID | CT_UNTRACKED) & 0xff);

    if (strcmp(expr->word, "state") == 0)
        return state->ct_state;
    if (strcmp(expr->word, "state or status") == 0)
        return state_or_status(state);
    enum tri there = value_shares_bit(state->ct_state, tracked);
    if (there == TRI_NO)
        return value_absent();
    struct value value = ct_known(context, state, expr);
    if (there == TRI_MAYBE && value.absent == TRI_NO)
        value.absent = TRI_MAYBE;
    return value;
}

/* ---- other expressions ---- */

static bool has_word(const struct expr *expr, const char *word)
{
    for (size_t i = 0; i < expr->count; i++)
        if ((expr->items[i].kind == EXPR_WORD && strcmp(expr->items[i].word, word) == 0) ||
            (expr->items[i].kind == EXPR_LIST && has_word(&expr->items[i], word)))
            return true;
    return false;
}

/* "fib daddr type" is known where the route is. */
static struct value fib(const struct packet_state *state, const struct expr *expr)
{
    struct value type =
        value_known(TYPE_ROUTE, 8, state->local.number ? ROUTE_LOCAL : ROUTE_UNICAST);

    if (strcmp(expr->word, "type") != 0 || !has_word(expr, "daddr") || has_word(expr, "iif") ||
        has_word(expr, "mark"))
        return value_unknown(TYPE_ROUTE, 32);
    return state->local.unknown ? value_unknown(TYPE_ROUTE, 8) : type;
}

static struct value shift(struct value value, struct value by, bool left)
{
    if (by.unknown || by.number > 127)
        return value_unknown(value.type, value.bits);
    value.number = left ? value.number << by.number : value.number >> by.number;
    value.unknown = left ? value.unknown << by.number : value.unknown >> by.number;
    value.number &= bits_mask(value.bits);
    value.unknown &= bits_mask(value.bits);
    return value;
}

static struct value combine(enum expr_kind kind, struct value a, struct value b)
{
    enum tri absent = a.absent == TRI_YES || b.absent == TRI_YES ? TRI_YES
                      : a.absent || b.absent                     ? TRI_MAYBE
                                                                 : TRI_NO;
    bits_t ones_a = a.number & ~a.unknown, ones_b = b.number & ~b.unknown;
    bits_t zeros_a = ~a.number & ~a.unknown, zeros_b = ~b.number & ~b.unknown;
    bits_t unknown = a.unknown | b.unknown;

    if (kind == EXPR_SHIFT_LEFT || kind == EXPR_SHIFT_RIGHT)
        return shift(a, b, kind == EXPR_SHIFT_LEFT);
    if (kind == EXPR_AND)
        a.number &= b.number, a.unknown = unknown & ~zeros_a & ~zeros_b;
    else if (kind == EXPR_XOR)
        a.number ^= b.number, a.unknown = unknown;
    else
        a.number |= b.number, a.unknown = unknown & ~ones_a & ~ones_b;
    a.absent = absent;
    return a;
}

static struct value folded(struct match_context *context, const struct packet_state *state,
                           const struct expr *expr, struct value hint)
{
    struct value value = match_eval(context, state, &expr->items[0], hint);

    for (size_t i = 1; i < expr->count; i++) {
        enum expr_kind kind = expr->kind == EXPR_LIST ? EXPR_OR : expr->kind;
        struct value inner =
            kind == EXPR_SHIFT_LEFT || kind == EXPR_SHIFT_RIGHT ? any_number : value;
        value = combine(kind, value, match_eval(context, state, &expr->items[i], inner));
    }
    return value;
}

void match_doubt_set(struct match_context *context, const struct expr *expr)
{
    context->doubt[0] = context->ruleset->elements_unknown ? MATCH_ELEMENTS : "set";
    context->doubt[1] = expr->word ? expr->word : "";
}

static struct value mapped(struct match_context *context, const struct packet_state *state,
                           const struct expr *expr, struct value hint)
{
    const struct expr *set = match_set(context, &expr->items[1]);
    struct value value = value_absent();
    struct match_key key;
    size_t cursor = 0;
    enum tri match;

    if (!set) {
        match_doubt_set(context, &expr->items[1]);
        value = value_unknown(hint.type, hint.bits);
        value.absent = TRI_MAYBE;
        return value;
    }
    match_key(context, state, &expr->items[0], &key);
    if (key.absent == TRI_YES)
        return value;
    for (const struct expr *element;
         (element = match_next(context, state, set, &key, &cursor, &match));) {
        if (element->kind != EXPR_PAIR)
            return value_unknown(hint.type, hint.bits);
        if (match == TRI_YES && value.absent == TRI_YES && key.absent == TRI_NO)
            return match_eval(context, state, &element->items[1], hint);
        value = value_unknown(hint.type, hint.bits);
        value.absent = TRI_MAYBE;
        if (match == TRI_YES)
            break;
    }
    return value;
}

static struct value number_value(const struct expr *expr, struct value hint)
{
    if (hint.type == TYPE_IFNAME) /* the index of an interface that is gone */
        return value_unknown(TYPE_IFNAME, 128);
    if (expr->number & ~(uint64_t)bits_mask(hint.bits)) /* no such number: equal to nothing */
        return value_unknown(hint.type, hint.bits);
    return value_known(hint.type, hint.bits, expr->number);
}

struct value match_eval(struct match_context *context, const struct packet_state *state,
                        const struct expr *expr, struct value hint)
{
    switch (expr->kind) {
    case EXPR_NUMBER:
        return number_value(expr, hint);
    case EXPR_BOOL:
        return value_known(hint.type, hint.bits, expr->number);
    case EXPR_WORD:
        return doubtful(context, value_of_word(hint.type, hint.bits, expr->word), expr->word, "");
    case EXPR_META:
        return doubtful(context, meta(context, state, expr->word), "meta", expr->word);
    case EXPR_CT:
        return doubtful(context, ct(context, state, expr), "ct", expr->word);
    case EXPR_PAYLOAD:
        return doubtful(context, packet_field(&state->packet, expr->word, expr->more), expr->word,
                        expr->more);
    case EXPR_RAW:
        return doubtful(context, packet_bits(&state->packet, expr->word, expr->number, expr->len),
                        "raw bytes of", expr->word);
    case EXPR_EXTENSION: /* the probe has none */
        return expr->number ? value_known(TYPE_NUMBER, 8, 0) : value_absent();
    case EXPR_FIB:
        return doubtful(context, fib(state, expr), "fib", expr->word);
    case EXPR_MAP:
        return mapped(context, state, expr, hint);
    case EXPR_AND:
    case EXPR_OR:
    case EXPR_XOR:
    case EXPR_SHIFT_LEFT:
    case EXPR_SHIFT_RIGHT:
    case EXPR_LIST:
        if (expr->count)
            return folded(context, state, expr, hint);
        break;
    default:
        break;
    }
    return doubtful(context, value_unknown(hint.type, hint.bits), expr->word ? expr->word : "set",
                    "");
}

/* ---- sets ---- */

void match_key(struct match_context *context, const struct packet_state *state,
               const struct expr *expr, struct match_key *ret_key)
{
    bool concat = expr->kind == EXPR_CONCAT;
    size_t count = concat ? expr->count : 1;

    *ret_key = (struct match_key){.count = count < KEY_PARTS ? count : KEY_PARTS};
    for (size_t i = 0; i < ret_key->count; i++) {
        struct value part = match_eval(context, state, concat ? &expr->items[i] : expr, any_number);
        ret_key->parts[i] = part;
        if (part.absent == TRI_YES || (part.absent && ret_key->absent == TRI_NO))
            ret_key->absent = part.absent;
    }
}

static enum tri part_is(struct match_context *context, const struct packet_state *state,
                        struct value part, const struct expr *expr)
{
    if (expr->kind == EXPR_WILDCARD)
        return TRI_YES;
    if (expr->kind == EXPR_WORD && part.type == TYPE_IFNAME)
        return value_is_interface(part, expr->word);
    if (expr->kind == EXPR_PREFIX && expr->count == 1)
        return value_in_prefix(part, match_eval(context, state, &expr->items[0], part),
                               (unsigned)expr->number);
    if (expr->kind == EXPR_RANGE && expr->count == 2)
        return value_in_range(part, match_eval(context, state, &expr->items[0], part),
                              match_eval(context, state, &expr->items[1], part));
    return value_equal(part, match_eval(context, state, expr, part));
}

static enum tri key_is(struct match_context *context, const struct packet_state *state,
                       const struct match_key *key, const struct expr *expr)
{
    enum tri match = TRI_YES;

    if (expr->kind == EXPR_PAIR)
        expr = &expr->items[0];
    if (expr->kind != EXPR_CONCAT)
        return key->count == 1               ? part_is(context, state, key->parts[0], expr)
               : expr->kind == EXPR_WILDCARD ? TRI_YES
                                             : TRI_MAYBE;
    if (expr->count != key->count)
        return TRI_MAYBE;
    for (size_t i = 0; i < key->count && match != TRI_NO; i++)
        match = tri_and(match, part_is(context, state, key->parts[i], &expr->items[i]));
    return match;
}

const struct expr *match_set(const struct match_context *context, const struct expr *expr)
{
    const struct ruleset_set *set;

    if (expr->kind == EXPR_SET)
        return expr;
    if (expr->kind != EXPR_NAMED_SET || context->ruleset->elements_unknown)
        return NULL;
    set = ruleset_set_find(context->ruleset, context->table, expr->word);
    return set ? &set->elements : NULL;
}

static bool is_wildcard(const struct expr *element)
{
    return element->kind == EXPR_WILDCARD ||
           (element->kind == EXPR_PAIR && element->items[0].kind == EXPR_WILDCARD);
}

/* The wildcard comes after all others: a second round. */
const struct expr *match_next(struct match_context *context, const struct packet_state *state,
                              const struct expr *set, const struct match_key *key, size_t *cursor,
                              enum tri *ret_match)
{
    for (; *cursor < 2 * set->count; ++*cursor) {
        const struct expr *element = &set->items[*cursor % set->count];
        bool second = *cursor >= set->count;
        enum tri match =
            is_wildcard(element) == second ? key_is(context, state, key, element) : TRI_NO;
        if (match == TRI_NO)
            continue;
        *cursor = match == TRI_YES ? 2 * set->count : *cursor + 1;
        *ret_match = match;
        return element;
    }
    return NULL;
}

void match_updated(struct match_context *context, const char *name)
{
    if (context->updated_count < UPDATED_MAX)
        context->updated[context->updated_count] = name;
    context->updated_count++;
}

static bool was_updated(const struct match_context *context, const struct expr *expr)
{
    if (expr->kind != EXPR_NAMED_SET || context->updated_count > UPDATED_MAX)
        return expr->kind == EXPR_NAMED_SET && context->updated_count > 0;
    for (size_t i = 0; i < context->updated_count; i++)
        if (strcmp(context->updated[i], expr->word) == 0)
            return true;
    return false;
}

static enum tri in_set(struct match_context *context, const struct packet_state *state,
                       const struct match_key *key, const struct expr *expr)
{
    const struct expr *set = match_set(context, expr);
    enum tri match = TRI_NO;
    size_t cursor = 0;

    if (!set || was_updated(context, expr)) {
        match_doubt_set(context, expr);
        return TRI_MAYBE;
    }
    while (match != TRI_YES && match_next(context, state, set, key, &cursor, &match))
        ;
    return match;
}

/* ---- comparing ---- */

static enum tri compare(struct match_context *context, const struct packet_state *state,
                        const struct statement *statement, const struct match_key *key)
{
    struct value left = key->parts[0];
    struct value right = match_eval(context, state, statement->right, left);

    switch (statement->op) {
    case MATCH_LESS:
        return value_less(left, right);
    case MATCH_GREATER:
        return value_less(right, left);
    case MATCH_LESS_EQUAL:
        return tri_not(value_less(right, left));
    case MATCH_GREATER_EQUAL:
        return tri_not(value_less(left, right));
    case MATCH_ANY_BIT:
        return value_shares_bit(left, right);
    default:
        return tri_not(value_shares_bit(left, right));
    }
}

enum tri match_statement(struct match_context *context, const struct packet_state *state,
                         const struct statement *statement)
{
    const struct expr *right = statement->right;
    struct match_key key;
    enum tri match;

    match_key(context, state, statement->left, &key);
    if (key.absent == TRI_YES || key.count == 0)
        return TRI_NO;
    if (statement->op != MATCH_EQUAL && statement->op != MATCH_NOT_EQUAL)
        match = compare(context, state, statement, &key);
    else if (right->kind == EXPR_SET || right->kind == EXPR_NAMED_SET)
        match = in_set(context, state, &key, right);
    else
        match = key_is(context, state, &key, right);
    if (statement->op == MATCH_NOT_EQUAL)
        match = tri_not(match);
    return key.absent == TRI_MAYBE ? tri_and(match, TRI_MAYBE) : match;
}
