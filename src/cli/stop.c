/* `gardien stop`. */
#include "app/app.h"
#include "cli/cli.h"

static int stop_run(const struct arguments *arguments)
{
    /* As long as its settings let answers take: that bound is its own. */
    return ask_and_tell(arguments, json_pack("{s:s}", "do", "stop"), 0, "gardien has stopped");
}

const struct verb stop_verb = {
    "stop",
    stop_run,
    "stop a running gardien after answers under way",
    "[OPTION...]",
    "Waits until it has ended, at most the `stop_deadline` of its settings.",
    "gardien stop\n",
    control_options,
    0};
