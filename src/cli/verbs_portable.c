/* The verbs of the smaller program of other systems. */
#include "cli/cli.h"

const struct verb *const verbs[] = {
    &check_verb, &open_verb, &close_verb, &scan_verb, &help_verb, &version_verb, NULL,
};

const char verbs_about[] = "is it open, and if not, why not";
const char verbs_first[] = "Serving is for Linux.";
