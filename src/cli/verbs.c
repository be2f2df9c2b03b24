/* The verbs of this system, in the order of the help. Each is done in its own file. */
#include "cli/cli.h"

const struct verb *const verbs[] = {
    &serve_verb,   &proxy_verb,   &config_verb, &reload_verb,  &stop_verb,  &status_verb,
    &upgrade_verb, &cert_verb,    &check_verb,  &open_verb,    &close_verb, &eye_verb,
    &ban_verb,     &unban_verb,   &bans_verb,   &protect_verb, &why_verb,   &scan_verb,
    &help_verb,    &version_verb, NULL,
};

const char verbs_about[] = "HTTPS for a folder, or for many sites";
const char verbs_first[] = "The shortest start: gardien serve ./public";
