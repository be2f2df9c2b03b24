/* What verbs share that talk to a running gardien: which one is meant, and how its answer is
 * shown. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/app.h"
#include "base/error.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "os/state.h"

const struct option control_options[] = {OPTION_STATE, OPTION_CONFIG, OPTION_JSON, OPTION_END};

static char *state_in_file(const char *path)
{
    struct diags diags = {0};
    struct config_tree *tree = NULL;
    struct settings *settings = NULL;
    char *state = NULL;

    int r = config_load(path, &diags, &tree);
    if (r >= 0)
        r = settings_decode(tree, &diags, &settings);
    /* Settings that are wrong elsewhere may still say where their gardien is. */
    if (settings)
        state = settings->state ? mem_string(span_str(settings->state)) : state_default();
    else
        print_diags(stderr, &diags);
    settings_destroy(settings);
    config_tree_destroy(tree);
    diags_finish(&diags);
    return state;
}

char *state_of(const struct arguments *arguments)
{
    const char *given = arguments_get(arguments, "state");
    const char *file = arguments_get(arguments, "config");

    if (given)
        return absolute_path(given);
    if (file)
        return state_in_file(file);
    char *state = state_default();
    if (!state)
        print_error("name one with --state DIR", "there is no home folder, so no state folder");
    return state;
}

static int explain(const char *state, int error)
{
    if (error == -ENOENT || error == -ECONNREFUSED) {
        print_error("--state DIR or --config FILE says which one is meant",
                    "no gardien runs with the state folder %s", state);
        return APP_NOT_RUNNING;
    }
    if (error == -EACCES)
        print_error("ask as root, or as whoever started it", "the gardien of %s is not yours",
                    state);
    else if (error == ERR_CLOSED)
        print_error(NULL, "the gardien of %s ended before it answered", state);
    else if (error == ERR_TIMEOUT)
        print_error(NULL, "the gardien of %s did not answer in time", state);
    else
        print_error(NULL, "the gardien of %s could not be asked: %s", state, error_text(error));
    return APP_FAILED;
}

int ask(const struct arguments *arguments, json_t *request, nsec_t timeout, json_t **ret_answer)
{
    scoped(mem_release) char *state = state_of(arguments);
    struct diags diags = {0};
    json_t *answer = NULL;

    *ret_answer = NULL;
    int r = state ? control_ask(state, request, timeout, &answer) : 0;
    json_decref(request);
    if (!state)
        return APP_USAGE;
    if (r < 0)
        return explain(state, r);
    diags_from_json(json_object_get(answer, "diags"), &diags);
    print_diags(stderr, &diags);
    diags_finish(&diags);
    *ret_answer = answer;
    if (json_is_true(json_object_get(answer, "ok")))
        return APP_OK;
    return json_integer_value(json_object_get(answer, "exit")) == APP_USAGE ? APP_USAGE
                                                                            : APP_FAILED;
}

int ask_and_tell(const struct arguments *arguments, json_t *request, nsec_t timeout,
                 const char *done)
{
    json_t *answer;
    int code = ask(arguments, request, timeout, &answer);

    if (answer && arguments_get(arguments, "json"))
        print_json(json_incref(answer));
    else if (code == APP_OK)
        puts(done);
    json_decref(answer);
    return code;
}
