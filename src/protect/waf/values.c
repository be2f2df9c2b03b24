/* What a target of a rule stands for: members of collections, single values, and macros. */
#include <stddef.h>

#include "base/mem.h"
#include "protect/waf/transaction.h"
#include "protect/waf/variables.h"

/** Does a target's key mean this member? */
static bool is_meant(const struct waf_target *target, struct span name)
{
    if (target->pattern)
        return waf_pattern_match(target->pattern, name, NULL) == 1;
    return !target->key || span_equal_nocase(span_str(target->key), name);
}

static void add_members(struct waf_transaction *t, const struct waf_target *target,
                        const struct waf_collection *from, struct waf_collection *to)
{
    for (unsigned i = 0; i < from->count; i++)
        if (is_meant(target, from->items[i].name))
            waf_add(t, to, from->items[i].name, from->items[i].value);
}

/** The names of members, as values. */
static void add_names(struct waf_transaction *t, const struct waf_target *target,
                      const struct waf_collection *from, struct waf_collection *to)
{
    for (unsigned i = 0; i < from->count; i++)
        if (is_meant(target, from->items[i].name))
            waf_add(t, to, from->items[i].name, from->items[i].name);
}

static void add_flag(struct waf_transaction *t, struct waf_collection *to, long long value)
{
    waf_add(t, to, SPAN(""), waf_number(t, value));
}

static int strict_error(const struct waf_multipart_flags *m)
{
    return m->boundary_quoted || m->boundary_whitespace || m->data_before || m->data_after ||
           m->header_folding || m->lf_line || m->missing_semicolon || m->invalid_quoting ||
           m->invalid_part || m->invalid_header_folding || m->file_limit_exceeded;
}

/** @return whether the variable is one of multipart bodies */
static bool add_multipart(struct waf_transaction *t, enum waf_variable variable,
                          struct waf_collection *to)
{
    const struct waf_multipart_flags *m = &t->multipart;
    const struct {
        enum waf_variable variable;
        long long value;
    } rows[] = {
        {WAF_MULTIPART_BOUNDARY_QUOTED, m->boundary_quoted},
        {WAF_MULTIPART_BOUNDARY_WHITESPACE, m->boundary_whitespace},
        {WAF_MULTIPART_CRLF_LF_LINES, m->crlf_lf_lines},
        {WAF_MULTIPART_DATA_AFTER, m->data_after},
        {WAF_MULTIPART_DATA_BEFORE, m->data_before},
        {WAF_MULTIPART_FILE_LIMIT_EXCEEDED, m->file_limit_exceeded},
        {WAF_MULTIPART_HEADER_FOLDING, m->header_folding},
        {WAF_MULTIPART_INVALID_HEADER_FOLDING, m->invalid_header_folding},
        {WAF_MULTIPART_INVALID_PART, m->invalid_part},
        {WAF_MULTIPART_INVALID_QUOTING, m->invalid_quoting},
        {WAF_MULTIPART_LF_LINE, m->lf_line},
        {WAF_MULTIPART_MISSING_SEMICOLON, m->missing_semicolon},
        {WAF_MULTIPART_STRICT_ERROR, strict_error(m)},
        {WAF_MULTIPART_UNMATCHED_BOUNDARY, m->unmatched_boundary},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (rows[i].variable != variable)
            continue;
        add_flag(t, to, rows[i].value);
        return true;
    }
    return false;
}

static long long files_size(const struct waf_transaction *t)
{
    long long size = 0;
    uint64_t one;

    for (unsigned i = 0; i < t->files_sizes.count; i++)
        if (span_to_uint(t->files_sizes.items[i].value, &one) == 0)
            size += (long long)one;
    return size;
}

static void add_single(struct waf_transaction *t, enum waf_variable variable,
                       struct waf_collection *to)
{
    switch (variable) {
    case WAF_ARGS_COMBINED_SIZE:
        add_flag(t, to, t->arguments_combined);
        break;
    case WAF_FILES_COMBINED_SIZE:
        add_flag(t, to, files_size(t));
        break;
    case WAF_DURATION:
        add_flag(t, to, (nsec_monotonic() - t->started) / NSEC_PER_MSEC);
        break;
    case WAF_HIGHEST_SEVERITY:
        add_flag(t, to, t->highest_severity);
        break;
    case WAF_MATCHED_VAR:
        waf_add(t, to, SPAN(""), t->matched_var);
        break;
    case WAF_MATCHED_VAR_NAME:
        waf_add(t, to, SPAN(""), t->matched_name);
        break;
    default:
        if (!add_multipart(t, variable, to) && t->scalars[variable].ptr)
            waf_add(t, to, SPAN(""), t->scalars[variable]);
        break;
    }
}

/** The two paths of XPath that rules use: all text, and the values of all attributes. */
static void add_xml(struct waf_transaction *t, const struct waf_target *target,
                    struct waf_collection *to)
{
    struct span path = span_str(target->key);
    bool attributes = span_find(path, '@') >= 0;

    for (unsigned i = 0; i < t->xml.count; i++)
        if (attributes == span_equal(t->xml.items[i].name, SPAN("@")))
            waf_add(t, to, path, t->xml.items[i].value);
}

#define PLACE(member) offsetof(struct waf_transaction, member)

/** Variables whose values, or names, are those of one or two collections. */
static const struct {
    enum waf_variable variable;
    bool names;
    size_t first;
    size_t second; /* 0: none */
} sources[] = {
    {WAF_ARGS, false, PLACE(args_get), PLACE(args_post)},
    {WAF_ARGS_NAMES, true, PLACE(args_get), PLACE(args_post)},
    {WAF_ARGS_GET, false, PLACE(args_get), 0},
    {WAF_ARGS_GET_NAMES, true, PLACE(args_get), 0},
    {WAF_ARGS_POST, false, PLACE(args_post), 0},
    {WAF_ARGS_POST_NAMES, true, PLACE(args_post), 0},
    {WAF_REQUEST_COOKIES, false, PLACE(cookies), 0},
    {WAF_REQUEST_COOKIES_NAMES, true, PLACE(cookies), 0},
    {WAF_REQUEST_HEADERS_VARIABLE, false, PLACE(request_headers), 0},
    {WAF_REQUEST_HEADERS_NAMES, true, PLACE(request_headers), 0},
    {WAF_RESPONSE_HEADERS_VARIABLE, false, PLACE(response_headers), 0},
    {WAF_RESPONSE_HEADERS_NAMES, true, PLACE(response_headers), 0},
    {WAF_FILES, false, PLACE(files), 0},
    {WAF_FILES_NAMES, true, PLACE(files), 0},
    {WAF_FILES_SIZES, false, PLACE(files_sizes), 0},
    {WAF_MULTIPART_NAME, false, PLACE(part_names), 0},
    {WAF_MULTIPART_FILENAME, false, PLACE(part_files), 0},
    {WAF_MULTIPART_PART_HEADERS, false, PLACE(part_headers), 0},
    {WAF_MATCHED_VARS, false, PLACE(matched_vars), 0},
    {WAF_MATCHED_VARS_NAMES, true, PLACE(matched_vars), 0},
};

static void add_from(struct waf_transaction *t, const struct waf_target *target, size_t row,
                     struct waf_collection *to)
{
    void (*add)(struct waf_transaction *, const struct waf_target *, const struct waf_collection *,
                struct waf_collection *) = sources[row].names ? add_names : add_members;

    add(t, target, (const void *)((const char *)t + sources[row].first), to);
    if (sources[row].second)
        add(t, target, (const void *)((const char *)t + sources[row].second), to);
}

struct waf_collection waf_values(struct waf_transaction *t, const struct waf_target *target)
{
    struct waf_collection values = {0};
    struct waf_collection *collection = waf_collection_of(t, target->variable);

    for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
        if (sources[i].variable == target->variable) {
            add_from(t, target, i, &values);
            return values;
        }
    if (collection)
        add_members(t, target, collection, &values);
    else if (target->variable == WAF_XML && target->key)
        add_xml(t, target, &values);
    else if (!waf_variable_is_collection(target->variable))
        add_single(t, target->variable, &values);
    return values;
}

/** The value of one %{...}; several become the first. */
static struct span macro_value(struct waf_transaction *t, struct span name)
{
    ptrdiff_t dot = span_find(name, '.');
    struct span key = dot < 0 ? span_of(NULL, 0) : span_from(name, (size_t)dot + 1);

    int variable = waf_variable_find(dot < 0 ? name : span_of(name.ptr, (size_t)dot));
    if (variable < 0)
        return SPAN("");
    char *copy = key.ptr ? arena_copy(&t->arena, key) : NULL;
    const struct waf_target target = {.variable = (enum waf_variable)variable, .key = copy};
    struct waf_collection values = waf_values(t, &target);
    return values.count ? values.items[0].value : SPAN("");
}

struct span waf_expand(struct waf_transaction *t, const struct waf_macro *macro)
{
    struct span rest = span_str(macro->text), out = SPAN("");

    if (!macro->text || macro->plain)
        return macro->text ? rest : SPAN("");
    while (rest.len) {
        ptrdiff_t open = span_find_span(rest, SPAN("%{"));
        ptrdiff_t close = open < 0 ? -1 : span_find(span_from(rest, (size_t)open), '}');
        struct span before = close < 0 ? rest : span_of(rest.ptr, (size_t)open);
        struct span value = SPAN("");
        if (close >= 0)
            value = macro_value(t, span_of(rest.ptr + open + 2, (size_t)close - 2));
        char *joined = arena_alloc(&t->arena, out.len + before.len + value.len + 1);
        if (!joined) {
            t->full = true;
            return out;
        }
        memcpy(joined, out.ptr, out.len);
        memcpy(joined + out.len, before.ptr, before.len);
        if (value.len)
            memcpy(joined + out.len + before.len, value.ptr, value.len);
        out = span_of(joined, out.len + before.len + value.len);
        rest = close < 0 ? SPAN("") : span_from(rest, (size_t)open + (size_t)close + 1);
    }
    return out;
}
