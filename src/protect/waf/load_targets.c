/* The targets of rules. */
#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"
#include "protect/waf/loader.h"
#include "protect/waf/pattern.h"
#include "protect/waf/variables.h"

void waf_target_finish(struct waf_target *target)
{
    free(target->key);
    waf_pattern_destroy(target->pattern);
}

/** The key of a target: plain, quoted, or a pattern between slashes. */
static int load_key(struct waf_loader *loader, struct span key, struct waf_target *target)
{
    char *why = NULL;

    if (key.len >= 2 && key.ptr[0] == '\'' && key.ptr[key.len - 1] == '\'')
        key = span_of(key.ptr + 1, key.len - 2);
    /* XML:/ * and XML://@* are paths of XPath, not patterns. */
    bool pattern = key.len >= 2 && key.ptr[0] == '/' && key.ptr[key.len - 1] == '/' &&
                   target->variable != WAF_XML;
    if (!pattern) {
        target->key = mem_string(key);
        return 0;
    }
    if (waf_pattern_create(span_of(key.ptr + 1, key.len - 2), true, &target->pattern, &why) == 0)
        return 0;
    int r = waf_mistake(loader, "the pattern of %.*s is wrong: %s", SPAN_ARGS(key), why);
    free(why);
    return r;
}

int waf_load_target(struct waf_loader *loader, struct span text, struct waf_target *target)
{
    ptrdiff_t colon = span_find(text, ':');
    struct span name = colon < 0 ? text : span_of(text.ptr, (size_t)colon);

    int variable = waf_variable_find(name);
    if (variable < 0)
        return waf_mistake(loader, "there is no variable %.*s", SPAN_ARGS(name));
    target->variable = (enum waf_variable)variable;
    if (colon < 0)
        return 0;
    if (!waf_variable_is_collection(target->variable))
        return waf_mistake(loader, "%.*s has no members, so nothing may follow it with a colon",
                           SPAN_ARGS(name));
    return load_key(loader, span_from(text, (size_t)colon + 1), target);
}

/** The end of the first target: a bar that stands in no pattern and no quotes. */
static size_t target_end(struct span text)
{
    bool pattern = false, quoted = false;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '\'' && !pattern)
            quoted = !quoted;
        else if (c == '/' && !quoted && (pattern || (i && text.ptr[i - 1] == ':')) &&
                 !(i && text.ptr[i - 1] == '\\'))
            pattern = !pattern && !span_starts(text, SPAN("XML"));
        else if (c == '|' && !pattern && !quoted)
            return i;
    }
    return text.len;
}

int waf_load_targets(struct waf_loader *loader, struct span text, struct waf_target **ret_targets,
                     size_t *ret_count)
{
    struct waf_target *targets = NULL;
    size_t count = 0;
    int r = 0;

    while (r == 0 && text.len) {
        size_t end = target_end(text);
        struct span part = span_trim(span_of(text.ptr, end));
        struct waf_target target = {0};
        text = span_from(text, end + 1);
        if (part.len && part.ptr[0] == '!') {
            target.exclude = true;
            part = span_from(part, 1);
        }
        if (part.len && part.ptr[0] == '&') {
            target.count = true;
            part = span_from(part, 1);
        }
        r = waf_load_target(loader, part, &target);
        targets = mem_resize(targets, count + 1, sizeof *targets);
        targets[count++] = target;
    }
    if (r == 0 && count == 0)
        r = waf_mistake(loader, "a rule needs a variable to look at");
    *ret_targets = targets; /* the rule's, also on failure */
    *ret_count = count;
    return r;
}
