/* The operators of rules. */
#include <stdlib.h>

#include "base/mem.h"
#include "protect/waf/characters.h"
#include "protect/waf/loader.h"
#include "protect/waf/networks.h"
#include "protect/waf/pattern.h"
#include "protect/waf/phrases.h"

static const struct {
    struct span name;
    int op;           /* enum waf_operator, or -1: an error */
    const char *hint; /* why it is not to be had; with an `op`: a warning */
} operators[] = {
    {SPAN("rx"), WAF_OP_RX, NULL},
    {SPAN("pm"), WAF_OP_PM, NULL},
    {SPAN("pmf"), WAF_OP_PM_FROM_FILE, NULL},
    {SPAN("pmFromFile"), WAF_OP_PM_FROM_FILE, NULL},
    {SPAN("contains"), WAF_OP_CONTAINS, NULL},
    {SPAN("containsWord"), WAF_OP_CONTAINS_WORD, NULL},
    {SPAN("beginsWith"), WAF_OP_BEGINS_WITH, NULL},
    {SPAN("endsWith"), WAF_OP_ENDS_WITH, NULL},
    {SPAN("streq"), WAF_OP_STREQ, NULL},
    {SPAN("strmatch"), WAF_OP_STRMATCH, NULL},
    {SPAN("within"), WAF_OP_WITHIN, NULL},
    {SPAN("eq"), WAF_OP_EQ, NULL},
    {SPAN("ge"), WAF_OP_GE, NULL},
    {SPAN("gt"), WAF_OP_GT, NULL},
    {SPAN("le"), WAF_OP_LE, NULL},
    {SPAN("lt"), WAF_OP_LT, NULL},
    {SPAN("ipMatch"), WAF_OP_IP_MATCH, NULL},
    {SPAN("ipMatchF"), WAF_OP_IP_MATCH_FROM_FILE, NULL},
    {SPAN("ipMatchFromFile"), WAF_OP_IP_MATCH_FROM_FILE, NULL},
    {SPAN("validateByteRange"), WAF_OP_VALIDATE_BYTE_RANGE, NULL},
    {SPAN("validateUrlEncoding"), WAF_OP_VALIDATE_URL_ENCODING, NULL},
    {SPAN("validateUtf8Encoding"), WAF_OP_VALIDATE_UTF8, NULL},
    {SPAN("detectSQLi"), WAF_OP_DETECT_SQLI, NULL},
    {SPAN("detectXSS"), WAF_OP_DETECT_XSS, NULL},
    {SPAN("geoLookup"), WAF_OP_GEO_LOOKUP, NULL},
    {SPAN("unconditionalMatch"), WAF_OP_UNCONDITIONAL, NULL},
    {SPAN("noMatch"), WAF_OP_NO_MATCH, NULL},
    {SPAN("rbl"), WAF_OP_NO_MATCH, "a DNS list would keep each request waiting: it never matches"},
    {SPAN("gsbLookup"), -1, "the list that it reads is not published any more"},
    {SPAN("inspectFile"), -1, "gardien starts no program for a request"},
    {SPAN("fuzzyHash"), -1, "gardien has no fuzzy hashes"},
};

void waf_operator_finish(struct waf_rule *rule)
{
    free(rule->parameter.text);
    switch (rule->op) {
    case WAF_OP_RX:
    case WAF_OP_STRMATCH:
        waf_pattern_destroy(rule->compiled.pattern);
        break;
    case WAF_OP_PM:
    case WAF_OP_PM_FROM_FILE:
        waf_phrases_destroy(rule->compiled.phrases);
        break;
    case WAF_OP_IP_MATCH:
    case WAF_OP_IP_MATCH_FROM_FILE:
        waf_networks_destroy(rule->compiled.networks);
        break;
    case WAF_OP_VALIDATE_BYTE_RANGE:
        free(rule->compiled.bytes);
        break;
    default:
        break;
    }
}

static int compile_pattern(struct waf_loader *loader, struct waf_rule *rule)
{
    char *why = NULL;

    if (!rule->parameter.plain)
        return 0; /* compiled when its macros are known */
    if (waf_pattern_create(span_str(rule->parameter.text), false, &rule->compiled.pattern, &why) ==
        0)
        return 0;
    int r = waf_mistake(loader, "the pattern of rule %u is wrong: %s", rule->id, why);
    free(why);
    return r;
}

/** Hexadecimal bytes between bars, as in "|41 42|", and backslashes before others. */
static struct span unescape_phrase(struct span text, char *out)
{
    bool hex = false;
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '|') {
            hex = !hex;
        } else if (hex && i + 1 < text.len && waf_are_hex(text.ptr + i, 2)) {
            out[n++] = (char)waf_hex(text.ptr + i, 2);
            i++;
        } else if (!hex) {
            out[n++] = c;
        }
    }
    return span_of(out, n);
}

static int compile_phrases(struct waf_rule *rule)
{
    struct span rest = span_str(rule->parameter.text), word;
    scoped(mem_release) char *copy = mem_alloc(rest.len + 1);

    rule->compiled.phrases = waf_phrases_create();
    while (span_next(&rest, ' ', &word))
        if (word.len)
            waf_phrases_add(rule->compiled.phrases, unescape_phrase(word, copy));
    waf_phrases_seal(rule->compiled.phrases);
    return 0;
}

/** Reads a data file beside the present file. */
static int read_data(struct waf_loader *loader, struct span name, struct span *ret_bytes)
{
    ptrdiff_t slash = loader->file ? span_find_last(span_str(loader->file), '/') : -1;
    bool absolute = name.len && name.ptr[0] == '/';
    scoped(mem_release) char *path = mem_format(
        "%.*s%.*s", absolute || slash < 0 ? 0 : (int)slash + 1, loader->file, SPAN_ARGS(name));

    int r = waf_files_read(loader->set, path, ret_bytes);
    return r < 0 ? waf_mistake(loader, "the file %s cannot be read: %s", path, error_text(r)) : 0;
}

/** Calls `add` with each line of the files that a rule names, comments and empty lines left out. */
static int each_line(struct waf_loader *loader, struct waf_rule *rule,
                     int (*add)(struct waf_loader *, struct waf_rule *, struct span))
{
    struct span names = span_str(rule->parameter.text), name;
    int r = 0;

    while (r == 0 && span_next(&names, ' ', &name)) {
        struct span rest, line;
        if (name.len == 0)
            continue;
        r = read_data(loader, name, &rest);
        if (r < 0)
            return r;
        while (r == 0 && span_next(&rest, '\n', &line)) {
            while (line.len && waf_is_space(line.ptr[line.len - 1]))
                line.len--;
            line = span_trim(line);
            if (line.len && line.ptr[0] != '#')
                r = add(loader, rule, line);
        }
    }
    return r;
}

static int add_phrase(struct waf_loader *loader, struct waf_rule *rule, struct span line)
{
    scoped(mem_release) char *copy = mem_alloc(line.len + 1);

    waf_phrases_add(rule->compiled.phrases, unescape_phrase(line, copy));
    return 0;
}

static int add_network(struct waf_loader *loader, struct waf_rule *rule, struct span line)
{
    if (waf_networks_add(rule->compiled.networks, line) == 0)
        return 0;
    return waf_mistake(loader, "%.*s is no IP address or network", SPAN_ARGS(line));
}

static int compile_networks(struct waf_loader *loader, struct waf_rule *rule)
{
    struct span rest = span_str(rule->parameter.text), part;
    int r = 0;

    rule->compiled.networks = waf_networks_create();
    if (rule->op == WAF_OP_IP_MATCH_FROM_FILE)
        return each_line(loader, rule, add_network);
    while (r == 0 && span_next(&rest, ',', &part))
        r = add_network(loader, rule, span_trim(part));
    return r;
}

static int compile_bytes(struct waf_loader *loader, struct waf_rule *rule)
{
    struct span rest = span_str(rule->parameter.text), part;

    rule->compiled.bytes = mem_zalloc(32);
    while (span_next(&rest, ',', &part)) {
        uint64_t first, last;
        part = span_trim(part);
        ptrdiff_t dash = span_find(part, '-');
        int r = span_to_uint(dash < 0 ? part : span_of(part.ptr, (size_t)dash), &first);
        last = first;
        if (r == 0 && dash >= 0)
            r = span_to_uint(span_from(part, (size_t)dash + 1), &last);
        if (r < 0 || first > 255 || last > 255 || first > last)
            return waf_mistake(loader, "%.*s is no range of bytes from 0 to 255", SPAN_ARGS(part));
        for (uint64_t i = first; i <= last; i++)
            rule->compiled.bytes[i / 8] |= (unsigned char)(1u << i % 8);
    }
    return 0;
}

static int compile(struct waf_loader *loader, struct waf_rule *rule)
{
    switch (rule->op) {
    case WAF_OP_RX:
        return compile_pattern(loader, rule);
    case WAF_OP_PM:
        return compile_phrases(rule);
    case WAF_OP_PM_FROM_FILE: {
        rule->compiled.phrases = waf_phrases_create();
        int r = each_line(loader, rule, add_phrase);
        waf_phrases_seal(rule->compiled.phrases);
        return r;
    }
    case WAF_OP_IP_MATCH:
    case WAF_OP_IP_MATCH_FROM_FILE:
        return compile_networks(loader, rule);
    case WAF_OP_VALIDATE_BYTE_RANGE:
        return compile_bytes(loader, rule);
    default:
        return 0;
    }
}

static int find_operator(struct waf_loader *loader, struct span name, struct waf_rule *rule)
{
    for (size_t i = 0; i < ARRAY_SIZE(operators); i++) {
        if (!span_equal_nocase(name, operators[i].name))
            continue;
        if (!operators[i].hint) {
            rule->op = (enum waf_operator)operators[i].op;
            return 0;
        }
        int r = waf_mistake(loader, "the operator @%.*s is not to be had", SPAN_ARGS(name));
        waf_hint(loader, "%s", operators[i].hint);
        if (operators[i].op < 0)
            return r;
        diags_warning(loader->diags, &loader->diags->items[loader->diags->count - 1]);
        rule->op = (enum waf_operator)operators[i].op;
        return 0;
    }
    return waf_mistake(loader, "there is no operator @%.*s", SPAN_ARGS(name));
}

int waf_load_operator(struct waf_loader *loader, struct span text, struct waf_rule *rule)
{
    int r = 0;

    text = span_trim(text);
    if (text.len && text.ptr[0] == '!') {
        rule->negated = true;
        text = span_trim(span_from(text, 1));
    }
    rule->op = WAF_OP_RX;
    if (text.len && text.ptr[0] == '@') {
        size_t end = 1;
        while (end < text.len && !waf_is_space(text.ptr[end]))
            end++;
        r = find_operator(loader, span_of(text.ptr + 1, end - 1), rule);
        while (end < text.len && waf_is_space(text.ptr[end]))
            end++;
        text = span_from(text, end);
    }
    if (r == 0)
        r = waf_load_macro(loader, text, &rule->parameter);
    return r < 0 ? r : compile(loader, rule);
}
