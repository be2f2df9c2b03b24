/* Named objects of Windows that administrators alone may open. Include it after all headers of
 * ours: windows.h has macros for words that they use. */
#pragma once

#include <stdbool.h>
#include <windows.h>

/** Attributes for CreateEventW() and the like; administrators_finish() frees them.
 *  @return false when the system refuses */
bool administrators_only(SECURITY_ATTRIBUTES *ret_attributes);
void administrators_finish(SECURITY_ATTRIBUTES *attributes);
