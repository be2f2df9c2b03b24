/* Applies header rules to an answer. Nothing is allocated while the answer's fields have room. */
#include "serve/header_rules.h"

#include <stdlib.h>

/* An error must not be kept for as long as what the site has. */
static bool lengthens_life(struct span name)
{
    return span_equal(name, SPAN("cache-control")) || span_equal(name, SPAN("expires"));
}

static int set_field(struct arena *arena, struct http_fields *fields,
                     const struct header_rule *rule)
{
    for (unsigned i = 0; i < fields->count; i++)
        if (span_equal(fields->items[i].name, rule->name)) {
            http_unset(fields, rule->name);
            break;
        }
    if (unlikely(fields->count == fields->room))
        return http_add(arena, fields, rule->name, rule->value);
    fields->items[fields->count++] = (struct http_field){rule->name, rule->value};
    return 0;
}

int header_rules_apply(const struct header_rule *rules, size_t count, struct arena *arena,
                       struct http_response *response)
{
    int r = 0;

    for (size_t i = 0; r >= 0 && i < count; i++) {
        const struct header_rule *rule = &rules[i];
        if (response->status >= 400 && rule->op != HEADER_REMOVE && lengthens_life(rule->name))
            continue;
        if (rule->op == HEADER_SET)
            r = set_field(arena, &response->fields, rule);
        else if (rule->op == HEADER_ADD)
            r = http_add(arena, &response->fields, rule->name, rule->value);
        else
            http_unset(&response->fields, rule->name);
    }
    return r;
}

void header_rules_finish(struct header_rules *rules)
{
    for (size_t i = 0; i < rules->count; i++) {
        free((char *)(uintptr_t)rules->items[i].name.ptr);
        free((char *)(uintptr_t)rules->items[i].value.ptr);
    }
    free(rules->items);
}
