/* What no site may serve: the private keys in use and the state folder. */
#pragma once

#include "app/settings.h"
#include "serve/serve.h"

struct guardian;
struct deployment;

/** The files as they are now. @param ret_guard  its items are for free() */
void guarded_find(const struct guardian *g, const struct deployment *deployment,
                  struct files_guard *ret_guard);
/** Warns of a key or a state folder that lies in a served folder. @param state  its path, or NULL
 */
void guarded_warn(const struct settings_loaded *loaded, const char *state, struct diags *diags);
