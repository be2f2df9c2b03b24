/* Reading of options with suggestions for those that are misspelt. */
#include "cli/arguments.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"
#include "config/config.h"

enum { OPTIONS_MAX = 32 };

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

/* Reads the option at args[*at] and moves on to its value where that is the next word. */
static void read_option(const struct option *options, int count, const char *const *args, int *at,
                        struct diags *diags, struct arguments *arguments)
{
    struct span text = span_str(args[*at] + 2), name = text;
    ptrdiff_t equals = span_find(text, '=');

    if (equals >= 0)
        name.len = (size_t)equals;
    const struct option *option = find(options, name);
    const char *value = equals >= 0 ? text.ptr + equals + 1 : NULL;
    if (!option) {
        complain_unknown(options, name, diags);
        return;
    }
    if (option->value && !value && *at + 1 < count)
        value = args[++*at];
    if (option->value && !value)
        diags_add(diags, "the option --%s lacks its value: --%s %s", option->name, option->name,
                  option->value);
    else if (!option->value && value)
        diags_add(diags, "the option --%s takes no value", option->name);
    else if (!option->repeatable && arguments_get(arguments, option->name))
        diags_add(diags, "the option --%s is given twice", option->name);
    else
        add_given(arguments, option, value);
}

int arguments_parse(const struct option *options, int count, const char *const *args,
                    struct diags *diags, struct arguments *ret_arguments)
{
    size_t before = diags->errors;
    bool only_words = false;

    *ret_arguments = (struct arguments){NULL};
    for (int at = 0; at < count; at++) {
        const char *arg = args[at];
        if (!only_words && strcmp(arg, "--") == 0)
            only_words = true;
        else if (only_words || arg[0] != '-' || arg[1] == '\0')
            add_word(ret_arguments, arg);
        else if (arg[1] == '-')
            read_option(options, count, args, &at, diags, ret_arguments);
        else
            diag_hint(diags_add(diags, "there is no option %s", arg),
                      "options are written out, as in --help");
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
