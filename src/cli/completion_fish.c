/* The completion script for fish, made from the table of verbs. */
#include <string.h>

#include "base/span.h"
#include "cli/cli.h"

static const char head[] =
    "# fish completion of gardien(1), made by `gardien help --fish-completion`\n"
    "function __gardien_verb_is\n"
    "    set -l words (commandline -opc)\n"
    "    test (count $words) -gt 1; and test $words[2] = $argv[1]\n"
    "end\n"
    "function __gardien_has_no_verb\n"
    "    test (count (commandline -opc)) -eq 1\n"
    "end\n"
    "complete -c gardien -f\n"
    "complete -c gardien -n __gardien_has_no_verb -l help -d 'print the help'\n"
    "complete -c gardien -n __gardien_has_no_verb -l version -d 'print the version'\n";

/* Text within '…', where fish knows \\ and \'. */
static void print_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            fputc('\\', out);
        fputc(*text, out);
    }
}

static void print_value(FILE *out, const char *kind)
{
    if (strchr(kind, '|')) {
        fputs(" -x -a '", out);
        for (const char *c = kind; *c; c++)
            fputc(*c == '|' ? ' ' : *c, out);
        fputc('\'', out);
    } else if (strstr(kind, "FILE") || strstr(kind, "PROGRAM")) {
        fputs(" -r -F", out);
    } else if (strstr(kind, "DIR") || strstr(kind, "FOLDER")) {
        fputs(" -x -a '(__fish_complete_directories)'", out);
    } else if (strcmp(kind, "ADDR:PORT") == 0) {
        fputs(" -x -a ':443 :8443 :80 :8080 off'", out);
    } else {
        fputs(" -x", out);
    }
}

static void print_option(FILE *out, const char *verb, const struct option *option)
{
    fprintf(out, "complete -c gardien -n '__gardien_verb_is %s' -l %s", verb, option->name);
    if (option->brief)
        fprintf(out, " -s %s", option->brief + 1);
    if (option->value)
        print_value(out, option->value);
    fputs(" -d '", out);
    print_text(out, option->help);
    fputs("'\n", out);
}

static void print_word(FILE *out, const char *verb, struct span word)
{
    fprintf(out, "complete -c gardien -n '__gardien_verb_is %s'", verb);
    if (span_equal(word, SPAN("FILE"))) {
        fputs(" -F", out);
    } else if (span_equal(word, SPAN("FOLDER"))) {
        fputs(" -a '(__fish_complete_directories)'", out);
    } else if (span_equal(word, SPAN("VERB"))) {
        fputs(" -a '", out);
        for (size_t i = 0; verbs[i]; i++)
            fprintf(out, "%s%s", i ? " " : "", verbs[i]->name);
        fputc('\'', out);
    } else {
        fprintf(out, " -a %.*s", SPAN_ARGS(word));
    }
    fputc('\n', out);
}

void completion_print_fish(FILE *out)
{
    fputs(head, out);
    for (size_t i = 0; verbs[i]; i++) {
        struct span rest = span_str(verbs[i]->words ? verbs[i]->words : ""), word;
        fprintf(out, "complete -c gardien -n __gardien_has_no_verb -a %s -d '", verbs[i]->name);
        print_text(out, verbs[i]->summary);
        fputs("'\n", out);
        while (span_next(&rest, ' ', &word))
            if (word.len)
                print_word(out, verbs[i]->name, word);
        for (const struct option *option = verbs[i]->options; option->name; option++)
            print_option(out, verbs[i]->name, option);
        fprintf(out,
                "complete -c gardien -n '__gardien_verb_is %s' -l help -d 'print the help of this "
                "verb'\n",
                verbs[i]->name);
    }
}
