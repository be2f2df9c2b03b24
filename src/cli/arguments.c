/* Reading of options with suggestions for those that are misspelt. */
#include "cli/arguments.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"
#include "config/config.h"

enum { OPTIONS_MAX = 32 };

/* The command line and how far it is read. */
struct reader {
    const struct option *options;
    const char *const *args;
    int count;
    int at;
    struct diags *diags;
    struct arguments *arguments;
};

static const struct option *find(const struct option *options, struct span name)
{
    for (; options->name; options++)
        if (span_equal(span_str(options->name), name))
            return options;
    return NULL;
}

static void complain_unknown(const struct option *options, struct span name, struct diags *diags)
{
    const char *names[OPTIONS_MAX];
    size_t count = 0;

    for (; options[count].name && count < OPTIONS_MAX; count++)
        names[count] = options[count].name;
    scoped(mem_release) char *word = mem_string(name);
    const char *nearest = config_nearest(word, names, count);
    struct diag *diag = diags_add(diags, "there is no option --%s", word);
    if (nearest)
        diag_hint(diag, "did you mean --%s?", nearest);
}

/* @param next  the word in its place, which looks like an option; or NULL */
static void complain_no_value(const struct option *option, const char *next, struct diags *diags)
{
    struct diag *diag = diags_add(diags, "the option --%s lacks its value: --%s %s", option->name,
                                  option->name, option->value);

    if (next)
        diag_hint(diag, "if \"%s\" is meant to be the value, write --%s=%s", next, option->name,
                  next);
}

static void add_given(struct arguments *arguments, const struct option *option, const char *value)
{
    arguments->given =
        mem_resize(arguments->given, arguments->given_count + 1, sizeof *arguments->given);
    arguments->given[arguments->given_count++] = (struct option_given){option, value};
}

static void add_word(struct arguments *arguments, const char *word)
{
    arguments->words =
        mem_resize(arguments->words, arguments->word_count + 1, sizeof *arguments->words);
    arguments->words[arguments->word_count++] = word;
}

/* Notes an option, whose value may be the next word: then moves on to it. */
static void take_option(const struct option *option, const char *value, struct reader *reader)
{
    const char *next = reader->at + 1 < reader->count ? reader->args[reader->at + 1] : NULL;
    bool hyphen = next && next[0] == '-' && next[1];

    if (option->value && !value && next && !hyphen)
        value = reader->args[++reader->at];
    if (option->value && !value)
        complain_no_value(option, hyphen ? next : NULL, reader->diags);
    else if (!option->value && value)
        diags_add(reader->diags, "the option --%s takes no value", option->name);
    else if (!option->repeatable && arguments_get(reader->arguments, option->name))
        diags_add(reader->diags, "the option --%s is given twice", option->name);
    else
        add_given(reader->arguments, option, value);
}

static void read_option(struct reader *reader)
{
    struct span text = span_str(reader->args[reader->at] + 2), name = text;
    ptrdiff_t equals = span_find(text, '=');

    if (equals >= 0)
        name.len = (size_t)equals;
    const struct option *option = find(reader->options, name);
    if (option)
        take_option(option, equals >= 0 ? text.ptr + equals + 1 : NULL, reader);
    else
        complain_unknown(reader->options, name, reader->diags);
}

/* "-p 443", "-p443", "-4": the whole word first, so that "-oX" is no "-o" with the value X. */
static void read_brief(struct reader *reader)
{
    struct span word = span_str(reader->args[reader->at]);
    const struct option *option = reader->options, *glued = NULL;

    for (; option->name; option++) {
        struct span brief = span_str(option->brief);
        if (brief.len && span_equal(brief, word))
            break;
        if (brief.len && option->value && span_starts(word, brief))
            glued = option;
    }
    if (option->name)
        take_option(option, NULL, reader);
    else if (glued)
        take_option(glued, word.ptr + strlen(glued->brief), reader);
    else
        diag_hint(diags_add(reader->diags, "there is no option %s", word.ptr),
                  "--help lists the options");
}

int arguments_parse(const struct option *options, int count, const char *const *args,
                    struct diags *diags, struct arguments *ret_arguments)
{
    struct reader reader = {options, args, count, 0, diags, ret_arguments};
    size_t before = diags->errors;
    bool only_words = false;

    *ret_arguments = (struct arguments){NULL};
    for (; reader.at < count; reader.at++) {
        const char *arg = args[reader.at];
        if (!only_words && strcmp(arg, "--") == 0)
            only_words = true;
        else if (only_words || arg[0] != '-' || arg[1] == '\0')
            add_word(ret_arguments, arg);
        else if (arg[1] == '-')
            read_option(&reader);
        else
            read_brief(&reader);
    }
    return diags->errors > before ? ERR_SYNTAX : 0;
}

void arguments_finish(struct arguments *arguments)
{
    free(arguments->given);
    free(arguments->words);
    *arguments = (struct arguments){NULL};
}

const char *arguments_get(const struct arguments *arguments, const char *name)
{
    for (size_t i = 0; i < arguments->given_count; i++)
        if (strcmp(arguments->given[i].option->name, name) == 0)
            return arguments->given[i].value ? arguments->given[i].value : "";
    return NULL;
}
