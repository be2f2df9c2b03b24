/* The completion script for bash, made from the table of verbs, so that it has every verb and
 * option that there is. How bash is made to read it is the installation's. */
#include <string.h>

#include "cli/cli.h"

/* What stands before and behind the table. `values` has "--option=KIND" for options that take a
 * value, `words` what may follow the verb; kinds and words in capitals stand for files and such. A
 * colon begins a new word for bash, so an address may come in two. */
static const char head[] =
    "# bash completion of gardien(1), made by `gardien help --bash-completion`\n"
    "_gardien_kind()\n"
    "{\n"
    "    local kind=$1\n"
    "    case $kind in\n"
    "    *'|'*) mapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen -W \"${kind//|/ }\" -- "
    "\"$cur\") ;;\n"
    "    *FILE* | *PROGRAM*) mapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen -f -- "
    "\"$cur\") ;;\n"
    "    *DIR* | *FOLDER*) mapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen -d -- "
    "\"$cur\") ;;\n"
    "    ADDR:PORT)\n"
    "        if [[ $cur == : ]]; then cur=; fi\n"
    "        if [[ $cur || ${COMP_WORDS[COMP_CWORD]} == : || $prev == : ]]; then\n"
    "            kind='443 8443 80 8080 off'\n"
    "        else\n"
    "            kind=':443 :8443 :80 :8080 off'\n"
    "        fi\n"
    "        mapfile -t COMPREPLY < <(compgen -W \"$kind\" -- \"$cur\") ;;\n"
    "    VERB) mapfile -t COMPREPLY < <(compgen -W \"$verbs\" -- \"$cur\") ;;\n"
    "    [a-z]*) mapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen -W \"$kind\" -- "
    "\"$cur\") ;;\n"
    "    esac\n"
    "}\n"
    "_gardien()\n"
    "{\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
    "    local verb=${COMP_WORDS[1]} verbs options values words pair kind option=$prev\n"
    "    COMPREPLY=()\n";

static const char tail[] =
    "    if ((COMP_CWORD == 1)); then\n"
    "        mapfile -t COMPREPLY < <(compgen -W \"$verbs --help --version\" -- \"$cur\")\n"
    "        return\n"
    "    fi\n"
    "    if [[ $prev == : && COMP_CWORD -gt 2 ]]; then option=${COMP_WORDS[COMP_CWORD - 2]}; fi\n"
    "    for pair in $values; do\n"
    "        if [[ $option == \"${pair%%=*}\" ]]; then\n"
    "            _gardien_kind \"${pair#*=}\"\n"
    "            return\n"
    "        fi\n"
    "    done\n"
    "    if [[ $cur == -* ]]; then\n"
    "        mapfile -t COMPREPLY < <(compgen -W \"$options --help\" -- \"$cur\")\n"
    "        return\n"
    "    fi\n"
    "    for kind in $words; do _gardien_kind \"$kind\"; done\n"
    "    if [[ -z $cur && -z $words ]]; then\n"
    "        mapfile -t COMPREPLY < <(compgen -W \"$options --help\" -- \"$cur\")\n"
    "    fi\n"
    "}\n"
    "complete -o filenames -F _gardien gardien\n";

static void print_verb(FILE *out, const struct verb *verb)
{
    const char *separator = "";

    fprintf(out, "    %s)\n        options='", verb->name);
    for (const struct option *option = verb->options; option->name; option++) {
        fprintf(out, "%s--%s", separator, option->name);
        separator = " ";
    }
    fputs("'\n        values='", out);
    separator = "";
    for (const struct option *option = verb->options; option->name; option++) {
        if (!option->value)
            continue;
        fprintf(out, "%s--%s=%.*s", separator, option->name, (int)strcspn(option->value, " '"),
                option->value);
        separator = " ";
    }
    fprintf(out, "'\n        words='%s' ;;\n", verb->words ? verb->words : "");
}

void completion_print_bash(FILE *out)
{
    fputs(head, out);
    fputs("    verbs='", out);
    for (size_t i = 0; verbs[i]; i++)
        fprintf(out, "%s%s", i ? " " : "", verbs[i]->name);
    fputs("'\n    case $verb in\n", out);
    for (size_t i = 0; verbs[i]; i++)
        print_verb(out, verbs[i]);
    fputs("    esac\n", out);
    fputs(tail, out);
}
