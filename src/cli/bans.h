/* What `gardien bans` and other verbs print about bans. */
#pragma once

#include <jansson.h>

/** The bans of a running gardien's answer, as a table. */
void print_bans(const json_t *answer);
