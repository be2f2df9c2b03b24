/* `gardien status`. */
#include "app/app.h"
#include "cli/cli.h"

const struct option status_options[] = {OPTION_STATE, OPTION_CONFIG, OPTION_JSON, OPTION_END};

static int number(const json_t *object, const char *key)
{
    return (int)json_integer_value(json_object_get(object, key));
}

static void print_status(const json_t *answer)
{
    const json_t *workers = json_object_get(answer, "workers");

    printf("gardien %s\n", json_string_value(json_object_get(answer, "version")));
    printf("guardian  pid %d, settings number %d\n", number(answer, "pid"),
           number(answer, "generation"));
    printf("keys      pid %d\nlogs      pid %d\n", number(answer, "keys"), number(answer, "logs"));
    for (size_t i = 0; i < json_array_size(workers); i++) {
        const json_t *worker = json_array_get(workers, i);
        printf("worker %-2d pid %d, %s, %d connections, %lld requests\n", number(worker, "number"),
               number(worker, "pid"), json_string_value(json_object_get(worker, "state")),
               number(worker, "connections"),
               json_integer_value(json_object_get(worker, "requests")));
    }
}

int status_run(const struct arguments *arguments)
{
    json_t *answer;
    int code = ask(arguments, json_pack("{s:s}", "do", "status"), 10 * NSEC_PER_SEC, &answer);

    if (code == APP_OK && arguments_get(arguments, "json"))
        print_json(json_incref(answer));
    else if (code == APP_OK)
        print_status(answer);
    json_decref(answer);
    return code;
}
