/* The completion script for zsh, made from the table of verbs. */
#include <string.h>

#include "base/span.h"
#include "cli/cli.h"

static const char head[] = "#compdef gardien\n"
                           "# zsh completion of gardien(1), made by `gardien help "
                           "--zsh-completion`\n";

static const char tail[] = "_gardien()\n"
                           "{\n"
                           "    local -a verbs=(\"${(@f)$(_gardien_verbs)}\")\n"
                           "    if (( CURRENT == 2 )); then\n"
                           "        _describe -t verbs verb verbs\n"
                           "        _arguments '--help[print the help]' '--version[print the "
                           "version]'\n"
                           "        return\n"
                           "    fi\n"
                           "    shift words\n"
                           "    (( CURRENT-- ))\n"
                           "    local verb=$words[1]\n"
                           "    _gardien_options\n"
                           "}\n"
                           "if [[ $funcstack[1] == _gardien ]]; then _gardien \"$@\"; else compdef "
                           "_gardien gardien; fi\n";

/* Text within '…' of an _arguments specification, where these have a meaning: [ ] : \ '. */
static void print_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", out);
        else if (strchr("[]:\\", *text))
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
    }
}

/* What completes a value of that kind. */
static void print_action(FILE *out, const char *kind)
{
    if (strchr(kind, '|')) {
        fputc('(', out);
        for (const char *c = kind; *c; c++)
            fputc(*c == '|' ? ' ' : *c, out);
        fputc(')', out);
    } else if (strstr(kind, "FILE") || strstr(kind, "PROGRAM")) {
        fputs("_files", out);
    } else if (strstr(kind, "DIR") || strstr(kind, "FOLDER")) {
        fputs("_files -/", out);
    } else if (strcmp(kind, "ADDR:PORT") == 0) {
        fputs("(\\:443 \\:8443 \\:80 \\:8080 off)", out);
    } else {
        fputc(' ', out);
    }
}

static void print_option(FILE *out, const struct option *option, const char *name)
{
    fprintf(out, " \\\n            '%s%s[", option->repeatable ? "*" : "", name);
    print_text(out, option->help);
    fputc(']', out);
    if (option->value) {
        fputc(':', out);
        print_text(out, option->value);
        fputc(':', out);
        print_action(out, option->value);
    }
    fputc('\'', out);
}

static void print_options(FILE *out, const struct verb *verb)
{
    char name[64];

    fprintf(out, "    %s) _arguments", verb->name);
    for (const struct option *option = verb->options; option->name; option++) {
        snprintf(name, sizeof name, "--%s", option->name);
        print_option(out, option, name);
        if (option->brief)
            print_option(out, option, option->brief);
    }
    fputs(" \\\n            '--help[print the help of this verb]' '*: :_gardien_words' ;;\n", out);
}

static void print_words(FILE *out, const struct verb *verb)
{
    struct span rest = span_str(verb->words ? verb->words : ""), word;

    fprintf(out, "    %s)\n", verb->name);
    while (span_next(&rest, ' ', &word)) {
        if (span_equal(word, SPAN("FILE")))
            fputs("        _files\n", out);
        else if (span_equal(word, SPAN("FOLDER")))
            fputs("        _files -/\n", out);
        else if (span_equal(word, SPAN("VERB")))
            fputs("        _describe -t verbs verb verbs\n", out);
        else if (word.len)
            fprintf(out, "        compadd -- %.*s\n", SPAN_ARGS(word));
    }
    fputs("        ;;\n", out);
}

void completion_print_zsh(FILE *out)
{
    fputs(head, out);
    fputs("_gardien_verbs()\n{\n    print -rl --", out);
    for (size_t i = 0; verbs[i]; i++) {
        fprintf(out, " \\\n        '%s:", verbs[i]->name);
        print_text(out, verbs[i]->summary);
        fputc('\'', out);
    }
    fputs("\n}\n_gardien_words()\n{\n    case $verb in\n", out);
    for (size_t i = 0; verbs[i]; i++)
        print_words(out, verbs[i]);
    fputs("    esac\n}\n_gardien_options()\n{\n    case $verb in\n", out);
    for (size_t i = 0; verbs[i]; i++)
        print_options(out, verbs[i]);
    fputs("    esac\n}\n", out);
    fputs(tail, out);
}
