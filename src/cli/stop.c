/* `gardien stop`. */
#include "app/app.h"
#include "cli/cli.h"

int stop_run(const struct arguments *arguments)
{
    /* As long as its settings let answers take: that bound is its own. */
    return ask_and_tell(arguments, json_pack("{s:s}", "do", "stop"), 0, "gardien has stopped");
}
