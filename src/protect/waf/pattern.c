/* Regular expressions of rules, by PCRE2. */
#include "protect/waf/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

#include "base/mem.h"

/* Of each match. PCRE2 counts from every place where a match may begin, so that more would be too
 * much for long values (a value of 8 KiB takes 24 ms at worst). */
enum { STEPS_MAX = 1000, DEPTH_MAX = 1000 };

enum { WINDOW = 1024 /* places where a match may begin, between two looks at the clock */ };

struct waf_pattern {
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *context;
};

int waf_pattern_create(struct span text, bool nocase, struct waf_pattern **ret_pattern,
                       char **ret_why)
{
    uint32_t options = PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY | PCRE2_USE_OFFSET_LIMIT |
                       (nocase ? PCRE2_CASELESS : 0);
    PCRE2_SIZE at;
    int error;

    pcre2_code *code = pcre2_compile((PCRE2_SPTR)text.ptr, text.len, options, &error, &at, NULL);
    if (!code) {
        PCRE2_UCHAR why[160];
        pcre2_get_error_message(error, why, sizeof why);
        *ret_why = mem_format("%s, at its character %zu", (char *)why, (size_t)at + 1);
        return ERR_SYNTAX;
    }
    struct waf_pattern *pattern = mem_new(struct waf_pattern);
    pattern->code = code;
    pattern->data = pcre2_match_data_create_from_pattern(code, NULL);
    pattern->context = pcre2_match_context_create(NULL);
    if (!pattern->data || !pattern->context)
        abort(); /* no memory */
    pcre2_set_match_limit(pattern->context, STEPS_MAX);
    pcre2_set_depth_limit(pattern->context, DEPTH_MAX);
    *ret_pattern = pattern;
    return 0;
}

void waf_pattern_destroy(struct waf_pattern *pattern)
{
    if (!pattern)
        return;
    pcre2_match_context_free(pattern->context);
    pcre2_match_data_free(pattern->data);
    pcre2_code_free(pattern->code);
    free(pattern);
}

/** Matches that begin within a window. @return as waf_pattern_match() */
static int match_window(const struct waf_pattern *pattern, struct span value, size_t from,
                        size_t to, struct waf_captures *ret_captures)
{
    const char *text = value.ptr ? value.ptr : "";

    pcre2_set_offset_limit(pattern->context, to);
    int count = pcre2_match(pattern->code, (PCRE2_SPTR)text, value.len, from, 0, pattern->data,
                            pattern->context);
    if (count == PCRE2_ERROR_NOMATCH)
        return 0;
    if (count < 0)
        return ERR_LIMIT;
    if (!ret_captures)
        return 1;
    const PCRE2_SIZE *places = pcre2_get_ovector_pointer(pattern->data);
    *ret_captures = (struct waf_captures){.count = (unsigned)count};
    if (ret_captures->count > WAF_CAPTURES)
        ret_captures->count = WAF_CAPTURES;
    for (unsigned i = 0; i < ret_captures->count; i++)
        if (places[2 * i] != PCRE2_UNSET && places[2 * i + 1] >= places[2 * i])
            ret_captures->items[i] =
                span_of(text + places[2 * i], places[2 * i + 1] - places[2 * i]);
    return 1;
}

int waf_pattern_match(const struct waf_pattern *pattern, struct span value,
                      struct waf_captures *ret_captures)
{
    return match_window(pattern, value, 0, value.len, ret_captures);
}

int waf_pattern_search(const struct waf_pattern *pattern, struct span value, nsec_t until,
                       struct waf_captures *ret_captures)
{
    bool limited = false;

    for (size_t from = 0;; from += WINDOW) {
        size_t to = value.len - from < WINDOW ? value.len : from + WINDOW - 1;
        int r = match_window(pattern, value, from, to, ret_captures);
        if (r == 1)
            return 1;
        limited |= r < 0;
        if (to == value.len)
            return limited ? ERR_LIMIT : 0;
        if (nsec_monotonic() >= until)
            return ERR_TIMEOUT;
    }
}
