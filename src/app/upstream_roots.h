/* The certificates that upstream servers are verified against, read where files may be read and
 * handed to the workers as text. */
#pragma once

#include <jansson.h>

#include "app/settings.h"

/** [0]: what the system trusts; [1 + i]: `ca_file` of the i-th group. NULL where there is none, or
 *  none is needed. PEM. */
struct upstream_roots {
    char **items;
    size_t count; /**< groups + 1; 0 when nothing speaks TLS */
};

/** Reads them. @return 0, or ERR_SETTINGS with a diag for each file that has no certificate */
must_check int upstream_roots_load(const struct settings_loaded *loaded, struct diags *diags,
                                   struct upstream_roots *ret_roots);
/** For a group by its place, or for a server that a site names directly.
 *  @param group  SIZE_MAX for the latter. @return PEM; "" when there is none */
struct span upstream_roots_of(const struct upstream_roots *roots, size_t group);
json_t *upstream_roots_to_json(const struct upstream_roots *roots);
void upstream_roots_from_json(const json_t *from, struct upstream_roots *ret_roots);
void upstream_roots_finish(struct upstream_roots *roots);
