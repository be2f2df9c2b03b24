/* What defends, for `gardien protect`: the rules in force and what they did in the last hour. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

struct guardian;

/** @param with_settings  the settings too, as settings_parse() reads them
 *  @return a new reference */
json_t *control_protect_status(const struct guardian *g, bool with_settings);
