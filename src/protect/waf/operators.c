/* Operators of rules, in ModSecurity v2's meaning. */
#include "protect/waf/operators.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"
#include "protect/waf/characters.h"
#include "protect/waf/detect.h"
#include "protect/waf/networks.h"
#include "protect/waf/phrases.h"

/** atoi(): digits at the front, a sign before them; text is 0. */
static long long number_of(struct span text)
{
    long long value = 0;
    size_t i = 0;
    bool negative = false;

    while (i < text.len && waf_is_space(text.ptr[i]))
        i++;
    if (i < text.len && (text.ptr[i] == '-' || text.ptr[i] == '+'))
        negative = text.ptr[i++] == '-';
    for (; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9' && value < (1LL << 50); i++)
        value = value * 10 + (text.ptr[i] - '0');
    return negative ? -value : value;
}

static int match_pattern(struct waf_transaction *t, const struct waf_rule *rule,
                         struct span parameter, struct span value, struct waf_captures *captures)
{
    struct waf_pattern *pattern = rule->compiled.pattern;
    char *why = NULL;

    if (pattern) {
        int found = waf_pattern_search(pattern, value, t->until, captures);
        t->late |= found == ERR_TIMEOUT;
        return found == 1;
    }
    if (waf_pattern_create(parameter, false, &pattern, &why) < 0) {
        free(why);
        return 0;
    }
    int r = waf_pattern_search(pattern, value, t->until, captures);
    t->late |= r == ERR_TIMEOUT;
    waf_pattern_destroy(pattern);
    return r == 1;
}

static bool contains_word(struct span value, struct span word)
{
    for (size_t i = 0; word.len && i + word.len <= value.len; i++) {
        if (memcmp(value.ptr + i, word.ptr, word.len) != 0)
            continue;
        bool left = i == 0 || !waf_is_alnum(value.ptr[i - 1]);
        bool right = i + word.len == value.len || !waf_is_alnum(value.ptr[i + word.len]);
        if (left && right)
            return true;
    }
    return word.len == 0;
}

/** Is there a byte outside of the range? */
static bool breaks_range(const unsigned char *bits, struct span value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (!(bits[c / 8] & 1u << c % 8))
            return true;
    }
    return false;
}

static bool breaks_url_encoding(struct span value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] != '%')
            continue;
        if (i + 2 >= value.len || !waf_are_hex(value.ptr + i + 1, 2))
            return true;
        i += 2;
    }
    return false;
}

/** Length of a valid UTF-8 sequence (RFC 3629), or 0. */
static size_t utf8_length(const unsigned char *at, size_t left)
{
    size_t len = at[0] < 0x80   ? 1
                 : at[0] < 0xc2 ? 0
                 : at[0] < 0xe0 ? 2
                 : at[0] < 0xf0 ? 3
                 : at[0] < 0xf5 ? 4
                                : 0;

    if (len == 0 || len > left)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
        (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
        return 0;
    return len;
}

static bool breaks_utf8(struct span value)
{
    for (size_t i = 0; i < value.len;) {
        size_t len = utf8_length((const unsigned char *)value.ptr + i, value.len - i);
        if (len == 0)
            return true;
        i += len;
    }
    return false;
}

static int compare(enum waf_operator op, struct span value, struct span parameter)
{
    long long a = number_of(value), b = number_of(parameter);

    return op == WAF_OP_EQ   ? a == b
           : op == WAF_OP_GE ? a >= b
           : op == WAF_OP_GT ? a > b
           : op == WAF_OP_LE ? a <= b
                             : a < b;
}

static int find_phrase(const struct waf_rule *rule, struct span value,
                       struct waf_captures *captures)
{
    if (!waf_phrases_find(rule->compiled.phrases, value, &captures->items[0]))
        return 0;
    captures->count = 1;
    return 1;
}

int waf_operate(struct waf_transaction *t, const struct waf_rule *rule, struct span parameter,
                struct span value, struct waf_captures *ret_captures)
{
    *ret_captures = (struct waf_captures){.count = 0};
    switch (rule->op) {
    case WAF_OP_RX:
        return match_pattern(t, rule, parameter, value, ret_captures);
    case WAF_OP_PM:
    case WAF_OP_PM_FROM_FILE:
        return find_phrase(rule, value, ret_captures);
    case WAF_OP_CONTAINS:
    case WAF_OP_STRMATCH:
        return parameter.len == 0 || span_find_span(value, parameter) >= 0;
    case WAF_OP_CONTAINS_WORD:
        return contains_word(value, parameter);
    case WAF_OP_BEGINS_WITH:
        return span_starts(value, parameter);
    case WAF_OP_ENDS_WITH:
        return span_ends(value, parameter);
    case WAF_OP_STREQ:
        return span_equal(value, parameter);
    case WAF_OP_WITHIN:
        return value.len == 0 || span_find_span(parameter, value) >= 0;
    case WAF_OP_EQ:
    case WAF_OP_GE:
    case WAF_OP_GT:
    case WAF_OP_LE:
    case WAF_OP_LT:
        return compare(rule->op, value, parameter);
    case WAF_OP_IP_MATCH:
    case WAF_OP_IP_MATCH_FROM_FILE:
        return waf_networks_hold(rule->compiled.networks, value);
    case WAF_OP_VALIDATE_BYTE_RANGE:
        return breaks_range(rule->compiled.bytes, value);
    case WAF_OP_VALIDATE_URL_ENCODING:
        return breaks_url_encoding(value);
    case WAF_OP_VALIDATE_UTF8:
        return breaks_utf8(value);
    case WAF_OP_DETECT_SQLI:
        return waf_detect_sqli(value, ret_captures);
    case WAF_OP_DETECT_XSS:
        return waf_detect_xss(value, ret_captures);
    case WAF_OP_UNCONDITIONAL:
        return 1;
    case WAF_OP_GEO_LOOKUP: /* gardien has no list of countries */
    case WAF_OP_NO_MATCH:
    case WAF_OPERATORS:
        break;
    }
    return 0;
}
