/* What is wrong with a text that is not YAML, in words that help: each rule below knows one typical
 * slip. What is wrong with good YAML is decode.c's. */
#include <ctype.h>
#include <stdlib.h>
#include <yaml.h>

#include "base/escape.h"
#include "base/mem.h"
#include "config/tree.h"
#include "config/values.h"

/** What libyaml said, and the lines it said it about. Lines and columns start at 1. */
struct slip {
    const struct source *source;
    struct diags *diags;
    struct span problem;
    struct span context;
    unsigned line, column;
    unsigned context_line, context_column;
    struct span text;         /**< the line of the problem */
    struct span context_text; /**< the line of the context */
};

static bool says(struct span text, const char *part)
{
    return text.len && memmem(text.ptr, text.len, part, strlen(part));
}

static struct diag *here(const struct slip *slip, unsigned column, const char *sentence)
{
    return source_complain(slip->source, slip->line, column, slip->diags, "%s", sentence);
}

static struct diag *at_context(const struct slip *slip, const char *sentence)
{
    return source_complain(slip->source, slip->context_line, slip->context_column, slip->diags,
                           "%s", sentence);
}

/** The character at a column, 0 past the end; only ASCII is ever asked for. */
static char character_at(struct span line, unsigned column)
{
    for (; column > 1 && line.len; column--) {
        size_t len = utf8_length(line);
        line = span_from(line, len ? len : 1);
    }
    return line.len ? line.ptr[0] : '\0';
}

/** The column of the first tab of a line's indentation, or 0. */
static unsigned indenting_tab(struct span line)
{
    for (size_t i = 0; i < line.len && (line.ptr[i] == ' ' || line.ptr[i] == '\t'); i++)
        if (line.ptr[i] == '\t')
            return (unsigned)i + 1;
    return 0;
}

/** Where `key:value` lacks the space. @return the colon's position in the line, or -1 */
static ptrdiff_t glued_colon(struct span line, struct span *ret_key)
{
    size_t start = 0;
    while (start < line.len &&
           (line.ptr[start] == ' ' ||
            (line.ptr[start] == '-' && start + 1 < line.len && line.ptr[start + 1] == ' ')))
        start++;
    size_t at = start;
    while (at < line.len &&
           (isalnum((unsigned char)line.ptr[at]) || line.ptr[at] == '_' || line.ptr[at] == '-'))
        at++;
    bool glued = at > start && at + 1 < line.len && line.ptr[at] == ':' &&
                 !strchr(" \t\r", line.ptr[at + 1]);
    if (!glued || span_starts(span_from(line, at), SPAN("://")))
        return -1;
    *ret_key = span_of(line.ptr + start, at - start);
    return (ptrdiff_t)at;
}

/** Follows quotes from the start of the text, roughly: enough to find one that ran on by mistake.
 *  @return where the last quoted text that spans lines and ends in this line began, or -1 */
static ptrdiff_t quote_that_ran_on(const struct source *source, unsigned last_line)
{
    const char *text = source->text.ptr;
    ptrdiff_t found = -1, opened = 0;
    unsigned line = 1, opened_line = 1;
    char quote = 0, before = '\n';

    for (ptrdiff_t i = 0; i < (ptrdiff_t)source->text.len && line <= last_line; i++) {
        char c = text[i];
        line += c == '\n';
        if (!quote && c == '#' && strchr(" \n", before)) {
            while (text[i + 1] && text[i + 1] != '\n')
                i++;
        } else if (!quote && (c == '"' || c == '\'') && strchr(" \n\t[{,:", before)) {
            quote = c;
            opened = i;
            opened_line = line;
        } else if (quote == '"' && c == '\\') {
            i++;
        } else if (quote && c == quote) {
            quote = 0;
            if (line > opened_line && line == last_line)
                found = opened;
        }
        before = c;
    }
    return found;
}

static bool rule_tab(const struct slip *slip)
{
    unsigned column = indenting_tab(slip->text);

    if (column == 0 && says(slip->problem, "cannot start any token") &&
        character_at(slip->text, slip->column) == '\t')
        column = slip->column;
    if (column == 0)
        return false;
    diag_hint(here(slip, column, "a tab stands where only spaces may"),
              "YAML is indented with spaces: replace the tab by two of them");
    return true;
}

static bool rule_open_quote(const struct slip *slip)
{
    if (says(slip->context, "quoted scalar") && says(slip->problem, "unexpected")) {
        diag_hint(at_context(slip, "the quote that opens here is never closed"),
                  "close it at the end of the value");
        return true;
    }
    ptrdiff_t start = quote_that_ran_on(slip->source, slip->line);
    if (start < 0)
        return false;
    unsigned line, column;
    source_locate(slip->source, (size_t)start, &line, &column);
    diag_hint(source_complain(slip->source, line, column, slip->diags,
                              "a quote opens here that is not closed in its line"),
              "close it at the end of the value; it ran on into line %u", slip->line);
    return true;
}

/** The last line before this one that is not empty; 0 when there is none. */
static unsigned line_before(const struct source *source, unsigned line)
{
    while (--line > 0)
        if (span_trim(source_line(source, line)).len)
            break;
    return line;
}

bool syntax_explain_glued_colon(const struct source *source, unsigned line, struct diags *diags)
{
    struct span key;
    ptrdiff_t at = line ? glued_colon(source_line(source, line), &key) : -1;

    if (at < 0)
        return false;
    diag_hint(source_complain(source, line, (unsigned)at + 2, diags,
                              "a space is missing behind the colon of \"%.*s\"", SPAN_ARGS(key)),
              "write \"%.*s: \" and then the value", SPAN_ARGS(key));
    return true;
}

static bool rule_glued_colon(const struct slip *slip)
{
    if (says(slip->context, "simple key"))
        return syntax_explain_glued_colon(slip->source, slip->context_line, slip->diags);
    if (!says(slip->problem, "mapping values are not allowed"))
        return false;
    return syntax_explain_glued_colon(slip->source, slip->line, slip->diags) ||
           syntax_explain_glued_colon(slip->source, line_before(slip->source, slip->line),
                                      slip->diags);
}

static bool rule_no_colon(const struct slip *slip)
{
    if (!says(slip->context, "simple key"))
        return false;
    diag_hint(at_context(slip, "a key stands here without a colon behind it"),
              "write \"key: value\"");
    return true;
}

/** `title: a: b`, or a deeper line under a key that has its value already. */
static bool rule_second_colon(const struct slip *slip)
{
    if (!says(slip->problem, "mapping values are not allowed"))
        return false;
    struct span before = slip->text;
    before.len = slip->column - 1 < before.len ? slip->column - 1 : before.len;
    if (memmem(before.ptr, before.len, ": ", 2))
        diag_hint(here(slip, slip->column, "a second colon with a space behind it stands here"),
                  "put the value into quotes if the colon belongs to it");
    else
        diag_hint(here(slip, slip->column, "this key does not belong below the line above it"),
                  "the line above has its value already: give both the same indentation");
    return true;
}

static bool rule_special_start(const struct slip *slip)
{
    bool tag = says(slip->context, "tag") && !says(slip->context, "directive");
    bool name = says(slip->context, "alias") || says(slip->context, "anchor");
    bool start = says(slip->problem, "cannot start any token");
    unsigned column = start ? slip->column : slip->context_column;
    char c = character_at(start ? slip->text : slip->context_text, column);

    if (!(tag || name || start) || c <= ' ' || c > '~')
        return false;
    diag_hint(source_complain(slip->source, start ? slip->line : slip->context_line, column,
                              slip->diags, "a value cannot begin with %c", c),
              "%c has a meaning of its own in YAML: put the value into quotes", c);
    return true;
}

/** `[:443]`, `[a, , b]`. */
static bool rule_no_value(const struct slip *slip)
{
    if (!says(slip->problem, "node content"))
        return false;
    if (character_at(slip->text, slip->column) == ':')
        diag_hint(here(slip, slip->column, "a value cannot begin with : inside of [ ] and { }"),
                  "put the value into quotes, as in [\":443\"]");
    else if (!slip->text.ptr ||
             slip->text.ptr + slip->text.len >= slip->source->text.ptr + slip->source->text.len)
        diag_hint(here(slip, slip->column, "the file ends although a [ or { is still open"),
                  "close it with ] or }");
    else
        diag_hint(here(slip, slip->column, "a value is missing here"),
                  "write \"\" for an empty text");
    return true;
}

static bool rule_directive(const struct slip *slip)
{
    if (!says(slip->context, "directive"))
        return false;
    diag_hint(at_context(slip, "a line cannot begin with % here"),
              "put the value into quotes, or write a comment with #");
    return true;
}

static bool rule_escape(const struct slip *slip)
{
    if (!says(slip->context, "quoted scalar") ||
        !(says(slip->problem, "escape") || says(slip->problem, "hexdecimal")))
        return false;
    diag_hint(here(slip, slip->column, "no such escape exists inside double quotes"),
              "write \\\\ for a backslash, or use single quotes");
    return true;
}

static bool rule_bracket(const struct slip *slip)
{
    bool list = says(slip->context, "flow sequence");

    if (!list && !says(slip->context, "flow mapping"))
        return false;
    const char *end = list ? "]" : "}";
    struct diag *diag;
    if (slip->line != slip->context_line || slip->text.len < slip->column)
        diag = source_complain(slip->source, slip->context_line, slip->context_column, slip->diags,
                               "the %s that opens here is not closed", list ? "[" : "{");
    else
        diag = source_complain(slip->source, slip->line, slip->column, slip->diags,
                               "a comma or %s is missing here", end);
    if (memmem(slip->context_text.ptr, slip->context_text.len, "${", 2))
        diag_hint(diag, "inside of [ ] and { }, put values with ${…} into quotes");
    else
        diag_hint(diag, "separate the values with commas and end them with %s", end);
    return true;
}

static bool rule_list_behind_key(const struct slip *slip)
{
    if (!says(slip->problem, "block sequence entries are not allowed"))
        return false;
    diag_hint(here(slip, slip->column, "a list with dashes cannot begin here"),
              "put each \"- value\" on a line of its own, or write [value, value]");
    return true;
}

/** In a list of mappings: the column of the first key of the last item above the problem, or 0. */
static unsigned column_of_item_keys(const struct slip *slip)
{
    unsigned column = 0;

    for (unsigned line = slip->context_line; line < slip->line; line++) {
        struct span text = source_line(slip->source, line);
        unsigned at = slip->context_column;
        if (character_at(text, at) != '-')
            continue;
        do
            at++;
        while (character_at(text, at) == ' ');
        bool key = span_find(span_from(text, at - 1 < text.len ? at - 1 : text.len), ':') >= 0;
        column = key ? at : 0;
    }
    return column;
}

/** A key below a dash that does not stand under the item's first key. */
static bool rule_item_indentation(const struct slip *slip)
{
    bool list = says(slip->context, "block collection") || says(slip->context, "block sequence");
    unsigned column = list ? column_of_item_keys(slip) : 0;

    if (!column || character_at(slip->text, slip->column) == '-' || span_find(slip->text, ':') < 0)
        return false;
    diag_hint(here(slip, slip->column, "this line does not fit the indentation of those above"),
              "a key of the item above starts in column %u, under its first key", column);
    return true;
}

static bool rule_indentation(const struct slip *slip)
{
    bool keys = says(slip->context, "block mapping");

    if (!keys && !says(slip->context, "block collection") && !says(slip->context, "block sequence"))
        return false;
    diag_hint(here(slip, slip->column, "this line does not fit the indentation of those above"),
              keys ? "the keys of the block that began in line %u all start in column %u"
                   : "the dashes of the list that began in line %u all start in column %u",
              slip->context_line, slip->context_column);
    return true;
}

static bool rule_block_text(const struct slip *slip)
{
    if (!says(slip->context, "block scalar"))
        return false;
    diag_hint(here(slip, slip->column, "text that begins with | or > starts on the next line"),
              "put the value into quotes if the sign belongs to it");
    return true;
}

static bool rule_none(const struct slip *slip)
{
    source_complain(slip->source, slip->line, slip->column, slip->diags, "this is not YAML: %.*s",
                    SPAN_ARGS(slip->problem));
    return true;
}

unsigned syntax_explain(const yaml_parser_t *parser, const struct source *source, unsigned before,
                        struct diags *diags)
{
    static bool (*const rules[])(const struct slip *slip) = {
        rule_tab,         rule_open_quote,      rule_glued_colon,
        rule_no_colon,    rule_second_colon,    rule_special_start,
        rule_no_value,    rule_directive,       rule_escape,
        rule_bracket,     rule_list_behind_key, rule_item_indentation,
        rule_indentation, rule_block_text,      rule_none,
    };
    struct slip slip = {
        .source = source,
        .diags = diags,
        .problem = span_str(parser->problem ? parser->problem : "it cannot be read"),
        .context = span_str(parser->context),
        .line = before + (unsigned)parser->problem_mark.line + 1,
        .column = (unsigned)parser->problem_mark.column + 1,
        .context_line = before + (unsigned)parser->context_mark.line + 1,
        .context_column = (unsigned)parser->context_mark.column + 1,
    };

    if (parser->error == YAML_MEMORY_ERROR)
        abort();
    slip.text = source_line(source, slip.line);
    slip.context_text = source_line(source, slip.context_line);
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
        if (rules[i](&slip))
            break;
    /* What was opened and never closed ends somewhere below: reading goes on behind its start. */
    bool opened = says(slip.context, "quoted scalar") || says(slip.context, "flow") ||
                  says(slip.context, "simple key");
    return opened && slip.context_line < slip.line ? slip.context_line : slip.line;
}
