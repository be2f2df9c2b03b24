/* Checks of the settings of ACME. */
#pragma once

#include "app/settings.h"

/** Complains of what does not fit together. */
void settings_check_acme(const struct config_tree *tree, const struct settings *settings,
                         struct diags *diags);
