/* `gardien config`: check, schema, reference. */
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "base/mem.h"
#include "cli/cli.h"

static const char default_file[] = "/etc/gardien/gardien.yaml";

static const struct option config_options[] = {
    OPTION_JSON,
    {"man", NULL, false, "reference: as a manual page's text"},
    OPTION_END,
};

static int check(const struct arguments *arguments)
{
    const char *path = arguments->word_count > 1 ? arguments->words[1] : default_file;
    struct settings_source source = {.path = path};
    struct diags diags = {0};

    int r = prepare_check(&source, &diags);
    const char *shown = strcmp(path, CONFIG_STDIN) == 0 ? "standard input" : path;
    if (arguments_get(arguments, "json")) {
        print_json(json_pack("{s:b, s:o}", "ok", r >= 0, "diags", diags_to_json(&diags)));
    } else {
        print_diags(stderr, &diags);
        if (r >= 0)
            print_escaped(stdout, "%s is fine%s\n", shown, diags.count ? ", but see above" : "");
        else
            print_escaped(stderr, "%zu mistake%s in %s\n", diags.errors,
                          diags.errors == 1 ? "" : "s", shown);
    }
    diags_finish(&diags);
    return r < 0 ? APP_USAGE : APP_OK;
}

static int schema(void)
{
    scoped(mem_release) char *text = config_schema(settings_rows, "gardien");

    puts(text);
    return APP_OK;
}

static int reference(const struct arguments *arguments)
{
    if (arguments_get(arguments, "man"))
        config_reference_man(settings_rows, stdout);
    else
        config_reference_markdown(settings_rows, stdout);
    return APP_OK;
}

static int config_run(const struct arguments *arguments)
{
    static const char *const words[] = {"check", "schema", "reference"};
    const char *word = arguments->word_count ? arguments->words[0] : "";
    char hint[128];

    if (strcmp(word, "check") == 0)
        return check(arguments);
    if (strcmp(word, "schema") == 0)
        return schema();
    if (strcmp(word, "reference") == 0)
        return reference(arguments);
    const char *nearest = config_nearest(word, words, ARRAY_SIZE(words));
    snprintf(hint, sizeof hint, "did you mean `gardien config %s`?", nearest ? nearest : "check");
    if (*word)
        print_error(hint, "`gardien config` knows no \"%s\"", word);
    else
        print_error("gardien config check [FILE], or schema, or reference",
                    "`gardien config` needs to know what to do");
    return APP_USAGE;
}

const struct verb config_verb = {
    "config",
    config_run,
    "check settings, or explain them",
    "check [FILE] | schema | reference",
    "check      finds everything that is wrong with a settings file\n"
    "           (by default /etc/gardien/gardien.yaml; - is standard input)\n"
    "schema     prints the JSON Schema, for editors\n"
    "reference  prints every setting with its default, in Markdown (--man: in roff)",
    "gardien config check gardien.yaml\n"
    "gardien config schema > gardien.schema.json\n",
    config_options,
    2,
    .words = "check schema reference FILE"};
