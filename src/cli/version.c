/* `gardien version`. */
#include "cli/cli.h"

static const struct option version_options[] = {OPTION_JSON, OPTION_END};

static int version_run(const struct arguments *arguments)
{
    if (arguments_get(arguments, "json"))
        print_json(json_pack("{s:s, s:s}", "name", "gardien", "version", GARDIEN_VERSION));
    else
        puts("gardien " GARDIEN_VERSION);
    return APP_OK;
}

const struct verb version_verb = {
    "version", version_run,         "print the version", "[OPTION...]",
    NULL,      "gardien version\n", version_options,     0};
