/* `gardien version`. */
#include "app/app.h"
#include "cli/cli.h"

const struct option version_options[] = {OPTION_JSON, OPTION_END};

int version_run(const struct arguments *arguments)
{
    if (arguments_get(arguments, "json"))
        print_json(json_pack("{s:s, s:s}", "name", "gardien", "version", GARDIEN_VERSION));
    else
        puts("gardien " GARDIEN_VERSION);
    return APP_OK;
}
