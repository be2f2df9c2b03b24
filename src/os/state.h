/* The state folder: made where it is not there, and nobody else's to write. */
#pragma once

#include <stdbool.h>

#include "base/diag.h"

#define STATE_OF_ROOT "/var/lib/gardien"

/** STATE_OF_ROOT as root, else $XDG_STATE_HOME/gardien or ~/.local/state/gardien.
 *  @return for free(), or NULL when there is no home */
char *state_default(void);

/** Says how a folder that cannot be written becomes one that can, in a service of systemd: its unit
 *  keeps most of the system read-only (EROFS).
 *  @return whether that is it; the mistake has its hint then */
bool state_hint_read_only(struct diag *diag, const char *folder, int error);

/** Opens or makes the state folder, 0700, with what is above it.
 *  @return an O_DIRECTORY descriptor, or -errno with a diag */
must_check int state_open(const char *path, struct diags *diags);
