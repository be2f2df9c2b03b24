/* `gardien version`. */
#include "base/span.h"
#include "cli/cli.h"

static const struct option version_options[] = {OPTION_JSON, OPTION_END};

/* The optional libraries that it was built without, as an array. */
static json_t *without_json(void)
{
    json_t *names = json_array();
    struct span rest = SPAN(GARDIEN_WITHOUT), name;

    while (span_next(&rest, ' ', &name))
        if (name.len)
            json_array_append_new(names, json_stringn(name.ptr, name.len));
    return names;
}

static int version_run(const struct arguments *arguments)
{
    const char *without = GARDIEN_WITHOUT; /* optional libraries */

    if (arguments_get(arguments, "json"))
        print_json(json_pack("{s:s, s:s, s:o}", "name", "gardien", "version", GARDIEN_VERSION,
                             "without", without_json()));
    else
        printf("gardien %s%s%s\n", GARDIEN_VERSION, *without ? ", built without: " : "", without);
    return APP_OK;
}

const struct verb version_verb = {
    "version", version_run,         "print the version", "[OPTION...]",
    NULL,      "gardien version\n", version_options,     0};
