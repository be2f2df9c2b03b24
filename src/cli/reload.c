/* `gardien reload`. */
#include "app/app.h"
#include "cli/cli.h"

int reload_run(const struct arguments *arguments)
{
    return ask_and_tell(arguments, json_pack("{s:s}", "do", "reload"), 120 * NSEC_PER_SEC,
                        "the settings are in force");
}
