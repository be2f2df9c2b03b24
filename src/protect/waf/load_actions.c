/* The actions of rules. */
#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"
#include "protect/waf/characters.h"
#include "protect/waf/loader.h"
#include "protect/waf/pattern.h"
#include "protect/waf/transform.h"
#include "protect/waf/variables.h"

/** An action with its value, as they were written. */
struct action {
    struct span name;
    struct span value;
};

/* ---- macros ---- */

int waf_load_macro(struct waf_loader *loader, struct span text, struct waf_macro *ret_macro)
{
    struct span rest = text;

    *ret_macro = (struct waf_macro){.text = mem_string(text), .plain = true};
    for (;;) {
        ptrdiff_t open = span_find_span(rest, SPAN("%{"));
        if (open < 0)
            return 0;
        rest = span_from(rest, (size_t)open + 2);
        ptrdiff_t close = span_find(rest, '}');
        if (close < 0)
            return 0;
        struct span name = span_of(rest.ptr, (size_t)close);
        ptrdiff_t dot = span_find(name, '.');
        if (dot >= 0)
            name.len = (size_t)dot;
        if (waf_variable_find(name) < 0)
            return waf_mistake(loader, "there is no variable %.*s", SPAN_ARGS(name));
        ret_macro->plain = false;
    }
}

/* ---- each action ---- */

static int load_number(struct waf_loader *loader, const struct action *action, unsigned min,
                       unsigned max, unsigned *ret_number)
{
    uint64_t number = 0;

    if (span_to_uint(action->value, &number) < 0 || number < min || number > max)
        return waf_mistake(loader, "%.*s:%.*s is no number from %u to %u", SPAN_ARGS(action->name),
                           SPAN_ARGS(action->value), min, max);
    *ret_number = (unsigned)number;
    return 0;
}

static int load_id(struct waf_loader *loader, const struct action *action, struct waf_rule *rule)
{
    return load_number(loader, action, 1, 2000000000, &rule->id);
}

static int load_phase(struct waf_loader *loader, const struct action *action, struct waf_rule *rule)
{
    static const struct {
        struct span word;
        enum waf_phase phase;
    } words[] = {{SPAN("request"), WAF_REQUEST_BODY},
                 {SPAN("response"), WAF_RESPONSE_BODY},
                 {SPAN("logging"), WAF_LOGGING}};
    unsigned number = 0;

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (span_equal_nocase(action->value, words[i].word)) {
            rule->phase = words[i].phase;
            return 0;
        }
    int r = load_number(loader, action, 1, 5, &number);
    if (r == 0)
        rule->phase = (enum waf_phase)number;
    return r;
}

static int load_transformation(struct waf_loader *loader, const struct action *action,
                               struct waf_rule *rule)
{
    int number = waf_transformation_find(action->value);

    if (number < 0)
        return waf_mistake(loader, "there is no transformation %.*s", SPAN_ARGS(action->value));
    if (number == waf_transformation_none()) {
        rule->transformation_count = 0;
        return 0;
    }
    rule->transformations = mem_resize(rule->transformations, rule->transformation_count + 1, 1);
    rule->transformations[rule->transformation_count++] = (waf_transformation_id)number;
    return 0;
}

static int load_severity(struct waf_loader *loader, const struct action *action,
                         struct waf_rule *rule)
{
    static const struct span words[] = {SPAN("EMERGENCY"), SPAN("ALERT"),   SPAN("CRITICAL"),
                                        SPAN("ERROR"),     SPAN("WARNING"), SPAN("NOTICE"),
                                        SPAN("INFO"),      SPAN("DEBUG")};
    unsigned number = 0;

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (span_equal_nocase(action->value, words[i])) {
            rule->severity = (int)i;
            return 0;
        }
    int r = load_number(loader, action, 0, 7, &number);
    if (r == 0)
        rule->severity = (int)number;
    return r;
}

static int load_tag(struct waf_loader *loader, const struct action *action, struct waf_rule *rule)
{
    rule->tags = mem_resize(rule->tags, rule->tag_count + 1, sizeof *rule->tags);
    rule->tags[rule->tag_count++] = mem_string(action->value);
    return 0;
}

static int load_message(struct waf_loader *loader, const struct action *action,
                        struct waf_rule *rule)
{
    free(rule->message.text);
    return waf_load_macro(loader, action->value, &rule->message);
}

static int load_log_data(struct waf_loader *loader, const struct action *action,
                         struct waf_rule *rule)
{
    free(rule->log_data.text);
    return waf_load_macro(loader, action->value, &rule->log_data);
}

static int load_status(struct waf_loader *loader, const struct action *action,
                       struct waf_rule *rule)
{
    unsigned number = 0;
    int r = load_number(loader, action, 100, 599, &number);

    if (r == 0)
        rule->status = (int)number;
    return r;
}

static int load_skip(struct waf_loader *loader, const struct action *action, struct waf_rule *rule)
{
    return load_number(loader, action, 1, 100000, &rule->skip);
}

static int load_skip_after(struct waf_loader *loader, const struct action *action,
                           struct waf_rule *rule)
{
    free(rule->skip_after);
    rule->skip_after = mem_string(action->value);
    return 0;
}

static int load_version(struct waf_loader *loader, const struct action *action,
                        struct waf_rule *rule)
{
    free(rule->version);
    rule->version = mem_string(action->value);
    return 0;
}

/** COLLECTION.NAME, where rules can set something. */
static int load_place(struct waf_loader *loader, struct span text,
                      enum waf_variable *ret_collection, struct waf_macro *ret_name)
{
    ptrdiff_t dot = span_find(text, '.');
    int variable = waf_variable_find(dot < 0 ? text : span_of(text.ptr, (size_t)dot));

    if (variable != WAF_TX && variable != WAF_IP && variable != WAF_GLOBAL &&
        variable != WAF_SESSION && variable != WAF_USER && variable != WAF_RESOURCE &&
        variable != WAF_ENV)
        return waf_mistake(loader, "nothing can be set in %.*s", SPAN_ARGS(text));
    if (dot < 0)
        return waf_mistake(loader, "%.*s needs a dot and a name", SPAN_ARGS(text));
    *ret_collection = (enum waf_variable)variable;
    return waf_load_macro(loader, span_from(text, (size_t)dot + 1), ret_name);
}

static struct waf_setvar *add_setvar(struct waf_rule *rule)
{
    rule->setvars = mem_resize(rule->setvars, rule->setvar_count + 1, sizeof *rule->setvars);
    rule->setvars[rule->setvar_count] = (struct waf_setvar){.collection = WAF_TX};
    return &rule->setvars[rule->setvar_count++];
}

static int load_setvar(struct waf_loader *loader, const struct action *action,
                       struct waf_rule *rule)
{
    struct span text = action->value;
    struct waf_setvar *setvar = add_setvar(rule);

    setvar->how = WAF_ASSIGN;
    if (text.len && text.ptr[0] == '!') {
        setvar->how = WAF_REMOVE;
        text = span_from(text, 1);
    }
    ptrdiff_t equals = span_find(text, '=');
    struct span place = equals < 0 ? text : span_of(text.ptr, (size_t)equals);
    struct span value = equals < 0 ? SPAN("1") : span_from(text, (size_t)equals + 1);
    if (setvar->how == WAF_ASSIGN && value.len && (value.ptr[0] == '+' || value.ptr[0] == '-')) {
        setvar->how = value.ptr[0] == '+' ? WAF_ADD : WAF_SUBTRACT;
        value = span_from(value, 1);
    }
    int r = load_place(loader, span_trim(place), &setvar->collection, &setvar->name);
    return r < 0 ? r : waf_load_macro(loader, value, &setvar->value);
}

static int load_expirevar(struct waf_loader *loader, const struct action *action,
                          struct waf_rule *rule)
{
    struct waf_setvar *setvar = add_setvar(rule);
    ptrdiff_t equals = span_find(action->value, '=');

    setvar->how = WAF_EXPIRE;
    if (equals < 0)
        return waf_mistake(loader, "expirevar needs \"=\" and seconds");
    int r = load_place(loader, span_of(action->value.ptr, (size_t)equals), &setvar->collection,
                       &setvar->name);
    return r < 0 ? r
                 : waf_load_macro(loader, span_from(action->value, (size_t)equals + 1),
                                  &setvar->value);
}

static int load_initcol(struct waf_loader *loader, const struct action *action,
                        struct waf_rule *rule)
{
    ptrdiff_t equals = span_find(action->value, '=');
    int variable = equals < 0 ? -1 : waf_variable_find(span_of(action->value.ptr, (size_t)equals));

    if (variable != WAF_IP && variable != WAF_GLOBAL && variable != WAF_RESOURCE &&
        variable != WAF_SESSION && variable != WAF_USER)
        return waf_mistake(loader, "initcol:%.*s names no collection that lasts",
                           SPAN_ARGS(action->value));
    rule->initcols = mem_resize(rule->initcols, rule->initcol_count + 1, sizeof *rule->initcols);
    struct waf_initcol *initcol = &rule->initcols[rule->initcol_count++];
    *initcol = (struct waf_initcol){.collection = (enum waf_variable)variable};
    return waf_load_macro(loader, span_from(action->value, (size_t)equals + 1), &initcol->key);
}

/* ---- ctl ---- */

static const struct {
    struct span name;
    enum waf_ctl_kind kind;
    bool target; /* ";TARGET" follows */
    bool text;   /* the value is a pattern over tags or messages */
} ctls[] = {
    {SPAN("ruleRemoveById"), WAF_CTL_RULE_REMOVE_BY_ID, false, false},
    {SPAN("ruleRemoveByTag"), WAF_CTL_RULE_REMOVE_BY_TAG, false, true},
    {SPAN("ruleRemoveByMsg"), WAF_CTL_RULE_REMOVE_BY_MSG, false, true},
    {SPAN("ruleRemoveTargetById"), WAF_CTL_TARGET_BY_ID, true, false},
    {SPAN("ruleRemoveTargetByTag"), WAF_CTL_TARGET_BY_TAG, true, true},
    {SPAN("ruleRemoveTargetByMsg"), WAF_CTL_TARGET_BY_MSG, true, true},
    {SPAN("ruleEngine"), WAF_CTL_RULE_ENGINE, false, false},
    {SPAN("requestBodyProcessor"), WAF_CTL_REQUEST_BODY_PROCESSOR, false, false},
    {SPAN("requestBodyAccess"), WAF_CTL_REQUEST_BODY_ACCESS, false, false},
    {SPAN("forceRequestBodyVariable"), WAF_CTL_FORCE_REQUEST_BODY, false, false},
    {SPAN("requestBodyLimit"), WAF_CTL_REQUEST_BODY_LIMIT, false, false},
    {SPAN("responseBodyAccess"), WAF_CTL_RESPONSE_BODY_ACCESS, false, false},
    {SPAN("auditEngine"), WAF_CTL_AUDIT, false, false},
    {SPAN("auditLogParts"), WAF_CTL_AUDIT, false, false},
    {SPAN("debugLogLevel"), WAF_CTL_AUDIT, false, false},
};

static int fill_ctl(struct waf_loader *loader, struct span value, size_t row, struct waf_ctl *ctl)
{
    ptrdiff_t semicolon = ctls[row].target ? span_find(value, ';') : -1;
    struct span first = semicolon < 0 ? value : span_of(value.ptr, (size_t)semicolon);
    char *why = NULL;

    ctl->kind = ctls[row].kind;
    ctl->value = mem_string(span_trim(first));
    if (ctls[row].text && waf_pattern_create(first, false, &ctl->pattern, &why) < 0) {
        int r = waf_mistake(loader, "ctl:%.*s: the pattern %.*s is wrong: %s",
                            SPAN_ARGS(ctls[row].name), SPAN_ARGS(first), why);
        free(why);
        return r;
    }
    if (!ctls[row].target)
        return 0;
    if (semicolon < 0)
        return waf_mistake(loader, "ctl:%.*s needs \";\" and a variable",
                           SPAN_ARGS(ctls[row].name));
    return waf_load_target(loader, span_trim(span_from(value, (size_t)semicolon + 1)),
                           &ctl->target);
}

static int load_ctl(struct waf_loader *loader, const struct action *action, struct waf_rule *rule)
{
    ptrdiff_t equals = span_find(action->value, '=');
    struct span name = equals < 0 ? action->value : span_of(action->value.ptr, (size_t)equals);

    for (size_t i = 0; equals >= 0 && i < ARRAY_SIZE(ctls); i++) {
        if (!span_equal_nocase(name, ctls[i].name))
            continue;
        rule->ctls = mem_resize(rule->ctls, rule->ctl_count + 1, sizeof *rule->ctls);
        struct waf_ctl *ctl = &rule->ctls[rule->ctl_count++];
        *ctl = (struct waf_ctl){.kind = WAF_CTL_AUDIT};
        return fill_ctl(loader, span_from(action->value, (size_t)equals + 1), i, ctl);
    }
    return waf_mistake(loader, "there is no ctl:%.*s", SPAN_ARGS(name));
}

/* ---- words without a value ---- */

static int load_chain(struct waf_loader *loader, const struct action *action, struct waf_rule *rule)
{
    loader->chain = rule;
    return 0;
}

static int load_redirect(struct waf_loader *loader, const struct action *action,
                         struct waf_rule *rule)
{
    rule->disruption = WAF_REDIRECT;
    free(rule->redirect);
    rule->redirect = mem_string(action->value);
    return 0;
}

static int load_allow(struct waf_loader *loader, const struct action *action, struct waf_rule *rule)
{
    if (action->value.len == 0)
        rule->disruption = WAF_ALLOW;
    else if (span_equal_nocase(action->value, SPAN("phase")))
        rule->disruption = WAF_ALLOW_PHASE;
    else if (span_equal_nocase(action->value, SPAN("request")))
        rule->disruption = WAF_ALLOW_REQUEST;
    else
        return waf_mistake(loader, "allow:%.*s is neither `phase` nor `request`",
                           SPAN_ARGS(action->value));
    return 0;
}

#define FLAG(function, member, setting)                                                            \
    static int function(struct waf_loader *loader, const struct action *action,                    \
                        struct waf_rule *rule)                                                     \
    {                                                                                              \
        (void)loader, (void)action;                                                                \
        rule->member = setting;                                                                    \
        return 0;                                                                                  \
    }

FLAG(load_pass, disruption, WAF_PASS)
FLAG(load_block, disruption, WAF_BLOCK)
FLAG(load_deny, disruption, WAF_DENY)
FLAG(load_drop, disruption, WAF_DROP)
FLAG(load_capture, capture, true)
FLAG(load_multi_match, multi_match, true)
FLAG(load_audit, audit, true)
FLAG(load_noaudit, audit, false)

static int load_log(struct waf_loader *loader, const struct action *action, struct waf_rule *rule)
{
    rule->log = true;
    rule->audit = true;
    return 0;
}

static int load_nolog(struct waf_loader *loader, const struct action *action, struct waf_rule *rule)
{
    rule->log = false;
    rule->audit = false;
    return 0;
}

/** Has no effect here, and is known not to need one. */
static int load_nothing(struct waf_loader *loader, const struct action *action,
                        struct waf_rule *rule)
{
    return 0;
}

/* ---- the table ---- */

enum value { VALUE_NONE, VALUE_NEEDED, VALUE_MAY };

static const struct {
    struct span name;
    int (*load)(struct waf_loader *loader, const struct action *action, struct waf_rule *rule);
    enum value value;
    const char *refused; /* why it is not to be had */
} actions[] = {
    {SPAN("id"), load_id, VALUE_NEEDED, NULL},
    {SPAN("phase"), load_phase, VALUE_NEEDED, NULL},
    {SPAN("t"), load_transformation, VALUE_NEEDED, NULL},
    {SPAN("msg"), load_message, VALUE_NEEDED, NULL},
    {SPAN("logdata"), load_log_data, VALUE_NEEDED, NULL},
    {SPAN("tag"), load_tag, VALUE_NEEDED, NULL},
    {SPAN("severity"), load_severity, VALUE_NEEDED, NULL},
    {SPAN("setvar"), load_setvar, VALUE_NEEDED, NULL},
    {SPAN("expirevar"), load_expirevar, VALUE_NEEDED, NULL},
    {SPAN("initcol"), load_initcol, VALUE_NEEDED, NULL},
    {SPAN("ctl"), load_ctl, VALUE_NEEDED, NULL},
    {SPAN("ver"), load_version, VALUE_NEEDED, NULL},
    {SPAN("status"), load_status, VALUE_NEEDED, NULL},
    {SPAN("skip"), load_skip, VALUE_NEEDED, NULL},
    {SPAN("skipAfter"), load_skip_after, VALUE_NEEDED, NULL},
    {SPAN("chain"), load_chain, VALUE_NONE, NULL},
    {SPAN("capture"), load_capture, VALUE_NONE, NULL},
    {SPAN("multiMatch"), load_multi_match, VALUE_NONE, NULL},
    {SPAN("pass"), load_pass, VALUE_NONE, NULL},
    {SPAN("block"), load_block, VALUE_NONE, NULL},
    {SPAN("deny"), load_deny, VALUE_NONE, NULL},
    {SPAN("drop"), load_drop, VALUE_NONE, NULL},
    {SPAN("allow"), load_allow, VALUE_MAY, NULL},
    {SPAN("redirect"), load_redirect, VALUE_NEEDED, NULL},
    {SPAN("log"), load_log, VALUE_NONE, NULL},
    {SPAN("nolog"), load_nolog, VALUE_NONE, NULL},
    {SPAN("auditlog"), load_audit, VALUE_NONE, NULL},
    {SPAN("noauditlog"), load_noaudit, VALUE_NONE, NULL},
    {SPAN("rev"), load_nothing, VALUE_NEEDED, NULL},
    {SPAN("maturity"), load_nothing, VALUE_NEEDED, NULL},
    {SPAN("accuracy"), load_nothing, VALUE_NEEDED, NULL},
    {SPAN("sanitiseArg"), load_nothing, VALUE_NEEDED, NULL},
    {SPAN("sanitiseMatched"), load_nothing, VALUE_NONE, NULL},
    {SPAN("sanitiseMatchedBytes"), load_nothing, VALUE_MAY, NULL},
    {SPAN("sanitiseRequestHeader"), load_nothing, VALUE_NEEDED, NULL},
    {SPAN("sanitiseResponseHeader"), load_nothing, VALUE_NEEDED, NULL},
    {SPAN("xmlns"), load_nothing, VALUE_NEEDED, NULL},
    {SPAN("exec"), NULL, VALUE_MAY, "gardien starts no program for a request"},
    {SPAN("proxy"), NULL, VALUE_MAY, "use a route with `proxy` in the settings"},
    {SPAN("pause"), NULL, VALUE_MAY, "a limit in the settings slows clients without keeping them"},
    {SPAN("append"), NULL, VALUE_MAY, "answers are never rewritten"},
    {SPAN("prepend"), NULL, VALUE_MAY, "answers are never rewritten"},
};

static int load_action(struct waf_loader *loader, const struct action *action,
                       struct waf_rule *rule)
{
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
        if (!span_equal_nocase(action->name, actions[i].name))
            continue;
        if (!actions[i].load) {
            waf_mistake(loader, "the action %.*s is not to be had", SPAN_ARGS(action->name));
            return waf_hint(loader, "%s", actions[i].refused);
        }
        if (actions[i].value == VALUE_NEEDED && !action->value.ptr)
            return waf_mistake(loader, "the action %.*s needs a value", SPAN_ARGS(action->name));
        if (actions[i].value == VALUE_NONE && action->value.ptr)
            return waf_mistake(loader, "the action %.*s takes no value", SPAN_ARGS(action->name));
        return actions[i].load(loader, action, rule);
    }
    return waf_mistake(loader, "there is no action %.*s", SPAN_ARGS(action->name));
}

/** Cuts one action off: NAME or NAME:VALUE, where the value may stand in single quotes. */
static bool cut_action(struct span *rest, char *unquoted, struct action *ret_action)
{
    struct span text = *rest;
    size_t i = 0;

    while (i < text.len && (waf_is_space(text.ptr[i]) || text.ptr[i] == ','))
        i++;
    text = span_from(text, i);
    if (text.len == 0)
        return false;
    for (i = 0; i < text.len && text.ptr[i] != ',' && text.ptr[i] != ':'; i++)
        ;
    *ret_action = (struct action){.name = span_trim(span_of(text.ptr, i))};
    if (i == text.len || text.ptr[i] == ',') {
        *rest = span_from(text, i);
        return true;
    }
    text = span_from(text, i + 1);
    size_t n = 0;
    bool quoted = text.len && text.ptr[0] == '\'';
    for (i = quoted; i < text.len && text.ptr[i] != (quoted ? '\'' : ','); i++) {
        if (quoted && text.ptr[i] == '\\' && i + 1 < text.len && text.ptr[i + 1] == '\'')
            i++;
        unquoted[n++] = text.ptr[i];
    }
    ret_action->value = span_of(unquoted, n);
    if (!quoted)
        ret_action->value = span_trim(ret_action->value);
    *rest = span_from(text, i + quoted);
    return true;
}

int waf_load_actions(struct waf_loader *loader, struct span text, struct waf_rule *rule)
{
    scoped(mem_release) char *unquoted = mem_alloc(text.len + 1);
    struct action action;
    int r = 0;

    while (r == 0 && cut_action(&text, unquoted, &action))
        r = load_action(loader, &action, rule);
    return r;
}

int waf_load_default(struct waf_loader *loader, struct span text)
{
    struct waf_rule rule = {.severity = -1, .phase = WAF_REQUEST_BODY};

    int r = waf_load_actions(loader, text, &rule);
    if (r == 0) {
        struct waf_default *defaults = &loader->rules->defaults[rule.phase];
        free(defaults->transformations);
        *defaults = (struct waf_default){
            .disruption = rule.disruption == WAF_BLOCK ? WAF_PASS : rule.disruption,
            .status = rule.status,
            .log = rule.log,
            .audit = rule.audit,
            .transformations = take(rule.transformations),
            .transformation_count = rule.transformation_count,
        };
    }
    waf_actions_finish(&rule);
    loader->chain = NULL;
    return r;
}

static void setvar_finish(struct waf_setvar *setvar)
{
    free(setvar->name.text);
    free(setvar->value.text);
}

void waf_actions_finish(struct waf_rule *rule)
{
    free(rule->transformations);
    free(rule->redirect);
    free(rule->message.text);
    free(rule->log_data.text);
    for (size_t i = 0; i < rule->tag_count; i++)
        free(rule->tags[i]);
    free(rule->tags);
    free(rule->version);
    free(rule->skip_after);
    for (size_t i = 0; i < rule->setvar_count; i++)
        setvar_finish(&rule->setvars[i]);
    free(rule->setvars);
    for (size_t i = 0; i < rule->ctl_count; i++) {
        free(rule->ctls[i].value);
        waf_pattern_destroy(rule->ctls[i].pattern);
        waf_target_finish(&rule->ctls[i].target);
    }
    free(rule->ctls);
    for (size_t i = 0; i < rule->initcol_count; i++)
        free(rule->initcols[i].key.text);
    free(rule->initcols);
}
