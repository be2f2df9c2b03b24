/* `gardien upgrade`. */
#include "app/app.h"
#include "base/mem.h"
#include "cli/cli.h"

const struct option upgrade_options[] = {OPTION_STATE, OPTION_CONFIG, OPTION_JSON, OPTION_END};

int upgrade_run(const struct arguments *arguments)
{
    json_t *request = json_pack("{s:s}", "do", "upgrade");

    if (arguments->word_count) {
        scoped(mem_release) char *program = absolute_path(arguments->words[0]);
        json_object_set_new(request, "program", json_string(program));
    }
    return ask_and_tell(arguments, request, 60 * NSEC_PER_SEC, "the new program serves");
}
