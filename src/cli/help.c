/* The help of gardien and of each verb, from the table of verbs. */
#include <stdlib.h>
#include <string.h>

#include "base/span.h"
#include "cli/cli.h"

enum { HELP_COLUMN = 24, HELP_WIDTH = 72 };

static const struct option help_options[] = {
    {"bash-completion", NULL, false, "print a completion script for bash"},
    {"fish-completion", NULL, false, "print one for fish"},
    {"zsh-completion", NULL, false, "print one for zsh"},
    OPTION_END,
};

void help_print(FILE *out)
{
    fprintf(out, "gardien looks after port 443: %s.\n\nusage: gardien VERB [ARGUMENT...]\n\n",
            verbs_about);
    for (size_t i = 0; verbs[i]; i++)
        fprintf(out, "  %-8s  %s\n", verbs[i]->name, verbs[i]->summary);
    fprintf(out, "\n`gardien help VERB` says more. %s\n", verbs_first);
}

static void print_indented(FILE *out, const char *text)
{
    fputs("  ", out);
    for (; *text; text++) {
        fputc(*text, out);
        if (*text == '\n' && text[1])
            fputs("  ", out);
    }
}

/* Words beside the options, broken into lines; a name that is too long has a line of its own. */
static void print_beside(FILE *out, const char *left, const char *words)
{
    struct span rest = span_str(words), word;
    bool fits = strlen(left) < HELP_COLUMN - 2;
    size_t column = fits ? HELP_COLUMN : HELP_COLUMN + HELP_WIDTH;

    fprintf(out, "  %-*s", HELP_COLUMN - 2, left);
    while (span_next(&rest, ' ', &word)) {
        bool wrap = column + 1 + word.len > HELP_COLUMN + HELP_WIDTH;
        if (wrap) {
            fprintf(out, "\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
        } else if (column > HELP_COLUMN) {
            fputc(' ', out);
            column++;
        }
        fwrite(word.ptr, 1, word.len, out);
        column += word.len;
    }
    fputc('\n', out);
}

static void print_options(FILE *out, const struct option *options)
{
    char left[64], words[512];

    fputs("\nOptions:\n", out);
    for (; options->name; options++) {
        snprintf(left, sizeof left, "%s%s--%s%s%s", options->brief ? options->brief : "",
                 options->brief ? ", " : "", options->name, options->value ? " " : "",
                 options->value ? options->value : "");
        snprintf(words, sizeof words, "%s%s", options->help,
                 options->repeatable ? " (may be repeated)" : "");
        print_beside(out, left, words);
    }
    print_beside(out, "--help", "print this help");
}

void help_print_verb(FILE *out, const struct verb *verb)
{
    fprintf(out, "gardien %s - %s\n\nusage: gardien %s %s\n", verb->name, verb->summary, verb->name,
            verb->usage);
    if (verb->details)
        fprintf(out, "\n%s\n", verb->details);
    print_options(out, verb->options);
    fputs("\nExamples:\n", out);
    print_indented(out, verb->examples);
    fprintf(out, "\nExit codes: %s\n",
            verb->exits ? verb->exits
                        : "0 done; 1 failed; 2 the command line or the settings are wrong; 3 no "
                          "gardien is running");
}

static const struct {
    const char *option;
    void (*print)(FILE *out);
} completions[] = {
    {"bash-completion", completion_print_bash},
    {"fish-completion", completion_print_fish},
    {"zsh-completion", completion_print_zsh},
};

static int help_run(const struct arguments *arguments)
{
    for (size_t i = 0; i < ARRAY_SIZE(completions); i++)
        if (arguments_get(arguments, completions[i].option)) {
            completions[i].print(stdout);
            return APP_OK;
        }
    if (arguments->word_count == 0) {
        help_print(stdout);
        return APP_OK;
    }
    const struct verb *verb = verb_find(arguments->words[0]);
    if (!verb) {
        const char *nearest = verb_nearest(arguments->words[0]);
        char hint[128];
        snprintf(hint, sizeof hint, "did you mean `gardien help %s`?", nearest ? nearest : "serve");
        print_error(hint, "there is no verb \"%s\"", arguments->words[0]);
        return APP_USAGE;
    }
    help_print_verb(stdout, verb);
    return APP_OK;
}

const struct verb help_verb = {
    "help",
    help_run,
    "explain a verb",
    "[VERB]",
    NULL,
    "gardien help serve\n"
    "gardien help --bash-completion >~/.local/share/bash-completion/completions/gardien\n"
    "gardien help --fish-completion >~/.config/fish/completions/gardien.fish\n"
    "gardien help --zsh-completion >~/.zsh/completions/_gardien  # a folder of $fpath\n",
    help_options,
    1,
    .words = "VERB"};
