/* From SecLang files to rules: files, directives, chains, and what is removed or changed at load.
 */
#include "protect/waf/load.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"
#include "protect/waf/loader.h"
#include "protect/waf/pattern.h"
#include "protect/waf/seclang.h"

enum { DEPTH_MAX = 8, RULES_MAX = 100000 };

/* ---- mistakes ---- */

int waf_mistake(struct waf_loader *loader, const char *sentence, ...)
{
    char text[1024];
    va_list arguments;

    va_start(arguments, sentence);
    vsnprintf(text, sizeof text, sentence, arguments);
    va_end(arguments);
    diag_place(diags_add(loader->diags, "%s", text), loader->file, loader->line, 0, NULL);
    return ERR_SETTINGS;
}

int waf_hint(struct waf_loader *loader, const char *hint, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, hint);
    vsnprintf(text, sizeof text, hint, arguments);
    va_end(arguments);
    if (loader->diags->count)
        diag_hint(&loader->diags->items[loader->diags->count - 1], "%s", text);
    return ERR_SETTINGS;
}

/* ---- rules ---- */

static void rule_destroy(struct waf_rule *rule)
{
    while (rule) {
        struct waf_rule *next = rule->chained;
        for (size_t i = 0; i < rule->target_count; i++)
            waf_target_finish(&rule->targets[i]);
        free(rule->targets);
        waf_operator_finish(rule);
        waf_actions_finish(rule);
        free(rule->marker);
        free(rule);
        rule = next;
    }
}

void waf_rules_destroy(struct waf_rules *rules)
{
    if (!rules)
        return;
    for (size_t i = 0; i < rules->count; i++)
        rule_destroy(rules->items[i]);
    free(rules->items);
    for (size_t i = 0; i < WAF_PHASES; i++)
        free(rules->defaults[i].transformations);
    for (size_t i = 0; i < rules->response_type_count; i++)
        free(rules->response_types[i]);
    free(rules->response_types);
    for (size_t i = 0; i < rules->file_count; i++)
        free(rules->files[i]);
    free(rules->files);
    free(rules->signature);
    free(rules);
}

static void append(struct waf_rules *rules, struct waf_rule *rule)
{
    if (rules->count == rules->room) {
        rules->room = rules->room ? rules->room * 2 : 256;
        rules->items = mem_resize(rules->items, rules->room, sizeof *rules->items);
    }
    rules->items[rules->count++] = rule;
}

static struct waf_rule *new_rule(struct waf_loader *loader)
{
    struct waf_rule *rule = mem_new(struct waf_rule);

    rule->file = loader->file;
    rule->line = loader->line;
    rule->phase = WAF_REQUEST_BODY;
    rule->severity = -1;
    rule->log = rule->audit = true;
    rule->op = WAF_OP_UNCONDITIONAL;
    return rule;
}

/** The phase that actions name, before the rest of them is read. */
static enum waf_phase phase_of(struct waf_loader *loader, struct span actions)
{
    struct waf_loader quiet = *loader;
    struct diags none = {0};
    struct waf_rule probe = {.phase = WAF_REQUEST_BODY, .severity = -1};

    quiet.diags = &none;
    int r = waf_load_actions(&quiet, actions, &probe);
    waf_actions_finish(&probe);
    diags_finish(&none);
    return r < 0 ? WAF_REQUEST_BODY : probe.phase;
}

/** What the phase's SecDefaultAction says comes first. */
static void inherit(struct waf_loader *loader, struct span actions, struct waf_rule *rule)
{
    rule->phase = loader->head ? loader->head->phase : phase_of(loader, actions);
    const struct waf_default *defaults = &loader->rules->defaults[rule->phase];
    rule->log = defaults->log;
    rule->audit = defaults->audit;
    rule->disruption = WAF_BLOCK;
    rule->transformation_count = defaults->transformation_count;
    if (rule->transformation_count) {
        rule->transformations = mem_alloc(rule->transformation_count);
        memcpy(rule->transformations, defaults->transformations, rule->transformation_count);
    }
}

/** Puts a rule where it belongs: behind the link before it, or into the list. */
static int place(struct waf_loader *loader, struct waf_rule *link, struct waf_rule *rule)
{
    if (link) {
        link->chained = rule;
        rule->id = loader->head->id;
        if (!loader->chain)
            loader->head = NULL;
        return 0;
    }
    append(loader->rules, rule);
    if (loader->chain)
        loader->head = rule;
    if (loader->rules->count > RULES_MAX)
        return waf_mistake(loader, "there are more than %d rules", RULES_MAX);
    if (rule->id == 0)
        return waf_mistake(loader, "the rule has no id");
    return 0;
}

static int load_rule(struct waf_loader *loader, const struct seclang_directive *directive,
                     bool action_only)
{
    struct span actions = directive->count > (action_only ? 1u : 3u)
                              ? directive->words[action_only ? 1 : 3]
                              : SPAN("");
    struct waf_rule *link = take(loader->chain);
    struct waf_rule *rule = new_rule(loader);
    int r = 0;

    rule->action_only = action_only;
    inherit(loader, actions, rule);
    if (!action_only)
        r = waf_load_targets(loader, directive->words[1], &rule->targets, &rule->target_count);
    int a = waf_load_actions(loader, actions, rule);
    if (link) /* a link has its head's phase */
        rule->phase = loader->head->phase;
    int o = action_only ? 0 : waf_load_operator(loader, directive->words[2], rule);
    int p = place(loader, link, rule);
    return r < 0 ? r : a < 0 ? a : o < 0 ? o : p;
}

static int load_sec_rule(struct waf_loader *loader, const struct seclang_directive *directive)
{
    return load_rule(loader, directive, false);
}

static int load_sec_action(struct waf_loader *loader, const struct seclang_directive *directive)
{
    return load_rule(loader, directive, true);
}

static int load_marker(struct waf_loader *loader, const struct seclang_directive *directive)
{
    struct waf_rule *rule = new_rule(loader);

    rule->marker = mem_string(directive->words[1]);
    append(loader->rules, rule);
    return 0;
}

static int load_default_action(struct waf_loader *loader, const struct seclang_directive *directive)
{
    return waf_load_default(loader, directive->words[1]);
}

/* ---- removal and change at load ---- */

bool waf_id_within(struct span range, unsigned id)
{
    ptrdiff_t dash = span_find(range, '-');
    uint64_t first, last;

    if (span_to_uint(dash < 0 ? range : span_of(range.ptr, (size_t)dash), &first) < 0)
        return false;
    last = first;
    if (dash >= 0 && span_to_uint(span_from(range, (size_t)dash + 1), &last) < 0)
        return false;
    return id >= first && id <= last;
}

static bool has_tag(const struct waf_rule *rule, const struct waf_pattern *pattern)
{
    for (size_t i = 0; i < rule->tag_count; i++)
        if (waf_pattern_match(pattern, span_str(rule->tags[i]), NULL) == 1)
            return true;
    return false;
}

enum chosen_by { BY_ID, BY_TAG, BY_MESSAGE };

/** Whom SecRuleRemove... and SecRuleUpdate... mean. */
struct choice {
    enum chosen_by by;
    const struct seclang_directive *directive;
    size_t count; /* words of ids */
    struct waf_pattern *pattern;
};

static bool is_chosen(const struct choice *choice, const struct waf_rule *rule)
{
    if (rule->marker)
        return false;
    if (choice->by == BY_TAG)
        return has_tag(rule, choice->pattern);
    if (choice->by == BY_MESSAGE)
        return rule->message.text &&
               waf_pattern_match(choice->pattern, span_str(rule->message.text), NULL) == 1;
    for (size_t i = 1; i <= choice->count; i++)
        if (waf_id_within(choice->directive->words[i], rule->id))
            return true;
    return false;
}

static int choose(struct waf_loader *loader, const struct seclang_directive *directive,
                  enum chosen_by by, size_t id_words, struct choice *ret_choice)
{
    char *why = NULL;

    *ret_choice = (struct choice){.by = by, .directive = directive, .count = id_words};
    if (by == BY_ID ||
        waf_pattern_create(directive->words[1], false, &ret_choice->pattern, &why) == 0)
        return 0;
    int r = waf_mistake(loader, "the pattern is wrong: %s", why);
    free(why);
    return r;
}

static int remove_chosen(struct waf_loader *loader, const struct seclang_directive *directive,
                         enum chosen_by by)
{
    struct waf_rules *rules = loader->rules;
    struct choice choice;
    size_t kept = 0;

    int r = choose(loader, directive, by, directive->count - 1, &choice);
    if (r < 0)
        return r;
    for (size_t i = 0; i < rules->count; i++) {
        if (is_chosen(&choice, rules->items[i]))
            rule_destroy(rules->items[i]);
        else
            rules->items[kept++] = rules->items[i];
    }
    rules->count = kept;
    waf_pattern_destroy(choice.pattern);
    return 0;
}

static int remove_by_id(struct waf_loader *loader, const struct seclang_directive *directive)
{
    return remove_chosen(loader, directive, BY_ID);
}

static int remove_by_tag(struct waf_loader *loader, const struct seclang_directive *directive)
{
    return remove_chosen(loader, directive, BY_TAG);
}

static int remove_by_message(struct waf_loader *loader, const struct seclang_directive *directive)
{
    return remove_chosen(loader, directive, BY_MESSAGE);
}

/** Adds targets to the heads of chains only, as ModSecurity does. */
static int update_chosen(struct waf_loader *loader, const struct seclang_directive *directive,
                         enum chosen_by by)
{
    struct choice choice;

    int r = choose(loader, directive, by, 1, &choice);
    for (size_t i = 0; r == 0 && i < loader->rules->count; i++) {
        struct waf_rule *rule = loader->rules->items[i];
        struct waf_target *more;
        size_t count;
        if (!is_chosen(&choice, rule))
            continue;
        r = waf_load_targets(loader, directive->words[2], &more, &count);
        rule->targets =
            mem_resize(rule->targets, rule->target_count + count, sizeof *rule->targets);
        memcpy(rule->targets + rule->target_count, more, count * sizeof *more);
        rule->target_count += count;
        free(more);
    }
    waf_pattern_destroy(choice.pattern);
    return r;
}

static int update_by_id(struct waf_loader *loader, const struct seclang_directive *directive)
{
    return update_chosen(loader, directive, BY_ID);
}

static int update_by_tag(struct waf_loader *loader, const struct seclang_directive *directive)
{
    return update_chosen(loader, directive, BY_TAG);
}

static int update_by_message(struct waf_loader *loader, const struct seclang_directive *directive)
{
    return update_chosen(loader, directive, BY_MESSAGE);
}

static int update_actions(struct waf_loader *loader, const struct seclang_directive *directive)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < loader->rules->count; i++) {
        struct waf_rule *rule = loader->rules->items[i];
        if (!rule->marker && waf_id_within(directive->words[1], rule->id))
            r = waf_load_actions(loader, directive->words[2], rule);
    }
    loader->chain = NULL;
    return r;
}

/* ---- other directives ---- */

static int load_engine(struct waf_loader *loader, const struct seclang_directive *directive)
{
    struct span word = directive->words[1];

    if (span_equal_nocase(word, SPAN("On")))
        loader->rules->engine = WAF_ENGINE_ON;
    else if (span_equal_nocase(word, SPAN("Off")))
        loader->rules->engine = WAF_ENGINE_OFF;
    else if (span_equal_nocase(word, SPAN("DetectionOnly")))
        loader->rules->engine = WAF_ENGINE_DETECTION_ONLY;
    else
        return waf_mistake(loader, "SecRuleEngine is On, Off or DetectionOnly");
    return 0;
}

static int read_switch(struct waf_loader *loader, const struct seclang_directive *directive,
                       bool *ret_on)
{
    bool on = span_equal_nocase(directive->words[1], SPAN("On"));

    if (!on && !span_equal_nocase(directive->words[1], SPAN("Off")))
        return waf_mistake(loader, "%.*s is On or Off", SPAN_ARGS(directive->words[0]));
    *ret_on = on;
    return 0;
}

static int load_request_access(struct waf_loader *loader, const struct seclang_directive *directive)
{
    return read_switch(loader, directive, &loader->rules->request_body_access);
}

static int load_response_access(struct waf_loader *loader,
                                const struct seclang_directive *directive)
{
    return read_switch(loader, directive, &loader->rules->response_body_access);
}

static int load_response_types(struct waf_loader *loader, const struct seclang_directive *directive)
{
    struct waf_rules *rules = loader->rules;

    for (size_t i = 1; i < directive->count; i++) {
        rules->response_types = mem_resize(rules->response_types, rules->response_type_count + 1,
                                           sizeof *rules->response_types);
        rules->response_types[rules->response_type_count++] = mem_string(directive->words[i]);
    }
    return 0;
}

static int load_separator(struct waf_loader *loader, const struct seclang_directive *directive)
{
    if (directive->words[1].len != 1)
        return waf_mistake(loader, "SecArgumentSeparator is one character");
    loader->rules->argument_separator = (unsigned char)directive->words[1].ptr[0];
    return 0;
}

static int load_arguments_max(struct waf_loader *loader, const struct seclang_directive *directive)
{
    uint64_t number = 0;

    if (span_to_uint(directive->words[1], &number) < 0 || number < 1 || number > 100000)
        return waf_mistake(loader, "SecArgumentsLimit is a number from 1 to 100000");
    loader->rules->arguments_max = (unsigned)number;
    return 0;
}

static int load_timeout(struct waf_loader *loader, const struct seclang_directive *directive)
{
    uint64_t number = 0;

    if (span_to_uint(directive->words[1], &number) < 0 || number > 31536000)
        return waf_mistake(loader, "SecCollectionTimeout is a number of seconds");
    loader->rules->collection_timeout = (int)number;
    return 0;
}

static int load_signature(struct waf_loader *loader, const struct seclang_directive *directive)
{
    free(loader->rules->signature);
    loader->rules->signature = mem_string(directive->words[1]);
    return 0;
}

/** Settings of gardien, or nothing, stand in its place. */
static int load_nothing(struct waf_loader *loader, const struct seclang_directive *directive)
{
    return 0;
}

static int load_files(struct waf_loader *loader, const char *pattern, bool needed);

static int include(struct waf_loader *loader, const struct seclang_directive *directive,
                   bool needed)
{
    struct span name = directive->words[1];
    ptrdiff_t slash = span_find_last(span_str(loader->file), '/');
    bool absolute = name.len && name.ptr[0] == '/';
    scoped(mem_release) char *path = mem_format(
        "%.*s%.*s", absolute || slash < 0 ? 0 : (int)slash + 1, loader->file, SPAN_ARGS(name));

    if (loader->depth >= DEPTH_MAX)
        return waf_mistake(loader, "files include each other more than %d deep", DEPTH_MAX);
    loader->depth++;
    int r = load_files(loader, path, needed);
    loader->depth--;
    return r;
}

static int load_include(struct waf_loader *loader, const struct seclang_directive *directive)
{
    return include(loader, directive, true);
}

static int load_include_optional(struct waf_loader *loader,
                                 const struct seclang_directive *directive)
{
    return include(loader, directive, false);
}

static const struct {
    struct span name;
    int (*load)(struct waf_loader *loader, const struct seclang_directive *directive);
    size_t min; /* words behind the name */
    size_t max;
} directives[] = {
    {SPAN("SecRule"), load_sec_rule, 2, 3},
    {SPAN("SecAction"), load_sec_action, 1, 1},
    {SPAN("SecMarker"), load_marker, 1, 1},
    {SPAN("SecDefaultAction"), load_default_action, 1, 1},
    {SPAN("SecRuleRemoveById"), remove_by_id, 1, SECLANG_WORDS_MAX},
    {SPAN("SecRuleRemoveByTag"), remove_by_tag, 1, 1},
    {SPAN("SecRuleRemoveByMsg"), remove_by_message, 1, 1},
    {SPAN("SecRuleUpdateTargetById"), update_by_id, 2, 2},
    {SPAN("SecRuleUpdateTargetByTag"), update_by_tag, 2, 2},
    {SPAN("SecRuleUpdateTargetByMsg"), update_by_message, 2, 2},
    {SPAN("SecRuleUpdateActionById"), update_actions, 2, 2},
    {SPAN("SecRuleEngine"), load_engine, 1, 1},
    {SPAN("SecRequestBodyAccess"), load_request_access, 1, 1},
    {SPAN("SecResponseBodyAccess"), load_response_access, 1, 1},
    {SPAN("SecResponseBodyMimeType"), load_response_types, 1, SECLANG_WORDS_MAX},
    {SPAN("SecArgumentSeparator"), load_separator, 1, 1},
    {SPAN("SecArgumentsLimit"), load_arguments_max, 1, 1},
    {SPAN("SecCollectionTimeout"), load_timeout, 1, 1},
    {SPAN("SecComponentSignature"), load_signature, 1, 1},
    {SPAN("Include"), load_include, 1, 1},
    {SPAN("IncludeOptional"), load_include_optional, 1, 1},
    {SPAN("SecRequestBodyLimit"), load_nothing, 1, 1},
    {SPAN("SecRequestBodyNoFilesLimit"), load_nothing, 1, 1},
    {SPAN("SecRequestBodyInMemoryLimit"), load_nothing, 1, 1},
    {SPAN("SecRequestBodyLimitAction"), load_nothing, 1, 1},
    {SPAN("SecRequestBodyJsonDepthLimit"), load_nothing, 1, 1},
    {SPAN("SecResponseBodyLimit"), load_nothing, 1, 1},
    {SPAN("SecResponseBodyLimitAction"), load_nothing, 1, 1},
    {SPAN("SecPcreMatchLimit"), load_nothing, 1, 1},
    {SPAN("SecPcreMatchLimitRecursion"), load_nothing, 1, 1},
    {SPAN("SecTmpDir"), load_nothing, 1, 1},
    {SPAN("SecDataDir"), load_nothing, 1, 1},
    {SPAN("SecUploadDir"), load_nothing, 1, 1},
    {SPAN("SecUploadKeepFiles"), load_nothing, 1, 1},
    {SPAN("SecUploadFileMode"), load_nothing, 1, 1},
    {SPAN("SecUploadFileLimit"), load_nothing, 1, 1},
    {SPAN("SecAuditEngine"), load_nothing, 1, 1},
    {SPAN("SecAuditLog"), load_nothing, 1, 1},
    {SPAN("SecAuditLogParts"), load_nothing, 1, 1},
    {SPAN("SecAuditLogType"), load_nothing, 1, 1},
    {SPAN("SecAuditLogFormat"), load_nothing, 1, 1},
    {SPAN("SecAuditLogStorageDir"), load_nothing, 1, 1},
    {SPAN("SecAuditLogRelevantStatus"), load_nothing, 1, 1},
    {SPAN("SecDebugLog"), load_nothing, 1, 1},
    {SPAN("SecDebugLogLevel"), load_nothing, 1, 1},
    {SPAN("SecCookieFormat"), load_nothing, 1, 1},
    {SPAN("SecUnicodeMapFile"), load_nothing, 1, 2},
    {SPAN("SecStatusEngine"), load_nothing, 1, 1},
    {SPAN("SecServerSignature"), load_nothing, 1, 1},
};

static int load_directive(struct waf_loader *loader, const struct seclang_directive *directive)
{
    for (size_t i = 0; i < ARRAY_SIZE(directives); i++) {
        if (!span_equal_nocase(directive->words[0], directives[i].name))
            continue;
        if (directive->count - 1 < directives[i].min || directive->count - 1 > directives[i].max)
            return waf_mistake(loader, "%.*s has %zu words behind it, not %zu to %zu",
                               SPAN_ARGS(directives[i].name), directive->count - 1,
                               directives[i].min, directives[i].max);
        if (loader->chain && directives[i].load != load_sec_rule &&
            directives[i].load != load_sec_action) {
            loader->chain = loader->head = NULL;
            return waf_mistake(loader, "a chain ends without its last rule");
        }
        return directives[i].load(loader, directive);
    }
    return waf_mistake(loader, "there is no directive %.*s", SPAN_ARGS(directive->words[0]));
}

/* ---- files ---- */

static int load_text(struct waf_loader *loader, struct span text)
{
    struct seclang_reader reader;
    struct seclang_directive directive;
    int ret = 0, r;

    seclang_begin(&reader, text);
    do {
        r = seclang_next(&reader, &directive);
        loader->line = directive.line;
        if (r == 1 && load_directive(loader, &directive) < 0)
            ret = ERR_SETTINGS; /* goes on, so that all mistakes are found */
        else if (r < 0)
            ret = waf_mistake(loader, r == ERR_SYNTAX ? "a quote is not closed"
                                                      : "the directive has too many words");
    } while (r != 0);
    seclang_finish(&reader);
    if (loader->chain) {
        loader->line = loader->chain->line;
        loader->chain = loader->head = NULL;
        ret = waf_mistake(loader, "the file ends within a chain");
    }
    return ret;
}

static int load_file(struct waf_loader *loader, const char *path)
{
    struct waf_rules *rules = loader->rules;
    const char *outer = loader->file;
    unsigned line = loader->line;
    struct span bytes;

    int r = waf_files_read(loader->set, path, &bytes);
    if (r < 0)
        return waf_mistake(loader, "the rules of %s cannot be read: %s", path, error_text(r));
    rules->files = mem_resize(rules->files, rules->file_count + 1, sizeof *rules->files);
    rules->files[rules->file_count] = mem_string(span_str(path));
    loader->file = rules->files[rules->file_count++];
    r = load_text(loader, bytes);
    loader->file = outer;
    loader->line = line;
    return r;
}

static int load_files(struct waf_loader *loader, const char *pattern, bool needed)
{
    struct span paths, path;
    int ret = 0;

    int r = waf_files_match(loader->set, pattern, &paths);
    if (r == ERR_NOT_FOUND)
        return needed ? waf_mistake(loader, "there is no file %s", pattern) : 0;
    if (r < 0)
        return waf_mistake(loader, "%s cannot be looked through", pattern);
    while (span_next(&paths, '\n', &path)) {
        scoped(mem_release) char *name = mem_string(path);
        if (path.len && load_file(loader, name) < 0)
            ret = ERR_SETTINGS;
    }
    return ret;
}

/* ---- the whole ---- */

/** Markers that skipAfter names must come later; else it would skip more than is meant. */
static int check_markers(struct waf_loader *loader)
{
    const struct waf_rules *rules = loader->rules;
    int ret = 0;

    for (size_t i = 0; i < rules->count; i++) {
        const char *wanted = rules->items[i]->skip_after;
        size_t k = i + 1;
        if (!wanted)
            continue;
        while (k < rules->count &&
               !(rules->items[k]->marker && strcmp(rules->items[k]->marker, wanted) == 0))
            k++;
        if (k < rules->count)
            continue;
        loader->file = rules->items[i]->file;
        loader->line = rules->items[i]->line;
        ret = waf_mistake(loader, "rule %u skips to %s, which no SecMarker after it names",
                          rules->items[i]->id, wanted);
    }
    return ret;
}

static int load_before(struct waf_loader *loader, const char *text)
{
    loader->file = "gardien";
    int r = load_text(loader, span_str(text));
    loader->file = NULL;
    return r;
}

int waf_load(const struct waf_source *source, struct diags *diags, struct waf_rules **ret_rules)
{
    struct waf_rules *rules = mem_new(struct waf_rules);
    struct waf_loader loader = {.rules = rules, .set = source->set, .diags = diags};
    int r = 0;

    rules->engine = WAF_ENGINE_ON;
    rules->request_body_access = rules->response_body_access = true;
    rules->argument_separator = '&';
    rules->arguments_max = 1000;
    rules->collection_timeout = 3600;
    for (size_t i = 0; i < WAF_PHASES; i++)
        rules->defaults[i] =
            (struct waf_default){.disruption = WAF_PASS, .log = true, .audit = true};
    if (source->before)
        r = load_before(&loader, source->before);
    for (size_t i = 0; i < source->count; i++)
        if (load_files(&loader, source->files[i], true) < 0)
            r = ERR_SETTINGS;
    if (r == 0)
        r = check_markers(&loader);
    if (r < 0) {
        waf_rules_destroy(rules);
        return r;
    }
    *ret_rules = rules;
    return 0;
}
