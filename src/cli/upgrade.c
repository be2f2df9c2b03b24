/* `gardien upgrade`. */
#include "app/app.h"
#include "base/mem.h"
#include "cli/cli.h"

static const struct option upgrade_options[] = {OPTION_STATE, OPTION_CONFIG, OPTION_JSON,
                                                OPTION_END};

static int upgrade_run(const struct arguments *arguments)
{
    json_t *request = json_pack("{s:s}", "do", "upgrade");

    if (arguments->word_count) {
        scoped(mem_release) char *program = absolute_path(arguments->words[0]);
        json_object_set_new(request, "program", json_string(program));
    }
    return ask_and_tell(arguments, request, 60 * NSEC_PER_SEC, "the new program serves");
}

const struct verb upgrade_verb = {
    "upgrade",
    upgrade_run,
    "replace a running gardien's program without refusing a connection",
    "[PROGRAM] [OPTION...]",
    "Starts PROGRAM (by default the file it was started from, which may have changed) with the\n"
    "same command line and listening sockets. The old one finishes what is under way. If the new\n"
    "one is not ready within 30 seconds, the old one goes on.",
    "gardien upgrade\n",
    upgrade_options,
    1,
    .words = "PROGRAM"};
