/* Words for what is wrong with files, shared by all that reads them in this module. */
#pragma once

#include "base/diag.h"

/** Says why file_read() failed, and the hint.
 *  @param what  "certificate" or "key": the kind of file that it should be */
void complain_file(struct diags *diags, const char *what, const char *path, int error);
/** Says why a file or folder beneath the state folder cannot be used, and the hint. */
void complain_state(struct diags *diags, const char *state, const char *name, int error);
