/* Runs rules over a transaction: the plain interpreter, in ModSecurity v2's meaning. A faster
 * engine is held against it.
 *
 * waf_run → run_rule → run_link → look_at → on_hit */
#include "protect/waf/engine.h"

#include <stdlib.h>

#include "base/mem.h"
#include "protect/waf/operators.h"
#include "protect/waf/transform.h"
#include "protect/waf/variables.h"

#define PHASE_TIME (25 * NSEC_PER_MSEC) /* of one phase: other requests wait meanwhile */

/* ---- what ctl took out ---- */

struct removal {
    const struct waf_ctl *ctl;
};

struct waf_removed {
    struct removal *items;
    size_t count;
};

void waf_removed_destroy(struct waf_removed *removed)
{
    if (!removed)
        return;
    free(removed->items);
    free(removed);
}

static void remove_by(struct waf_transaction *t, const struct waf_ctl *ctl)
{
    if (!t->removed)
        t->removed = mem_new(struct waf_removed);
    t->removed->items =
        mem_resize(t->removed->items, t->removed->count + 1, sizeof *t->removed->items);
    t->removed->items[t->removed->count++] = (struct removal){ctl};
}

/** Does a ctl mean this rule? */
static bool ctl_means(const struct waf_ctl *ctl, const struct waf_rule *rule)
{
    switch (ctl->kind) {
    case WAF_CTL_RULE_REMOVE_BY_ID:
    case WAF_CTL_TARGET_BY_ID:
        return waf_id_within(span_str(ctl->value), rule->id);
    case WAF_CTL_RULE_REMOVE_BY_TAG:
    case WAF_CTL_TARGET_BY_TAG:
        for (size_t i = 0; i < rule->tag_count; i++)
            if (waf_pattern_match(ctl->pattern, span_str(rule->tags[i]), NULL) == 1)
                return true;
        return false;
    case WAF_CTL_RULE_REMOVE_BY_MSG:
    case WAF_CTL_TARGET_BY_MSG:
        return rule->message.text &&
               waf_pattern_match(ctl->pattern, span_str(rule->message.text), NULL) == 1;
    default:
        return false;
    }
}

static bool is_removed(const struct waf_transaction *t, const struct waf_rule *rule)
{
    for (size_t i = 0; t->removed && i < t->removed->count; i++) {
        const struct waf_ctl *ctl = t->removed->items[i].ctl;
        if (ctl->kind <= WAF_CTL_RULE_REMOVE_BY_MSG && ctl_means(ctl, rule))
            return true;
    }
    return false;
}

static bool target_covers(const struct waf_target *out, enum waf_variable variable,
                          struct span member)
{
    if (out->variable != variable)
        return false;
    if (out->pattern)
        return waf_pattern_match(out->pattern, member, NULL) == 1;
    return !out->key || span_equal_nocase(span_str(out->key), member);
}

/** Is a member left out, by the rule itself or by a ctl? */
static bool is_left_out(const struct waf_transaction *t, const struct waf_rule *head,
                        const struct waf_rule *link, enum waf_variable variable, struct span member)
{
    for (size_t i = 0; i < link->target_count; i++)
        if (link->targets[i].exclude && target_covers(&link->targets[i], variable, member))
            return true;
    for (size_t i = 0; t->removed && i < t->removed->count; i++) {
        const struct waf_ctl *ctl = t->removed->items[i].ctl;
        if (ctl->kind >= WAF_CTL_TARGET_BY_ID && ctl->kind <= WAF_CTL_TARGET_BY_MSG &&
            target_covers(&ctl->target, variable, member) && ctl_means(ctl, head))
            return true;
    }
    return false;
}

/* ---- what follows from a match ---- */

static long long number_of(struct span text)
{
    scoped(mem_release) char *copy = mem_string(text.ptr ? text : SPAN(""));

    return strtoll(copy, NULL, 10);
}

static void set_member(struct waf_transaction *t, struct waf_collection *collection,
                       struct span name, struct span value)
{
    struct waf_member *member = waf_find(collection, name);

    if (member)
        member->value = value;
    else
        waf_add(t, collection, name, value);
}

static void remove_member(struct waf_collection *collection, struct span name)
{
    struct waf_member *member = waf_find(collection, name);

    if (!member)
        return;
    size_t at = (size_t)(member - collection->items);
    memmove(member, member + 1, (collection->count - at - 1) * sizeof *member);
    collection->count--;
}

static void run_setvar(struct waf_transaction *t, const struct waf_setvar *setvar)
{
    struct waf_collection *collection = waf_collection_of(t, setvar->collection);
    struct span name = waf_copy(t, waf_expand(t, &setvar->name));

    if (setvar->how == WAF_EXPIRE)
        return; /* nothing outlives the transaction */
    if (setvar->how == WAF_REMOVE) {
        remove_member(collection, name);
        return;
    }
    struct span value = waf_expand(t, &setvar->value);
    if (setvar->how != WAF_ASSIGN) {
        const struct waf_member *member = waf_find(collection, name);
        long long old = member ? number_of(member->value) : 0, change = number_of(value);
        long long sum = setvar->how == WAF_ADD ? old + change : old - change;
        value = waf_number(t, sum < 0 ? 0 : sum);
    }
    set_member(t, collection, name, waf_copy(t, value));
}

static void run_ctl(struct waf_transaction *t, const struct waf_ctl *ctl)
{
    struct span value = span_str(ctl->value);
    bool on = span_equal_nocase(value, SPAN("on"));

    switch (ctl->kind) {
    case WAF_CTL_RULE_ENGINE:
        t->engine = on                                                ? WAF_ENGINE_ON
                    : span_equal_nocase(value, SPAN("DetectionOnly")) ? WAF_ENGINE_DETECTION_ONLY
                                                                      : WAF_ENGINE_OFF;
        break;
    case WAF_CTL_REQUEST_BODY_PROCESSOR:
        t->body_processor = value;
        waf_set_scalar(t, WAF_REQBODY_PROCESSOR, value);
        break;
    case WAF_CTL_REQUEST_BODY_ACCESS:
        t->body_access = on;
        break;
    case WAF_CTL_FORCE_REQUEST_BODY:
        t->force_body_variable = on;
        break;
    case WAF_CTL_RESPONSE_BODY_ACCESS:
        t->response_access = on;
        break;
    case WAF_CTL_REQUEST_BODY_LIMIT:
    case WAF_CTL_AUDIT:
        break;
    default:
        remove_by(t, ctl);
        break;
    }
}

/** A collection that lasts begins empty: it lives as long as the transaction. */
static void run_initcol(struct waf_transaction *t, const struct waf_initcol *initcol)
{
    struct waf_collection *collection = waf_collection_of(t, initcol->collection);

    set_member(t, collection, SPAN("KEY"), waf_copy(t, waf_expand(t, &initcol->key)));
}

static void take_captures(struct waf_transaction *t, const struct waf_captures *captures)
{
    static const struct span names[WAF_CAPTURES] = {SPAN("0"), SPAN("1"), SPAN("2"), SPAN("3"),
                                                    SPAN("4"), SPAN("5"), SPAN("6"), SPAN("7"),
                                                    SPAN("8"), SPAN("9")};

    for (unsigned i = 0; i < WAF_CAPTURES; i++) {
        if (i < captures->count)
            set_member(t, &t->tx, names[i], waf_copy(t, captures->items[i]));
        else
            remove_member(&t->tx, names[i]);
    }
}

/** What a match does whatever becomes of the chain. */
static void run_quiet_actions(struct waf_transaction *t, const struct waf_rule *link)
{
    for (size_t i = 0; i < link->initcol_count; i++)
        run_initcol(t, &link->initcols[i]);
    for (size_t i = 0; i < link->setvar_count; i++)
        run_setvar(t, &link->setvars[i]);
    for (size_t i = 0; i < link->ctl_count; i++)
        run_ctl(t, &link->ctls[i]);
}

static void refuse(struct waf_transaction *t, const struct waf_rule *head, int status)
{
    if (t->engine != WAF_ENGINE_ON || t->status || t->phase == WAF_LOGGING)
        return;
    t->status = head->status ? head->status : status ? status : 403;
    t->refused_by = head;
}

static void disrupt(struct waf_transaction *t, const struct waf_rule *head)
{
    const struct waf_default *defaults = &t->rules->defaults[head->phase];
    enum waf_disruption what =
        head->disruption == WAF_BLOCK ? defaults->disruption : head->disruption;

    switch (what) {
    case WAF_DENY:
        refuse(t, head, defaults->status);
        break;
    case WAF_DROP:
        refuse(t, head, 403);
        t->drop = t->refused_by == head;
        break;
    case WAF_REDIRECT:
        refuse(t, head, 302);
        if (t->refused_by == head)
            t->redirect = head->redirect;
        break;
    case WAF_ALLOW:
        t->allowed = WAF_TO_LOGGING;
        break;
    case WAF_ALLOW_REQUEST:
        t->allowed = WAF_TO_RESPONSE;
        break;
    case WAF_ALLOW_PHASE:
        t->skip_after = ""; /* no marker has that name: to the phase's end */
        break;
    case WAF_PASS:
    case WAF_BLOCK:
        break;
    }
}

/** The whole chain has matched, by this link. */
static void on_chain_match(struct waf_transaction *t, const struct waf_rule *head,
                           const struct waf_rule *link, struct span value, struct span found)
{
    struct waf_match match = {
        .rule = head,
        .link = link,
        .variable = t->matched_name,
        .value = value,
        .found = found,
        .message = waf_expand(t, &head->message),
        .log_data = waf_expand(t, link->log_data.text ? &link->log_data : &head->log_data),
        .phase = t->phase,
    };

    if (head->severity >= 0 && head->severity < t->highest_severity)
        t->highest_severity = head->severity;
    if (head->log)
        t->ops.on_match(t->ops.owner, &match);
    disrupt(t, head);
}

/* ---- looking ---- */

/** One link of a chain while it looks at its targets. */
struct look {
    struct waf_transaction *t;
    const struct waf_rule *head;
    const struct waf_rule *link;
    struct span parameter;
    unsigned hits;
};

static struct span name_of(struct waf_transaction *t, const struct waf_target *target,
                           struct span member)
{
    struct span variable = waf_variable_name(target->variable);

    if (member.len == 0)
        return target->count ? arena_printf(&t->arena, "&%.*s", SPAN_ARGS(variable)) : variable;
    struct span name = arena_printf(&t->arena, "%.*s:%.*s", SPAN_ARGS(variable), SPAN_ARGS(member));
    return name.ptr ? name : variable;
}

static void on_hit(struct look *look, const struct waf_target *target, struct span member,
                   struct span value, const struct waf_captures *captures)
{
    struct waf_transaction *t = look->t;

    look->hits++;
    t->matched_var = value;
    t->matched_name = name_of(t, target, member);
    waf_add(t, &t->next_matched_vars, t->matched_name, value);
    if (look->link->capture)
        take_captures(t, captures);
    run_quiet_actions(t, look->link);
    if (!look->link->chained)
        on_chain_match(t, look->head, look->link, value,
                       captures->count ? captures->items[0] : value);
}

/** @return whether the operator says yes, with negation */
static bool test(struct look *look, const struct waf_target *target, struct span member,
                 struct span value)
{
    struct waf_captures captures;
    int matched = waf_operate(look->t, look->link, look->parameter, value, &captures);

    if ((matched != 0) == look->link->negated)
        return false;
    on_hit(look, target, member, value, &captures);
    return true;
}

static void look_at(struct look *look, const struct waf_target *target, struct span member,
                    struct span value)
{
    const struct waf_rule *link = look->link;
    bool tested = false;

    for (size_t i = 0; i < link->transformation_count; i++) {
        if (link->multi_match && i == 0) {
            if (test(look, target, member, value))
                return;
            tested = true;
        }
        struct span next;
        int r = waf_transform(link->transformations[i], &look->t->arena, value, &next);
        if (r < 0) {
            look->t->full = true;
            return;
        }
        if (r == 0)
            continue;
        value = next;
        tested = false;
        if (link->multi_match) {
            if (test(look, target, member, value))
                return;
            tested = true;
        }
    }
    if (!tested)
        test(look, target, member, value);
}

static void look_through(struct look *look, const struct waf_target *target)
{
    struct waf_collection values = waf_values(look->t, target);
    unsigned count = 0;

    for (unsigned i = 0; i < values.count && !look->t->status; i++) {
        struct span member = values.items[i].name;
        if (is_left_out(look->t, look->head, look->link, target->variable, member))
            continue;
        if (target->count)
            count++;
        else
            look_at(look, target, member, values.items[i].value);
    }
    if (target->count)
        look_at(look, target, target->key ? span_str(target->key) : SPAN(""),
                waf_number(look->t, count));
}

/** @return whether the link matched */
static bool run_link(struct waf_transaction *t, const struct waf_rule *head,
                     const struct waf_rule *link)
{
    struct look look = {.t = t, .head = head, .link = link};

    t->next_matched_vars.count = 0;
    if (link->action_only) {
        static const struct waf_captures none;
        const struct waf_target target = {.variable = WAF_UNIQUE_ID};
        on_hit(&look, &target, SPAN(""), SPAN(""), &none);
    } else {
        look.parameter = waf_expand(t, &link->parameter);
        for (size_t i = 0; i < link->target_count && !t->status; i++)
            if (!link->targets[i].exclude)
                look_through(&look, &link->targets[i]);
    }
    struct waf_collection former = t->matched_vars;
    t->matched_vars = t->next_matched_vars;
    t->next_matched_vars = former;
    return look.hits > 0;
}

/** @return whether the whole chain matched */
static bool run_rule(struct waf_transaction *t, const struct waf_rule *head)
{
    for (const struct waf_rule *link = head; link; link = link->chained)
        if (!run_link(t, head, link))
            return false;
    return true;
}

static bool is_allowed_past(const struct waf_transaction *t, enum waf_phase phase)
{
    if (phase == WAF_LOGGING)
        return false;
    return t->allowed == WAF_TO_LOGGING ||
           (t->allowed == WAF_TO_RESPONSE && phase < WAF_RESPONSE_HEADERS);
}

/** @return whether the rule is passed over because of skip, skipAfter */
static bool is_skipped(struct waf_transaction *t, const struct waf_rule *rule)
{
    if (t->skip_after) {
        if (rule->marker && strcmp(rule->marker, t->skip_after) == 0)
            t->skip_after = NULL;
        return true;
    }
    if (rule->marker)
        return true;
    return false;
}

/** A request that takes too long to look at is not let pass unseen. */
static void refuse_late(struct waf_transaction *t)
{
    if (t->engine == WAF_ENGINE_ON && !t->status)
        t->status = 403;
}

bool waf_run(struct waf_transaction *t, enum waf_phase phase)
{
    t->phase = phase;
    t->until = nsec_monotonic() + PHASE_TIME;
    t->skip_after = NULL;
    t->skip = 0;
    if (is_allowed_past(t, phase))
        return false;
    for (size_t i = 0; i < t->rules->count; i++) {
        const struct waf_rule *rule = t->rules->items[i];
        bool over = phase != WAF_LOGGING && (t->status || is_allowed_past(t, phase));
        if (!t->late && i % 16 == 15)
            t->late = nsec_monotonic() >= t->until;
        if (t->late && phase != WAF_LOGGING) {
            refuse_late(t);
            break;
        }
        if (t->engine == WAF_ENGINE_OFF || over)
            break;
        if (is_skipped(t, rule) || rule->phase != phase)
            continue;
        if (t->skip) {
            t->skip--;
            continue;
        }
        if (is_removed(t, rule) || !run_rule(t, rule))
            continue;
        t->skip_after = t->skip_after ? t->skip_after : rule->skip_after;
        t->skip = rule->skip;
    }
    return t->status != 0;
}
