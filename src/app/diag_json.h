/* Diags on their way between processes, as JSON; also what `--json` prints. */
#pragma once

#include <jansson.h>

#include "base/diag.h"

/** An array of {file, line, column, text, sentence, hint, warning}. @return a new reference */
json_t *diags_to_json(const struct diags *diags);
/** Adds what an array of diags_to_json() says; what is not well-formed is passed over. */
void diags_from_json(const json_t *json, struct diags *diags);
