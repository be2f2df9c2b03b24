/* The program's entry: finds the verb and hands over. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/cli.h"
#include "os/self.h"

static char *const *whole_command_line;

char *const *cli_argv(void)
{
    return whole_command_line;
}

static int unknown_verb(const char *word)
{
    const char *nearest = verb_nearest(word);
    char hint[128];

    snprintf(hint, sizeof hint, "did you mean `gardien %s`?", nearest ? nearest : "help");
    print_error(hint, "there is no verb \"%s\"", word);
    return APP_USAGE;
}

static int surplus_word(const struct verb *verb, const char *word)
{
    char hint[64];

    snprintf(hint, sizeof hint, "gardien help %s", verb->name);
    print_error(hint, "`gardien %s` does not know what to do with \"%s\"", verb->name, word);
    return APP_USAGE;
}

static int run(const struct verb *verb, int count, const char *const *args)
{
    struct diags diags = {0};
    struct arguments arguments;

    for (int i = 0; i < count && strcmp(args[i], "--") != 0; i++)
        if (strcmp(args[i], "--help") == 0 || strcmp(args[i], "-h") == 0) {
            help_print_verb(stdout, verb);
            return APP_OK;
        }
    int r = arguments_parse(verb->options, count, args, &diags, &arguments);
    int code = APP_USAGE;
    if (r < 0)
        print_diags(stderr, &diags);
    else if (arguments.word_count > verb->words_max)
        code = surplus_word(verb, arguments.words[verb->words_max]);
    else
        code = verb->run(&arguments);
    arguments_finish(&arguments);
    diags_finish(&diags);
    return code;
}

int main(int argc, char **argv)
{
    int r = self_start(&argc, &argv);
    if (r < 0) {
        print_error("see what keeps programs from using the network",
                    "this system does not let gardien start: %s", error_text(r));
        return APP_FAILED;
    }
    whole_command_line = argv;
    if (argc < 2) {
        help_print(stdout);
        return APP_OK;
    }
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        word = "help";
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
        word = "version";
    const struct verb *verb = verb_find(word);
    int code = verb ? run(verb, argc - 2, (const char *const *)argv + 2) : unknown_verb(word);
    /* What could not be printed was not said. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        print_error(NULL, "the answer cannot be written: %s", error_text(-errno));
        if (code == APP_OK)
            code = APP_FAILED;
    }
    return code;
}
