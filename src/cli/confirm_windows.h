/* The process that --confirm starts on Windows, seen from inside. */
#pragma once

#include <stdbool.h>

/** Is this that process? Then it waits, and takes back what was not confirmed.
 *  @param ret_code  an enum app_exit, set when it is */
bool confirm_is_waiting(int *ret_code);
