/* The state folder of a program without a settings file. */
#include "base/mem.h"
#include "cli/cli.h"
#include "os/state.h"

char *state_of(const struct arguments *arguments)
{
    const char *given = arguments_get(arguments, "state");
    char *state = given ? absolute_path(given) : state_default();

    if (!state)
        print_error("name one with --state DIR", "there is no home folder, so no state folder");
    return state;
}
