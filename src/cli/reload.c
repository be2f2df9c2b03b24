/* `gardien reload`. */
#include "app/app.h"
#include "cli/cli.h"

static int reload_run(const struct arguments *arguments)
{
    return ask_and_tell(arguments, json_pack("{s:s}", "do", "reload"), 120 * NSEC_PER_SEC,
                        "the settings are in force");
}

const struct verb reload_verb = {
    "reload",
    reload_run,
    "make a running gardien read its settings anew",
    "[OPTION...]",
    "Cuts no connection. Settings that are wrong are printed and not taken: the old ones stay.",
    "gardien reload\n",
    control_options,
    0};
