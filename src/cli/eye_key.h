/* Where the key of an eye comes from, for those that ask and for the eye itself: --eye-key FILE, or
 * GARDIEN_EYE_KEY, or eye/key in the state folder. Never a word of the command line, which others
 * could read. */
#pragma once

#include "cli/cli.h"
#include "eye/eye.h"

#define OPTION_EYE_KEY                                                                             \
    {                                                                                              \
        "eye-key", "FILE", false,                                                                  \
            "key that eye and askers share (default: $GARDIEN_EYE_KEY, else STATE/eye/key)"        \
    }

/** The path of the key file. @return for free(), or NULL without a state folder */
char *eye_key_path(const struct arguments *arguments);
/** @return 0, or an error with a diag */
must_check int eye_key_of(const struct arguments *arguments, struct diags *diags,
                          struct eye_key *ret_key);
